"""Every colour of the two themes, by the WCAG formula, on the grounds that it stands on."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np
import pytest
from rich.console import Console
from textual.app import App, ComposeResult
from textual.color import Color
from textual.content import Content
from textual.theme import Theme
from textual.widget import Widget
from textual.widgets import OptionList

import cvtui.tui
from cvtui.calc import trace
from cvtui.calc.net.parser import parse
from cvtui.draw.columns import Column
from cvtui.draw.figures import AnyFigure, Curve, Curves, Heat, Matrix, Points
from cvtui.draw.half_blocks import shaded
from cvtui.draw.text_figures.frame import PALETTE
from cvtui.draw.text_figures.heat import draw_heat
from cvtui.tui.app import CvtuiApp
from cvtui.tui.calc.layer_picture import LayerPicture
from cvtui.tui.plot.line_plot import Line
from cvtui.tui.screens.base import BaseScreen
from cvtui.tui.screens.labs import LabsScreen
from cvtui.tui.screens.runs import RunsScreen
from cvtui.tui.screens.themes import DARK, LIGHT
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.figures_view import FiguresView
from cvtui.tui.widgets.filtered_list import TickList
from cvtui.tui.widgets.item_list import ItemList
from cvtui.tui.widgets.table import Cell, Grid
from tests.tui.plot_stage import rows, shown
from tests.tui.written_runs import finished_run
from tests.waiting import wait_until_async

LINES, WORDS = 3.0, 4.5
GROUNDS = ("background", "surface", "panel")
INK = re.compile(r"\$(text-(?:primary|success|warning|error)|foreground)(?: (\d+)%)?(?: on \$(\w+) (\d+)%)?")
PALE = {15, 20, 25, 0, 6, 8}
"""Shares of frames and grids, which say nothing."""
LEAST = {"35": 2.0, "50": LINES}
"""Of keys that do nothing now (WCAG exempts them); of axes, edges and the padding's dots. All else is words."""


def contrast(one: Color, other: Color) -> float:
    """WCAG 2.2, written out once more: relative luminance with 0.03928 as in its text."""

    def luminance(color: Color) -> float:
        parts = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in color.normalized]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_of_black_on_white_is_21_and_of_the_old_yellow_on_paper_1_6() -> None:
    assert contrast(Color.parse("#000000"), Color.parse("#ffffff")) == pytest.approx(21)
    assert contrast(Color.parse("#d9c94a"), Color.parse("#fbfaf7")) == pytest.approx(1.6, abs=0.05)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_all_words_and_lines_stand_out_from_every_ground(theme: Theme) -> None:
    variables = {name: Color.parse(text) for name, text in theme.to_color_system().generate().items() if text[0] == "#"}
    source = "\n".join(path.read_text() for path in Path(cvtui.tui.__path__[0]).rglob("*.py"))
    styles = {found.groups() for found in INK.finditer(source)}
    assert len(styles) > 12
    for ground in (variables[name] for name in GROUNDS):
        for name, share, behind, part in styles:
            if share and int(share) in PALE:
                continue
            shade = ground + variables[behind].with_alpha(int(part) / 100) if behind else ground
            ink = shade + variables[name].with_alpha(int(share or 100) / 100)
            assert contrast(ink, shade) >= LEAST.get(share, WORDS), (name, share, behind, part, ground.hex)
        for name in ("primary", "secondary", "accent", "success", "warning", "error"):
            assert contrast(variables[name], ground) >= LINES, (name, ground.hex)


def test_colours_of_figures_stand_out_from_black_white_and_the_themes() -> None:
    grounds = ["#000000", "#ffffff", DARK.background, DARK.surface, DARK.panel, LIGHT.background]
    for ink in PALETTE:
        for ground in grounds:
            assert contrast(Color.parse(ink), Color.parse(str(ground))) >= LINES, (ink, ground)


class _Host(App[None]):
    def __init__(self, theme: Theme, shown: Widget | None = None) -> None:
        super().__init__()
        self.register_theme(theme)
        self.theme = theme.name
        self._shown = shown or FiguresView()

    def compose(self) -> ComposeResult:
        yield self._shown


def _figures() -> list[AnyFigure]:
    curves = [Curve(name=f"curve {n}", x=[0.0, 1.0, 2.0], y=[n + 0.0, n + 2.0, n + 1.0]) for n in range(10)]
    values = [[float(n + 1) for n in range(10)]]
    groups = [[n + 1 for n in range(10)]]
    return [Curves(curves=curves, x_label="x"), Matrix(values=values, groups=groups, title="numbers")]


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
async def test_a_lab_s_figures_stand_out_from_the_ground(theme: Theme) -> None:
    app = _Host(theme)
    async with app.run_test(size=(80, 40)) as pilot:
        view = app.query_one(FiguresView)
        view.show(_figures())
        await pilot.pause()
        ground = view.background_colors[1]
        seen = set()
        for segment in (part for y in range(view.size.height) for part in view.render_line(y)):
            if segment.text.strip() and segment.style is not None and segment.style.color is not None:
                ink = Color.from_rich_color(segment.style.color)
                least = WORDS if any(map(str.isalnum, segment.text)) else LINES
                assert contrast(ink, ground) >= least, (segment.text, ink.hex)
                seen.add(ink.hex)
        assert len(seen) > 10


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("ink", PALETTE)
def test_paths_stand_out_from_every_colour_of_a_heat_map(ink: str, dark: bool) -> None:
    values: list[list[float | None]] = [[float(n) for n in range(40)]] * 2
    path = Points(name="", x=[0.0, 1.0], y=[0.1, 0.9], joined=True)
    paths = [msgspec.structs.replace(path, x=[], y=[]) for _ in range(PALETTE.index(ink))] + [path]
    lines = draw_heat(Heat(values=values, paths=paths), 40, 4, colour=True, dark=dark)
    cells = [part for line in lines for part in line.render(Console(color_system="truecolor"))]
    dots = [part.style for part in cells if part.style and any(0x2800 < ord(sign) < 0x2900 for sign in part.text)]
    grounds = {(Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)) for style in dots}
    assert len(grounds) > 20
    assert min(contrast(*pair) for pair in grounds) >= LINES


MAPS = {
    "sequential": Heat(values=[[0.0, 1.0, 2.0]] * 3, value_label="loss", levels=[0.5]),
    "two": Heat(values=[[0.0, 0.5, 1.0]] * 3, colours="two", low=0, high=1),
    "classes": Heat(values=[[float(n) for n in range(10)]] * 3, colours="classes"),
    "points": Heat(points=[Points(name="", x=[0.5], y=[0.5])]),
}


@pytest.mark.parametrize("name", MAPS)
def test_a_map_is_dark_on_a_dark_ground_and_light_on_a_light_one(name: str) -> None:
    for dark in (True, False):
        drawn = draw_heat(MAPS[name], 40, 6, colour=True, dark=dark)
        lines = [line for line in drawn if len(line) == 40]
        parts = [part.style for line in lines for part in line.render(Console(color_system="truecolor"))]
        inks = [ink for style in parts if style for ink in (style.color, style.bgcolor) if ink]
        shades = [contrast(Color.from_rich_color(ink), Color(0, 0, 0)) for ink in inks]  # 1 … 21
        assert len(lines) == 6
        assert np.median(shades) < 8 if dark else np.min(shades) > 5
        if name == "sequential":
            assert drawn[6].plain == f"loss: {'dark 0, light 2' if dark else 'light 0, dark 2'}"


class _Cells(Grid[int]):
    COLUMNS: ClassVar[tuple[Column, ...]] = tuple(
        Column(key=name, title=name, least=8, most=8)
        for name in ("text", "quiet", "good", "warn", "bad", "key", "accent")
    )

    def cell(self, row: int, key: str) -> Cell:
        return Cell(f"{key}{row}", key)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
async def test_a_table_s_words_stand_out_from_the_cursor(theme: Theme) -> None:
    grid = _Cells()
    app = _Host(theme, grid)
    async with app.run_test(size=(80, 10)) as pilot:
        grid.set_rows([0, 1])
        grid.focus()
        await pilot.pause()
        seen = {
            part.text.strip(): contrast(
                Color.from_rich_color(part.style.color), Color.from_rich_color(part.style.bgcolor)
            )
            for part in grid.render_line(1)
            if part.text.strip() and part.style and part.style.color and part.style.bgcolor
        }
        assert set(seen) == {f"{column.key}0" for column in grid.COLUMNS}
        assert min(seen.values()) >= WORDS, seen


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
async def test_the_numbers_of_a_layer_s_matrix_stand_out(theme: Theme) -> None:
    picture = LayerPicture()
    app = _Host(theme, picture)
    async with app.run_test(size=(80, 40)) as pilot:
        picture.show_view("matrix")
        picture.show_row(trace(parse("conv4f3"), (8, 8, 1), classes=10).rows[0], (8, 8, 1))
        await pilot.pause()
        ground = picture.background_colors[1]
        inks = {
            Color.from_rich_color(part.style.color)
            for y in range(picture.size.height)
            for part in picture.render_line(y)
            if any(map(str.isalnum, part.text)) and part.style and part.style.color
        }
        assert len(inks) > 5
        assert min(contrast(ink, ground) for ink in inks) >= WORDS


async def test_faint_curves_keep_their_colours() -> None:
    """Four faint curves were four grey ones, in the legend and in the plot."""
    app = _Host(DARK)
    async with app.run_test(size=(80, 40)) as pilot:
        view = app.query_one(FiguresView)
        curves = [Curve(name=f"c{n}", x=[0.0, 1.0], y=[n + 0.0, n + 1.0], dim=n < 4) for n in range(6)]
        view.show([Curves(curves=curves)])
        await pilot.pause()
        marks = [part for part in view.render_line(0) if part.text.strip() and not part.text.strip().startswith("c")]
        inks = [Color.from_rich_color(part.style.color).hex for part in marks if part.style and part.style.color]
        assert len(set(inks)) == len(inks) == 6
        assert all(contrast(Color.parse(ink), view.background_colors[1]) >= LINES for ink in inks)

        view.show([msgspec.structs.replace(MAPS["sequential"], title="title", note="note")])
        await pilot.pause()
        title, note = view.render_line(0), view.render_line(len(view.text.splitlines()) - 1)
        assert [part.style.bold for part in title if part.text == "title" and part.style] == [True]
        quiet = [part.style.color for part in note if part.text == "note" and part.style]
        assert quiet
        assert quiet != [part.style.color for part in title if part.text == "title" and part.style]
        assert "dark 0, light 2" in view.text
        app.register_theme(LIGHT)
        app.theme = LIGHT.name
        await pilot.pause()
        assert "light 0, dark 2" in view.text


@pytest.mark.parametrize("no_color", [False, True])
async def test_without_colour_a_plot_s_curves_carry_letters(monkeypatch: pytest.MonkeyPatch, no_color: bool) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    else:
        monkeypatch.delenv("NO_COLOR", raising=False)
    x = np.arange(100.0)
    names = ("training", "validation", "time")
    async with shown(size=(80, 20)) as (plot, pilot, _):
        plot.set_lines([Line(name, x, x + 60 * place) for place, name in enumerate(names)])
        await pilot.pause()
        assert [line.label for line in plot.lines] == (["t", "v", "i"] if no_color else ["", "", ""])
        assert len({line.dash for line in plot.lines}) == (3 if no_color else 1)
        plot.legend = False
        await pilot.pause()
        assert [letter in "".join(rows(plot)) for letter in "vi"] == [no_color, no_color]


@pytest.mark.parametrize("few", [False, True])
async def test_without_colour_the_cursor_is_in_reverse_video(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, few: bool
) -> None:
    """In a list and a table: the shade behind it is none on a monochrome terminal."""
    if few:
        monkeypatch.setenv("NO_COLOR", "1")
    else:
        monkeypatch.delenv("NO_COLOR", raising=False)
    finished_run(tmp_path, "one")
    finished_run(tmp_path, "two")
    app = CvtuiApp(runs=tmp_path, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        for place, kind, name in (("3", LabsScreen, "init"), ("4", RunsScreen, "one")):
            await pilot.press(place)
            await wait_until_async(partial(shows, app, kind), what="the place")
            await wait_until_async(lambda: isinstance(app.focused, OptionList | Grid), what="the focus")
            await pilot.press("home", "down")
            await wait_until_async(lambda: bool(reversed_words(app)) is few, what="the cursor")
            assert (name in reversed_words(app)) is few


def shows(app: CvtuiApp, kind: type[BaseScreen]) -> bool:
    return isinstance(app.screen, kind)


def reversed_words(app: CvtuiApp) -> str:
    """Return the words that stand in reverse video on the screen; a scroll bar's ends do on every terminal."""
    return " ".join(
        part.text
        for strip in app.screen._compositor.render_strips()
        for part in strip
        if part.style is not None and part.style.reverse and any(map(str.isalnum, part.text))
    )


@pytest.mark.parametrize(("dark", "expected"), [(True, " ░▒▓█"), (False, "█▓▒░ ")])
def test_a_picture_in_shades(dark: bool, expected: str) -> None:
    """Brightnesses 0, 64, 128, 191, 255 are the five shades, as ink on paper or as light on black."""
    grey = np.array([0, 64, 128, 191, 255], np.uint8)
    image = np.repeat(np.repeat(grey[None, :, None], 3, axis=0), 3, axis=2)
    assert shaded(image, dark) == [expected, expected]


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
async def test_quiet_words_can_be_read_under_a_list_s_cursor(theme: Theme) -> None:
    entries = [Content.assemble("name ", ("quiet", MUTED)) for _ in range(2)]
    for listed in (ItemList(*entries), TickList(*((entry, str(n)) for n, entry in enumerate(entries)))):
        app = _Host(theme, listed)
        async with app.run_test(size=(40, 6)) as pilot:
            listed.focus()
            listed.highlighted = 0
            await pilot.pause()
            lines = [listed.render_line(y) for y in range(listed.size.height)]
            styles = [part.style for line in lines for part in line if part.text.strip() == "quiet" and part.style]
            inks = [(style.color, style.bgcolor) for style in styles if style.color and style.bgcolor]
            pairs = [(Color.from_rich_color(ink), Color.from_rich_color(ground)) for ink, ground in inks]
            assert pairs[0][1] != pairs[1][1], "the cursor is seen"
            assert min(contrast(*pair) for pair in pairs) >= WORDS
