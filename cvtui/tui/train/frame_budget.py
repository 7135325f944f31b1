"""CPU budget for drawing a live run: at most ten frames a second and a share of a core.

A frame draws the header and, in turn, the next pane.
"""

from __future__ import annotations

import time

CPU_SHARE = 0.1
"""Of one core: what the screen's process may take while a run is live. Beyond it there are fewer frames. (Ten frames a
second of six panes at 160x45 take 9 to 10 % of a quick core, and would take 13 % of a slower one; a larger screen costs
more.)"""
SAVED_SECONDS = 0.03
"""Of a core, that may be saved up: after a quiet while, one picture of everything."""
OWED_SECONDS = 0.1
"""What is made up for at most; the rest of a costly moment (all panes at once) is forgiven."""
FREE_SECONDS = 2.0
"""After the opening of a run nothing counts: its first points are waited for."""
SLOWEST_SECONDS = 1.0
"""A frame comes at least so often, whatever it costs."""
CROWDED_SECONDS = 0.15
"""Between two frames at least, so five a second, while the training has taken every core: threads that share a step
wait for the one whose core draws. (On two cores the digits' and CIFAR's nets kept 0.84 and 0.86 of their speed beside
ten frames a second, 0.91 and 0.93 beside five.) What a key asks for is drawn at once all the same."""


class FrameBudget:
    """Counts what the process has used, and what it may."""

    def __init__(self) -> None:
        self._room = SAVED_SECONDS
        self._at, self._cpu = time.monotonic(), time.process_time()
        self._frame = self._begun = self._at

    def earn(self) -> None:
        """Once a frame: time brings room, what was used since the last call takes it."""
        now, cpu = time.monotonic(), time.process_time()
        room = self._room + CPU_SHARE * (now - self._at) - (cpu - self._cpu)
        self._room = SAVED_SECONDS if now - self._begun < FREE_SECONDS else max(-OWED_SECONDS, min(SAVED_SECONDS, room))
        self._at, self._cpu = now, cpu

    def may_draw(self, interval: float = 0.0) -> bool:
        """Return True if there is budget, or the last frame is too long ago; at least `interval` seconds apart."""
        passed = time.monotonic() - self._frame
        return passed >= interval and (self._room > 0 or passed >= SLOWEST_SECONDS)

    def begin_frame(self) -> None:
        """Something is drawn now."""
        self._frame = time.monotonic()
