"""Numbers to dots: against grids worked out by hand, and against a slow drawing of every segment on its own."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvtui.draw import braille
from cvtui.draw.min_max_pyramid import FANOUT, Pyramid, Runs
from cvtui.draw.scales import Limits, Scale, moved, sound, widened, zoomed
from tests.examples import examples

NAN, INF = math.nan, math.inf


def drawn(x, y, size, x_limits=None, y_limits=None, kind="linear") -> braille.Raster:
    x, y = np.asarray(x, float), np.asarray(y, float)
    good = y[np.isfinite(y) & ((y > 0) | (kind == "linear"))]
    x_limits = x_limits or (x[0], x[-1])
    y_limits = y_limits or (good.min(), good.max())
    pyramid = Pyramid(positive=kind == "log")
    pyramid.extend(y)
    return braille.rasterise(x, y, size, Scale(Limits(*x_limits)), Scale(Limits(*y_limits), kind), pyramid)


def grid(dots) -> list[str]:
    return ["".join("#" if dot else "." for dot in row) for row in dots]


# ---------------------------------------------------------------------------- worked out by hand


def test_a_rising_line_is_a_diagonal():
    assert grid(drawn([0, 1, 2, 3], [0, 1, 2, 3], (2, 1)).dots) == ["...#", "..#.", ".#..", "#..."]


def test_between_samples_the_line_is_drawn():
    assert grid(drawn([0, 3], [0, 3], (2, 1)).dots) == ["...#", "..#.", ".#..", "#..."]


def test_a_step_is_joined_half_by_each_column():
    assert grid(drawn([0, 1, 2, 3], [0, 0, 3, 3], (2, 1)).dots) == ["..##", "..#.", ".#..", "##.."]


def test_columns_show_smallest_to_largest():
    x = [0, 0.1, 0.2, 1, 1.1, 2, 3]
    assert grid(drawn(x, [0, 3, 1, 1, 1, 1, 1], (2, 1)).dots) == ["#...", "#...", "####", "#..."]


def test_nan_breaks_the_line():
    assert grid(drawn([0, 1, 2, 3], [0, NAN, 3, 3], (2, 1)).dots) == ["..##", "....", "....", "#..."]


@pytest.mark.parametrize("hole", [NAN, INF, -INF])
def test_what_is_not_finite_breaks_the_line_within_one_column_too(hole):
    """Ten samples in the first column: 0 0 0 hole 3 3 3 …: dots at 0 and 3, nothing between."""
    x = np.concatenate([np.linspace(0, 0.4, 10), [1, 2, 3]])
    y = [0, 0, 0, hole, 3, 3, 3, 3, 3, 3, 3, 3, 3]
    assert grid(drawn(x, y, (2, 1)).dots) == ["####", "....", "....", "#..."]


def test_lone_samples_are_dots():
    y = [NAN, 1, NAN, 2, NAN]
    assert grid(drawn([0, 1, 2, 3, 4], y, (2, 1), (0, 3), (0, 3)).dots) == ["....", "...#", ".#..", "...."]


def test_the_line_enters_and_leaves_the_view():
    """Samples at x = −10 and 10 only; what lies between is in view."""
    dots = drawn([-10, 10], [-10, 10], (2, 1), (-1.5, 1.5), (-1.5, 1.5)).dots
    assert grid(dots) == ["...#", "..#.", ".#..", "#..."]


def test_a_line_far_above_is_not_drawn_on_the_edge():
    assert not drawn([0, 1, 2], [9, 9, 9], (2, 1), y_limits=(0, 1)).dots.any()


def test_a_spike_out_of_view_leaves_through_the_top():
    dots = drawn([0, 1, 2, 3], [0, 1e300, 0, 0], (2, 1), y_limits=(0, 3)).dots
    assert grid(dots) == ["#.#.", "#.#.", "#.#.", "#.##"]


def test_log_axis_has_equal_decades():
    dots = drawn([0, 1, 2, 3], [1, 10, 100, 1000], (2, 1), kind="log").dots
    assert grid(dots) == ["...#", "..#.", ".#..", "#..."]


def test_log_axis_breaks_at_values_without_a_logarithm():
    dots = drawn([0, 1, 2, 3], [1, 0, -5, 1000], (2, 1), kind="log").dots
    assert grid(dots) == ["...#", "....", "....", "#..."]


def test_spans_that_are_not_finite():
    found = drawn([0, 1, 2, 3, 4, 5], [1, NAN, INF, 2, 3, NAN], (2, 1), y_limits=(0, 3)).lost
    assert found.tolist() == [[1, 2], [5, 5]]
    within = drawn([0, 1, 2, 3, 4, 5], [1, NAN, INF, 2, 3, NAN], (2, 1), x_limits=(2, 4), y_limits=(0, 3)).lost
    assert within.tolist() == [[1, 2]]


def test_nothing_at_all():
    assert not drawn([0], [NAN], (3, 2), (0, 1), (0, 1)).dots.any()
    empty = Pyramid()
    unit = Scale(Limits(0, 1))
    assert braille.rasterise(np.empty(0), np.empty(0), (3, 2), unit, unit, empty).dots.shape == (8, 6)


def test_braille_patterns():
    """Unicode's own numbering: dots 1 2 3 7 down the left, 4 5 6 8 down the right (U+2800 + bits)."""
    dots = np.zeros((4, 8), bool)
    dots[0, 0] = dots[3, 2] = dots[1, 5] = True
    dots[:, 6:] = True
    assert "".join(braille.BRAILLE[braille.cells(dots)][0]) == "⠁⡀⠐⣿"
    assert braille.BRAILLE[0] == " "


@given(st.integers(1, 5), st.integers(1, 4), st.data())
def test_cells_hold_the_dots_that_they_were_made_of(columns, rows, data):
    flat = data.draw(st.lists(st.booleans(), min_size=8 * columns * rows, max_size=8 * columns * rows))
    dots = np.array(flat).reshape(4 * rows, 2 * columns)
    bits = {(0, 0): 1, (1, 0): 2, (2, 0): 4, (0, 1): 8, (1, 1): 16, (2, 1): 32, (3, 0): 64, (3, 1): 128}
    codes = braille.cells(dots)
    for (row, column), dot in np.ndenumerate(dots):
        assert bool(codes[row // 4, column // 2] & bits[row % 4, column % 2]) == dot


def test_level_and_upright_lines_are_at_their_dot():
    expected = np.zeros((8, 6), bool)
    expected[5, [0, 1, 4, 5]] = True
    assert (braille.level((3, 2), 5, 2, 4) == braille.cells(expected)).all()
    expected[:] = False
    expected[::2, 3] = True
    assert (braille.upright((3, 2), 3, 2) == braille.cells(expected)).all()


# ---------------------------------------------------------------------------- against brute force


def exact_column(x: float, limits: tuple[float, float], width: int) -> Fraction:
    low, high = Fraction(limits[0]), Fraction(limits[1])
    return (Fraction(x) - low) / (high - low) * (width - 1)


values = st.one_of(
    st.floats(-100, 100, allow_nan=False).map(lambda value: round(value, 3)),
    st.sampled_from([NAN, INF, -INF, 0.0, 1e12, -1e12]),
)


@st.composite
def curves(draw):
    count = draw(st.integers(1, 80))
    gaps = draw(st.lists(st.sampled_from([0.0, 0.01, 0.1, 1.0, 7.0]), min_size=count, max_size=count))
    y = draw(st.lists(values, min_size=count, max_size=count))
    x = np.cumsum(gaps)
    low = draw(st.floats(-1, float(x[-1]) + 0.5))
    width = draw(st.floats(0.05, float(x[-1]) + 2))
    return x, np.array(y), (low, low + width), draw(st.integers(1, 12)), draw(st.integers(1, 6))


@settings(max_examples=examples(50), deadline=None)
@given(curves())
def test_every_sample_in_view_has_its_dot(curve):
    x, y, x_limits, columns, rows = curve
    y_limits = (-50.0, 50.0)
    dots = drawn(x, y, (columns, rows), x_limits, y_limits).dots
    for place_x, place_y in zip(x, y, strict=True):
        if not math.isfinite(place_y):
            continue
        column = exact_column(place_x, x_limits, 2 * columns)
        row = exact_column(place_y, y_limits, 4 * rows)
        near = [
            (c, r)
            for c in {math.floor(column + Fraction(1, 2)), math.ceil(column - Fraction(1, 2))}
            for r in {math.floor(row + Fraction(1, 2)), math.ceil(row - Fraction(1, 2))}
        ]
        if all(0 <= c < 2 * columns and 0 <= r < 4 * rows for c, r in near):
            tolerant = (
                near
                if min(abs(column % 1 - Fraction(1, 2)), abs(row % 1 - Fraction(1, 2))) > 1e-6
                else [(c + right, r + up) for c, r in near for right in (-1, 0, 1) for up in (-1, 0, 1)]
            )
            assert any(dots[4 * rows - 1 - r, c] for c, r in tolerant if 0 <= c < 2 * columns and 0 <= r < 4 * rows), (
                place_x,
                place_y,
            )


@settings(max_examples=examples(50), deadline=None)
@given(curves())
def test_no_dot_without_a_segment(curve):
    """Every dot is at most a dot away from its segments, drawn one by one; so nothing is joined over a break."""
    x, y, x_limits, columns, rows = curve
    y_limits = (-50.0, 50.0)
    size = (columns, rows)
    dots = drawn(x, y, size, x_limits, y_limits).dots
    width, height = 2 * columns, 4 * rows
    place_x = Scale(Limits(*x_limits)).to_dots(x, width)
    place_y = Scale(Limits(*y_limits)).to_dots(y, height)
    good = np.isfinite(y)
    for row, column in np.argwhere(dots):
        up = height - 1 - row
        assert any(
            near(place_x[i], place_y[i], place_x[j], place_y[j], column, up)
            for i in range(len(x))
            for j in (i, i + 1)
            if j < len(x) and good[i] and good[j]
        ), (row, column)


def near(x0: float, y0: float, x1: float, y1: float, column: int, row: int) -> bool:
    """Return True if the segment passes within the dot's column near its row.

    And a half to each side, where joins are shared.
    """
    left, right = column - 1.0, column + 1.0
    if x1 < left or x0 > right:
        return False
    if x1 == x0:
        low, high = sorted((y0, y1))
    else:
        ends = [y0 + (min(max(edge, x0), x1) - x0) / (x1 - x0) * (y1 - y0) for edge in (left, right)]
        low, high = sorted(ends)
    return low - 1.01 <= row <= high + 1.01


@settings(max_examples=examples(50), deadline=None)
@given(curves())
def test_a_whole_curve_is_connected(curve):
    """Without breaks, neighbouring columns touch: no hole in a steep line."""
    x, y, x_limits, columns, rows = curve
    y = np.where(np.isfinite(y), np.clip(y, -50, 50), 0.0)
    dots = drawn(x, y, (columns, rows), x_limits, (-50.0, 50.0)).dots
    heights = [np.flatnonzero(column) for column in dots.T]
    for here, there in itertools.pairwise(heights):
        if len(here) and len(there):
            assert here.min() - 1 <= there.max()
            assert there.min() - 1 <= here.max()


@pytest.mark.parametrize("zoom", [1, 3, 10, 100, 1_000, 20_000])
@pytest.mark.parametrize("at", [0, 1, 123_456, 199_998, 199_999])
def test_a_spike_is_seen_at_any_zoom(zoom, at):
    """One sample among 200,000, wherever it stands and however far in the view is."""
    y = np.zeros(200_000)
    y[at] = 1
    width = 200_000 / zoom
    low = min(max(0.0, at - width / 3), 199_999 - width)
    dots = drawn(np.arange(200_000), y, (60, 5), (low, low + width), (0, 1)).dots
    assert dots[0].any()


# ---------------------------------------------------------------------------- pyramid

series = st.lists(
    st.one_of(st.floats(-1e6, 1e6), st.sampled_from([NAN, INF, -INF, 0.0, -1.0])), min_size=0, max_size=700
)


def direct(y, start, end, positive) -> tuple[float, float]:
    part = [value for value in y[start:end] if math.isfinite(value) and (value > 0 or not positive)]
    return min(part, default=INF), max(part, default=-INF)


@settings(max_examples=examples(60), deadline=None)
@given(series, st.lists(st.integers(0, 700), max_size=40), st.lists(st.integers(0, 700), max_size=12), st.booleans())
def test_pyramid_equals_direct_minimum_and_maximum(y, cuts, lengths, positive):
    y = np.array(y, dtype=float)
    pyramid = Pyramid(positive)
    for length in sorted(min(length, len(y)) for length in lengths):
        pyramid.extend(y[:length])
    pyramid.extend(y)
    edges = np.array(sorted(min(cut, len(y)) for cut in cuts), dtype=np.int64)
    low, high = pyramid.reach(edges[:-1], edges[1:])
    expected = [direct(y, start, end, positive) for start, end in itertools.pairwise(edges)]
    assert list(zip(low, high, strict=True)) == expected
    bad = [not math.isfinite(value) or (positive and value <= 0) for value in y]
    assert covered(pyramid.bad, len(y)) == bad
    assert covered(pyramid.lost, len(y)) == [not math.isfinite(value) for value in y]
    assert pyramid.refused == (sum(math.isfinite(value) and value <= 0 for value in y) if positive else 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("columns", [1, 7, 240])
def test_pyramid_of_a_long_series(dtype, columns):
    """Long enough for several levels, in batches that don't fall on blocks; against numpy on each stretch."""
    rng = np.random.default_rng(5)
    y = (rng.normal(size=300_001) * 1000).astype(dtype)
    if dtype is not np.int64:
        y[rng.integers(0, len(y), 50)] = np.nan
    pyramid = Pyramid()
    for length in (10, FANOUT**3 + 3, 200_000, len(y)):
        pyramid.extend(y[:length])
    edges = np.sort(rng.integers(0, len(y) + 1, columns + 1))
    for start, end in ((edges[:-1], edges[1:]), (edges[:-1:2], edges[1::2][: len(edges[:-1:2])])):
        low, high = pyramid.reach(start, end)
        for index, (first, last) in enumerate(zip(start, end, strict=True)):
            part = y[first:last]
            assert low[index] == (np.nanmin(part) if last > first else INF)
            assert high[index] == (np.nanmax(part) if last > first else -INF)


def covered(runs: Runs, length: int) -> list[bool]:
    found = [False] * length
    for start, end in zip(runs.starts, runs.ends, strict=True):
        assert start < end
        for index in range(start, end):
            assert not found[index]
            found[index] = True
    return found


# ---------------------------------------------------------------------------- scales


@given(st.floats(-1e300, 1e300), st.floats(1e-6, 1e6), st.floats(0, 1), st.integers(2, 500))
def test_place_and_at_are_inverse(low, ratio, share, dots):
    scale = Scale(Limits(low, low + ratio * max(1.0, abs(low))))
    place = share * (dots - 1)
    assert float(scale.to_dots(scale.from_dots(place, dots), dots)) == pytest.approx(place, abs=1e-6 * dots)


def test_the_widest_limits_can_be_placed():
    scale = Scale(Limits(-1.7e308, 1.7e308))
    assert scale.to_dots([-1.7e308, 0, 1.7e308, NAN], 101)[:3].tolist() == [0, 50, 100]


@given(st.floats(1e-30, 1e30), st.floats(1.001, 1e20), st.floats(0, 1), st.floats(0.1, 10))
def test_zoom_keeps_the_point_under_the_pointer(low, ratio, around, factor):
    for kind in ("linear", "log"):
        before = Scale(Limits(low, low * ratio), kind)
        after = zoomed(before.limits, around, factor, kind)
        point = before.from_dots(around, 2)
        if sound(after, kind):
            assert float(Scale(after, kind).to_dots(point, 2)) == pytest.approx(around, abs=1e-5)


def test_moving_and_widening():
    assert moved(Limits(0, 10), 0.5) == (5, 15)
    assert moved(Limits(1, 100), 0.5, "log") == pytest.approx((10, 1000))
    assert widened(0, 100) == (-4, 104)
    for low in (0.0, 5.0, -5.0, 1e300, 1e-300, 1e16):
        limits = widened(low, low)
        assert limits.low < low < limits.high


def test_a_path_is_drawn_dot_by_dot():
    """Between two points a dot for each column or row on the way, on the straight line; NaN breaks it."""
    x, y = np.array([1.0, 9.0, 5.0, NAN, 12.0, NAN]), np.array([2.0, 6.0, 14.0, 3.0, 13.0, 0.0])
    dots = braille.polyline(x, y, (8, 4))
    expected = {(round(1 + 8 * t), round(2 + 4 * t)) for t in np.linspace(0, 1, 9)}
    assert expected <= {(column, row) for row, column in np.argwhere(dots)}
    for row, column in np.argwhere(dots):
        near = [
            abs((x[i + 1] - x[i]) * (y[i] - row) - (x[i] - column) * (y[i + 1] - y[i]))
            / math.hypot(x[i + 1] - x[i], y[i + 1] - y[i])
            for i in (0, 1)
        ]
        assert min(near) <= math.sqrt(0.5) + 1e-9 or (column, row) == (12, 13)
    assert dots[13, 12]
    assert not dots[:, 13:].any()


def test_a_path_far_outside_costs_no_memory_and_leaves_the_view():
    dots = braille.polyline(np.array([0.0, 1e300]), np.array([4.0, 4.0]), (4, 2))
    assert dots[4].all()
    assert dots.sum() == 8
