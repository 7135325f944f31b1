"""LinePlot through Textual: what it shows, and how it grows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from textual.color import Color

from cvtui.draw.plot_drawing import RasterCache, draw
from cvtui.draw.scales import Limits
from cvtui.tui.plot.line_plot import Guide, Line, LinePlot, Mark
from cvtui.tui.plot.theme_colors import contrast
from tests.tui.plot_stage import NAN, axis_row, braille, colours, column_of, frame_of, line, row_of, rows, shown

# ---------------------------------------------------------------------------- what it shows


async def test_without_a_line_it_waits():
    async with shown() as (plot, pilot, _):
        assert "waiting for the first step" in plot.text
        plot.empty = "nothing yet"
        await pilot.pause()
        assert "nothing yet" in plot.text
        assert "waiting" not in plot.text


async def test_ticks_stand_where_their_values_are():
    async with shown(lambda plot: plot.set_lines([line(1001)]), (100, 30)) as (plot, *_):
        frame = frame_of(plot)
        assert frame.x_axis.labels == ["0", "100", "200", "300", "400", "500", "600", "700", "800", "900", "1000"]
        picture = rows(plot)
        for value in frame.x_axis.ticks:
            assert picture[axis_row(plot)][frame.left + column_of(plot, value) // 2] in "┬└"
        for value, label in zip(frame.y_axis.ticks, frame.y_axis.labels, strict=True):
            row = picture[row_of(plot, value) // 4]
            assert row[: frame.left] == label.rjust(frame.left - 1) + "┤"
        assert picture[-1].split()[:2] == ["step", "0"]


async def test_legend_tells_last_values_and_those_at_the_cursor():
    x = np.arange(100)
    lines = [Line("train", x, x / 100.0), Line("val", np.array([9.0, 19, 29]), np.array([0.5, 0.25, NAN]), points=True)]
    async with shown(lambda plot: plot.set_lines(lines)) as (plot, pilot, _):
        assert "━ train 0.99" in plot.text
        assert "● val      ✗" in plot.text
        plot.cursor_x = 24.0
        await pilot.pause()
        assert "━ train 0.24" in plot.text
        assert "● val   0.25" in plot.text
        assert " 24 " in rows(plot)[-1]
        plot.cursor_x = 3.0
        await pilot.pause()
        assert "● val      –" in plot.text
        plot.legend = False
        await pilot.pause()
        assert "train" not in plot.text


async def test_legend_stands_beside_the_title_where_there_is_room():
    def setup(plot: LinePlot) -> None:
        plot.title = "Loss"
        plot.set_lines([line(name="train"), line(name="val")])

    async with shown(setup) as (plot, pilot, _):
        first = rows(plot)[0]
        assert first.startswith("Loss")
        assert "train" in first
        assert "val" in first
        await pilot.resize_terminal(30, 12)
        await pilot.pause()
        assert "train" not in rows(plot)[0]
        assert "train" in plot.text


async def test_nan_is_marked_with_its_first_step():
    y = np.linspace(2, 1, 3000)
    y[1234:1300] = NAN
    y[2500:] = math.inf

    def setup(plot: LinePlot) -> None:
        plot.legend = False
        plot.set_lines([Line("loss", np.arange(3000), y)])

    async with shown(setup) as (plot, *_):
        frame = frame_of(plot)
        axis = rows(plot)[axis_row(plot)]
        assert "✗ not finite from 1,234" in axis
        assert axis[frame.left + column_of(plot, 2500) // 2] == "✗"
        error = plot._palette.style("error").color
        red = "".join(
            segment.text
            for segment in plot.render_line(axis_row(plot))
            if segment.style and segment.style.color == error
        )
        assert red.count("✗") == 2
        assert axis.endswith("━")
        picture = rows(plot)[: frame.rows]
        hole = frame.left + (column_of(plot, 2500) + column_of(plot, 2999)) // 4
        assert not any(row[hole] not in " ⠁⠂⠄⡀⠈⠐⠠⢀" for row in picture)  # nothing there but the grid


async def test_gaps_that_only_say_not_measured_are_not_marked():
    y = np.where(np.arange(100) % 10, NAN, 1.0)
    async with shown(lambda plot: plot.set_lines([Line("a", np.arange(100), y, gaps=False)])) as (plot, *_):
        assert "✗ not" not in plot.text


async def test_log_axis_refuses_values_without_a_logarithm():
    x = np.arange(100)
    y = np.linspace(1, 10, 100)
    y[[3, 50, 51]] = 0, -1, -2

    def setup(plot: LinePlot) -> None:
        plot.log_y = True
        plot.set_lines([Line("loss", x, y)])

    async with shown(setup) as (plot, pilot, _):
        assert "log axis needs values above 0: 3 points left out" in plot.text
        assert frame_of(plot).up.kind == "log"
        plot.log_y = False
        await pilot.pause()
        assert "left out" not in plot.text
        assert frame_of(plot).up.kind == "linear"


async def test_log_axis_with_nothing_to_show_stays_linear_and_says_so():
    def setup(plot: LinePlot) -> None:
        plot.log_y = True
        plot.set_lines([Line("loss", np.arange(9), -np.ones(9))])

    async with shown(setup) as (plot, *_):
        assert "log axis needs values above 0: none here, drawn linear" in plot.text
        assert frame_of(plot).up.kind == "linear"


async def test_marks_guides_and_now_are_at_their_dot():
    def setup(plot: LinePlot) -> None:
        plot.set_lines([Line("z", np.array([0.0, 100.0]), np.array([0.0, 0.0]))])
        plot.y_ends = (0.0, 10.0)
        plot.set_marks([Mark(30.0, "rate 0.1 → 0.01", "$error"), Mark(1000.0, "out of view")])
        plot.set_guides([Guide(5.0, "ln 10"), Guide(99.0, "above", fit=False)])
        plot.now = 70.0

    async with shown(setup) as (plot, *_):
        frame, picture = frame_of(plot), rows(plot)
        for x in (30.0, 70.0):
            column = column_of(plot, x)
            cell = picture[frame.rows * 3 // 4][frame.left + column // 2]
            assert ord(cell) - 0x2800 == (0x28, 0x05)[column % 2 == 0]
        row = row_of(plot, 5.0)
        assert sum(map(braille, picture[row // 4])) > frame.columns // 4
        assert "ln 10" in plot.text
        assert "rate 0.1 → 0.01" in plot.text
        assert "now" in plot.text
        assert "out of view" not in plot.text
        assert "above" not in plot.text


async def test_the_last_line_wins_a_cell_and_faint_ones_never_do():
    x, y = np.arange(10), np.ones(10)
    order = [Line("front", x, y, "#ff0000"), Line("raw", x, y, "#00ff00", dim=True), Line("top", x, y, "#ffff00")]

    def setup(plot: LinePlot) -> None:
        plot.set_lines(order)
        plot.legend = False

    async with shown(setup) as (plot, *_):
        drawn = colours(plot, lambda text: text.count("⠤") + text.count("⣀") + text.count("⠒") + text.count("⠉") > 20)
        assert drawn == {Color.parse("#ffff00")}


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "nord", "solarized-light", "gruvbox", "monokai"])
async def test_curves_stand_out_in_every_theme(theme):
    names = ["primary", "$secondary", "$success", "$warning", "$error", "$accent", *range(1, 9), "red", "rgb(9,99,199)"]
    lines = [Line(str(name), np.arange(9), np.ones(9) * place, name) for place, name in enumerate(names)]
    async with shown(lambda plot: plot.set_lines(lines)) as (plot, pilot, app):
        app.theme = theme
        await pilot.pause()
        ground = plot.background_colors[1]
        for colour in colours(plot, braille) - {Color.from_rich_color(plot._palette.style("grid").color)}:
            assert contrast(colour, ground) >= 2.9


async def test_a_change_of_theme_is_drawn():
    async with shown(lambda plot: plot.set_lines([line()])) as (plot, pilot, app):
        before = colours(plot, braille)
        app.theme = "nord"
        await pilot.pause()
        assert colours(plot, braille).isdisjoint(before)


async def test_wide_characters_keep_the_width():
    async with shown(lambda plot: plot.set_lines([line(name="学習曲線"), line(name="b")])) as (plot, *_):
        assert all(plot.render_line(y).cell_length == 80 for y in range(24))
        assert "学習曲線" in plot.text


EDGES = {
    "none": [],
    "empty": [Line("a", np.empty(0), np.empty(0))],
    "one": [Line("a", np.array([5]), np.array([0.5]))],
    "one nan": [Line("a", np.array([5]), np.array([NAN]))],
    "constant": [Line("a", np.arange(5), np.full(5, 3.0))],
    "zeros": [Line("a", np.arange(5), np.zeros(5))],
    "same x": [Line("a", np.zeros(5), np.arange(5.0))],
    "all nan": [Line("a", np.arange(5), np.full(5, NAN))],
    "huge": [Line("a", np.arange(3), np.array([-1.7e308, 0, 1.7e308]))],
    "tiny": [Line("a", np.arange(3), np.array([0, 5e-324, 1e-320]))],
    "close": [Line("a", np.arange(3), np.array([1.0, np.nextafter(1, 2), 1.0]))],
    "far x": [Line("a", np.array([1e15, 1e15 + 1]), np.array([1.0, 2]))],
    "infinite": [Line("a", np.arange(4), np.array([math.inf, -math.inf, 1, 2]))],
    "unsorted": [Line("a", np.array([3, 1, NAN, 2]), np.array([3.0, 1, 9, 2]))],
    "integers": [Line("a", np.arange(4), np.array([1, 2, 3, 4]))],
    "32 bit": [Line("a", np.arange(4, dtype=np.float32), np.array([1, 2, 3, 4], np.float32))],
    "many": [line(name=f"run {number}") for number in range(20)],
}


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("case", EDGES)
def test_any_data_at_any_size(case, log):
    """No size and no series breaks it; every row has its width."""
    for x_kind in ("step", "time"):
        plot = LinePlot(x_kind=x_kind)
        plot.set_reactive(LinePlot.log_y, log)
        plot.set_reactive(LinePlot.log_x, log)
        plot.set_reactive(LinePlot.cursor_x, 2.0)
        plot.set_reactive(LinePlot.now, 1.0)
        plot.set_reactive(LinePlot.title, "Title")
        plot.set_lines(EDGES[case])
        plot.set_marks([Mark(1.0, "words")])
        plot.set_guides([Guide(1.0, "words"), Guide(NAN, "no"), Guide(-1.0, "below")])
        for size in ((1, 1), (2, 1), (3, 2), (8, 3), (20, 5), (21, 6), (40, 8), (80, 24), (240, 70)):
            picture = draw(plot._scene(), *size, RasterCache())
            assert all(len(row) == size[0] for row in picture.canvas.text()), size
            assert len(picture.canvas.text()) == size[1]


def test_arrays_of_different_length_are_refused():
    with pytest.raises(ValueError, match="'loss'"):
        LinePlot().set_lines([Line("loss", np.arange(3), np.arange(4))])


# ---------------------------------------------------------------------------- growing


def same_as_fresh(plot: LinePlot) -> None:
    fresh = LinePlot()
    fresh.set_lines(plot.lines)
    scene = fresh._scene()
    scene.view_x, scene.view_y = plot.view
    again = draw(plot._scene(), 90, 25, RasterCache(), corner=0).canvas.text()
    assert again == draw(scene, 90, 25, RasterCache(), corner=0).canvas.text()


def test_a_grown_line_is_drawn_as_a_new_one():
    """Grown bit by bit in one buffer, cut and grown anew (a resumed run), changed (smoothing): always as if new."""
    rng = np.random.default_rng(2)
    buffer = np.exp(rng.normal(size=50_000))
    buffer[rng.integers(0, 50_000, 20)] = NAN
    plot = LinePlot()
    for length in (1, 2, 15, 17, 4096, 4097, 30_000, 20_000, 29_000):
        plot.set_lines([Line("a", np.arange(length), buffer[:length])])
        same_as_fresh(plot)
    buffer[25_000:] = rng.random(25_000) * 9  # in place, and longer than before
    plot.set_lines([Line("a", np.arange(40_000), buffer[:40_000])])
    same_as_fresh(plot)
    plot.set_lines([Line("a", np.arange(40_000), buffer[:40_000] * 2)])
    same_as_fresh(plot)
    plot.set_lines([Line("a", np.arange(40_000) / 100, buffer[:40_000] * 2)])
    same_as_fresh(plot)


def test_a_new_revision_is_certain():
    y = np.zeros(10_000)
    plot = LinePlot()
    plot.set_lines([Line("a", np.arange(10_000), y)])
    y[137] = 5.0  # between all probes
    plot.set_lines([Line("a", np.arange(10_000), y, revision=1)])
    same_as_fresh(plot)


async def test_nothing_is_drawn_twice():
    async with shown(lambda plot: plot.set_lines([line(), line(name="b")])) as (plot, pilot, _):
        assert plot._cache.misses == 2
        strips = plot._strips
        plot.set_lines([line(), line(name="b")])
        plot.refresh()
        await pilot.pause()
        assert plot._strips is strips
        plot.cursor_x = 500.0
        await pilot.pause()
        assert plot._strips is not strips
        assert plot._cache.misses == 2  # the curves lie where they lay
        plot.set_lines([line(1001), line(name="b")])
        await pilot.pause()
        assert plot._cache.misses == 4  # the axis has grown


async def test_it_follows_until_it_is_zoomed_and_then_stays():
    async with shown(lambda plot: plot.set_lines([line(1000)])) as (plot, pilot, app):
        plot.set_lines([line(2000)])
        await pilot.pause()
        assert frame_of(plot).across.limits == (0, 1999)
        plot.focus()
        await pilot.press("plus", "plus")
        await pilot.pause()
        view = frame_of(plot).across.limits
        assert view.high - view.low == pytest.approx(1999 * 0.64)
        plot.set_lines([line(4000)])
        await pilot.pause()
        assert frame_of(plot).across.limits == view
        axis = rows(plot)[axis_row(plot)]
        assert "◂" in axis
        assert "▸" in axis
        await pilot.press("r")
        assert frame_of(plot).across.limits == (0, 3999)
        await pilot.pause()
        assert [type(message) for message in app.told] == [LinePlot.Zoomed] * 3
        assert isinstance(app.told[-1], LinePlot.Zoomed)
        assert app.told[-1].x is None


async def test_resizing_draws_anew_and_keeps_the_zoom():
    async with shown(lambda plot: plot.set_lines([line()])) as (plot, pilot, _):
        plot._look_at(Limits(100, 300), None)
        for size in ((160, 45), (20, 5), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert [plot.render_line(y).cell_length for y in range(size[1])] == [size[0]] * size[1]
            assert frame_of(plot).across.limits == (100, 300)
