"""Round numbers along an axis, and their labels in few letters. Pure Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

from cvtui.draw.scales import Limits

XKind: TypeAlias = Literal["step", "epoch", "samples", "time", "number", "rate"]
YKind: TypeAlias = Literal["number", "percent", "rate"]

_SECONDS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0)
_HOURS = (3600.0, 7200.0, 10800.0, 21600.0, 43200.0)
_DAY = 86400.0
_SMALL = 1e-3
"""An axis that ends below this is written with exponents."""
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def nice_step(rough: float, whole: bool = False) -> float:
    """Return the smallest 1, 2 or 5 times a power of ten from `rough` up; at least 1 with `whole`."""
    if whole and rough <= 1:
        return 1.0
    power = math.floor(math.log10(rough))
    for exponent, factor in ((power, 1), (power, 2), (power, 5), (power + 1, 1), (power + 1, 2)):
        step = factor * 10.0**exponent if exponent > -300 else factor * float(f"1e{exponent}")
        if step >= rough * (1 - 1e-9):
            return step
    return 10.0 ** (power + 1)


def time_step(rough: float) -> float:
    """As `nice_step`, in seconds, minutes, hours and days: 15 and 30 are round, 20 and 50 are not."""
    if rough < 1:
        return nice_step(rough)
    for step in _SECONDS + _HOURS:
        if step >= rough * (1 - 1e-9):
            return step
    return nice_step(rough / _DAY, whole=True) * _DAY


def linear_ticks(limits: Limits, most: int, *, whole: bool = False, time: bool = False) -> tuple[list[float], float]:
    """At most `most` multiples of a round step within the limits, and that step."""
    low, high = limits
    rough = (high / 2 - low / 2) / max(1, most) * 2
    if not (rough > 0 and math.isfinite(rough)):
        return [], 1.0
    step = time_step(rough) if time else nice_step(rough, whole)
    if not math.isfinite(step):  # the axis of the largest floats
        return [0.0] if low <= 0 <= high else [], 1e308
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    if last - first + 1 > most:  # both ends fell on a tick
        step = time_step(step * 1.01) if time else nice_step(step * 1.01, whole)
        first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [round_to(number * step, step) for number in range(first, last + 1)], step


def round_to(value: float, step: float) -> float:
    """Round a multiple of `step` to remove floating-point noise: 3 x 0.1 is 0.3."""
    if not math.isfinite(value) or value == 0:
        return 0.0 if value == 0 else value
    digits = 2 - math.floor(math.log10(step))
    return round(value, digits) if digits < 300 else value


def log_ticks(limits: Limits, most: int) -> list[float]:
    """Powers of ten within the limits, thinned to `most`; with 2 and 5 between where there are few.

    An axis too short for three of those has the ticks of a linear one.
    """
    low, high = math.log10(limits.low), math.log10(limits.high)
    first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    decades = list(range(first, last + 1))
    if len(decades) > most:
        rough = -(-len(decades) // max(1, most))
        every = next((round_ for round_ in (1, 2, 3, 5, 10, 20, 50, 100, 200) if round_ >= rough), rough)
        return [_power(power) for power in decades if power % every == 0]
    for factors in ((1, 2, 5), (1, 3), (1, 5)):
        fine = [
            factor * _power(power)
            for power in range(math.floor(low), last + 1)
            for factor in factors
            if low - 1e-9 <= power + math.log10(factor) <= high + 1e-9
        ]
        if min(3, most) <= len(fine) <= most:
            return fine
    if len(decades) >= 2:
        return [_power(power) for power in decades]
    return linear_ticks(limits, most)[0] or [_power(power) for power in decades]


def _power(exponent: int) -> float:
    return float(f"1e{exponent}")


def labels(ticks: Sequence[float], kind: str = "number", step: float | None = None) -> list[str]:
    """Label the ticks of one axis alike: 0, 0.25, 1.2k, 3M, 5e-4, 95%, 1:30, 2h15.

    `step`, the distance of two ticks, says how many digits tell them apart; None on a log axis, where each tick stands
    for itself.
    """
    if kind == "percent":
        return [text + "%" for text in labels([tick * 100 for tick in ticks], "number", step and step * 100)]
    if kind == "time":
        return [time_label(tick, step) for tick in ticks]
    largest = max((abs(tick) for tick in ticks), default=0.0)
    if step is None:
        small = any(0 < tick < _SMALL * 0.9999 for tick in ticks)
        return [_alone(tick, 0.0999 if small else 0.00999 if kind == "rate" else _SMALL * 0.999) for tick in ticks]
    if largest >= 1e15 or largest < (0.01 if kind == "rate" else _SMALL) or step < 1e-9:
        return [_scientific(tick, step) for tick in ticks]
    if largest >= 1e4 or (largest >= 1e3 and step >= 1e3):
        unit, letter = next(entry for entry in _UNITS if largest >= entry[0] * 0.9999)
        if step / unit < 0.9e-3:  # far in: 1,000,001 reads better than 1.000001M
            return [f"{tick:,.{_digits(step)}f}" for tick in ticks]
        return [_decimals(tick / unit, step / unit) + (letter if tick else "") for tick in ticks]
    return [_decimals(tick, step) for tick in ticks]


def _alone(value: float, small: float) -> str:
    """Label a tick of a log axis: 1e-3 (when below `small`), 0.01, 2, 50, 1k."""
    size = abs(value)
    if size >= 1e15 or size < small:
        return _scientific(value, size / 10)
    if size >= 1e3:
        unit, letter = next(entry for entry in _UNITS if size >= entry[0] * 0.9999)
        return f"{value / unit:.3g}{letter}"
    return f"{value:.3g}"


def _digits(step: float) -> int:
    """Decimals that tell multiples of `step` apart."""
    return min(12, max(0, -math.floor(math.log10(step) + 1e-9)))


def _decimals(value: float, step: float) -> str:
    text = f"{value:.{_digits(step)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _scientific(value: float, step: float) -> str:
    """As 2.5e-4, with the digits that differ by `step`."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    ratio = math.log10(abs(value)) - math.log10(step) if step > 0 else 3.0
    mantissa, exponent = f"{value:.{min(12, max(0, math.ceil(ratio - 1e-9)))}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def time_label(seconds: float, step: float | None = None) -> str:
    """Seconds as 12s, 1:30, 5m, 2h15, 3d: as coarse as `step` allows."""
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    step = step or (1.0 if seconds < 3600 else 60.0)
    if seconds == 0:
        return "0"
    if seconds < 60 or step < 1:
        return sign + _decimals(seconds, min(step, 1.0)) + "s"
    whole = round(seconds)
    if whole < 3600 and step % 60:
        return f"{sign}{whole // 60}:{whole % 60:02d}"
    if whole < 3600:
        return f"{sign}{whole // 60}m"
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if step >= _DAY:
        return f"{sign}{round(whole / _DAY)}d"
    if step % 60 and rest:
        return f"{sign}{hours}:{minutes:02d}:{rest:02d}"
    return f"{sign}{hours}h{minutes:02d}" if minutes else f"{sign}{hours}h"


def read_out(value: float, kind: str = "number") -> str:
    """Format a value in four significant digits; ✗ for one that is not finite."""
    if not math.isfinite(value):
        return "✗"
    if kind == "percent":
        return f"{value * 100:.2f}%" if abs(value) < 9.995 else f"{value * 100:.4g}%"
    if kind == "time":
        return time_label(value, 0.1 if abs(value) < 60 else 1.0)
    if kind in ("step", "samples"):
        return f"{round(value):,}" if abs(value) < 1e15 else f"{value:.4g}"
    if kind == "epoch":
        return f"{value:z,.2f}".rstrip("0").rstrip(".")
    if value == 0:
        return "0"
    size = abs(value)
    if kind == "rate":
        return _scientific(value, size / 1000) if size < 0.01 else f"{value:.4g}"
    if size < 1e-3 or size >= 1e6:
        return _scientific(value, size / 1000)
    return f"{value:.4g}" if size < 1e4 else f"{value:,.0f}"
