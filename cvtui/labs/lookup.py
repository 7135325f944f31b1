"""The labs by name, and their knobs checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cvtui.errors import RequestError, nearest
from cvtui.labs.spec import Lab


def labs() -> dict[str, Lab]:
    """All labs by name, in the lecture's order."""
    from cvtui.labs.catalog import LABS

    return LABS


def find(name: str) -> Lab:
    """Return the lab of that name. RequestError with the nearest where there is none."""
    table = labs()
    if name in table:
        return table[name]
    raise RequestError(f"there is no lab {name!a}; there are: {', '.join(table)}{nearest(name, list(table))}")


def threads_of(name: str, asked: int) -> int:
    """Return the threads to ask `worker_threads` for; 0 becomes what suits the lab (0: all cores but one)."""
    return asked if asked > 0 or find(name).parallel else 1


def check(name: str, given: Mapping[str, object]) -> dict[str, Any]:
    """Every knob of the lab with its value, from those that were given (as text or in their own types).

    RequestError in one line for a lab or knob that does not exist and for a value that is not allowed.
    """
    lab = find(name)
    values: dict[str, Any] = {knob.name: knob.check(knob.default) for knob in lab.all_knobs}
    for key, value in given.items():
        knob = lab.knob(key)
        values[knob.name] = knob.check(value)
    return values
