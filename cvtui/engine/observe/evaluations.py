"""Which passes without gradients are a validation, and which are part of a training step."""

from __future__ import annotations


class Evaluations:
    """Tells them apart by where they come.

    Answers of the net in training (pseudo-labels, a first look at a batch) are asked for in training mode too, within a
    step; so in that mode a pass behind one with gradients of the same step is none, nor are those that come in each of
    two steps in a row, unless an epoch ends between them.
    """

    def __init__(self) -> None:
        self._passed = -1
        """Steps told when the last pass with gradients was made: as many as now while its own is not."""
        self._at: int | None = None
        """Steps told when the first pass in training mode came that may be a validation."""
        self.is_habit = False
        """Such passes come in each step."""

    def trained(self, number: int) -> None:
        """Take a pass with gradients, `number` steps having been told."""
        self._passed = number

    def epoch(self) -> None:
        """Take an epoch's end: what came before it was a validation."""
        if self._at is not None:
            self._at = -1

    def take(self, number: int, training: bool) -> bool:
        """Return True for a pass without gradients, `number` steps having been told, that may be a validation."""
        if not training:
            return True
        if self._passed == number or self.is_habit:
            return False
        if self._at is None:
            self._at = number
        self.is_habit = self._at >= 0 and number == self._at + 1
        return not self.is_habit

    def is_settled(self, number: int) -> bool:
        """Return True where what was taken for a validation will stay one."""
        return self._at is None or number >= self._at + 2
