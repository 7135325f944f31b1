"""LinePlot through Textual: what mouse and keys do to it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from textual import events
from textual.pilot import Pilot

from cvtui.draw.scales import Limits
from cvtui.tui.plot.line_plot import Line, LinePlot
from tests.tui.plot_stage import frame_of, line, shown


async def wheel(pilot: Pilot[None], plot: LinePlot, at: tuple[int, int], up: bool, **keys: bool) -> None:
    event = events.MouseScrollUp if up else events.MouseScrollDown
    await pilot._post_mouse_events([event], widget=plot, offset=at, **keys)
    await pilot.pause()


async def test_wheel_zooms_at_the_pointer():
    async with shown(lambda plot: plot.set_lines([line()])) as (plot, pilot, app):
        under = frame_of(plot).x_at(50)
        home = frame_of(plot).across.limits
        await wheel(pilot, plot, (50, 10), True)
        limits = frame_of(plot).across.limits
        assert limits.high - limits.low == pytest.approx(999 * 0.8)
        assert frame_of(plot).x_at(50) == pytest.approx(under, abs=999 / 80 / 10)
        for _ in range(3):
            await wheel(pilot, plot, (50, 10), False)
        assert frame_of(plot).across.limits == home
        assert plot.view == (None, None)
        assert isinstance(app.told[-1], LinePlot.Zoomed)
        assert app.told[-1].x is None


async def test_wheel_with_shift_zooms_y():
    async with shown(lambda plot: plot.set_lines([line()])) as (plot, pilot, _):
        before = frame_of(plot).up.limits
        await wheel(pilot, plot, (50, 10), True, shift=True)
        after = frame_of(plot).up.limits
        assert after.high - after.low == pytest.approx((before.high - before.low) * 0.8)
        assert plot.view[0] is None
        plot.set_lines([line(1000), line(name="other")])
        await pilot.pause()
        assert frame_of(plot).up.limits == after


async def test_zooming_in_ends_where_there_is_nothing_more_to_see():
    async with shown(lambda plot: plot.set_lines([line()])) as (plot, pilot, _):
        plot._look_at(Limits(500, 520), None)
        for _ in range(14):
            await wheel(pilot, plot, (50, 10), True)
        limits = frame_of(plot).across.limits
        assert 2 <= limits.high - limits.low <= 3
        assert frame_of(plot).x_axis.labels


async def drag(pilot: Pilot[None], plot: LinePlot, start: int, end: int, **keys: bool) -> None:
    await pilot._post_mouse_events([events.MouseDown], widget=plot, offset=(start, 10), button=1, **keys)
    for x in (start + (end - start) // 2, end):
        await pilot._post_mouse_events([events.MouseMove], widget=plot, offset=(x, 10), button=1)
    await pilot.pause()


async def release(pilot: Pilot[None], plot: LinePlot, at: int) -> None:
    await pilot._post_mouse_events([events.MouseUp], widget=plot, offset=(at, 10), button=1)
    await pilot.pause()


async def test_dragging_selects_and_dragging_the_zoomed_moves():
    async with shown(lambda plot: plot.set_lines([line()])) as (plot, pilot, app):
        low, high = frame_of(plot).x_at(30), frame_of(plot).x_at(60)
        plain = plot._palette.style("").bgcolor
        await drag(pilot, plot, 60, 30)
        grounds = {segment.style.bgcolor for segment in plot.render_line(10) if segment.style}
        assert len(grounds) == 2
        assert plain in grounds
        await release(pilot, plot, 30)
        assert frame_of(plot).across.limits == pytest.approx((low, high))
        assert len({segment.style.bgcolor for segment in plot.render_line(10) if segment.style}) == 1
        under = frame_of(plot).x_at(50)
        await drag(pilot, plot, 50, 40)
        await release(pilot, plot, 40)
        assert frame_of(plot).x_at(40) == pytest.approx(under, rel=1e-6)
        width = frame_of(plot).across.limits
        assert width.high - width.low == pytest.approx(high - low)
        assert {type(message) for message in app.told} == {LinePlot.Zoomed}


async def test_moving_stops_at_the_ends():
    async with shown(lambda plot: plot.set_lines([line()])) as (plot, pilot, _):
        plot.focus()
        plot._look_at(Limits(100, 300), None)
        await pilot.press(*["shift+left"] * 4)
        assert frame_of(plot).across.limits == pytest.approx((0, 200), abs=1e-6)
        await pilot.press(*["shift+right"] * 21)
        assert frame_of(plot).across.limits == pytest.approx((799, 999), abs=1e-6)


async def test_a_click_puts_the_cursor_on_the_nearest_sample():
    lines = [Line("a", np.arange(0, 1000, 10), np.ones(100)), Line("b", np.array([3.0]), np.array([1.0]))]
    async with shown(lambda plot: plot.set_lines(lines)) as (plot, pilot, app):
        wanted = round(frame_of(plot).x_at(40) / 10) * 10
        await pilot.click(plot, offset=(40, 10))
        await pilot.pause()
        assert plot.cursor_x == wanted
        (message,) = app.told
        assert isinstance(message, LinePlot.CursorMoved)
        assert message.x == wanted


async def test_keys_zoom_around_the_cursor_and_change_the_range():
    async with shown(lambda plot: plot.set_lines([line()])) as (plot, pilot, _):
        plot.focus()
        plot.cursor_x = 200.0
        await pilot.press("plus")
        frame = frame_of(plot)
        assert float(frame.across.to_dots(200.0, 2)) == pytest.approx(200 / 999)
        await pilot.press("minus", "minus", "y")
        assert plot.view == (None, None)
        assert (plot.full_y, plot.log_y) == (True, False)
        await pilot.press("y")
        assert (plot.full_y, plot.log_y) == (False, True)
        assert frame_of(plot).up.kind == "log"
        await pilot.press("y")
        assert (plot.full_y, plot.log_y) == (False, False)


@pytest.mark.parametrize("spike", [37.0, 5e27, -5e27])
async def test_one_spike_leaves_the_rest_readable_and_is_marked(spike: float) -> None:
    values = 2.5 * np.exp(-np.arange(300) / 60) + 0.1
    values[200:209:4] = spike, np.sign(spike) * 30, np.sign(spike) * 25  # in columns side by side: one number
    spiked = Line("loss", np.arange(300), values)
    async with shown(lambda plot: plot.set_lines([spiked])) as (plot, pilot, _):
        low, high = frame_of(plot).up.limits
        assert -1 < low < 0.2
        assert 2.5 < high < 4
        top, bottom = plot.text.splitlines()[0], plot.text.splitlines()[-3]
        assert re.search("▲+37 " if spike == 37 else "▲+5e27 " if spike > 0 else "▼+-5e27 ", top + bottom)
        plot.focus()
        await pilot.press("y")
        low, high = frame_of(plot).up.limits
        assert low <= spike <= high  # all of it, on one more key
        assert "▲" not in plot.text


async def test_what_is_no_spike_is_in_view() -> None:
    """A curve that begins high, a step, two levels, few points, noise: all between the ends of the axis."""
    steps = np.arange(300.0)
    rng = np.random.default_rng(0)
    for values in (
        7 * np.exp(-steps / 10) + 0.1, np.where(steps < 150, 1.0, 1000.0), rng.exponential(1.0, 300),
        np.full(300, 0.5), np.array([1.0, 2.0, 90.0]), np.where(steps < 290, 1.0, 50.0),
    ):  # fmt: skip
        line_ = Line("loss", np.arange(len(values)), values)
        async with shown(lambda plot, line_=line_: plot.set_lines([line_])) as (plot, _, _app):  # type: ignore[misc]
            low, high = frame_of(plot).up.limits
            assert low <= values.min()
            assert values.max() <= high
    shares = Line("accuracy", steps, np.where(steps < 2, 0.06, 0.97))  # a share is readable between 0 and 1
    one = Line("s1", steps, np.where(steps % 3, 1.0, np.nextafter(1.0, 2.0)))  # what smoothing leaves of a constant
    async with shown(lambda plot: plot.set_lines([shares])) as (plot, pilot, _app):
        plot.y_kind = "percent"
        await pilot.pause()
        assert frame_of(plot).up.limits.low <= 0.06
        plot.set_lines([one])
        await pilot.pause()
        assert frame_of(plot).up.limits.low < 0.95


async def test_mouse_without_data_does_nothing():
    async with shown() as (plot, pilot, app):
        await wheel(pilot, plot, (5, 5), True)
        await pilot.click(plot, offset=(5, 5))
        await pilot.press("plus", "r", "shift+left")
        assert app.told == []
