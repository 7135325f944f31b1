"""What `cvtui.watch` tells of itself: where the run can be seen, and that a scheduler took a new rate back."""

from __future__ import annotations

import contextlib
import math
import shlex
import sys
from pathlib import Path

from cvtui.text import harmless


def announce(folder: Path) -> None:
    """Say on stderr how the run is seen from another terminal."""
    if sys.stderr is None:
        return
    words = [folder.name] if folder.parent == Path("runs") else [folder.name, "--runs", str(folder.parent)]
    with contextlib.suppress(OSError, ValueError):  # a closed stream is no reason to stop a training
        print(
            f"cvtui: watching as {harmless(folder.name)}: cvtui attach {harmless(shlex.join(words))}", file=sys.stderr
        )


class RateFollower:
    """A rate that was set from a screen, until it first changes: by a scheduler that goes on from it, or by another.

    StepLR, CosineAnnealingLR and most others multiply the rate that they find; LambdaLR, OneCycleLR, CyclicLR and
    CosineAnnealingWarmRestarts compute it anew (torch 2.14.1), and what was set is gone at their next step.
    """

    def __init__(self) -> None:
        self._set: tuple[float, float] | None = None

    def expect(self, before: float, value: float) -> None:
        """Begin with a rate that was set to `value` from `before`."""
        self._set = (before, value) if before > 0 and value > 0 and before != value else None

    def see(self, rate: float) -> str:
        """Take the rate of a step; return what to tell of it, "" mostly."""
        if self._set is None or rate == self._set[1]:
            return ""
        before, value = self._set
        self._set = None
        if rate <= 0 or abs(math.log(rate / before)) > abs(math.log(rate / value)):
            return ""
        return (
            f"the script has put the rate {rate:.3g} in the place of {value:.3g}, which the screen had set: "
            "schedulers like LambdaLR and OneCycleLR compute it anew at each step, and only the script can change that"
        )
