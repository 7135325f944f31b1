"""Attribution to pixels: Grad-CAM, integrated gradients, occlusion and saliency against what is worked out by hand."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cvtui.calc import trace
from cvtui.calc.net.parser import parse
from cvtui.engine.attribution import OutputGrid, attribute, grid_of, grids
from cvtui.engine.nn.model import Net
from cvtui.errors import RequestError

pytestmark = pytest.mark.torch
needs_captum = pytest.mark.skipif(importlib.util.find_spec("captum") is None, reason="pip install 'cvtui[explain]'")


class Linear(nn.Module):
    """logits = W x, which every method explains exactly."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * 14 * 14, 2)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(x.flatten(1))
        return logits


class Tokens(nn.Module):
    """A transformer's shape: patches as tokens behind a class token, which attention mixes in."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.norm1 = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        y = self.norm1(x)
        x = x + self.attention(y, y, y)[0]
        logits: Tensor = self.head(self.norm(x)[:, 0])
        return logits


def with_gradients(model: nn.Module, layer: nn.Module, image: Tensor, target: int) -> tuple[Tensor, Tensor]:
    """Return a layer's output and the logit's gradient to it."""
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _m, _i, output: kept.append(output))
    logit = model(image.clone().requires_grad_())[0, target]
    handle.remove()
    (gradient,) = torch.autograd.grad(logit, kept[0])
    return kept[0].detach(), gradient


def test_maps_channels_last_and_tokens_are_told_apart() -> None:
    image, wide = torch.zeros(1, 3, 224, 224), torch.zeros(1, 3, 64, 128)
    conv, norm = nn.Conv2d(1, 1, 1), nn.LayerNorm(1)
    for module, shape, picture, wanted in (
        (conv, (1, 64, 7, 7), image, OutputGrid("maps", 7, 7)),
        (norm, (1, 7, 7, 768), image, OutputGrid("last", 7, 7)),  # Swin
        (nn.Identity(), (1, 7, 7, 768), image, OutputGrid("last", 7, 7)),
        (norm, (1, 197, 192), image, OutputGrid("tokens", 14, 14, 1)),  # ViT
        (norm, (1, 196, 192), image, OutputGrid("tokens", 14, 14, 0)),
        (conv, (1, 7, 7, 7), image, OutputGrid("maps", 7, 7)),
        (norm, (1, 7, 7, 7), image, OutputGrid("last", 7, 7)),
        (conv, (1, 16, 8, 16), wide, OutputGrid("maps", 8, 16)),
        (norm, (1, 33, 16), wide, OutputGrid("tokens", 4, 8, 1)),
        (conv, (1, 512, 1, 1), image, None),
        (nn.Linear(1, 1), (1, 10), image, None),
    ):
        assert grid_of(module, torch.zeros(shape), picture) == wanted, shape


@needs_captum
def test_gradcam_by_hand() -> None:
    """The maps weighted by the means of their gradients, summed; what is below 0 cut for the eye, not from the sum."""
    torch.manual_seed(1)
    model, image = Net(trace(parse("conv6-relu-pool-conv8-bn-relu-pool-fc"), (16, 16, 3), 4)), torch.randn(1, 3, 16, 16)
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for layer in ("conv2", "relu1", ""):
        found = attribute(model, image, 2, "gradcam", layer)
        model.eval()
        maps, gradient = with_gradients(model, model.get_submodule(layer or "conv2"), image, 2)
        model.train()
        raw = (maps * gradient.mean((2, 3), keepdim=True)).sum(1, keepdim=True)
        assert found.total == pytest.approx(float(raw.sum()), rel=1e-4)
        wanted = F.interpolate(raw.clamp_min(0), (16, 16), mode="bilinear", align_corners=False)[0, 0]
        assert torch.allclose(found.values, wanted, atol=1e-6)
        assert found.layer == (layer or "conv2")
    assert model.training  # and the batch-norm statistics stay
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert list(grids(model, image)) == ["conv1", "relu1", "pool1", "conv2", "bn1", "relu2", "pool2"]


@needs_captum
def test_gradcam_of_tokens_by_hand() -> None:
    torch.manual_seed(1)
    model, image = Tokens().eval(), torch.randn(1, 3, 16, 16)
    found = attribute(model, image, 1, "gradcam")
    assert found.layer == "norm1"  # the last norm's patches are not looked at: no gradient reaches them
    tokens, gradient = with_gradients(model, model.norm1, image, 1)
    raw = (tokens[0, 1:] * gradient[0, 1:].mean(0)).sum(1).view(1, 1, 4, 4)
    wanted = F.interpolate(raw.clamp_min(0), (16, 16), mode="bilinear", align_corners=False)[0, 0]
    assert torch.allclose(found.values, wanted, atol=1e-6)
    nothing = attribute(model, image, 1, "gradcam", "norm")
    assert nothing.note.startswith("zero everywhere")
    assert type(model.norm1) is nn.LayerNorm  # put back


@needs_captum
def test_of_a_linear_net_every_method_is_exact() -> None:
    torch.manual_seed(1)
    model, image = Linear().eval(), torch.randn(1, 3, 14, 14)
    weight = model.fc.weight.detach()[1].view(3, 14, 14)
    found = attribute(model, image, 1, "ig")
    assert torch.allclose(found.values, (weight * image[0]).sum(0), atol=1e-5)
    with torch.no_grad():
        gap = float((model(image) - model(torch.zeros_like(image)))[0, 1])
    assert found.total == pytest.approx(gap, abs=1e-4)
    found = attribute(model, image, 1, "saliency")
    assert torch.allclose(found.values, weight.abs().amax(0), atol=1e-6)
    found = attribute(model, image, 1, "occlusion")  # patches of 2x2, one apart
    share = F.avg_pool2d((weight * image[0]).sum(0)[None, None], 2, 1) * 4
    spread = F.conv_transpose2d(share, torch.ones(1, 1, 2, 2))
    times = F.conv_transpose2d(torch.ones_like(share), torch.ones(1, 1, 2, 2))
    assert torch.allclose(found.values, (spread / times)[0, 0], atol=1e-4)
    with pytest.raises(RequestError, match="no layer with maps"):
        attribute(model, image, 1, "gradcam")


@needs_captum
def test_integrated_gradients_of_a_layer_before_an_activation_in_place() -> None:
    """Captum alone fails there; the sum is still what the logit gained."""
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(6, 4, 3), nn.ReLU(inplace=True), nn.Flatten(),
        nn.Linear(4 * 36, 2),
    )  # fmt: skip
    image = torch.randn(1, 3, 8, 8)
    found = attribute(model, image, 0, "ig", "0")
    with torch.no_grad():
        gap = float((model(image) - model(torch.zeros_like(image)))[0, 0])
    assert found.total == pytest.approx(gap, rel=0.05)
    assert all(module.inplace for module in model if isinstance(module, nn.ReLU))
    with pytest.raises(RequestError, match="--layer: occlusion looks at the image itself"):
        attribute(model, image, 0, "occlusion", "0")
    with pytest.raises(RequestError, match=r"--layer: '5' has no maps; those that have: 0, 1, 2, 3"):
        attribute(model, image, 0, "gradcam", "5")


def test_without_captum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RequestError, match="an explanation needs captum") as caught:
        attribute(Linear(), torch.zeros(1, 3, 14, 14), 0, "ig")
    assert caught.value.hint == "pip install 'cvtui[explain]'"


@needs_captum
@pytest.mark.long
def test_transformers_of_libraries() -> None:
    """The class's map has the patches' places, not the channels'."""
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    for name, side, layer, places in (("swin_t", 64, "features.7.1.norm1", 2), ("vit_b_32", 224, "", 7)):
        model = torchvision.models.get_model(name, num_classes=5).eval()
        torch.nn.init.normal_(next(m for m in reversed(list(model.modules())) if isinstance(m, nn.Linear)).weight)
        found = attribute(model, torch.randn(1, 3, side, side), 3, "gradcam", layer)
        assert f"{places}x{places} places" in found.note, (name, found.layer, found.note)
