"""Smoothing and the four x axes, against the formulas written out."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvtui.export.report import charts
from cvtui.runlog.axes import Positions, Smoothed, Smoother, epoch_middles, position, speed
from cvtui.runlog.events import EpochDone, RateGroup, Steps
from cvtui.runlog.history import History
from cvtui.tui.panes.gradient import GradientPane
from cvtui.tui.panes.layer_rows import layer_rows
from cvtui.tui.panes.layers_table import widths_of
from cvtui.tui.panes.predictions import UpcomingRates, predict, time_left
from cvtui.tui.panes.rate import parts_of
from cvtui.tui.panes.view_state import ViewState
from tests.tui.live_host import LiveHost
from tests.tui.written_runs import PLAIN, SECONDS_A_STEP, WrittenRun

VALUES = st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(math.nan), st.just(math.inf)), max_size=400)
BETAS = st.sampled_from([0.0, 0.5, 0.9, 0.98, 0.995])


def written_out(values: list[float], beta: float) -> list[float]:
    """sum_i beta^(t−i) x_i / sum_i beta^(t−i) over the finite x_i that are no spikes, one term after the other."""
    smooth, top, bottom = [], 0.0, 0.0
    for place, value in enumerate(values):
        before = [one for one in values[max(0, place - 20) : place] if math.isfinite(one)]
        usual = statistics.median(before) if len(before) >= 5 else 0.0
        there = math.isfinite(value) and not (usual > 0 and value > 100 * usual)
        top = beta * top + (value if there else 0.0)
        bottom = beta * bottom + (1.0 if there else 0.0)
        smooth.append(top / bottom if there else math.nan)
    return smooth


@given(VALUES, BETAS)
def test_smoothing_is_the_bias_corrected_average(values: list[float], beta: float) -> None:
    smoother = Smoother(beta)
    smoother.extend(np.array(values))
    clean = np.where(np.isfinite(values), values, np.nan)  # with beta 0 the values are handed on as they are
    expected = written_out(values, beta) if beta else clean
    got = np.where(np.isfinite(smoother.values), smoother.values, np.nan)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-6)


@given(VALUES, BETAS, st.lists(st.integers(0, 150), max_size=6))
def test_pieces_give_what_the_whole_gives(values: list[float], beta: float, cuts: list[int]) -> None:
    whole, pieces = Smoother(beta), Smoother(beta)
    whole.extend(np.array(values))
    start = 0
    for cut in cuts:
        pieces.extend(np.array(values[start : start + cut]))
        start += cut
    pieces.extend(np.array(values[start:]))
    np.testing.assert_allclose(pieces.values, whole.values, rtol=1e-9, atol=1e-6)


def test_a_spike_does_not_carry_the_curve_away_and_a_change_that_lasts_does() -> None:
    smoother = Smoother(0.9)
    smoother.extend(np.array([2.0] * 30 + [5e27] * 3 + [2.0] * 30 + [500.0] * 60))
    assert np.isnan(smoother.values[30:33]).all()
    np.testing.assert_allclose(smoother.values[33:63], 2.0)
    assert np.isnan(smoother.values[63:73]).all()
    assert smoother.values[-1] == pytest.approx(500, rel=0.02)


def test_the_first_value_is_not_pulled_to_zero() -> None:
    smoother = Smoother(0.99)
    smoother.extend(np.array([2.3, 2.3, 2.3]))
    np.testing.assert_allclose(smoother.values, 2.3)


@pytest.mark.parametrize("beta", [-0.1, 1.0, 2.0])
def test_a_beta_outside_0_to_1_is_refused(beta: float) -> None:
    with pytest.raises(ValueError, match="beta"):
        Smoother(beta)


@pytest.fixture
def run(tmp_path: Path) -> WrittenRun:
    """Digits: 1,437 images in batches of 64 are 23 steps an epoch, the last of 29 images."""
    return WrittenRun(tmp_path, recipe=msgspec.structs.replace(PLAIN, epochs=4))


def read(run: WrittenRun) -> History:
    history = History(run.folder)
    history.poll()
    return history


def test_positions_on_each_axis(run: WrittenRun) -> None:
    run.step(50)
    history = read(run)
    steps = [0.0, 1.0, 22.0, 23.0, 46.0]
    assert position(history, "steps", steps).tolist() == steps
    np.testing.assert_allclose(position(history, "epochs", steps), [0, 1 / 23, 22 / 23, 1, 2])
    assert position(history, "samples", steps).tolist() == [0, 64, 22 * 64, 1437, 2874]
    np.testing.assert_allclose(position(history, "time", steps), np.array(steps) * SECONDS_A_STEP, atol=1e-12)


def test_time_ahead_goes_on_at_the_present_pace(run: WrittenRun) -> None:
    run.step(50)
    history = read(run)
    np.testing.assert_allclose(position(history, "time", [60.0, 92.0]), [0.6, 0.92])
    assert speed(history) == pytest.approx(1 / SECONDS_A_STEP)
    assert time_left(history) == pytest.approx((92 - 50) * SECONDS_A_STEP)


@pytest.mark.parametrize("axis", ["steps", "epochs", "samples", "time"])
def test_positions_grow_with_the_run(run: WrittenRun, axis: str) -> None:
    positions = Positions()
    history = History(run.folder)
    for _ in range(3):
        run.step(20)
        history.poll()
        grown = positions.of_steps(history, axis).copy()  # type: ignore[arg-type]
    whole = Positions().of_steps(history, axis)  # type: ignore[arg-type]
    np.testing.assert_array_equal(grown, whole)
    assert len(whole) == 60


def test_steps_without_a_time_are_passed_over(run: WrittenRun) -> None:
    run.write(Steps(first=0, loss=[1.0] * 4, lr=[0.1] * 4, seconds=[0.5, 1.0]))
    run.write(Steps(first=4, loss=[1.0] * 2, lr=[0.1] * 2, seconds=[2.5, 3.0]))
    history = read(run)
    np.testing.assert_allclose(position(history, "time", [0, 1, 2, 3, 5, 5.5, 6]), [0, 0.5, 1, 1.5, 2.5, 2.75, 3.0])


def test_half_a_step_is_half_its_time(run: WrittenRun) -> None:
    run.step(4)
    np.testing.assert_allclose(position(read(run), "time", [0.5, 2.5, 3.75]), np.array([0.5, 2.5, 3.75]) * 0.01)


def test_nothing_is_known_before_the_first_step(run: WrittenRun) -> None:
    history = read(run)
    assert np.isnan(position(history, "time", 3.0)).all()
    assert speed(history) == 0
    assert time_left(history) is None
    assert len(Positions().of_steps(history, "time")) == 0


def test_the_mean_of_an_epoch_lies_at_its_middle(run: WrittenRun) -> None:
    run.step(69)
    assert epoch_middles(read(run)).tolist() == [11.5, 34.5, 57.5]


def test_a_resumed_run_is_smoothed_anew(run: WrittenRun) -> None:
    run.step(60)
    history = read(run)
    smoothed = Smoothed("loss")
    smoothed.values(history, 0.9)
    run.done = 40
    run.write(run._started(step=40))
    run.step(30)
    history.poll()
    expected = Smoother(0.9)
    expected.extend(history.steps.loss)
    assert len(history.steps) == 70
    np.testing.assert_array_equal(smoothed.values(history, 0.9), expected.values)


def test_the_rate_ahead_is_the_schedule(run: WrittenRun) -> None:
    run.step(30)
    history = read(run)
    steps, rates = UpcomingRates(predict(history))(history)
    assert steps[0] == 30
    assert steps[-1] == 91
    np.testing.assert_allclose(rates, [run.checked.schedule.lr_at(int(step)) for step in steps])


def rates(*parts: tuple[float, list[str], bool]) -> list[RateGroup]:
    return [RateGroup(factor=factor, layers=layers, frozen=frozen) for factor, layers, frozen in parts]


def test_parts_with_rates_of_their_own_have_lines_and_cells(tmp_path: Path) -> None:
    recipe = msgspec.structs.replace(PLAIN, freeze="conv*", unfreeze_at=5, lr_backbone="0.1x")
    groups = rates((0.1, ["conv1", "conv2"], True), (0.1, ["fc1"], False), (1.0, ["fc2"], False))
    run = WrittenRun(tmp_path, recipe=recipe, rates=groups)
    run.step(4 * run.per_epoch)
    history = read(run)
    found = [(part.name, part.factor, part.begins) for part in parts_of(history)]
    assert found == [
        ("0.1x conv1 … conv2, from epoch 5", 0.1, 4 * run.per_epoch), ("0.1x fc1", 0.1, None), ("1x fc2", 1.0, None)
    ]  # fmt: skip
    cells = {row.name: row.rate for row in layer_rows(history)[0]}
    assert (cells["conv1"], cells["fc1"], cells["fc2"], cells["pool1"]) == ("ep 5: 0.1x", "0.1x", "1x", "")
    assert widths_of(layer_rows(history)[0])["rate"] == 10
    run.step(1)
    history.poll()
    assert {row.name: row.rate for row in layer_rows(history)[0]}["conv1"] == "0.1x"


def test_one_rate_has_one_line_and_no_column(run: WrittenRun, tmp_path: Path) -> None:
    history = read(run)
    assert [(part.name, part.factor) for part in parts_of(history)] == [("", 1.0)]
    assert widths_of(layer_rows(history)[0])["rate"] == 0
    frozen = WrittenRun(tmp_path, "frozen", rates=rates((1.0, ["conv1"], True), (1.0, ["fc2"], False)))
    assert [part.name for part in parts_of(read(frozen))] == [""], "what stays frozen has no rate"
    assert {row.name: row.rate for row in layer_rows(read(frozen))[0]}["conv1"] == "frozen"


def test_of_many_rates_the_ends_and_some_between_are_drawn(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path, rates=rates(*((0.75**stage, [f"block{stage}"], False) for stage in range(9, -1, -1))))
    assert [part.factor for part in parts_of(read(run))] == pytest.approx([0.75**9, 0.75**6, 0.75**3, 1.0])


def test_a_rate_set_by_hand_scales_what_is_ahead(run: WrittenRun) -> None:
    run.step(30)
    run.command("set_lr", "rate /10", run.checked.schedule.lr_at(30) / 10)
    run.step(10)
    history = read(run)
    steps, rates = UpcomingRates(predict(history))(history)
    np.testing.assert_allclose(rates, [run.checked.schedule.lr_at(int(step)) / 10 for step in steps])


def test_nothing_is_ahead_of_a_run_that_is_through(run: WrittenRun) -> None:
    run.step(92)
    assert len(UpcomingRates(predict(read(run)))(read(run))[0]) == 0


def test_a_run_of_somebody_elses_loop_foretells_what_it_can(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path)
    run.write(run._started(recipe={"net": "resnet18", "mine": True}, prediction={}))
    run.step(5)
    told = predict(read(run))
    assert told.schedule is None
    assert told.first_loss == pytest.approx(math.log(10))
    assert told.parameters is None


async def test_what_was_not_measured_is_none_that_was_not_finite(tmp_path: Path) -> None:
    """A short custom loop has a norm at every tenth step: the curve goes on between them, and stops at an infinite one.

    (Each step between was marked "not finite".) So do epochs without a validation, and without an accuracy.
    """
    run = WrittenRun(tmp_path)
    run.write(run._started())
    norms = [None if step % 10 else 1.0 + step / 100 for step in range(40)]
    run.write(
        Steps(first=0, loss=[1.0] * 40, lr=[0.1] * 40, grad_norm=norms,
              accuracy=[None if step % 10 else 0.5 for step in range(40)], seconds=[0.1] * 40,
              not_finite={"grad_norm": {"inf": [35]}})
    )  # fmt: skip
    for epoch, loss in enumerate((None, 1.0, None, None, 0.5), 1):
        said = {"val_loss": "nan"} if epoch == 4 else {}
        run.write(
            EpochDone(epoch=epoch, step=8 * epoch, time=0.0, train_loss=1.0, train_accuracy=None, val_loss=loss,
                      val_accuracy=loss, seconds=1.0, images_per_second=0.0, not_finite=said)
        )  # fmt: skip
    shown = charts(read(run))
    for chart, lost in zip(shown[:2], (["validation"], []), strict=True):
        bad = [curve.name for curve in chart.curves if not curve.dim and not np.isfinite(curve.y).all()]
        assert bad == lost, chart.title
    app = LiveHost(run.folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.live.show_pane("gradient")
        await pilot.pause()
        lines = app.lines("gradient")
        assert lines
        for line in lines.values():
            assert list(zip(line.x, np.isfinite(line.y), strict=True)) == [
                (0, True), (10, True), (20, True), (30, True), (35, False)
            ]  # fmt: skip
        app.live.show_pane("values")
        await pilot.pause()
        told = [line.split() for line in app.text("values").splitlines()]
        assert ["training", "accuracy", "50.0", "%", "at", "step", "30"] in told
        assert not any(line[:2] == ["gradient", "norm"] for line in told)  # that of step 35 was infinite
        for pane, gone in {"loss": [32.0], "accuracy": []}.items():
            app.live.show_pane(pane)
            await pilot.pause()
            assert "validation" in app.lines(pane)
            ends = [float(x) for line in app.lines(pane).values() if line.gaps for x in line.x[~np.isfinite(line.y)]]
            assert ends == gone, pane


def test_a_norm_that_was_not_finite_is_not_told_by_an_earlier_one(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path)
    norms = [2.0, None, 3.0, None, None]  # the last is infinite; of step 1 and 3 none was taken (cvtui.watch)
    told = {"grad_norm": {"inf": [4]}}
    run.write(Steps(first=0, loss=[1.0] * 5, lr=[0.1] * 5, grad_norm=norms, seconds=[0.1] * 5, not_finite=told))
    history, pane = read(run), GradientPane()
    expected = {0: "norm 2.00", 1: "norm 2.00 at step 0", 3: "norm 3.00 at step 2", 4: "norm not finite"}
    assert {step: pane.subtitle(history, ViewState(cursor=step)) for step in expected} == expected
