"""The table "why other counters differ" of docs/nets.md, row by row: what they say, and the right value worked out."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvtui.calc.sizes import InputShape
from cvtui.engine.nn.summary import summarize_module
from tests.flops import flop_counter

DOCS = Path(__file__).parents[3] / "docs" / "nets.md"


class Attention(nn.Module):
    """Scaled dot-product attention on 8 tokens of 24 numbers."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.qkv, self.dropout = nn.Linear(24, 72), dropout

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout)


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(4, 3, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight)


def flops(model: nn.Module, *inputs: Tensor, grad: bool = True) -> int:
    """MACs of a forward pass by PyTorch's own counter, on the CPU."""
    with flop_counter() as counter, torch.set_grad_enabled(grad), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model(*inputs)
    return counter.get_total_flops() // 2


def backward_flops(model: nn.Module, image: Tensor) -> int:
    """MACs of the backward pass alone."""
    with flop_counter() as counter:
        output = model(image.requires_grad_()).sum()
        before = counter.get_total_flops()
        output.backward()
    return (counter.get_total_flops() - before) // 2


def torchinfo(model: nn.Module, *inputs: Tensor) -> int:
    return int(pytest.importorskip("torchinfo").summary(model, input_data=list(inputs), verbose=0).total_mult_adds)


def ours(model: nn.Module, *inputs: Tensor) -> int:
    shapes = tuple(InputShape(tuple(one.shape[1:])) for one in inputs)
    return summarize_module(model, shapes).macs


def tokens() -> Tensor:
    return torch.rand(1, 8, 24)


def maps(channels: int = 8) -> Tensor:
    return torch.rand(1, channels, 8, 8)


def encoder() -> nn.Module:
    return nn.TransformerEncoderLayer(24, 4, 48, batch_first=True).eval()


ATTENTION = 8 * 24 * 72 + 2 * 8 * 8 * 24
"""q, k and v from each of 8 tokens; q kᵀ and the weighted sum."""
ENCODER = ATTENTION + 8 * 24 * 24 + 2 * 8 * 24 * 48

Row = tuple[Callable[[], nn.Module], Callable[[], tuple[Tensor, ...]], Callable[..., int], int, int]

ROWS: dict[str, Row] = {
    "FlopCounterMode, attention": (Attention, lambda: (tokens(),), flops, 8 * 24 * 72, ATTENTION),
    "FlopCounterMode, attention with dropout": (
        lambda: Attention(0.1), lambda: (tokens(),), flops, ATTENTION, ATTENTION),
    "FlopCounterMode, an encoder layer, eval and no_grad": (
        encoder, lambda: (tokens(),), lambda m, x: flops(m, x, grad=False), 0, ENCODER),
    "FlopCounterMode, an encoder layer, eval": (encoder, lambda: (tokens(),), flops, ENCODER - 2 * 8 * 8 * 24, ENCODER),
    "FlopCounterMode, LSTM": (
        lambda: nn.LSTM(8, 16, batch_first=True), lambda: (torch.rand(1, 5, 8),), flops, 0, 5 * (8 + 16) * 64),
    "FlopCounterMode, Bilinear": (
        lambda: nn.Bilinear(4, 5, 6), lambda: (torch.rand(1, 4), torch.rand(1, 5)), flops, 0, (4 + 1) * 5 * 6),
    "torchinfo, transposed conv, stride 2": (
        lambda: nn.ConvTranspose2d(8, 4, 3, 2, bias=False), lambda: (maps(),), torchinfo, 17 * 17 * 288, 64 * 288),
    "torchinfo, transposed conv, stride 4": (
        lambda: nn.ConvTranspose2d(8, 4, 4, 4, bias=False), lambda: (maps(),), torchinfo, 32 * 32 * 512, 64 * 512),
    "torchinfo, linear on 196 tokens": (
        lambda: nn.Linear(24, 10, bias=False), lambda: (torch.rand(1, 196, 24),), torchinfo, 240, 196 * 240),
    "torchinfo, attention": (Attention, lambda: (tokens(),), torchinfo, 24 * 72 + 72, ATTENTION),
    "torchinfo, nn.MultiheadAttention": (
        lambda: nn.MultiheadAttention(24, 4, batch_first=True).eval(), lambda: (tokens(),) * 3, torchinfo, 0,
        ATTENTION + 8 * 24 * 24),
    "torchinfo, a conv's biases": (lambda: nn.Conv2d(3, 8, 3), lambda: (maps(3),), torchinfo, 36 * 8 * 28, 36 * 8 * 27),
    "torchinfo, F.conv2d": (Functional, lambda: (maps(3),), torchinfo, 4 * 27, 36 * 4 * 27),
}  # fmt: skip


def docs_rows() -> list[str]:
    section = DOCS.read_text().partition("## Why other counters differ")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| ") and re.search(r"\d", line)]


@pytest.mark.parametrize("name", ROWS)
def test_a_counter_and_the_right_value(name: str) -> None:
    make, inputs, counter, said, right = ROWS[name]
    model = make()
    assert counter(model, *inputs()) == said
    assert ours(model, *inputs()) == right
    assert any(f"| {said:,} | {right:,} |" in line for line in docs_rows()), "docs/nets.md has these numbers"


@pytest.mark.parametrize(("groups", "times"), [(1, 2), (4, 5), (8, 9)])
def test_pytorchs_counter_takes_a_grouped_convs_backward_too_often(groups: int, times: int) -> None:
    """By the data and by the weights: each as much as forward, so twice; it says 1 + groups times."""
    conv = nn.Conv2d(8, 8, 3, groups=groups, bias=False)
    forward = ours(conv, maps())
    assert forward == 36 * 8 * (8 // groups) * 9
    assert backward_flops(conv, maps()) == times * forward


def test_bilinear_is_two_products() -> None:
    """The same by hand, under PyTorch's counter: x₁ᵀ W, then that by x₂."""
    first, second, weight = torch.rand(1, 4), torch.rand(5), torch.rand(6, 4, 5)
    with flop_counter() as counter:
        rows = (first @ weight.permute(1, 0, 2).reshape(4, 30)).view(6, 5)
        by_hand = rows @ second[:, None]
    assert torch.allclose(by_hand[:, 0], F.bilinear(first, second[None], weight)[0])
    assert ours(nn.Bilinear(4, 5, 6), first, second[None]) == counter.get_total_flops() // 2
