"""Tiny curves on shared scales, against curves whose place is known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cvtui.draw.small_multiples import shared_scales, tiny_curve

X = np.arange(100.0)


def lowest(lines: list[str]) -> int:
    """Return the last line with a dot."""
    return max(number for number, line in enumerate(lines) if line.strip())


def test_all_curves_share_their_scales() -> None:
    """Of 3, 2 and 1 on one scale the first lies at the top, the last at the bottom; a short run ends early."""
    curves = [(X, np.full(100, 3.0)), (X, np.full(100, 2.0)), (X[:50], np.full(50, 1.0))]
    shared = shared_scales(curves)
    assert shared is not None
    drawn = [tiny_curve(x, y, shared, 20, 4) for x, y in curves]
    assert all(len(lines) == 4 and {len(line) for line in lines} == {20} for lines in drawn)
    assert [lowest(lines) for lines in drawn] in ([0, 1, 3], [0, 2, 3])
    assert [len(max(lines, key=lambda line: len(line.strip())).rstrip()) for lines in drawn] == [20, 20, 10]


@pytest.mark.parametrize("bad", [math.nan, math.inf, 5e27])
def test_a_run_that_explodes_does_not_flatten_the_others(bad: float) -> None:
    falling, exploding = 2.0 * 0.97**X + 0.1, np.where(X < 50, 2.0, bad)
    shared = shared_scales([(X, falling), (X, exploding)])
    assert shared is not None
    assert shared.up.limits.high < 100
    assert lowest(tiny_curve(X, falling, shared, 20, 4)) == 3
    edge = tiny_curve(X, exploding, shared, 20, 4)[0]
    assert bool(edge[12:].strip()) == (bad == 5e27)  # along the edge; what isn't finite is not drawn


def test_nothing_to_draw() -> None:
    assert shared_scales([]) is None
    assert shared_scales([(np.empty(0), np.empty(0)), (X, np.full(100, math.nan))]) is None
