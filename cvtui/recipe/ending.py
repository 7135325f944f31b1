"""Ends of a run that its recipe asks for before the last epoch: early stopping and a limit of time."""

from __future__ import annotations

import re

EARLY = "early stopping"
MAX_TIME = "max time"
_UNITS = {"h": 3600, "m": 60, "s": 1}


def seconds_of(text: str) -> float:
    """Return `90s`, `30m`, `1h30m` in seconds."""
    return float(sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([hms])", text)))


def is_stale(patience: int, epoch: int, best_epoch: int) -> bool:
    """Return True if early stopping ends a run after `epoch`; best_epoch: that of its best value, 0 for none yet."""
    return 0 < patience <= epoch - best_epoch and best_epoch > 0


def is_planned(reason: str) -> bool:
    """Return True if a record `end` tells one of these ends."""
    return reason.startswith((EARLY, MAX_TIME))
