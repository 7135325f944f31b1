"""Models that are given as PyTorch code: the awkward ones that other counters fail on, and torchvision's."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cvtui.calc.sizes import InputShape, parse_inputs
from cvtui.engine.nn.summary import summarize_module
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


def rows(model: nn.Module, inputs: str = "8x8x3") -> dict[str, tuple[int, int, str]]:
    """Parameters, MACs and note of each row."""
    found = summarize_module(model, parse_inputs(inputs))
    assert sum(row.macs for row in found.rows) == found.macs
    assert found.parameters == sum(p.numel() for p in model.parameters())
    return {row.name: (row.parameters, row.macs, row.note) for row in found.rows}


def test_parametrised_weights_are_counted_in_their_layer() -> None:
    made = nn.utils.parametrizations
    flat = nn.Flatten()
    conv, conv_macs = nn.Conv2d(3, 4, 3), 36 * 108
    assert rows(nn.Sequential(made.weight_norm(conv))) == {"0": (116, conv_macs, "weight worked out by WeightNorm")}
    spectral = nn.Sequential(made.spectral_norm(nn.Conv2d(3, 4, 3)))
    assert rows(spectral) == {"0": (112, conv_macs, "weight worked out by SpectralNorm")}
    orthogonal = rows(nn.Sequential(flat, made.orthogonal(nn.Linear(192, 192))))
    assert orthogonal["1"] == (192 * 193, 192 * 192, "weight worked out by Orthogonal")


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.conv(x)).mean((2, 3)))


class Checkpointed(Small):
    reentrant = False

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(super().forward, x, use_reentrant=self.reentrant)


class Reentrant(Checkpointed):
    reentrant = True


def test_torchscript_is_one_row_with_all_products() -> None:
    said = "TorchScript: the products of all its layers"
    inside = "TorchScript: its products are in the whole's row"
    for made in (torch.jit.script(Small()), torch.jit.trace(Small(), torch.zeros(1, 3, 8, 8))):
        assert rows(made) == {
            "RecursiveScriptModule": (0, 36 * 108 + 8, said), "conv": (112, 0, inside), "fc": (10, 0, inside),
        }  # fmt: skip


@pytest.mark.parametrize("kind", [Checkpointed, Reentrant])
def test_checkpointed_layers_are_counted_once(kind: type[nn.Module]) -> None:
    assert rows(kind()) == {"conv": (112, 36 * 108, ""), "fc": (10, 8, "")}


@pytest.mark.parametrize(
    ("model", "inputs", "parameters", "macs"),
    [
        (nn.Conv1d(8, 16, 3), "8x100", 400, 98 * 16 * 24),
        (nn.Conv1d(8, 16, 3), "8x100:float", 400, 98 * 16 * 24),
        (nn.Conv3d(3, 4, 3), "3x5x8x8", 328, 3 * 36 * 4 * 81),
        (nn.GRU(8, 16, batch_first=True), "5x8", 1248, 5 * 3 * 16 * (8 + 16)),
        (nn.Embedding(8, 16), "77:int", 128, 0),
        (nn.Bilinear(4, 5, 6), "4,5:float", 126, 5 * 5 * 6),
        (nn.Transformer(8, 2, 1, 1, 16, batch_first=True), "5x8:float,4x8", 1536, None),
        (nn.Sequential(nn.Conv2d(3, 4, 3)).half(), "8x8x3", 112, 36 * 108),
    ],
)
def test_other_inputs(model: nn.Module, inputs: str, parameters: int, macs: int | None) -> None:
    found = summarize_module(model, parse_inputs(inputs))
    assert found.parameters == parameters
    assert macs is None or found.macs == macs


def test_inputs_as_they_are_typed() -> None:
    assert [str(one) for one in parse_inputs("3x224x224,77:int")] == ["3x224x224", "77:int"]
    assert parse_inputs("32x24x3") == (InputShape((3, 32, 24)),)
    assert parse_inputs("32,24,3") == (InputShape((3, 32, 24)),)
    assert parse_inputs("3x32x24", channels_first=True) == (InputShape((3, 32, 24)),)
    assert parse_inputs("3x16x112x112") == (InputShape((3, 16, 112, 112)),)
    for wrong in ("3x0:int", "3x4:words", "77:int,", "3x-1x2x2", "axbxcxd", ":int"):
        with pytest.raises(RequestError, match="--input"):
            parse_inputs(wrong)


@pytest.mark.parametrize(
    ("model", "inputs", "words", "hint"),
    [
        (Small(), "28x28", "wants images of 3 channels; these have 1", "--input 28x28x3"),
        (Small(), "3x64x48", "wants images of 3 channels; these have 48", "--input 64x48x3"),  # PyTorch's order
        (Small(), "28", "wants H x W x C, not 28", "--input 32x32x3"),
        (Small(), "3x16x8x8", "wants H x W x C, not 3x16x8x8", "--input 32x32x3"),
        (nn.Conv1d(8, 16, 3), "100x8", "wants 8 channels; these have 100", "--input 8x8:float"),
        (nn.Sequential(nn.Linear(784, 3)), "28x28", "wants 784 numbers, not 28x28x1", "--input 784"),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(9, 3)), "28x28",
         "layer 2 wants 9 numbers, and 28x28x1 leaves 1,352; another --input", ""),
        (nn.Embedding(8, 16), "77", "it wants whole numbers, not 77", "--input 77:int"),
        (nn.Bilinear(4, 5, 6), "4", "its forward takes input1, input2, not 1 input; --input has one shape", ""),
        (nn.Module(), "8x8x3", "has no forward of its own", ""),
        (nn.Conv2d(3, 4, 9), "4x4x3", "images of 4x4x3 are too small for it; a larger --input", ""),
    ],
)  # fmt: skip
def test_what_does_not_fit_says_the_way_out(model: nn.Module, inputs: str, words: str, hint: str) -> None:
    with pytest.raises(RequestError) as caught:
        summarize_module(model, parse_inputs(inputs))
    assert words in caught.value.message
    assert caught.value.hint == hint
