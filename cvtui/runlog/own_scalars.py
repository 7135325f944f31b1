"""Numbers that a custom loop logs by names of its own: `run.log(iou=0.4)`."""

from __future__ import annotations

from itertools import pairwise

import msgspec

from cvtui.runlog.record import Record

MOST_NAMES = 100
"""Names that a run may log and a reader holds."""
LONGEST_NAME = 80


class ScalarRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Some values of one name, in parallel lists."""

    name: str
    """As the loop calls it."""
    steps: list[int]
    """Steps done when each value was logged, rising."""
    values: list[float | None]
    """Null where the value was not finite."""
    not_finite: dict[str, list[int]] = {}
    """What nulls were, by place in the list: {"nan": [3]}."""


class Scalars(Record, tag="scalars", frozen=True, kw_only=True):
    """Numbers of a custom loop's own, as `run.log(iou=0.4)` gave them."""

    rows: list[ScalarRow]
    """One a name: the values since the record before."""


def is_rising(steps: list[int]) -> bool:
    return all(0 <= before <= after for before, after in pairwise([0, *steps]))


def cells_of(record: Scalars) -> list[tuple[str, int, float | str]]:
    """Return (name, step, value) of each value of a record; one that is not finite by its word."""
    found: list[tuple[str, int, float | str]] = []
    for row in record.rows:
        told = {place: kind for kind, places in row.not_finite.items() for place in places}
        for place, (step, value) in enumerate(zip(row.steps, row.values, strict=False)):
            found.append((row.name, step, told.get(place, "nan") if value is None else value))
    return found
