"""Scalars of a log of another program, by column and step."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ScalarLog:
    """What one log holds: columns of (step → value), in the steps that the log itself counts."""

    kind: str
    """Which program wrote it, in words."""
    columns: dict[str, dict[int, float]] = field(default_factory=dict)
    """Name of a column → its values by step; of two at one step the last one written."""
    axis: str = "step"
    """What a step is: step or epoch."""
    total: int = 0
    """Steps that were planned; 0: not known."""
    means: bool = False
    """A logged training loss is the mean since the one before it."""
    notes: list[str] = field(default_factory=list)
    """What the reader left out, a line each."""

    def add(self, name: str, step: int, value: float) -> None:
        """Add one value."""
        self.columns.setdefault(name, {})[step] = value

    def forget(self, prefix: str, step: int) -> None:
        """Leave out what was added under a prefix from a step on: a run that went back to it says it anew."""
        for name in [name for name in self.columns if name.startswith(prefix)]:
            kept = {at: value for at, value in self.columns.pop(name).items() if at < step}
            if kept:
                self.columns[name] = kept

    @property
    def values(self) -> int:
        """How many there are in all columns."""
        return sum(map(len, self.columns.values()))
