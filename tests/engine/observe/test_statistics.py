"""Numbers about tensors against numpy, and the step's readings against their definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from cvtui.engine.observe import statistics
from cvtui.engine.observe.finite_inputs import FiniteInputs
from cvtui.engine.observe.gathered import BINS, GATHERED, Places, describe, places, saturation
from cvtui.engine.observe.joined_batches import JoinedBatches
from cvtui.engine.observe.statistics import KnownNorms, all_finite, channel_sums, flat_view, moments, norm, norms_of
from cvtui.engine.observe.step_metrics import LARGE, StepMetrics


def gathered(values: torch.Tensor) -> torch.Tensor:
    return Places().gather(values)


SHAPES = [(64, 32, 8, 8), (3, 5), (100, 200), (7, 3, 33, 31), (1, 1), (16, 64, 32, 32), (2048, 2), (4097,)]


@pytest.mark.parametrize("shape", SHAPES)
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
    row = gathered(values)
    assert len(row) == min(values.numel(), GATHERED)
    found = describe([row])[0]
    sample = row.double().numpy()
    of_sample = [sample.mean(), sample.std(), sample.min(), sample.max(), (sample == 0).mean()]
    assert found[:5].tolist() == pytest.approx(of_sample, rel=1e-5, abs=1e-6)
    low, high, counts = found[5].item(), found[6].item(), found[7:]
    assert len(counts) == BINS
    assert counts.sum() == len(row)
    if low == exact.min() - 0.5:
        assert exact.min() == exact.max()
        return
    assert (low, high) == (sample.min(), sample.max())
    oracle, _ = np.histogram(sample, BINS, (low, high))
    assert np.abs(counts.numpy() - oracle).sum() <= 4, "values on an edge may round to either side"
    if values.numel() <= GATHERED:
        assert of_sample == expected
    else:
        assert found[:2].tolist() == pytest.approx(expected[:2], rel=0.05)
        expected_share = np.histogram(exact, BINS, (low, high))[0] / exact.size
        error = np.sqrt(expected_share / len(row)) + 1 / len(row)  # the standard one of a fair draw
        assert (np.abs(counts.numpy() / len(row) - expected_share) < 4 * error).all(), "a fair sample"


ODD_ROWS = {
    "one value": torch.full((3000,), 2.5),
    "none finite": torch.tensor([math.nan, math.inf, -math.inf]),
    "one that is not": torch.tensor([0.0, 1.0, 3.0, math.nan]),
    "infinite": torch.tensor([0.0, -1.0, math.inf]),
    "short": torch.tensor([-1.0, 0.0, 0.0, 3.0]),
    "long": torch.linspace(-2, 5, GATHERED),
    "single": torch.tensor([0.0]),
}


def test_all_rows_at_once_are_what_each_is_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of a GPU, here on the CPU, against that of numpy."""
    by_numpy = describe(list(ODD_ROWS.values()))
    monkeypatch.setattr(statistics, "on_cpu", lambda _: False)
    together = describe(list(ODD_ROWS.values()))
    for name, one, other in zip(ODD_ROWS, by_numpy.tolist(), together.tolist(), strict=True):
        if name == "none finite":
            assert math.isnan(one[5])
            assert math.isnan(other[5])
            one, other = one[:5], other[:5]
        assert other == pytest.approx(one, rel=1e-5, abs=1e-6, nan_ok=True), name
    assert by_numpy[4][:5].tolist() == [0.5, 1.5, -1.0, 3.0, 0.5]
    assert by_numpy[2][5:7].tolist() == [0.0, 3.0]
    assert by_numpy[2][7:].tolist() == [1.0, *[0.0] * 9, 1.0, *[0.0] * 20, 1.0], "the NaN is in no bin"


def test_places_are_fixed_one_a_stratum_and_fair_to_every_column() -> None:
    """A plain stride saw some columns alone: the std of 8 x 8 maps of 32 channels came out a fifth off."""
    before = torch.get_rng_state()
    for count in (GATHERED + 1, 128 * 32 * 8 * 8, 64 * 32 * 32 * 32, 10**6, 5_000_000_000):
        found = places(count, torch.device("cpu"))
        assert torch.equal(found, places(count, torch.device("cpu")))
        bounds = torch.arange(GATHERED + 1) * count // GATHERED
        assert bool(((found >= bounds[:-1]) & (found < bounds[1:])).all())
    assert torch.equal(before, torch.get_rng_state())
    where = places(128 * 32 * 8 * 8, torch.device("cpu")).numpy()
    for columns in (32, 8, 64, 8 * 32):
        counts = np.bincount(where % columns, minlength=columns)
        mean = GATHERED / columns
        assert np.abs(counts - mean).max() < 5 * math.sqrt(mean)


@pytest.mark.parametrize("layout", ["maps", "every second", "turned"])
def test_the_gathered_values_are_those_at_their_places_in_any_layout(layout: str) -> None:
    values = torch.arange(float(40 * 30 * 20)).view(40, 30, 4, 5)
    values = {"maps": values, "every second": values[..., ::2], "turned": values.transpose(0, 1)}[layout]
    index = places(values.numel(), values.device)
    assert torch.equal(gathered(values), values.flatten()[index])


@pytest.mark.parametrize(("kind", "shares"), [("tanh", [0.5, 0.25]), ("sigmoid", [0.5, 0.25])])
def test_saturated_and_pinned_outputs(kind: str, shares: list[float]) -> None:
    row = (
        torch.tensor([0.0, 1.0, -2.5, 6.0]).tanh() if kind == "tanh" else torch.tensor([0.0, 1.0, -4.0, 6.0]).sigmoid()
    )
    assert saturation(row, kind).tolist() == shares


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
    """Ends and zeros to the last bit; mean, std and norm as exact as float64 makes them."""
    torch.manual_seed(3)
    values = LAYOUTS[layout]().tanh()
    whole = moments(values)
    monkeypatch.setattr(statistics, "WHOLE", 500)
    assert max(len(piece) for piece in statistics.pieces(values)) <= 500
    assert torch.equal(torch.cat(list(statistics.pieces(values))).sort().values, values.float().flatten().sort().values)
    now = moments(values)
    exact = values.double().numpy()
    assert torch.equal(now[2:], whole[2:]), "minimum, maximum, zeros"
    assert now[:2].tolist() == pytest.approx([exact.mean(), exact.std()], rel=1e-6, abs=2e-7)
    assert norm(values).item() == pytest.approx(np.linalg.norm(exact), rel=1e-6)
    assert bool(all_finite(values))
    for bad in (math.nan, math.inf, -math.inf):
        spoilt = values.clone()
        spoilt[(0,) * spoilt.dim()] = bad
        assert not bool(all_finite(spoilt))


def test_values_that_are_not_finite_are_left_out_of_the_histogram() -> None:
    part = describe([torch.tensor([1.0, math.inf, 2.0, math.nan, -math.inf, 3.0])])[0, 5:]
    assert [part[0].item(), part[1].item(), part[2:].sum().item()] == [1.0, 3.0, 3.0]
    assert describe([torch.tensor([math.nan, math.inf])])[0, 5].isnan()


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


def test_norms_put_together_at_the_flush_are_those_of_each_step_to_the_bit() -> None:
    torch.manual_seed(0)
    meter, expected = StepMetrics(), []
    for count in (5, 1, 7, 5, 5, 0):
        parts = [torch.rand(()) * 10 for _ in range(count)]
        meter.add_share(torch.tensor(1.0), parts or None, None)
        expected.append(torch.linalg.vector_norm(torch.stack(parts)).item() if parts else math.nan)
    meter.add_share(2.5, torch.tensor(3.0), 0.25)
    found = meter.read()
    assert found.grad_norm == pytest.approx([*expected, 3.0], rel=0, abs=0, nan_ok=True)
    assert found.without == {5}
    assert found.loss == [1.0] * 6 + [2.5]
    assert found.accuracy == pytest.approx([math.nan] * 6 + [0.25], nan_ok=True)


@pytest.mark.parametrize("alive", [0, 20, 62, 63, 64])
@pytest.mark.parametrize("last", [False, True])
def test_living_channels_of_a_large_output_are_those_of_all_its_values(alive: int, last: bool) -> None:
    """Some live in one value alone, which no sample sees."""
    output = torch.randn(64, 64, 8, 8).relu()
    output[:, alive:] = 0.0
    output[11, 63, 2, 3] = 0.5
    if last:
        output = output.to(memory_format=torch.channels_last)
    sums = channel_sums(output)
    assert torch.equal(sums != 0, output.amax((0, 2, 3)) > 0)
    torch.testing.assert_close(sums, output.double().sum((0, 2, 3)).float())
    rows = output.flatten(2)
    torch.testing.assert_close(channel_sums(rows), sums)
    torch.testing.assert_close(channel_sums(rows[:, :, 0]), rows[:, :, 0].sum(0))


def test_a_known_norm_counts_until_its_gradient_changes() -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([3.0, 4.0])
    known = KnownNorms()
    assert known.of([weight], [weight.grad]) == [None]
    known.note([weight], norms_of([weight.grad]))
    assert known.of([weight], [weight.grad]) == [5.0]
    weight.grad.mul_(0.5)
    assert known.of([weight], [weight.grad]) == [None], "clipped"
    known.note([weight], norms_of([weight.grad]))
    weight.grad = torch.tensor([3.0, 4.0])
    assert known.of([weight], [weight.grad]) == [None], "another"


def test_batches_of_several_kinds_are_summed_each_by_its_own() -> None:
    """Of half precision, whose own sum is infinite from 65,505 on; some on another device (meta, without values)."""
    inputs = FiniteInputs(wanted=True)
    batches = JoinedBatches(inputs.take)
    ones = torch.ones(4, 40_000 // 4, dtype=torch.float16)
    for step, images in enumerate([2 * ones, 2 * ones, 2 * ones.repeat(1, 2)]):
        batches.take(step, images)
    batches.pour()
    assert inputs.facts() == {}
    seen: list[list[int]] = []
    batches = JoinedBatches(lambda joined: seen.append(joined.steps))
    for step, device in enumerate(["cpu", "cpu", "meta", "cpu"]):
        batches.take(step, torch.zeros(2, 3, device=device))
    batches.pour()
    assert seen == [[0, 1], [2], [3]]
    ones[1, 1] = math.inf
    batches = JoinedBatches(inputs.take)
    for step in range(3):
        batches.take(step, ones if step else torch.ones_like(ones))
    batches.pour()
    assert inputs.facts() == {"bad_batch": 1}
