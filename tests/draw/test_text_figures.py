"""Figures as text: the same dots, ticks and colours as on the screen."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import pytest
from rich.style import Style

from cvtui.draw.figures import (
    Bar,
    Bars,
    Curve,
    Curves,
    Heat,
    HistogramRow,
    Histograms,
    Image,
    Link,
    Links,
    Matrix,
    Picture,
    Points,
)
from cvtui.draw.half_blocks import colour_map
from cvtui.draw.plot_data import Line, Track
from cvtui.draw.plot_drawing import RasterCache
from cvtui.draw.plot_drawing import draw as draw_plot
from cvtui.draw.plot_scene import Scene
from cvtui.draw.text_figures import draw
from cvtui.draw.text_figures.frame import colour_of

X = [float(x) for x in range(200)]
FALLING: list[float | None] = [2.0 * 0.97**x for x in X]
RISING: list[float | None] = [0.01 * (x + 1) for x in X]


def triplet(style: str | Style, part: Literal["color", "bgcolor"]) -> tuple[int, ...]:
    """Red, green and blue of a style's colour, () where it has none."""
    assert isinstance(style, Style)
    color = getattr(style, part)
    return () if color is None else tuple(color.triplet)


def test_curves_are_the_plots():
    """The rows below the legend are what the plot draws of the same lines."""
    figure = Curves(log_y=True, curves=[Curve(name="a", x=X, y=FALLING), Curve(name="b", x=X, y=RISING)])
    lines = draw(figure, 80, 14)
    given = [("b", RISING, 1), ("a", FALLING, 0)]
    tracks = [Track(Line(name, np.array(X), np.array(y, float), dash=dash)) for name, y, dash in given]
    scene = Scene(tracks=tracks, x_kind="number", x_label="", log_y=True, legend=False, grid=False)
    expected = draw_plot(scene, 80, 14, RasterCache()).canvas.text()
    assert lines[0].plain == "━ a  ╍ b"
    assert [line.plain.rstrip() for line in lines[1:]] == [row.rstrip() for row in expected]


def test_axes_are_named_beside_the_ticks_or_below_them():
    curve = Curve(name="a", x=[0.0, 10.0], y=[0.0, 1.0])
    wide = draw(Curves(x_label="step", y_label="loss", curves=[curve]), 60, 8)
    assert wide[-1].plain.endswith("step  (up: loss)")
    assert max(line.cell_len for line in wide) <= 60
    long = draw(Curves(x_label="distance from the middle", y_label="loss", curves=[curve]), 40, 8)
    assert long[-1].plain.strip() == "distance from the middle  (up: loss)"
    assert long[-2].plain.split() == ["0", "5", "10"]
    steps = Curve(name="a", x=[0.0, 400.0], y=[0.0, 1.0])
    full = draw(Curves(x_label="iteration", whole_x=True, curves=[steps]), 60, 8)
    assert [line.plain.split() for line in full[-2:]] == [["0", "100", "200", "300", "400"], ["iteration"]]


@pytest.mark.parametrize("values", [[], [None, None], [float("nan")]])
def test_curves_without_a_value_say_so(values):
    figure = Curves(curves=[Curve(name="a", x=X[: len(values)], y=values)])
    text = "\n".join(line.plain for line in draw(figure, 60, 8, colour=False))
    assert "no data yet" in text or "no finite value" in text


def test_heat_maps_have_the_screens_colours():
    """A value for each pixel: the lowest row at the bottom, the first and the last colour at both ends."""
    values: list[list[float | None]] = [[float(10 * row + column) for column in range(24)] for row in range(4)]
    lines = draw(Heat(values=values), 24, 2)
    table = colour_map("viridis")
    first, last = (tuple(int(part) for part in table[place]) for place in (0, 255))
    styles = [span.style for line in lines[:2] for span in line.spans]
    assert triplet(styles[-1 - 23], "bgcolor") == first  # lower left
    assert last in [triplet(style, "color") for style in styles]


def test_paths_over_a_heat_map_are_braille_and_digits_without_colour():
    figure = Heat(values=[[0.0, 1.0], [1.0, 2.0]], paths=[Points(name="way", x=[0.0, 1.0], y=[0.5, 0.5])])
    coloured = "".join(line.plain for line in draw(figure, 24, 4))
    assert any(0x2800 < ord(character) < 0x2900 for character in coloured)
    assert "1" in "".join(line.plain for line in draw(figure, 24, 4, colour=False))


def test_walkers_stand_where_their_walk_has_got_to():
    """On a map of 0 to 1, 20 by 5 cells: a walk along the diagonal, its number in the cell of its last point."""
    places: list[float | None] = [n / 10 for n in range(11)]
    middle: list[float | None] = [0.5] * 11
    figure = Heat(
        values=[[0.0, 1.0], [1.0, 2.0]],
        paths=[Points(name="up", x=places, y=places), Points(name="along", x=places, y=middle)],
        steps=10,
    )
    for walked, first, second in ((0.0, (4, 0), (2, 0)), (0.5, (2, 10), (2, 10)), (1.0, (0, 19), (2, 19))):
        for colour in (True, False):
            drawn = draw(figure, 20, 5, colour=colour, walked=walked)
            cells = {(y, x): sign for y, line in enumerate(drawn[:5]) for x, sign in enumerate(line.plain)}
            assert cells[second] == "2"
            assert first == second or cells[first] == "1"
            if colour:
                assert sum(sign in "12" for sign in cells.values()) == len({first, second})
            assert drawn[5].plain == f"step {round(10 * walked)} of 10"
            assert drawn[6].plain == "1 up  2 along"
    braille = [sum("\u2800" < sign <= "\u28ff" for sign in draw(figure, 20, 5, walked=w)[0].plain) for w in (0.0, 1.0)]
    assert braille[0] == 0 < braille[1]  # the upper right corner is reached at the end


def test_bars_and_histograms_are_in_eighths():
    bars = draw(Bars(bars=[Bar(name="a", value=1.0), Bar(name="b", value=0.5)]), 20)
    assert [line.plain for line in bars] == ["a  █████████████ 1", "b  ██████▌ 0.5"]
    row = HistogramRow(name="x", low=0, high=1, counts=[0, 1, 8, 4])
    assert draw(Histograms(rows=[row]), 19)[0].plain == "x     ▁▁▁▁████▄▄▄▄ "


def test_small_pictures_stand_side_by_side():
    pictures = [Picture(name=name, pixels=[[0xFF0000, 0x00FF00]] * 2) for name in ("one", "two")]
    lines = draw(Image(pictures=pictures), 40)
    assert lines[0].plain.split() == ["one", "two"]
    assert lines[1].plain == " " * 6 + "  " + " " * 6
    red = [span for span in lines[1].spans if triplet(span.style, "bgcolor") == (255, 0, 0)]
    assert [(span.start, span.end) for span in red] == [(0, 3), (8, 11)]


def test_without_colour_curves_carry_letters_and_dashes():
    """Of three lines, level with each other, each is drawn with another pattern, and with its letter on it."""
    curves = [Curve(name=f"run {n}", x=[0.0, 100.0], y=[float(n), float(n)]) for n in range(3)]
    plain = [line.plain for line in draw(Curves(curves=curves), 80, 14, colour=False)]
    assert plain[0] == "a run 0  b run 1  c run 2"
    drawn = {}
    for letter in "abc":
        (found,) = [line for line in plain[1:] if letter in line]
        assert found.count(letter) == 2
        drawn[letter] = re.split("[│┤]", found)[1].replace(letter, "")
    assert len({row.count(" ") for row in drawn.values()}) == 3
    coloured = [line.plain for line in draw(Curves(curves=curves), 80, 14)]
    assert coloured[0] == "━ run 0  ╍ run 1  ┉ run 2"


def test_without_colour_faint_curves_carry_letters_too():
    """With colour they have one of their own; without, they would all be the same solid line."""
    curves = [Curve(name=f"run {n}", x=[0.0, 100.0], y=[float(n), float(n)], dim=n > 0) for n in range(3)]
    assert draw(Curves(curves=curves), 80, 14, colour=False)[0].plain == "a run 0  b run 1  c run 2"
    styles = [str(span.style) for span in draw(Curves(curves=curves), 80, 14)[0].spans]
    assert styles == [colour_of(0), f"{colour_of(1)} dim", f"{colour_of(2)} dim"]


def test_a_matrix_shows_quarters_whole():
    """(1 + 1 + 5 + 6) / 4 is 3.25, not 3.2."""
    assert draw(Matrix(values=[[3.25, 2.0, 1 / 3]]), 40)[0].plain.split() == ["3.25", "2", "0.33"]


def test_a_row_of_more_units_than_there_are_columns_is_cut_and_says_so() -> None:
    lines = draw(Links(sizes=[60, 60], links=[Link(0, 59, 59)], names=["input", "conv1"]), 40)
    assert max(line.cell_len for line in lines) <= 40
    assert lines[-1].plain == "… 26 more units"
