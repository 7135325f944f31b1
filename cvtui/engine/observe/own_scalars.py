"""Numbers of a custom loop's own (`run.log(iou=…)`): held where they lie, read when the log is flushed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cvtui.engine.watch_arguments import checked_scalar
from cvtui.runlog.events import ScalarRow, Scalars
from cvtui.runlog.nonfinite import places_of
from cvtui.runlog.own_scalars import LONGEST_NAME, MOST_NAMES
from cvtui.runlog.record_limits import LARGEST
from cvtui.text import rounded

MOST_HELD = 1000
"""Values that wait for a flush; a loop that logs more without a step has them written at once."""


class OwnScalars:
    """Fact source of a loop's own scalars."""

    def __init__(self) -> None:
        self._held: list[tuple[str, int, Tensor | float]] = []
        self._names: set[str] = set()
        self._left_out = ""
        self._told = False

    def add(self, step: int, values: dict[str, Any]) -> None:
        """Hold the values of one step; a tensor is copied on its device, and not read."""
        for name, value in values.items():
            number = checked_scalar(name, value)
            if name not in self._names:
                if len(self._names) >= MOST_NAMES:
                    self._left_out = self._left_out or name
                    continue
                self._names.add(name)
            number = number.detach().clone() if isinstance(number, Tensor) else number
            self._held.append((name[:LONGEST_NAME], step, number))

    @property
    def is_full(self) -> bool:
        return len(self._held) >= MOST_HELD

    def message(self) -> str:
        """Return, once, that names were left out; "" where none were."""
        if not self._left_out or self._told:
            return ""
        self._told = True
        return f"run.log({self._left_out}=…): {MOST_NAMES} names are recorded; this one and further ones are left out"

    def take(self) -> Scalars | None:
        """Return what was held, read back in one transfer a device; None without any."""
        held, self._held = self._held, []
        if not held:
            return None
        numbers = _read([value for _, _, value in held])
        rows: dict[str, tuple[list[int], list[float]]] = {}
        for (name, step, _), number in zip(held, numbers, strict=True):
            steps, values = rows.setdefault(name, ([], []))
            steps.append(step)
            values.append(number)
        return Scalars(rows=[_row(name, steps, values) for name, (steps, values) in rows.items()])


def _row(name: str, steps: list[int], values: list[float]) -> ScalarRow:
    return ScalarRow(
        name=name,
        steps=steps,
        values=[rounded(value, 7) if abs(value) <= LARGEST else None for value in values],
        not_finite=places_of({name: values}).get(name, {}),
    )


def _read(values: list[Tensor | float]) -> list[float]:
    """Return all as floats, the tensors of each device at once."""
    found = [0.0 if isinstance(value, Tensor) else value for value in values]
    places: dict[torch.device, list[int]] = {}
    for place, value in enumerate(values):
        if isinstance(value, Tensor):
            places.setdefault(value.device, []).append(place)
    for some in places.values():
        told = [value.reshape(()).double() for place in some if isinstance(value := values[place], Tensor)]
        for place, number in zip(some, torch.stack(told).tolist(), strict=True):
            found[place] = number
    return found
