"""Limits of what a record may hold, checked once so that no reader has to.

A log is JSON that a crash or another program wrote: it may name the year 10^300, a step of 400 digits, or a number
where class names belong. Such a record counts as broken, or loses the part that means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from cvtui.runlog import events

BROKEN = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
"""What decoding and checking a broken line may raise."""
MOST_STEPS = 1 << 40
LARGEST_WHOLE = 1 << 53
"""What a float64 still counts exactly."""
LARGEST = 1e300
"""Of floats: two of them can be added, and their difference is finite."""
LIMITS: dict[str, tuple[float, float]] = {
    "time": (-1e12, 1e12),  # 33,658 years; the C library's calendar ends at 6e16
    "seconds": (0, 1e10),
    "images_per_second": (0, 1e12),
    "step": (-1, MOST_STEPS),  # -1: a finding from before the first step
    "epoch": (0, 1 << 40),
    "parameters": (0, LARGEST_WHOLE),
    "macs": (0, LARGEST_WHOLE),
    "steps_per_epoch": (0, 1 << 40),
    "total_steps": (0, 1 << 40),
    "threads": (0, 1 << 20),
    "columns": (1, 1 << 20),
    "image": (0, 1 << 40),
    "memory": (0, LARGEST_WHOLE),
    "memory_free": (0, LARGEST_WHOLE),
    "memory_total": (0, LARGEST_WHOLE),
    "disk_free": (0, LARGEST_WHOLE),
    "step_seconds": (0, 1e10),
    "process": (0, 1 << 20),
    "cores": (0, 1 << 20),
}
"""Of fields of that name; bounds included."""
SHARES = frozenset(
    (
        "train_accuracy",
        "val_accuracy",
        "zeros",
        "saturated",
        "dead",
        "pinned",
        "grad_zeros",
        "share",
        "sure",
        "watch_cost",
        "waited",
        "cpu",
        "use",
    )
)
"""0 to 1 by right; a custom loop may count in per cent."""
LARGEST_SHARE = 1e4
_ROWS = {"overlap_pairs": 2, "rates": 2, "mode_losses": 3, "overfit_rates": 3}


def sanitized(record: Any) -> Any:
    """Return the record without meaningless parts. ValueError where nothing of it is left to use."""
    changes: dict[str, Any] = {}
    match record:
        case events.RunStarted():
            changes = {
                "recipe": recipe_values(record.recipe), "data": _known(record.data, _DATA),
                "prediction": _known(record.prediction, _PREDICTION), "parent": _known(record.parent, _PARENT),
                "ranks": _known(record.ranks, _RANKS),
            }  # fmt: skip
        case events.EpochDone() if record.confusion and not _is_table(record.confusion):
            changes = {"confusion": []}
        case events.Facts():
            changes = {
                name: [] for name, width in _ROWS.items() if any(len(row) != width for row in getattr(record, name))
            }
            if len(record.label_range) not in (0, 2):
                changes["label_range"] = []
        case events.LayersSampled():
            changes = {"layers": [_layer(layer) for layer in record.layers]}
        case _:
            pass
    if any(getattr(record, name) != value for name, value in changes.items()):
        record = msgspec.structs.replace(record, **changes)
    _check(record, "")
    return record


def recipe_values(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Filter a recipe's values to those of their field's kind; of other keys the plain ones."""
    kinds = _kinds()
    return {name: value for name, value in raw.items() if kinds.get(name, _is_plain)(value)}


# ---------------------------------------------------------------------- kinds of values


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_WHOLE


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and abs(value) <= LARGEST)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(not isinstance(part, list) and _is_plain(part) for part in value)
    return isinstance(value, str | bool) or _is_number(value)


def _all(test: Any) -> Any:
    return lambda value: isinstance(value, list) and all(map(test, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return _is_whole(value) and value >= 0


def _is_size(value: Any) -> bool:
    return isinstance(value, list) and 1 <= len(value) <= 3 and all(_is_whole(n) and 0 < n < 1 << 31 for n in value)


def _is_spread(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values()))


_DATA = {
    "classes": _all(_is_text), "train": _is_count, "validation": _is_count, "input": _is_size, "mean": _all(_is_number),
    "std": _all(_is_number),
}  # fmt: skip
_PREDICTION = {
    "first_loss": _is_number, "start_loss": _is_number, "activation_std": _is_spread, "memory": _is_number,
}  # fmt: skip
_RANKS = {"world_size": _is_count, "host": _is_text, "job": _is_text, "restart": _is_count, "block": _is_count}
_PARENT = {"run": _is_text, "checkpoint": _is_text, "step": _is_count, "epoch": _is_count}


def _known(raw: Mapping[str, Any], tests: Mapping[str, Any]) -> dict[str, Any]:
    """Drop known keys whose values are of another kind; unknown ones stay, where they are plain."""
    return {key: value for key, value in raw.items() if value is None or tests.get(key, _is_any)(value)}


def _is_any(value: Any) -> bool:
    return _is_good("", value)


@cache
def _kinds() -> dict[str, Any]:
    from cvtui.recipe.recipe import Recipe

    tests = {bool: lambda value: isinstance(value, bool), int: _is_whole, float: _is_number, str: _is_text}
    plain = Recipe()
    return {name: tests.get(type(getattr(plain, name)), _is_plain) for name in Recipe.__struct_fields__}


# ---------------------------------------------------------------------- numbers


def _check(value: Any, name: str) -> None:
    """Raise ValueError for a number without meaning, however deep. Some microseconds a record."""
    if isinstance(value, bool | str) or value is None:
        return
    if isinstance(value, int | float):
        _check_number(value, name)
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            _check(getattr(value, field), field)
    elif isinstance(value, dict):
        for key, part in value.items():
            _check(part, key if isinstance(key, str) else "")
    elif isinstance(value, list):
        # Rows of a confusion matrix are looked at as one.
        whole = bool(value) and all(type(part) is int for part in value)
        for part in (max(value), min(value)) if whole else value:
            _check(part, name)


def _check_number(value: float, name: str) -> None:
    low, high = LIMITS.get(name) or ((-LARGEST_WHOLE, LARGEST_WHOLE) if isinstance(value, int) else _FLOATS)
    if name in SHARES:
        low, high = -LARGEST_SHARE, LARGEST_SHARE
    if not low <= value <= high:
        raise ValueError(name)


_FLOATS = (-LARGEST, LARGEST)


def _is_table(rows: list[list[int]]) -> bool:
    """Return True for a square of counts."""
    return all(len(row) == len(rows) and (not row or min(row) >= 0) for row in rows)


def _layer(layer: events.LayerStats) -> events.LayerStats:
    """Drop histograms that can't be drawn, and numbers without meaning."""
    bad = {name: None for name in layer.__struct_fields__ if not _is_good(name, getattr(layer, name))}
    return msgspec.structs.replace(layer, **bad) if bad else layer


def _is_good(name: str, value: Any) -> bool:
    if isinstance(value, events.Histogram):
        return _can_be_drawn(value)
    try:
        _check(value, name)
    except ValueError:
        return False
    return True


def _can_be_drawn(found: events.Histogram) -> bool:
    known = _is_number(found.low) and _is_number(found.high) and found.low <= found.high
    return known and bool(found.counts) and 0 <= min(found.counts) <= max(found.counts) <= LARGEST_WHOLE
