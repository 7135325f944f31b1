"""Strips of eighth blocks, bars, and half-block pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import Color
from rich.style import Style
from textual.strip import Strip

from cvtui.draw import blocks, half_blocks
from cvtui.draw.bars import filled_bar, log_bar

NAN = math.nan


def test_upright_bars():
    assert blocks.upright([0, 1, 2, 3, 4, 5, 6, 7, 8]) == " ▁▂▃▄▅▆▇█"
    assert blocks.upright([0, 0]) == "  "
    assert blocks.upright([]) == ""
    assert blocks.upright([1e-9, 1]) == "▁█"  # what is there is seen
    assert blocks.upright([NAN, -1, math.inf, 1]) == "   █"
    assert blocks.upright([1, 2], top=4) == "▂▄"


def test_log_counts_show_tails():
    assert blocks.histogram([1, 1000], 2) == "▁█"
    assert blocks.histogram([31, 1023], 2, log=True) == "▄█"  # log2 32 = 5, log2 1024 = 10


@given(st.lists(st.integers(0, 10**6), max_size=64), st.integers(1, 80))
def test_resampling_keeps_the_sum(counts, bins):
    assert blocks.resample(counts, bins).sum() == pytest.approx(sum(counts), rel=1e-9, abs=1e-6)


def test_resampling_splits_bins_evenly():
    assert blocks.resample([4, 8], 4).tolist() == [2, 2, 4, 4]
    assert blocks.resample([1, 2, 3, 4], 2).tolist() == [3, 7]
    assert blocks.resample([3, 0, 3], 2).tolist() == [3, 3]


@given(st.lists(st.integers(0, 10**6), min_size=32, max_size=32), st.integers(1, 60))
def test_histogram_has_its_width(counts, width):
    strip = blocks.histogram(counts, width)
    assert len(strip) == width
    assert ("█" in strip) == (sum(counts) > 0)


def test_level_bars():
    assert filled_bar(0, 3) == "   "
    assert filled_bar(1, 3) == "███"
    assert filled_bar(2, 3) == "███"
    assert filled_bar(0.5, 3) == "█▌ "
    assert filled_bar(1 / 24, 3) == "▏  "
    assert filled_bar(1e-9, 3) == "▏  "
    assert filled_bar(NAN, 3) == "   "
    assert filled_bar(1, 0) == ""


def test_log_bars():
    assert log_bar(1e-3, 1e-6, 1, 4) == "██  "
    assert log_bar(1e-9, 1e-6, 1, 4) == "    "
    assert log_bar(None, 1e-6, 1, 4) == "    "


# ---------------------------------------------------------------------------- heat


@pytest.mark.parametrize("name", ["magma", "viridis"])
def test_lightness_rises_evenly(name):
    for dark in (True, False):
        table = half_blocks.colour_map(name, dark)
        lightness = half_blocks._to_oklab(table.astype(np.float64) / 255)[:, 0]
        steps = np.diff(lightness) * (1 if dark else -1)
        assert (steps > -0.004).all()
        assert steps.max() < 0.02


def test_diverging_maps_are_even_on_both_sides():
    for dark in (True, False):
        lightness = half_blocks._to_oklab(half_blocks.colour_map("diverging", dark).astype(np.float64) / 255)[:, 0]
        assert np.abs(lightness - lightness[::-1]).max() < 0.1
        middle = lightness[128]
        assert middle == (lightness.min() if dark else lightness.max()) or abs(middle - lightness[127]) < 0.02


def test_oklab_of_known_colours():
    """Ottosson's article: white is (1, 0, 0); sRGB red is about (0.628, 0.225, 0.126)."""
    assert half_blocks._to_oklab(np.array([[1.0, 1, 1], [1, 0, 0]])) == pytest.approx(
        np.array([[1, 0, 0], [0.628, 0.225, 0.126]]), abs=1e-3
    )
    colours = np.random.default_rng(0).random((50, 3))
    assert half_blocks._from_oklab(half_blocks._to_oklab(colours)) == pytest.approx(colours, abs=1e-6)


def test_heat_takes_the_table_from_low_to_high():
    table = np.stack([np.arange(256)] * 3, axis=1).astype(np.uint8)
    image = half_blocks.heat([[0.0, 5, 10], [NAN, 20, -10]], table, 0, 10, missing=(1, 2, 3))
    assert image[..., 0].tolist() == [[0, 128, 255], [1, 255, 0]]
    assert image[1, 0].tolist() == [1, 2, 3]
    assert half_blocks.heat([[0, 5, 10]], table)[0, :, 0].tolist() == [0, 128, 255]
    assert half_blocks.heat([[7, 7]], table)[0, :, 0].tolist() == [0, 0]
    assert half_blocks.heat([[NAN]], table).shape == (1, 1, 3)


def test_resizing():
    image = np.array([[0, 10], [20, 30]], np.uint8)
    assert half_blocks.resize(image, 4, 4).tolist() == [
        [0, 0, 10, 10],
        [0, 0, 10, 10],
        [20, 20, 30, 30],
        [20, 20, 30, 30],
    ]
    assert half_blocks.resize(image, 1, 1).tolist() == [[15]]
    assert half_blocks.resize(np.array([[0.0, 3, 6]]), 1, 2).tolist() == [[1, 5]]  # (0 + 3/2) / 1.5, (3/2 + 6) / 1.5
    assert half_blocks.resize(image, 2, 2) is image


@given(st.integers(1, 20), st.integers(1, 20))
def test_resizing_keeps_the_mean(height, width):
    image = np.random.default_rng(1).random((20, 20, 3))
    assert half_blocks.resize(image, height, width).mean() == pytest.approx(image.mean())


def test_smooth_resizing_lies_on_straight_lines_between_the_values():
    """Numpy's interp along each axis, between the middles of the old pixels."""
    image = np.random.default_rng(2).random((5, 7))
    columns = np.clip((np.arange(31) + 0.5) * 7 / 31 - 0.5, 0, 6)
    rows = np.clip((np.arange(23) + 0.5) * 5 / 23 - 0.5, 0, 4)
    wide = np.stack([np.interp(columns, np.arange(7), row) for row in image])
    expected = np.stack([np.interp(rows, np.arange(5), column) for column in wide.T], axis=1)
    assert half_blocks.resize(image, 23, 31, "smooth") == pytest.approx(expected)
    assert half_blocks.resize(np.array([[4.0]]), 3, 2, "smooth").tolist() == [[4, 4]] * 3


def test_the_nearest_keeps_names_apart_in_both_directions():
    names = np.array([[0.0, 7.0, 3.0, 5.0]])
    assert half_blocks.resize(names, 1, 8, "nearest").tolist() == [[0, 0, 7, 7, 3, 3, 5, 5]]
    assert half_blocks.resize(names, 1, 2, "nearest").tolist() == [[7, 5]]


def test_the_mean_leaves_out_what_is_missing():
    assert half_blocks.resize(np.array([[1.0, NAN, 3.0, 5.0, NAN, NAN]]), 1, 3).tolist()[0][:2] == [1, 4]
    assert np.isnan(half_blocks.resize(np.array([[1.0, NAN, 3.0, 5.0, NAN, NAN]]), 1, 3)[0, 2])


def test_dots_over_a_picture_keep_their_colour_on_darkened_pixels():
    image = np.full((2, 3, 3), 100, np.uint8)
    codes = np.array([[0, 0xFF, 0]], np.uint8)
    ink = np.full((1, 3, 3), 250, np.uint8)
    ((left, middle, right),) = half_blocks.segments(image, over=(codes, ink))
    assert (left.text, middle.text, right.text) == (" ", "⣿", " ")
    assert middle.style is not None
    assert middle.style.color is not None
    assert middle.style.bgcolor is not None
    assert tuple(middle.style.color.triplet or ()) == (250, 250, 250)
    assert tuple(middle.style.bgcolor.triplet or ()) == (40, 40, 40)


def test_tiles():
    images = np.stack([np.full((2, 3, 3), number, np.uint8) for number in (1, 2, 3)])
    sheet = half_blocks.tiles(images, 2, gap=1, ground=(9, 9, 9))
    assert sheet[..., 0].tolist() == [
        [1, 1, 1, 9, 2, 2, 2],
        [1, 1, 1, 9, 2, 2, 2],
        [9, 9, 9, 9, 9, 9, 9],
        [3, 3, 3, 9, 9, 9, 9],
        [3, 3, 3, 9, 9, 9, 9],
    ]


def rgb(color: Color | None) -> tuple[int, int, int] | None:
    """Return the numbers of a true colour."""
    if color is None:
        return None
    assert color.triplet is not None
    red, green, blue = color.triplet
    return red, green, blue


def pixels(strips, height: int) -> list[list[tuple[int, int, int] | None]]:
    """Back from strips to pixels, as a terminal would show them."""
    rows: list[list[tuple[int, int, int] | None]] = []
    for strip in strips:
        upper: list[tuple[int, int, int] | None] = []
        lower: list[tuple[int, int, int] | None] = []
        for text, style, _ in strip:
            assert isinstance(style, Style)
            for character in text:
                above, below = rgb(style.color), rgb(style.bgcolor)
                assert character in " ▀"
                upper.append(above if character == "▀" and style.color else below)
                lower.append(below)
        rows += [upper, lower]
    return rows[:height]


def strips(image, ground=None):
    return [Strip(row) for row in half_blocks.segments(image, ground)]


@pytest.mark.parametrize("height", [1, 2, 5, 8])
def test_strips_show_every_pixel(height):
    image = np.random.default_rng(3).integers(0, 3, (height, 11, 3)).astype(np.uint8) * 100
    found = strips(image)
    assert all(strip.cell_length == 11 for strip in found)
    assert pixels(found, height) == [[tuple(pixel) for pixel in row] for row in image.tolist()]
    assert pixels(strips(image[:1], ground=(7, 8, 9)), 2)[1] == [(7, 8, 9)] * 11


def test_equal_cells_share_a_segment():
    image = np.zeros((2, 40, 3), np.uint8)
    image[:, 20:] = 255
    (strip,) = strips(image)
    assert [segment.text for segment in strip] == [" " * 20, " " * 20]
