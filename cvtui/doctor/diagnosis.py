"""What the doctor says of a run: one fault, with its evidence and its cure."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from cvtui.runlog.events import Finding

Severity = Literal["stop", "warn", "note"]
Kind = Literal["exact", "static", "heuristic"]
"""How a fault is known: an invariant is broken; seen before the first step; a signal crossed a threshold."""


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    """The catalogue's: F01 … F70, and L01 … for those of the lecture."""
    name: str
    severity: Severity
    """stop: what comes of the run is worth nothing; warn: a fault; note: worth knowing, or a state."""
    kind: Kind
    step: int
    """The step at which the evidence was complete, from 0; −1: known before the first step."""
    layer: str = ""
    sentence: str
    """For a person, with the numbers."""
    evidence: str = ""
    """The number that was looked at, and what it is."""
    files: tuple[str, ...] = ()
    """Images that it is about, by where they lie (some of them)."""
    value: float | None = None
    threshold: float | None = None
    source: str = ""
    """Where the threshold comes from."""
    sure: float = 1.0
    """Share of such findings that named a true cause in the benchmark (confidence.py); 1 for a note, which has none."""
    cure: dict[str, Any] = {}
    """Recipe fields and their new values; empty where no change of the recipe helps."""
    tried: str = ""
    """How often the cure helped in the doctor's benchmark, and by how much; empty where none is offered."""
    advice: str = ""
    """What to do, in words."""
    test: str = ""
    """The short test that would tell it from what looks like it: `rate/10`, `overfit`, `zeroed` or ""."""
    consequences: tuple[str, ...] = ()
    """Ids of what else was found and follows from this."""

    def as_json(self) -> dict[str, Any]:
        """Return the form of `cvtui doctor --json`."""
        return {
            "id": self.id,
            "name": self.name,
            "severity": self.severity,
            "step": self.step,
            "layer": self.layer,
            "sentence": self.sentence,
            "evidence": self.evidence,
            "files": list(self.files),
            "value": self.value,
            "threshold": self.threshold,
            "source": self.source,
            "sure": None if self.severity == "note" else self.sure,
            "cure": self.cure or self.advice,
            "tried": self.tried,
            "consequences": list(self.consequences),
        }

    def as_finding(self) -> Finding:
        """Return the record of the run's log."""
        return Finding(
            step=max(self.step, 0),
            id=self.id,
            severity=self.severity,
            sentence=self.sentence,
            layer=self.layer,
            evidence=self.evidence,
            files=list(self.files),
            name=self.name,
            threshold=self.threshold,
            source=self.source,
            sure=self.sure,
            cure=self.cure,
            advice=self.advice,
            consequences=list(self.consequences),
        )
