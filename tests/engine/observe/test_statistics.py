"""Numbers about tensors against numpy, and the step's readings against their definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from cvtui.engine.observe import statistics
from cvtui.engine.observe.statistics import (
    BINS,
    SAMPLE,
    all_finite,
    flat_view,
    histogram,
    moments,
    norm,
    stride_for,
    zeros,
)
from cvtui.engine.observe.step_metrics import LARGE, StepMetrics


@pytest.mark.parametrize("shape", [(64, 32, 8, 8), (3, 5), (100, 200), (7, 3, 33, 31), (1, 1), (16, 64, 32, 32)])
def test_moments_and_histogram_against_numpy(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    values = torch.randn(shape).mul(3).add(1).relu()
    if len(shape) == 4:
        values = values.to(memory_format=torch.channels_last)
    exact = values.double().numpy()
    flat = flat_view(values)
    assert flat.data_ptr() == values.data_ptr(), "no copy"
    expected = [exact.mean(), exact.std(), exact.min(), exact.max(), (exact == 0).mean()]
    assert moments(flat).tolist() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    found = histogram(flat)
    low, high, counts = found[0].item(), found[1].item(), found[2:]
    if low == exact.min() - 0.5:
        assert exact.min() == exact.max()
        return
    assert len(counts) == BINS
    assert counts.sum() <= SAMPLE
    sample = flat[:: stride_for(flat.numel())].numpy()
    oracle, _ = np.histogram(sample, BINS, (low, high))
    assert np.abs(counts.numpy() - oracle).sum() <= 4, "values on an edge may round to either side"
    if values.numel() <= SAMPLE:
        assert (low, high) == (exact.min(), exact.max())
        assert counts.sum() == values.numel()
    else:
        share = np.histogram(exact, BINS, (low, high))[0] / exact.size
        assert np.abs(counts.numpy() / len(sample) - share).max() < 0.02, "a fair sample"


LAYOUTS = {
    "flat": lambda: torch.randn(7001),
    "maps": lambda: torch.randn(5, 6, 11, 13).relu(),
    "channels last": lambda: torch.randn(5, 6, 11, 13).relu().to(memory_format=torch.channels_last),
    "every second": lambda: torch.randn(9, 700, 2)[..., 0],
    "one long row": lambda: torch.randn(1, 4000, 2)[..., 1],
    "turned": lambda: torch.randn(80, 90).t(),
    "bfloat16": lambda: torch.randn(5, 6, 11, 13).bfloat16(),
    "one value": lambda: torch.full((3000,), 2.5),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_in_pieces_a_statistic_is_what_it_is_in_one(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends, shares and histograms to the last bit; mean, std and norm as exact as float64 makes them."""
    torch.manual_seed(3)
    values = LAYOUTS[layout]().tanh()
    counted = (statistics.saturated, statistics.pinned)
    whole = [moments(values), zeros(values), norm(values), histogram(values)]
    shares = [of(values, kind) for of in counted for kind in ("tanh", "sigmoid", "relu")]
    monkeypatch.setattr(statistics, "WHOLE", 500)
    monkeypatch.setattr(statistics, "SAMPLE", 1 << 20)
    assert max(len(piece) for piece in statistics.pieces(values)) <= 500
    assert torch.equal(torch.cat(list(statistics.pieces(values))).sort().values, values.float().flatten().sort().values)
    now = [moments(values), zeros(values), norm(values), histogram(values)]
    exact = values.double().numpy()
    assert torch.equal(now[0][2:], whole[0][2:]), "minimum, maximum, zeros"
    assert now[0][:2].tolist() == pytest.approx([exact.mean(), exact.std()], rel=1e-6, abs=2e-7)
    assert now[1].item() == whole[1].item() == pytest.approx((exact == 0).mean())
    assert now[2].item() == pytest.approx(np.linalg.norm(exact), rel=1e-6)
    assert torch.equal(now[3], whole[3])
    again = [of(values, kind) for of in counted for kind in ("tanh", "sigmoid", "relu")]
    for share, other in zip(shares, again, strict=True):
        assert (share is None) is (other is None)
        if share is not None and other is not None:
            assert share.item() == pytest.approx(other.item(), rel=1e-6)
    assert bool(all_finite(values))
    for bad in (math.nan, math.inf, -math.inf):
        spoilt = values.clone()
        spoilt[(0,) * spoilt.dim()] = bad
        assert not bool(all_finite(spoilt))


def test_a_stride_never_walks_along_one_column() -> None:
    for count in (64 * 32 * 32 * 32, 128 * 64 * 14 * 14, 10**6, SAMPLE + 1, SAMPLE, 1):
        stride = stride_for(count)
        assert math.gcd(stride, count) == 1
        assert -(-count // stride) <= SAMPLE


def test_values_that_are_not_finite_are_left_out_of_the_histogram() -> None:
    part = histogram(torch.tensor([1.0, math.inf, 2.0, math.nan, -math.inf, 3.0]))
    assert [part[0].item(), part[1].item(), part[2:].sum().item()] == [1.0, 3.0, 3.0]
    assert histogram(torch.tensor([math.nan, math.inf]))[0].isnan()


@pytest.mark.parametrize("classes", [10, LARGE])
def test_the_meter_reads_what_every_step_was(classes: int) -> None:
    torch.manual_seed(0)
    meter, expected = StepMetrics(), []
    for size in (4, 4, 4, 3):
        logits, labels = torch.randn(size, classes), torch.randint(classes, (size,))
        labels[0] = logits[0].argmax()
        gradients = torch.randn(5), torch.randn(2, 3)
        loss = nn.functional.cross_entropy(logits, labels)
        norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
        meter.add(loss, norm, logits, labels)
        expected.append((loss.item(), (logits.argmax(1) == labels).float().mean().item(), norm.item(), size))
    found = meter.read()
    assert len(found.loss) == 4
    rows = list(zip(found.loss, found.accuracy, found.grad_norm, found.images, strict=True))
    assert [torch.tensor(row[0]).item() for row in rows] == [row[0] for row in expected], "nine digits tell all bits"
    assert [value for row in rows for value in row] == pytest.approx([value for row in expected for value in row])
    assert meter.read().loss == []
