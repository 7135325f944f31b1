"""Ticks and their labels."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvtui.draw.plot_scene import round_limits
from cvtui.draw.scales import Limits
from cvtui.draw.ticks import labels, linear_ticks, log_ticks, nice_step, read_out, time_step


@pytest.mark.parametrize(
    ("rough", "step"),
    [(0.011, 0.02), (0.02, 0.02), (0.3, 0.5), (0.51, 1), (1, 1), (1.01, 2), (3, 5), (51, 100), (2e-9, 2e-9)],
)
def test_steps_are_one_two_or_five(rough, step):
    assert nice_step(rough) == pytest.approx(step, rel=1e-12)


@pytest.mark.parametrize(
    ("rough", "step"), [(0.3, 0.5), (1.5, 2), (7, 10), (12, 15), (20, 30), (40, 60), (1000, 1800), (1e5, 2 * 86400)]
)
def test_steps_of_time(rough, step):
    assert time_step(rough) == step


@pytest.mark.parametrize(
    ("limits", "kind", "whole", "expected"),
    [
        ((0, 1), "number", False, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        ((0, 2.4), "number", False, ["0", "0.5", "1", "1.5", "2"]),
        ((0, 3), "step", True, ["0", "1", "2", "3"]),
        ((0, 0.9), "step", True, ["0"]),
        ((0, 1000), "step", True, ["0", "200", "400", "600", "800", "1000"]),
        ((0, 6000), "step", True, ["0", "1k", "2k", "3k", "4k", "5k", "6k"]),
        ((0, 12_000), "step", True, ["0", "2k", "4k", "6k", "8k", "10k", "12k"]),
        ((0, 1.2e6), "step", True, ["0", "0.2M", "0.4M", "0.6M", "0.8M", "1M", "1.2M"]),
        ((1_000_000, 1_000_010), "step", True, ["1,000,000", "1,000,002", "1,000,004", "1,000,006", "1,000,008"]),
        ((0, 3e-4), "number", False, ["0", "1e-4", "2e-4", "3e-4"]),
        ((0, 0.005), "rate", False, ["0", "1e-3", "2e-3", "3e-3", "4e-3", "5e-3"]),
        ((0, 0.1), "rate", False, ["0", "0.02", "0.04", "0.06", "0.08", "0.1"]),
        ((0, 1), "percent", False, ["0%", "20%", "40%", "60%", "80%", "100%"]),
        ((0.97, 0.99), "percent", False, ["97%", "97.5%", "98%", "98.5%", "99%"]),
        ((-1e308, 1e308), "number", False, ["-1e308", "-5e307", "0", "5e307", "1e308"]),
    ],
)
def test_linear_axes(limits, kind, whole, expected):
    ticks, step = linear_ticks(Limits(*limits), 7 if whole else 6, whole=whole)
    assert labels(ticks, kind, step)[: len(expected)] == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.5, ["0", "0.1s", "0.2s", "0.3s", "0.4s", "0.5s"]),
        (45, ["0", "10s", "20s", "30s", "40s"]),
        (100, ["0", "30s", "1:00", "1:30"]),
        (3000, ["0", "10m", "20m", "30m", "40m", "50m"]),
        (9000, ["0", "30m", "1h", "1h30", "2h", "2h30"]),
        (2e6, ["0", "5d", "10d", "15d", "20d"]),
    ],
)
def test_axes_of_time(seconds, expected):
    ticks, step = linear_ticks(Limits(0, seconds), 6, time=True)
    assert labels(ticks, "time", step) == expected


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((0.001, 3), ["0.001", "0.01", "0.1", "1"]),
        ((1e-6, 3), ["1e-6", "1e-4", "1e-2", "1"]),
        ((0.2, 3), ["0.2", "0.5", "1", "2"]),
        ((0.9, 30), ["1", "2", "5", "10", "20"]),
        ((0.9, 3), ["1", "1.5", "2", "2.5", "3"]),
        ((2.1, 2.2), ["2.1", "2.12", "2.14", "2.16", "2.18", "2.2"]),
        ((1e-300, 1e300), ["1e-200", "1", "1e200"]),
    ],
)
def test_log_axes(limits, expected):
    assert labels(log_ticks(Limits(*limits), 6)) == expected


finite = st.floats(-1e30, 1e30)


@given(finite, st.floats(1e-4, 1e12), st.integers(1, 12), st.booleans())
def test_ticks_lie_within_and_apart_and_have_labels_of_their_own(low, ratio, most, whole):
    limits = Limits(low, low + ratio * max(abs(low), 1e-20))
    ticks, step = linear_ticks(limits, most, whole=whole)
    assert len(ticks) <= most + 1
    slack = (limits.high - limits.low) * 1e-5 + step * 1e-6
    assert all(limits.low - slack <= tick <= limits.high + slack for tick in ticks)
    assert all(late - early == pytest.approx(step, rel=1e-3) for early, late in itertools.pairwise(ticks))
    assert all(tick == round(tick) for tick in ticks if whole and abs(tick) < 1e15)
    texts = labels(ticks, "number", step)
    assert len(set(texts)) == len(texts)


@given(st.floats(-250, 250), st.floats(0.05, 400), st.integers(2, 12))
def test_log_ticks_lie_within(low, decades, most):
    limits = Limits(10**low, 10 ** min(low + decades, 300))
    if limits.low < limits.high:
        ticks = log_ticks(limits, most)
        assert len(ticks) <= most + 1
        assert all(limits.low * (1 - 1e-6) <= tick <= limits.high * (1 + 1e-6) for tick in ticks)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (2.302585, "number", "2.303"),
        (0.02341, "number", "0.02341"),
        (1.2345e-5, "number", "1.234e-5"),
        (123456.7, "number", "123,457"),
        (0.98765, "percent", "98.77%"),
        (1e-3, "rate", "1e-3"),
        (0.05, "rate", "0.05"),
        (1234.0, "step", "1,234"),
        (3.5, "epoch", "3.5"),
        (75.0, "time", "1:15"),
        (math.nan, "number", "✗"),
        (math.inf, "percent", "✗"),
    ],
)
def test_read_outs(value, kind, expected):
    assert read_out(value, kind) == expected


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_an_axis_of_one_share_begins_at_0_and_ends_at_1_at_most(share: float) -> None:
    limits = round_limits(share, share, "percent")
    assert limits.low == 0.0
    assert share <= limits.high <= 1.0
    assert limits.high > 0.0
