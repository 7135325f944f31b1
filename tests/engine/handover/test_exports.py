"""Exported models: outputs as PyTorch's, metadata inside, and no file of what differs."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cvtui.engine.handover import exact_forms, onnx_file
from cvtui.engine.handover.checking import Refused, compare, hard_pictures
from cvtui.engine.handover.extras import ONNX
from cvtui.engine.handover.onnx_file import write_onnx
from cvtui.engine.handover.programs import write_pt2, write_torchscript
from cvtui.engine.handover.trained import Trained
from cvtui.errors import RequestError
from cvtui.runlog.model_metadata import EXTRA_FILE, decode, encode, mean_and_std
from tests.engine.handover.making import trained_of
from tests.export.full_disk import full_disk

pytestmark = pytest.mark.torch
needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ONNX), reason="pip install 'cvtui[onnx]'"
)
NET = "conv4-bn-relu-sumpool3s2p1ceil-fc"


def probabilities(trained: Trained, pixels: Tensor) -> Tensor:
    """By hand: what the run's own preprocessing and net give, at the temperature."""
    return (trained.model(trained.preprocess(pixels)) / 1.5).softmax(1)


def programs(path: Path, extra: dict[str, Any]) -> Any:
    return torch.export.load(path, extra_files=extra).module()


def script(path: Path, extra: dict[str, Any]) -> Any:
    return torch.jit.load(path, _extra_files=extra)


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize(("write", "load"), [(write_pt2, programs), (write_torchscript, script)])
def test_program_and_script(tmp_path: Path, write: Any, load: Any) -> None:
    """Every bit, for any number of images; the metadata lie inside."""
    trained, path = trained_of(NET), tmp_path / "deep" / "m"
    found = write(trained, path, False)
    assert (found.images, found.difference) == (6, 0)
    extra = {EXTRA_FILE: ""}
    model = load(path, extra)
    assert decode(json.loads(extra[EXTRA_FILE])) == trained.metadata
    for count in (1, 2, 5):
        x = torch.randn(count, 3, 8, 8)
        assert torch.equal(model(x), trained.model(x))
    with full_disk(1000), pytest.raises(OSError, match="too large") as refused:  # PyTorch's writer ended the process
        write(trained, path, False)
    assert refused.value.filename == str(path)
    assert torch.equal(load(path, {})(x), trained.model(x)), "the file from before is there"
    zca = trained_of(NET, preprocess="zca")
    with pytest.raises(RequestError, match="zca"):
        write(zca, path, False)
    write(zca, path, True)
    model = load(path, extra)
    assert decode(json.loads(extra[EXTRA_FILE])).with_preprocess
    assert torch.allclose(model(zca.pixels[:3]), probabilities(zca, zca.pixels[:3]), atol=1e-6)
    assert [one.name for one in path.parent.iterdir()] == ["m"]


def test_a_net_whose_code_looks_at_numbers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "looks_at_numbers.py").write_text(
        "import torch\nclass Net(torch.nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.fc = torch.nn.Linear(192, 3)\n"
        "    def forward(self, x):\n        y = self.fc(x.flatten(1))\n        return y if y.sum() > 0 else -y\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    trained, path = trained_of("looks_at_numbers:Net"), tmp_path / "m.pt2"
    path.write_text("the one before")
    with pytest.raises(Refused, match=r"torch\.export can't follow the net: "):
        write_pt2(trained, path, False)
    assert path.read_text() == "the one before"


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_strange_nets_are_refused_with_the_reason_or_written_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Draws in evaluation mode, functions that TorchScript can't hold, inputs that are written over."""
    (tmp_path / "strange_for_a_test.py").write_text(
        "import torch\n"
        "class Own(torch.autograd.Function):\n"
        "    @staticmethod\n    def forward(ctx, x): return x * 2\n"
        "    @staticmethod\n    def backward(ctx, slope): return slope * 2\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self, kind):\n        super().__init__()\n"
        "        self.kind, self.out = kind, torch.nn.Linear(192, 3)\n"
        "    def forward(self, x):\n"
        "        x = Own.apply(x) if self.kind == 'function' else x.mul_(2)\n"
        "        x = torch.nn.functional.dropout(x, 0.5, training=self.kind == 'draws')\n"
        "        return self.out(x.flatten(1))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "m"
    for kind, words in (
        ("draws", "another answer to the same image each time"),
        ("function", "TorchScript can't hold"),
    ):
        with pytest.raises(Refused, match=words):
            write_torchscript(trained_of(f"strange_for_a_test:Net(kind='{kind}')"), path, False)
        assert not path.exists()
    trained = trained_of("strange_for_a_test:Net(kind='writes')")
    assert write_torchscript(trained, path, False).difference == 0
    x = torch.randn(3, 3, 8, 8)
    assert torch.equal(script(path, {})(x.clone()), trained.model(x.clone()))


NETS_OF_ONES_OWN = """
import torch
from torch import nn
from torch.nn.utils import parametrizations as made
class Net(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind, self.out = kind, made.orthogonal(nn.Linear(24, 24))
        layer = nn.TransformerEncoderLayer(24, 2, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = made.weight_norm(nn.Linear(24, 3))
    def forward(self, x):
        if self.kind == "loop":
            return torch.stack([self.head(self.out(one.flatten(1).T.flatten()[:24])) for one in x])
        x = self.encoder(self.out(x.permute(0, 2, 1, 3).flatten(2))).mean(1).expand(len(x), -1)
        return self.head(x.view(int(x.shape[0]), 24))
"""


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_nets_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parametrized weights, an encoder's fused path, len(x): written right, for any number; what can't be says why."""
    (tmp_path / "own_for_an_export.py").write_text(NETS_OF_ONES_OWN)
    monkeypatch.syspath_prepend(tmp_path)
    trained, path = trained_of("own_for_an_export:Net(kind='len')"), tmp_path / "m"
    x = torch.randn(5, 3, 8, 8)
    write_pt2(trained, path, False)
    assert torch.allclose(programs(path, {})(x), trained.model(x), atol=1e-6)
    if all(importlib.util.find_spec(name) for name in ONNX):
        assert write_onnx(trained, path, False).difference < 1e-5
        with_weights = dict(trained.model.named_parameters())
        assert "out.parametrizations.weight.original" in with_weights, "the model itself stays as it was"
        trained.model(x)
    words = r"number of images that it saw: .*len\(x\).*--pt2"
    with pytest.raises(Refused, match=words):
        write_torchscript(trained, tmp_path / "script", False)
    with pytest.raises(Refused, match=r"how many images there are.*x\.shape\[0\] \(own_for_an_export.py:14\)"):
        write_pt2(trained_of("own_for_an_export:Net(kind='loop')"), tmp_path / "loop", False)


def test_what_is_not_finite_or_of_another_shape_is_refused() -> None:
    x = torch.ones(3, 2)
    with pytest.raises(Refused, match="not finite"):
        compare(torch.nn.Softsign(), lambda x: x, x * float("nan"))
    with pytest.raises(Refused, match=r"shape \(3, 4\), PyTorch's \(3, 2\); layer"):
        compare(torch.nn.Identity(), lambda x: x.repeat(1, 2), x, lambda _: "; layer")
    with pytest.raises(Refused, match=r"0\.001 from PyTorch's"):
        compare(torch.nn.Identity(), lambda x: x + 1e-3, x)
    with pytest.raises(Refused, match="nan from"):
        compare(torch.nn.Identity(), lambda x: x * float("nan"), x)
    large = compare(torch.nn.Identity(), lambda x: x * (1 + 1e-5), x * 100)
    assert large.difference == pytest.approx(1e-3, rel=0.1)


def test_hard_pictures_are_compared() -> None:
    """What is wrong on one of them alone is refused; where PyTorch's is not finite, or as rough, nothing is said."""
    x = torch.rand(3, 4)

    class Of(torch.nn.Module):
        def __init__(self, of: Any) -> None:
            super().__init__()
            self.forward = of

    def standardised(x: Tensor) -> Tensor:
        return (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True)

    for name, model, run in (
        ("a picture of zeros", lambda x: (x + 1e-8).log(), torch.log),
        ("a flat picture", lambda x: x / (x.std() + 1e-8), lambda x: torch.where(x == 0, x, x / x.std())),
        (
            "a picture with large values",
            lambda x: torch.nn.functional.softplus(x, 20),
            lambda x: (x * 20).exp().log1p() / 20,
        ),
    ):
        images = x if "large" not in name else x.fill_(0.9)
        with pytest.raises(Refused, match=rf"on {name} its output is (inf|nan) from PyTorch's .*; layer"):
            compare(Of(model), run, images, lambda shown: "; layer" if shown.shape[0] == 1 else "")
    compare(Of(standardised), standardised, torch.rand(3, 4))  # NaN of a flat picture in both
    compare(Of(lambda x: (x * 1e6).sin()), lambda x: (x * (1 + 2**-23) * 1e6).sin(), torch.zeros(3, 4))
    bytes_ = torch.tensor([[0, 100, 200, 255]], dtype=torch.uint8)
    assert [one.tolist() for one in hard_pictures(bytes_).values()] == [[[0] * 4], [[128] * 4], [[0, 0, 255, 255]]]


def test_metadata() -> None:
    about = trained_of(NET).metadata
    entries = encode(about)
    assert all(isinstance(json.loads(value), object) for value in entries.values())
    assert json.loads(entries["classes"]) == ["cat", "dog", "Fuß"]
    assert decode(entries) == about
    (mean,), (std,) = mean_and_std([1 / 51], [-2.0], 255.0)
    assert (mean, std) == pytest.approx((0.4, 0.2))  # (x / 255 - 0.4) / 0.2 = x / 51 - 2
    with pytest.raises(RequestError, match="no metadata of cvtui"):
        decode({"producer": "another"})
    with pytest.raises(RequestError, match="'classes' is not JSON"):
        decode({**entries, "classes": "cat,dog"})


def test_onnx_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RequestError, match="--onnx needs onnx, onnxscript, onnxruntime") as caught:
        write_onnx(trained_of(NET), tmp_path / "m.onnx", False)
    assert caught.value.hint == "pip install 'cvtui[onnx]'"


def session(path: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(path)


HARD = """
import torch
class Hard(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.small, self.fc = torch.nn.Parameter(torch.tensor(1e-9)), torch.nn.Linear(24, 3)
        self.register_buffer("groups", torch.arange(192) % 8)
    def forward(self, x):
        x = x.flatten(1)
        x = (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-8) * 1.000009
        groups = self.groups.expand_as(x)
        means = x.new_zeros(x.shape[0], 8).scatter_reduce(1, groups, x, "mean", include_self=False)
        logs = (means.abs() - -1e-8).log() + (means.abs().sum() + self.small).log()
        return self.fc(torch.cat([means, torch.nn.functional.logsigmoid(means * 100), logs / 20], 1))
"""


@needs_onnx
def test_onnx_on_hard_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each small constant stays, optimised; were one lost, the file is written without optimisation, and it is said."""
    (tmp_path / "hard_net.py").write_text(HARD)
    monkeypatch.syspath_prepend(tmp_path)
    trained, path = trained_of("hard_net:Hard"), tmp_path / "m.onnx"
    operations = []
    for shields in (True, False):
        if not shields:
            monkeypatch.setattr(onnx_file, "keep_small_scalars", lambda _: 0)
        note = write_onnx(trained, path, False).note
        found = session(path)
        for count in (1, 2):
            for x in (torch.zeros(count, 3, 8, 8), torch.full((count, 3, 8, 8), 0.5), torch.randn(count, 3, 8, 8)):
                given = torch.from_numpy(found.run(["logits"], {"images": x.numpy()})[0])
                assert torch.allclose(given, trained.model(x), atol=1e-4, rtol=1e-4), (shields, count, given)
        assert bool(note) is not shields
        operations.append(path.stat().st_size)
    assert note.startswith(onnx_file.NOT_OPTIMISED)
    assert "on a picture of zeros its output is nan from PyTorch's" in note
    assert operations[0] < operations[1]


@needs_onnx
@pytest.mark.parametrize("preprocess", ["standardise", "per-image", "zca"])
def test_onnx(tmp_path: Path, preprocess: str) -> None:
    trained, path = trained_of(NET, preprocess=preprocess), tmp_path / "m.onnx"
    assert write_onnx(trained, path, True).difference < 1e-6
    found = session(path)
    assert decode(found.get_modelmeta().custom_metadata_map).with_preprocess
    assert [(one.name, one.type) for one in found.get_inputs()] == [("pixels", "tensor(uint8)")]
    for count in (1, 4):
        pixels = torch.randint(0, 256, (count, 8, 8, 3), dtype=torch.uint8)
        given = found.run(["probabilities"], {"pixels": pixels.numpy()})[0]
        assert torch.allclose(torch.from_numpy(given), probabilities(trained, pixels), atol=1e-5)
    if preprocess == "zca":
        with pytest.raises(RequestError, match="zca"):
            write_onnx(trained, path, False)
        return
    write_onnx(trained, path, False)
    found = session(path)
    assert decode(found.get_modelmeta().custom_metadata_map) == trained.metadata
    x = torch.randn(5, 3, 8, 8)
    assert torch.allclose(
        torch.from_numpy(found.run(["logits"], {"images": x.numpy()})[0]), trained.model(x), atol=1e-5
    )
    assert [one.name for one in tmp_path.iterdir()] == ["m.onnx"]


@needs_onnx
def test_what_the_exporter_gets_wrong_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without our forms: a sum pool comes out as a mean, and an adaptive maximum of 7 to 3 can't be written."""
    monkeypatch.setattr(exact_forms, "FORMS", {})
    path = tmp_path / "m.onnx"
    with pytest.raises(
        Refused, match=r"from PyTorch's \(allowed: 0\.\d+\); the first layer that differs is 'sumpool1'"
    ):
        write_onnx(trained_of("conv4-relu-sumpool2-fc"), path, False)
    (tmp_path / "adaptive_net.py").write_text(
        "from torch.nn import *\ndef net():\n"
        "    return Sequential(Conv2d(3, 4, 2), Sequential(AdaptiveMaxPool2d(3)), Flatten(), Linear(36, 3))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Refused, match=r"can't write the layer '1\.0' \(aten\.adaptive_max_pool2d\)"):
        write_onnx(trained_of("adaptive_net:net"), path, False)
    assert not list(tmp_path.glob("*onnx*"))
    monkeypatch.undo()
    monkeypatch.syspath_prepend(tmp_path)
    write_onnx(trained_of("adaptive_net:net"), path, False)


LAYERS = (
    "conv4f5s2p1-leakyrelu-avgpool3s2p1ceil-fc",
    "conv4-tanh-sumpool2s3p1ceil-fc",
    "conv4-relu-pool2s4p1ceil-conv3-fc",
    "conv8f1s2-bn-elu-gap-fc",
    "conv4g1nobias-ln-gelu-drop0.5-fc7-bn-silu-drop-fc-softmax",
    "conv8d2-sigmoid-res(conv8-relu-conv8)-cat(conv4f1|conv4-relu|pool3s1p1)-flatten-fc",
)


@needs_onnx
@pytest.mark.long
@pytest.mark.parametrize("net", LAYERS)
def test_every_layer_of_net_expressions(tmp_path: Path, net: str) -> None:
    trained = trained_of(net, (9, 11, 3))
    for with_preprocess in (False, True):
        write_onnx(trained, tmp_path / "m.onnx", with_preprocess)
        write_pt2(trained, tmp_path / "m.pt2", with_preprocess)


NETS = ("resnet18", "googlenet", "mobilenet_v3_small", "squeezenet1_1", "shufflenet_v2_x0_5", "convnext_tiny", "swin_t")


@needs_onnx
@pytest.mark.long
@pytest.mark.parametrize("name", NETS)
def test_torchvision(tmp_path: Path, name: str) -> None:
    trained = trained_of(f"torchvision:{name}", (64, 64, 3), images=3)
    assert write_onnx(trained, tmp_path / "m.onnx", False).difference < 1e-4
    assert write_pt2(trained, tmp_path / "m.pt2", False).difference < 1e-6
