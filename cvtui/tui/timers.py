"""Textual's timers that fire once, also where their turn comes late."""

from __future__ import annotations

from typing import Any

from textual.timer import Timer

_init = Timer.__init__


def fire_single_shots_late() -> None:
    """Make every timer that fires once fire, however late it is.

    Textual skips what is overdue, and for such a timer there is no next time: one whose task loses the processor for
    the length of its interval, right after its start, is gone (8.2.0 to 8.2.8). The app waits 1/120 s before it passes
    a resize on, and once that timer is lost it never resizes again.
    """
    Timer.__init__ = _once_is_not_skipped  # type: ignore[method-assign]


def _once_is_not_skipped(self: Timer, *args: Any, repeat: int | None = None, skip: bool = True, **rest: Any) -> None:
    _init(self, *args, repeat=repeat, skip=skip and repeat != 0, **rest)
