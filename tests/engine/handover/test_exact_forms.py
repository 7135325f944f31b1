"""Other forms of layers for the ONNX exporter: the same numbers as PyTorch's own, on every window."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cvtui.engine.handover.exact_forms import ExactForms

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("ceil", [False, True])
def test_pools_with_a_divisor(ceil: bool) -> None:
    """Against PyTorch's own over every small size; a ceil pool's windows beyond the padding among them."""
    seen = 0
    for height, kernel, step, pad in itertools.product((5, 7, 8, 9), (2, 3), (1, 2, 3, 4), (0, 1)):
        x = torch.randn(2, 3, height, height + 1)
        for divisor in (1, 5):
            arguments = (x, (kernel, 2), (step, 2), pad, ceil, False, divisor)
            wanted = F.avg_pool2d(*arguments)
            with ExactForms():
                given = F.avg_pool2d(*arguments)
            assert given.shape == wanted.shape
            assert torch.allclose(given, wanted, atol=1e-5)
            seen += 1
    assert seen == 128


def test_pool_of_volumes_with_a_divisor() -> None:
    pool = nn.AvgPool3d(2, 3, 1, ceil_mode=True, divisor_override=3)
    x = torch.randn(2, 3, 5, 6, 7)
    with ExactForms():
        given = pool(x)
    assert torch.allclose(given, pool(x), atol=1e-5)


@pytest.mark.parametrize("size", [3, (2, 5), (None, 4), 1])
def test_adaptive_maximum_keeps_every_bit(size: int | tuple[int | None, int]) -> None:
    pool = nn.AdaptiveMaxPool2d(size)
    for height in (4, 6, 7, 11):
        x = torch.randn(2, 3, height, 9)
        wanted = pool(x)
        with ExactForms():
            assert torch.equal(pool(x), wanted)
    line = torch.randn(2, 3, 11)
    wanted = nn.AdaptiveMaxPool1d(4)(line)
    with ExactForms():
        assert torch.equal(nn.AdaptiveMaxPool1d(4)(line), wanted)


@pytest.mark.parametrize("include_self", [True, False])
def test_means_over_groups(include_self: bool) -> None:
    """A group without values, more values than indices, and both spellings; a sum stays what it is."""
    x, src, groups = torch.randn(2, 4), torch.randn(3, 6), torch.tensor([[0, 0, 3, 1, 0]]).repeat(2, 1)
    for reduce in ("mean", "sum"):
        wanted = x.scatter_reduce(1, groups, src, reduce, include_self=include_self)
        given = x.clone()
        with ExactForms():
            assert torch.allclose(torch.scatter_reduce(x, 1, groups, src, reduce, include_self=include_self), wanted)
            assert given.scatter_reduce_(1, groups, src, reduce, include_self=include_self) is given
        assert torch.allclose(given, wanted)
    whole = torch.zeros(2, dtype=torch.int64)
    with ExactForms():
        assert whole.scatter_reduce(0, torch.tensor([0, 0]), torch.tensor([3, 4]), "mean", include_self=False)[0] == 3


def test_log_sigmoid() -> None:
    x = torch.tensor([-200.0, -30, -1, 0, 1, 30, 200])
    with ExactForms():
        assert torch.allclose(nn.LogSigmoid()(x), F.logsigmoid(x), rtol=1e-6)
        assert torch.allclose(nn.LogSigmoid()(x), torch.tensor([-200, -30, -1.3132617, -0.6931472, -0.3132617, 0, 0]))


def targets(module: nn.Module, x: torch.Tensor) -> set[str]:
    """Return the operations of torch.export's graph, whose forms the exporter sees."""

    class Within(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with ExactForms():
                given: torch.Tensor = module(x)
                return given

    return {str(node.target) for node in torch.export.export(Within().eval(), (x,)).graph.nodes}


def test_the_graph_has_none_of_what_the_exporter_gets_wrong() -> None:
    x = torch.randn(2, 3, 7, 7)
    for module in (nn.AdaptiveMaxPool2d(3), nn.RReLU().eval(), nn.LogSigmoid()):
        found = targets(module, x)
        assert not any(wrong in name for wrong in ("adaptive_max", "rrelu", "log_sigmoid") for name in found)
    graph = torch.export.export(nn.AdaptiveMaxPool2d(3), (x,)).graph
    assert any("adaptive_max" in str(node.target) for node in graph.nodes)  # so it would be without them


def test_what_the_exporter_writes_right_is_left_alone() -> None:
    x = torch.randn(2, 3, 7, 7)
    wanted = F.avg_pool2d(x, 3, 2, 1, True)
    with ExactForms():
        assert torch.equal(F.avg_pool2d(x, 3, 2, 1, True), wanted)
        assert F.adaptive_max_pool2d(x, 3, return_indices=True)[1].dtype == torch.int64
    assert "aten.avg_pool2d.default" in targets(nn.AvgPool2d(3, 2, 1, True), x)
    assert "aten.adaptive_max_pool2d.default" in targets(nn.AdaptiveMaxPool2d(7), x)
