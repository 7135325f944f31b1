"""Puts the rules to a run."""

from __future__ import annotations

from cvtui.doctor.diagnosis import Diagnosis
from cvtui.runlog.history import History


class Doctor:
    def __init__(self, history: History) -> None:
        self.history = history

    def update(self) -> list[Diagnosis]:
        """What is known now, root causes first."""
        return []


def examine(history: History) -> list[Diagnosis]:
    """What is wrong with the run, root causes first; [] for a healthy one."""
    return Doctor(history).update()
