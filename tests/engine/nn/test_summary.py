"""Models that are given as PyTorch code: the awkward ones that other counters fail on, and torchvision's."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cvtui.calc import Size
from cvtui.engine.nn.summary import summarize_module, summarize_target
from cvtui.errors import RequestError

SIZE = (8, 8, 3)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(192, 192), nn.Linear(192, 192)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(x.flatten(1))))


class Reused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.conv(self.conv(x)))


class NeverCalled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.spare = nn.Conv2d(3, 4, 3), nn.Linear(10, 20)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.rand(4, 3, 3, 3)), nn.Parameter(torch.rand(4))

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.relu(F.conv2d(x, self.weight, self.bias)), 2)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(24, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.reshape(x.shape[0], 8, 24)
        return self.attention(tokens, tokens, tokens)[0]


class Products(nn.Module):
    """Attention by hand: the matrix products are no layer's."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(24, 72)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x.reshape(x.shape[0], 8, 24)).chunk(3, -1)
        return (q @ k.transpose(1, 2)).softmax(-1) @ v


class Constant(nn.Module):
    """A tensor that is neither parameter nor buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.more = torch.rand(1, 3, 1, 1), [torch.rand(1, 3, 1, 1)]
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x - self.mean + self.more[0])


def block() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(8, 4, 3, groups=4)
    )


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(24, 4, 48, batch_first=True)
    return nn.Sequential(nn.Unflatten(3, (1, 8)), nn.Flatten(2), nn.Unflatten(2, (8, 8)), nn.Flatten(2),
                         nn.Flatten(1), nn.Unflatten(1, (8, 24)), nn.TransformerEncoder(layer, 2))  # fmt: skip


MHA = 3 * 8 * 24 * 24 + 2 * 8 * 8 * 24 + 8 * 24 * 24
"""in_proj for q, k and v; q kᵀ and the weighted sum over all heads; out_proj."""

AWKWARD: dict[str, tuple[Callable[[], nn.Module], int | None]] = {
    "tied weights": (Tied, 2 * 192 * 192),
    "one module three times": (Reused, 3 * 64 * 81),
    "a layer never called": (NeverCalled, 36 * 108),
    "functional conv": (Functional, 36 * 108),
    "transposed conv": (lambda: nn.ConvTranspose2d(3, 4, 3, 2), 64 * 108),
    "padding same": (lambda: nn.Conv2d(3, 4, 4, padding="same"), 64 * 4 * 48),
    "attention": (Attention, MHA),
    "attention by hand": (Products, 8 * 24 * 72 + 2 * 8 * 8 * 24),
    "a fused encoder": (encoder, 2 * (MHA + 2 * 8 * 24 * 48)),
    "lazy layers": (lambda: nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(5)), 36 * 108 + 144 * 5),
    "norm, dropout, groups": (block, 36 * 8 * 27 + 16 * 4 * 18),
    "a bare layer": (lambda: nn.Conv2d(3, 4, 3), 36 * 108),
    "a tensor of its own": (Constant, 36 * 108),
    "nothing to learn": (lambda: nn.Sequential(nn.ReLU(), nn.Flatten()), 0),
    "frozen": (lambda: Attention().requires_grad_(False), MHA),
}


def snapshot(model: nn.Module) -> list[Any]:
    """All that a look at a model might change."""
    tensors = [t for t in (*model.parameters(), *model.buffers()) if not nn.parameter.is_lazy(t)]
    return [
        [(id(t), t._version, t.detach().clone().tolist()) for t in tensors],
        [(type(m), m.training, sorted(vars(m)), len(m._forward_hooks)) for m in model.modules()],
        [len(m._forward_pre_hooks) for m in model.modules()],
        list(model.state_dict()),
        torch.get_rng_state().tolist(),
        random.getstate(),
        torch.backends.mha.get_fastpath_enabled(),
        torch.is_grad_enabled(),
    ]  # fmt: skip


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_models_are_counted_right_and_left_as_they_were(name: str, mode: str) -> None:
    make, macs = AWKWARD[name]
    model = make().train(mode == "train")
    before = snapshot(model)
    found = summarize_module(model, SIZE)
    assert snapshot(model) == before
    assert found.macs == macs
    assert sum(row.macs for row in found.rows) == macs
    with torch.no_grad():
        model.eval()(torch.rand(1, 3, 8, 8))  # lazy layers have their parameters from here on
    assert found.parameters == sum(p.numel() for p in model.parameters())
    assert sum(row.parameters for row in found.rows) == found.parameters


def notes(model: nn.Module) -> dict[str, str]:
    return {row.name: row.note for row in summarize_module(model, SIZE).rows if row.note}


def test_what_is_odd_about_a_module_is_said() -> None:
    assert notes(Tied()) == {"second": "weight is that of first, counted there"}
    assert notes(Reused()) == {"conv": "called 3 times"}
    assert notes(NeverCalled()) == {"spare": "never called"}
    assert notes(Products()) == {"Products": "products outside of its layers"}
    assert notes(Attention())["attention.out_proj"] == "used by its parent"


def test_rows_tell_sizes_as_the_calculator_does() -> None:
    rows = summarize_module(nn.Sequential(nn.Conv2d(3, 4, 5), nn.Flatten(), nn.Linear(64, 7)), SIZE).rows
    assert [row.output for row in rows] == [(4, 4, 4), (64,), (7,)]
    assert [(row.weights, row.biases, row.fan_in) for row in rows] == [(300, 4, 75), (0, 0, 0), (448, 7, 64)]
    assert rows[0].expression.startswith("Conv2d(3, 4, kernel_size=(5, 5)")
    (row,) = summarize_module(nn.ConvTranspose2d(8, 4, 3, groups=2), (8, 8, 8)).rows
    assert row.fan_in == 36


class Deciding(nn.Module):
    """Asks for a number in its forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x if x.sum().item() >= 0 else -x)


def test_a_model_that_reads_a_number_is_run_on_real_ones() -> None:
    found = summarize_module(Deciding(), SIZE)
    assert (found.parameters, found.macs) == (112, 6 * 6 * 4 * 27)
    assert found.rows[0].output == (6, 6, 4)


def test_a_model_that_cant_be_run_is_a_request_error() -> None:
    with pytest.raises(RequestError, match="Deciding: wants images of 3 channels; these have 1") as caught:
        summarize_module(Deciding(), (8, 8, 1))
    assert caught.value.hint == "--input 8x8x3"
    with pytest.raises(RequestError, match="Conv2d: wants images of 4 channels"):
        summarize_module(nn.Conv2d(4, 4, 3), SIZE)
    assert torch.backends.mha.get_fastpath_enabled()
    assert not torch.nn.modules.module._global_forward_hooks


KNOWN = {
    "resnet18": (11_689_512, 1.814),
    "vgg16": (138_357_544, 15.47),
    "alexnet": (61_100_840, 0.714),
    "densenet121": (7_978_856, 2.834),
    "mobilenet_v2": (3_504_872, 0.301),
    "vit_b_16": (86_567_656, 17.564),
}


@pytest.mark.parametrize("name", KNOWN)
def test_torchvisions_best_known_models(name: str) -> None:
    parameters, giga = KNOWN[name]
    before = torch.get_rng_state()
    found = summarize_target(f"torchvision:{name}")
    assert torch.equal(torch.get_rng_state(), before)
    assert found.parameters == parameters
    assert round(found.macs / 1e9, 3) == giga
    assert found.rows[-1].output == (1000,)


def _every_model() -> list[str]:
    import torchvision.models as models

    return models.list_models(module=models)


@pytest.mark.long
def test_every_classification_model_of_torchvision() -> None:
    """Parameters against the built model, MACs against FlopCounterMode and the GFLOPS that torchvision publishes."""
    import torchvision.models as models

    names = _every_model()
    assert len(names) >= 80
    for name in names:
        found = summarize_target(f"torchvision:{name}")
        assert sum(row.macs for row in found.rows) == found.macs, name
        weights = {one.name: one for one in models.get_model_weights(name)}
        published = weights.get("IMAGENET1K_V1")
        if published is not None:
            assert found.macs / 1e9 == pytest.approx(published.meta["_ops"], abs=2e-3, rel=1e-3), name
            if name not in ("googlenet", "inception_v3"):  # theirs leave the two auxiliary classifiers out
                assert found.parameters == published.meta["num_params"], name
        if name.startswith("regnet"):
            continue  # can't be built on the meta device, and 644 million numbers are too many to build
        with torch.device("meta"):
            model = models.get_model(name, weights=None)
        assert found.parameters == sum(p.numel() for p in model.parameters()), name
        high, wide, channels = found.input
        with FlopCounterMode(display=False) as counter, torch.device("meta"):
            model.eval()(torch.empty(1, channels, high, wide))
        assert found.macs * 2 == counter.get_total_flops(), name


def test_classes_and_size_are_handed_on() -> None:
    found = summarize_target("torchvision:resnet18", (64, 64, 3), 7)
    assert found.rows[-1].output == (7,)
    assert found.parameters == 11_689_512 - 993 * 513
    assert found.input == (64, 64, 3)


OWN = """
import torch
from torch import nn

def build(num_classes=10):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(num_classes))

class Space:
    @staticmethod
    def build():
        return build()

class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        both = nn.Parameter(torch.rand(5, 12))
        self.first, self.second = both, both

    def forward(self, x):
        return x @ self.first.T + x @ self.second.T

def calculating():
    width = torch.linspace(3, 9, 3).round().int().tolist()[1]
    return nn.Linear(12, width)

def reading():
    layer = nn.Linear(12, 5)
    layer.scale = layer.weight.abs().max().item()
    return layer

model = nn.Linear(12, 5)
number = 3
def broken():
    raise ValueError("not today")
"""


@pytest.fixture
def own(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_nets_for_a_test.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "own_nets_for_a_test", raising=False)
    return "own_nets_for_a_test"


@pytest.mark.parametrize(
    ("path", "size", "classes", "parameters"),
    [
        ("build", SIZE, None, 112 + 144 * 10 + 10),
        ("build", SIZE, 3, 112 + 144 * 3 + 3),
        ("Space.build", SIZE, None, 112 + 144 * 10 + 10),
        ("model", (12,), None, 65),
        ("Twice", (12,), None, 60),
        ("calculating", (12,), None, 78),
        ("reading", (12,), None, 65),
    ],
)
def test_a_net_of_the_users_own(own: str, path: str, size: Size, classes: int | None, parameters: int) -> None:
    assert summarize_target(f"{own}:{path}", size, classes).parameters == parameters


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("torchvision:resnet19", "no such model; did you mean 'resnet18'?"),
        ("nowhere_at_all:build", "there is no module 'nowhere_at_all'"),
        ("own_nets_for_a_test:bulid", "has no 'bulid'; did you mean 'build'?"),
        ("own_nets_for_a_test:number", "is a int, not a function or class that builds a model"),
        ("own_nets_for_a_test:broken", "ValueError: not today"),
        ("own_nets_for_a_test:", "is neither a net expression nor torchvision:NAME, timm:NAME or package"),
        ("a b:c", "is neither a net expression nor torchvision:NAME, timm:NAME or package"),
        ("builtins:dict", "gives a dict, not a torch.nn.Module"),
    ],
)
def test_a_target_that_is_none(target: str, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        summarize_target(target, SIZE)
    assert words in caught.value.message
