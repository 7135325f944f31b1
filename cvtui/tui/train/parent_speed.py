"""Watch the speed of a run beside the fork that was made of it: two trainings share one machine."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.text import clean, percent

SLOW = 0.6
"""Share of its speed before, below which a parent is called slowed (two on the same cores: about a half)."""
STEPS = 20
"""Least steps before and after that a speed is the median of."""
SECONDS = 3.0
"""Least training time of the parent beside the fork's steps."""
MOST_LOOKS = 60
"""Looks, one every two seconds, after which a parent counts as not slowed."""


class Slowed(NamedTuple):
    """A parent that its fork slows, with its steps a second before and beside it."""

    parent: RunFolder
    before: float
    now: float

    @property
    def sentence(self) -> str:
        share = percent(self.now / self.before, 0)
        speeds = f"{self.before:.3g} → {self.now:.3g} steps/s"
        return f"{clean(self.parent.name)} trains at {share} of its speed beside this fork ({speeds})"


def median_speed(history: History, first: int = 0) -> float | None:
    """Return steps a second by the median of the last 200 steps from `first` on, which no validation moves."""
    seconds = history.steps.seconds[max(0, first - history.steps.first) :][-200:]
    times = np.diff(seconds)
    times = times[np.isfinite(times)]
    return 1 / float(np.median(times)) if len(times) >= STEPS and np.median(times) > 0 else None


class ParentSpeed:
    """Compares a parent's speed before its fork with that since the fork's first step."""

    def __init__(self, parent: History, child: RunFolder) -> None:
        self._parent = parent
        self._child = History(child)
        self._before = median_speed(parent)
        self._since: int | None = None
        self._looks = 0
        self.over = self._before is None
        """There is nothing (more) to find out."""

    def look(self) -> Slowed | None:
        """Read both logs on; return the finding once, when there is one."""
        if self.over:
            return None
        self._looks += 1
        self._parent.poll()
        self._child.poll()
        if self._looks > MOST_LOOKS or self._parent.state() != "running" or self._child.end is not None:
            self.over = True
            return None
        if self._since is None:
            if len(self._child.steps):
                self._since = self._parent.steps_done
            return None
        now = median_speed(self._parent, self._since)
        seconds = self._parent.steps.seconds
        start = self._since - self._parent.steps.first
        if now is None or self._before is None or seconds[-1] - seconds[min(start, len(seconds) - 1)] < SECONDS:
            return None
        self.over = True
        return Slowed(self._parent.folder, self._before, now) if now <= SLOW * self._before else None
