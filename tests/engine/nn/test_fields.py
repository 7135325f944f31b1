"""Receptive fields of PyTorch code against the pixels that truly reach each unit."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvtui.calc import ReceptiveField
from cvtui.engine.nn.summary import summarize_module
from tests.engine.nn.seen_pixels import check_fields


class Excited(nn.Module):
    """Squeeze and excitation: every unit sees what the pooled map saw."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gate, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.last(x * torch.sigmoid(self.gate(F.adaptive_avg_pool2d(x, 1))))


class Tokens(nn.Module):
    """A small vision transformer, attention by hand, its class token read at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.token = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.rand(1, 1, 8))
        self.norm, self.qkv, self.head = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        x = x + (q @ k.transpose(-2, -1)).softmax(-1) @ v
        return self.head(x[:, 0])


class Merged(nn.Module):
    """Patch merging as in Swin, channels last: four grids cut out of a map, then a linear layer on each place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.less = nn.Conv2d(3, 4, 3, padding=1), nn.LayerNorm(16), nn.Linear(16, 8)
        self.back = nn.Conv2d(8, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).permute(0, 2, 3, 1)
        x = torch.cat([x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], -1)
        return self.back(self.less(self.norm(x)).permute(0, 3, 1, 2))


class Padded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.same = nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 4, 4, padding="same")

    def forward(self, x: Tensor) -> Tensor:
        return self.same(self.conv(F.pad(x, (2, 0, 1, 1))))[:, :, 1:, :-2]


class Windows(nn.Module):
    """Attention inside of windows: units see no window that moves, all of them together the whole image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.mix, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = (x := self.conv(x)).shape
        x = x.view(n, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, c)
        x = self.mix((x @ x.transpose(1, 2)).softmax(-1) @ x)
        x = x.view(n, h // 4, w // 4, 4, 4, c).permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)
        return self.head(x.mean((2, 3)))


class Beside(nn.Module):
    """A class token that comes when all other tokens see everything: it sees nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.token, self.head = nn.GroupNorm(1, 3), nn.Parameter(torch.rand(1, 1, 3)), nn.Linear(3, 2)
        self.after = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x).flatten(2).transpose(1, 2)
        x = self.head(torch.cat([self.token.expand(len(x), -1, -1), x], 1))
        return self.after(x.softmax(1))


def plain(*modules: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(*modules)


NETS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "convs and pools": (plain(nn.Conv2d(3, 4, 5, 2, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(4, 4, 3, padding=1),
                              nn.AvgPool2d(2, ceil_mode=True), nn.Flatten(), nn.LazyLinear(3)), 1),
    "dilated": (plain(nn.Conv2d(3, 4, 3, padding=3, dilation=3), nn.Conv2d(4, 4, 3, padding=4, dilation=4),
                      nn.Conv2d(4, 4, 3, stride=2)), 0),
    "grouped and normed": (plain(nn.Conv2d(3, 6, 3, groups=3), nn.BatchNorm2d(6), nn.Conv2d(6, 6, 3)), 0),
    "a group norm mixes": (plain(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 3, 3)), 0),
    "an instance norm mixes": (plain(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4)), 0),
    "batch statistics mix": (plain(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4, track_running_stats=True)), 0),
    "pooled to 4x4": (plain(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64, 3)), 1),
    "pooled to 5x5, unevenly": (plain(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(5)), 1),
    "transposed": (plain(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 4, 2, 2), nn.Flatten(), nn.LazyLinear(3)), 2),
    "excited": (Excited, 0),
    "tokens": (Tokens, 2),
    "merged": (Merged, 0),
    "padded and cut": (Padded, 0),
    "windows": (Windows, 0),
    "a token of its own": (Beside, 1),
}  # fmt: skip
"""Each with the number of its layers whose units see no window that moves, or are no map."""


@pytest.mark.parametrize("name", NETS)
def test_every_unit_sees_what_its_layer_says(name: str) -> None:
    make, unknown = NETS[name]
    torch.manual_seed(0)
    model = make()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model(torch.rand(2, 3, 16, 16))
    known, rows, wrong = check_fields(model, 16)
    assert not wrong
    assert rows - known == unknown


def test_a_field_equals_the_pixels_that_have_a_gradient() -> None:
    """By brute force: one unit of each row and column, one backward pass each."""
    net = nn.Sequential(nn.Conv2d(3, 2, 3, 2, 1), nn.Conv2d(2, 2, 3, padding=2, dilation=2), nn.AvgPool2d(2))
    for parameter in net.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    field = summarize_module(net, (20, 24, 3)).rows[-1].receptive_field
    assert field is not None
    image = torch.rand(1, 3, 20, 24, requires_grad=True)
    output = net(image)
    for i in range(output.shape[2]):
        for j in range(output.shape[3]):
            (gradient,) = torch.autograd.grad(output[0, :, i, j].sum(), image, retain_graph=True)
            seen = gradient[0].abs().sum(0) > 0
            for axis, unit in ((0, i), (1, j)):
                pixels = seen.any(1 - axis).nonzero().flatten()
                low = field.offset[axis] + unit * field.stride[axis]
                high = low + field.size[axis] - 1
                assert low <= pixels[0]
                assert pixels[-1] <= high
                if low >= 0 and high < image.shape[2 + axis]:
                    assert (int(pixels[0]), int(pixels[-1])) == (low, high)


def test_at_the_border_a_dilated_filter_begins_further_inside_than_its_field() -> None:
    """The taps that lie on padding read nothing: unit 1 has taps at −2, 1 and 4, and pixel 0 is not one of them."""
    (row,) = summarize_module(conv := nn.Conv2d(1, 1, 3, padding=3, dilation=3), (9, 9, 1)).rows
    assert row.receptive_field == ReceptiveField((7, 7), (1, 1), (-3, -3))
    image = torch.rand(1, 1, 9, 9, requires_grad=True)
    conv(image)[0, 0, 1].sum().backward()
    assert image.grad is not None
    assert image.grad[0, 0].abs().sum(1).nonzero().flatten().tolist() == [1, 4]
    pooled = nn.Sequential(
        nn.Conv2d(1, 1, 3, 4, 3, 3), nn.AdaptiveAvgPool2d(1)
    )  # its units at −3, 1: taps 0, 3; 1, 4, 7
    assert summarize_module(pooled, (8, 8, 1)).rows[-1].receptive_field == ReceptiveField((8, 8), (0, 0), (0, 0))
    assert not check_fields(pooled, 8, 1)[2]


class Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004  (PyTorch's signature)
        return x.cumsum(2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return gradient


class Strange(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.first, self.last = kind, nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.last({"own": Own.apply, "unlisted": lambda y: y.cumsum(2), "written": self.write}[self.kind](x))

    def write(self, x: Tensor) -> Tensor:
        y = torch.zeros_like(x)
        y[:, :, 1:] = x[:, :, :-1]
        return y


@pytest.mark.parametrize("kind", ["own", "unlisted", "written"])
def test_behind_what_is_not_known_nothing_is_claimed(kind: str) -> None:
    first, last = summarize_module(Strange(kind), (8, 8, 3)).rows
    assert first.receptive_field == ReceptiveField((3, 3), (1, 1), (0, 0))
    assert last.receptive_field is None


def test_a_channels_last_map_is_shown_as_height_width_channels() -> None:
    rows = {row.name: row.output for row in summarize_module(Merged(), (16, 12, 3)).rows}
    assert rows == {"conv": (16, 12, 4), "norm": (8, 6, 16), "less": (8, 6, 8), "back": (6, 4, 4)}


SIDES = {"inception_v3": 80, "alexnet": 64, "swin_t": 64, "swin_v2_t": 64}
LARGE = ("efficientnet_b", "efficientnet_v2_m", "efficientnet_v2_l", "convnext_base", "convnext_large",
         "convnext_small", "regnet_y_16gf", "regnet_y_32gf", "regnet_y_128gf", "regnet_x_16gf", "regnet_x_32gf",
         "regnet_y_8gf", "regnet_x_8gf", "vit_l", "vit_h", "vit_b_16", "swin_b", "swin_s", "swin_v2_s", "swin_v2_b",
         "resnet152", "wide_", "resnext101", "vgg13", "vgg16", "vgg19", "densenet161", "densenet169",
         "densenet201")  # fmt: skip
"""Built like their smaller sisters; a batch of 96 images in double precision takes minutes."""


def _names() -> list[str]:
    models = pytest.importorskip("torchvision.models")
    return [one for one in models.list_models(module=models) if not one.startswith(LARGE) or one == "efficientnet_b0"]


@pytest.mark.long
def test_fields_of_torchvisions_models() -> None:
    import torchvision.models as models

    share = {}
    for name in _names():
        side, words = SIDES.get(name, 48), dict[str, Any]()
        if name == "maxvit_t":
            continue  # windows of 7 on maps that halve five times: 224x224 at least
        if name.startswith("vit"):
            side = 64
            words["image_size"] = side
        elif name in ("googlenet", "inception_v3"):
            words |= {"init_weights": False, "aux_logits": False}
        known, rows, wrong = check_fields(models.get_model(name, weights=None, **words), side)
        assert not wrong, (name, wrong[:5])
        share[name] = known / rows
    assert len(share) >= 35
    assert sum(one == 1 for one in share.values()) >= len(share) - 6, share  # the transformers' tokens and windows
    assert min(share.values()) > 0.3, share


TIMM = ("resnet18", "test_resnet", "test_vit", "test_convnext", "test_efficientnet", "test_nfnet", "test_byobnet",
        "convnext_atto", "vit_tiny_patch16_224", "efficientnet_b0", "ghostnet_100", "repvgg_a0", "resnest14d",
        "mobilenetv4_conv_small", "inception_next_atto", "pvt_v2_b0", "poolformer_s12", "edgenext_xx_small",
        "mobilevit_xxs", "eca_nfnet_l0", "skresnet18", "rexnet_100")  # fmt: skip


@pytest.mark.long
def test_fields_of_timms_models() -> None:
    timm = pytest.importorskip("timm")
    for name in TIMM:
        try:
            model = timm.create_model(name, img_size=64)
        except TypeError:
            model = timm.create_model(name)
        known, rows, wrong = check_fields(model, 64)
        assert not wrong, (name, wrong[:5])
        assert known > 0, rows
