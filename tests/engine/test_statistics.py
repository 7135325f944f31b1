"""Numbers about tensors against numpy, and the step's readings against their definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from cvtui.engine.meter import LARGE, Meter
from cvtui.engine.statistics import BINS, SAMPLE, flat_view, histogram, moments, stride_for


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


def test_a_stride_never_walks_along_one_column() -> None:
    for count in (64 * 32 * 32 * 32, 128 * 64 * 14 * 14, 10**6, SAMPLE + 1, SAMPLE, 1):
        stride = stride_for(count)
        assert math.gcd(stride, count) == 1
        assert -(-count // stride) <= SAMPLE


def test_values_that_are_not_finite_are_left_out_of_the_histogram() -> None:
    part = histogram(torch.tensor([1.0, math.inf, 2.0, math.nan, -math.inf, 3.0]))
    assert (part[0], part[1], part[2:].sum()) == (1.0, 3.0, 3.0)
    assert histogram(torch.tensor([math.nan, math.inf]))[0].isnan()


@pytest.mark.parametrize("classes", [10, LARGE])
def test_the_meter_reads_what_every_step_was(classes: int) -> None:
    torch.manual_seed(0)
    meter, expected = Meter(), []
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
