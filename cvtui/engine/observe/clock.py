"""Seconds of a training, and sums of its epoch."""

from __future__ import annotations

import time
from dataclasses import dataclass


class Clock:
    """Seconds since the run began, pauses not counted."""

    def __init__(self, done: float = 0.0) -> None:
        self.start = time.perf_counter() - done

    def seconds(self) -> float:
        return time.perf_counter() - self.start

    def exclude(self, seconds: float) -> None:
        self.start += seconds


@dataclass
class EpochSums:
    """What this epoch has gathered so far: sums over its images, and the seconds spent training."""

    images: int = 0
    loss: float = 0.0
    right: float = 0.0
    answered: int = 0
    """Images whose accuracy is known."""
    seconds: float = 0.0
