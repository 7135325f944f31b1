"""The time cursor: every pane shows the run as it was at one step, until it follows again."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from cvtui.draw.scales import Limits
from cvtui.runlog.axes import Positions, XAxis, position, step_at
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.tui.panes.layers_table import LayersTable
from cvtui.tui.panes.styled_lines import StyledLines
from cvtui.tui.panes.view_state import X_AXES
from cvtui.tui.train.time_cursor import moved, moved_by_epoch, stride
from tests.tui.live_host import LiveHost
from tests.tui.written_runs import WrittenRun
from tests.waiting import wait_until_async

pytestmark = pytest.mark.walked

ENDS = [23 * epoch for epoch in range(1, 16)]


# ---------------------------------------------------------------------- where it goes


@pytest.mark.parametrize(
    ("steps", "size"), [(0, 1), (200, 1), (399, 1), (400, 2), (1_000, 5), (2_000, 10), (3_999, 10), (200_000, 1_000)]
)
def test_an_arrow_goes_a_round_number_of_steps(steps: int, size: int) -> None:
    assert stride(steps) == size


def test_steps_and_epochs_of_the_cursor(finished: RunFolder) -> None:
    history = History(finished)
    assert moved(history, None, -1, 10) is None
    assert moved_by_epoch(history, None, 1) is None
    history.poll()
    assert moved(history, None, -1, 10) == 340
    assert moved(history, None, 1, 10) == 345
    assert moved(history, 340, -1, 10) == 330
    assert moved(history, 337, 1, 10) == 340
    assert moved(history, 337, -1, 10) == 330
    assert moved(history, 3, -1, 10) == 0
    assert moved(history, 344, 1, 10) == 345
    ends: list[int] = []
    at = moved_by_epoch(history, 0, 1)
    while at is not None and (not ends or at != ends[-1]):
        ends.append(at)
        at = moved_by_epoch(history, at, 1)
    assert ends == ENDS
    assert moved_by_epoch(history, None, -1) == 322
    assert moved_by_epoch(history, 24, -1) == 23
    assert moved_by_epoch(history, 23, -1) == 0


@pytest.mark.parametrize("axis", X_AXES)
def test_every_step_is_found_again_on_every_axis(finished: RunFolder, axis: XAxis) -> None:
    history = History(finished)
    history.poll()
    for step in (0, 1, 22, 23, 24, 100, 160, 344, 345):
        assert step_at(history, axis, float(position(history, axis, step)[0])) == step
    drawn = Positions().of_steps(history, axis)
    assert [step_at(history, axis, float(x)) for x in drawn] == list(range(345))
    assert step_at(history, axis, -1e9) == 0
    assert step_at(history, axis, 1e12) == 345


# ---------------------------------------------------------------------- what the panes show


@pytest.mark.parametrize("size", [(80, 24), pytest.param((160, 45), marks=pytest.mark.long)])
async def test_all_panes_show_the_moment_under_the_cursor(finished: RunFolder, size: tuple[int, int]) -> None:
    app = LiveHost(finished)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        app.live.show_step(167)
        await pilot.pause()
        first = app.live.header.text.split("\n")[0]
        assert first.endswith("at step 167 (epoch 8) · end: last step")
        for name in ("loss", "accuracy", "rate"):
            app.live.show_pane(name)
            await pilot.pause()
            assert app.curve(name).plot.cursor_x == 167
        lr = app.live.history.steps.lr[167]
        assert app.subtitle("rate") == f"{lr:.3g} at step 167"
        app.live.show_pane("layers")
        await pilot.pause()
        assert app.subtitle("layers").startswith("at step 160, last sample before 167")
        table = app.live.pane("layers").query_one(LayersTable)
        sampled = app.live.history.layers_at(160)
        assert sampled is not None
        assert [row.stats for row in table.rows if row.stats is not None] == sampled.layers
        app.live.show_pane("log")
        await pilot.pause()
        log = app.live.pane("log").query_one(StyledLines)
        assert log.marked is not None
        marked = log.lines[log.marked].body.plain
        assert marked.startswith("epoch  7")
        top = log.scroll_offset.y
        assert any("epoch  7" in line.plain for line in log._wrapped[top : top + log.size.height])


async def the_mouse_puts_it_on_a_curve_and_takes_it_along(pilot: Pilot[None], app: LiveHost) -> None:
    await pilot.pause()
    plot = app.curve("loss").plot
    await pilot.click(plot, offset=(30, 6))
    await pilot.pause()
    there = app.live.view.cursor
    assert there is not None
    assert 100 < there < 200
    assert app.curve("accuracy").plot.cursor_x == there
    await pilot.mouse_down(plot, offset=(30, 6))
    await pilot.hover(plot, offset=(45, 6))
    await pilot.mouse_up(plot, offset=(45, 6))
    await pilot.pause()
    moved = app.live.view.cursor
    assert moved is not None
    assert moved > there + 50
    assert plot.view == (None, None)


async def it_stays_on_its_step_when_the_axis_changes(pilot: Pilot[None], app: LiveHost) -> None:
    app.live.show_step(115)
    for axis, expected in (("epochs", 5.0), ("samples", 5 * 1437), ("time", 1.15), ("steps", 115)):
        await pilot.press("a")
        await pilot.pause()
        assert app.live.view.x_axis == axis
        assert app.live.view.cursor == 115
        assert app.curve("loss").plot.cursor_x == pytest.approx(expected)


async def arrows_move_it_and_end_follows_again(pilot: Pilot[None], app: LiveHost) -> None:
    await pilot.pause()
    await pilot.press("left", "left")
    assert app.live.view.cursor == 343
    await pilot.press("shift+left")
    assert app.live.view.cursor == 322
    await pilot.press("right", "shift+right")
    assert app.live.view.cursor == 345
    await pilot.press("end")
    assert app.live.view.cursor is None
    assert app.curve("loss").plot.cursor_x is None
    assert "end: " not in app.live.header.text
    for name in ("layers", "log", "prediction"):  # these have an end of their own
        app.live.show_pane(name)
        await pilot.press("left")
        assert app.live.view.cursor == 344
        await pilot.press("end")
        assert app.live.view.cursor is None
    app.live.show_pane("layers")
    await pilot.press("end")
    assert app.live.pane("layers").query_one(LayersTable).cursor == 12
    await pilot.press("left", "escape")
    assert app.live.view.cursor is None


async def a_zoomed_view_goes_along(pilot: Pilot[None], app: LiveHost) -> None:
    await pilot.pause()
    plot = app.curve("loss").plot
    plot._look_at(Limits(100, 140), None)
    app.live.show_step(300)
    await pilot.pause()
    view = plot.view[0]
    assert view is not None
    assert (view.low, view.high) == pytest.approx((280, 320), abs=1)


async def test_it_is_moved_by_mouse_and_keys_and_stays_where_it_is_put(finished: RunFolder) -> None:
    app = LiveHost(finished)
    async with app.run_test(size=(160, 45)) as pilot:
        await the_mouse_puts_it_on_a_curve_and_takes_it_along(pilot, app)
        await it_stays_on_its_step_when_the_axis_changes(pilot, app)
        await pilot.press("escape")
        await arrows_move_it_and_end_follows_again(pilot, app)
        app.live.show_pane("loss")
        await a_zoomed_view_goes_along(pilot, app)


async def test_what_comes_does_not_move_it(growing: WrittenRun) -> None:
    app = LiveHost(growing.folder)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("shift+left")
        assert app.live.view.cursor == 23
        growing.step(60)
        await wait_until_async(lambda: app.live.history.steps_done == 100, what="the new steps")
        await pilot.pause()
        assert app.live.view.cursor == 23
        assert app.subtitle("layers").startswith("at step 20, last sample before 23")
        await pilot.press("end")
        await wait_until_async(lambda: app.subtitle("layers").startswith("at step 90"), what="the last sample")


async def test_before_the_first_sample_it_says_so(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path)
    run.done = 5  # its log begins in mid-run
    run.step(10)
    app = LiveHost(run.folder)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        app.live.show_step(7)
        await pilot.pause()
        assert app.subtitle("layers") == "no sample before step 7"
    run.close()
