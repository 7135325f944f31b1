"""Numbers of a custom loop's own (`run.log(iou=…)`): held where they lie, read when the log is flushed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cvtui.engine.observe.loop_arguments import checked_scalar
from cvtui.runlog.events import ScalarRow, Scalars
from cvtui.runlog.nonfinite import places_of
from cvtui.runlog.own_scalars import LONGEST_NAME, MOST_NAMES
from cvtui.runlog.record_limits import LARGEST
from cvtui.text import rounded

MOST_UNSTEPPED = 2
"""Values of a name before the first step that need no word: a validation before training."""
MOST_HELD = 1000
"""Values that wait for a flush; a loop that logs more without a step has them written at once."""


class OwnScalars:
    """Fact source of a loop's own scalars."""

    def __init__(self) -> None:
        self._held: list[tuple[str, int, Tensor | float]] = []
        self._names: dict[str, int] = {}
        """Name -> values logged before the first step: they are numbered instead."""
        self._left_out = ""
        self._told: set[str] = set()

    def add(self, step: int, values: dict[str, Any]) -> None:
        """Hold the values of one step; a tensor is copied on its device, and not read.

        Where no step is done yet (a loop that never calls `run.step()`) the values of a name lie at 0, 1, 2 …
        """
        for name, value in values.items():
            number = checked_scalar(name, value)
            if name not in self._names:
                if len(self._names) >= MOST_NAMES:
                    self._left_out = self._left_out or name
                    continue
                self._names[name] = 0
            place = step or self._names[name]
            self._names[name] += step == 0
            number = number.detach().clone() if isinstance(number, Tensor) else number
            self._held.append((name[:LONGEST_NAME], place, number))

    @property
    def is_full(self) -> bool:
        return len(self._held) >= MOST_HELD

    def message(self) -> str:
        """Return, once each, that names were left out or values were numbered; "" otherwise."""
        unstepped = next((name for name, count in self._names.items() if count > MOST_UNSTEPPED), "")
        for name, text in (
            (self._left_out, f"{MOST_NAMES} names are recorded; this one and further ones are left out"),
            (unstepped, "no run.step() was called, so the values are numbered 0, 1, 2 … instead of lying at steps"),
        ):
            if name and text not in self._told:
                self._told.add(text)
                return f"run.log({name}=…): {text}"
        return ""

    def take(self) -> Scalars | None:
        """Return what was held, read back in one transfer a device; None without any."""
        held, self._held = self._held, []
        if not held:
            return None
        numbers = _read([value for _, _, value in held])
        rows: list[tuple[str, list[int], list[float]]] = []
        last: dict[str, tuple[list[int], list[float]]] = {}
        for (name, step, _), number in zip(held, numbers, strict=True):
            if name not in last or last[name][0][-1] > step:  # behind what was numbered: a row of its own
                last[name] = ([], [])
                rows.append((name, *last[name]))
            steps, values = last[name]
            steps.append(step)
            values.append(number)
        return Scalars(rows=[_row(*row) for row in rows])


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
