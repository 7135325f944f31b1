"""Verdicts on compared runs by the one judge of curves (doctor/curves.py).

The judge is told what the doctor says of each run's steps, so the two never disagree.
"""

from __future__ import annotations

from collections.abc import Sequence

from cvtui.doctor import Doctor, curves
from cvtui.doctor.curves import Seen, Verdict
from cvtui.runlog.history import History

__all__ = ["Judge", "Verdict", "judge"]


class Judge:
    """Follows histories that grow: each call costs what is new."""

    def __init__(self) -> None:
        self._doctors: dict[int, Doctor] = {}

    def __call__(self, histories: Sequence[History]) -> list[Verdict]:
        """One verdict for each run."""
        return curves.judge([self._seen(history) for history in histories])

    def _seen(self, history: History) -> Seen:
        doctor = self._doctors.setdefault(id(history), Doctor(history))
        doctor.update()
        pace, words = doctor.pace()
        return Seen(loss=history.steps.loss, guess=doctor.obs.guess, pace=pace, words=words)


def judge(histories: Sequence[History]) -> list[Verdict]:
    """One verdict for each run, as it stands."""
    return Judge()(histories)
