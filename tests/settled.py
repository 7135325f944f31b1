"""What Textual's Pilot waits for after each key: that the screen has nothing left to do.

Its own measure is the processor: the process was idle for a moment. On a machine whose cores are shared it is idle
whenever somebody else's turn has come, and a test then looks before what the key asked for was drawn.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from textual import _wait, app, pilot
from textual._context import active_app
from textual.message_pump import MessagePump

from tests import styles

IDLE_SECONDS = 0.01
"""Textual takes 20 ms. 10 tell the same, as everything that a key sets going in this process runs in one thread."""
LONGEST_SECONDS = 5.0
"""A handler that waits for something else (a process, a key) is no reason to wait for ever."""

_idle = _wait.wait_for_idle


def install() -> None:
    """For every Pilot of this process, whose apps also share what was parsed of their style sheets."""
    styles.install()
    _wait.SLEEP_GRANULARITY = IDLE_SECONDS
    _wait.SLEEP_IDLE = IDLE_SECONDS / 8
    app.wait_for_idle = pilot.wait_for_idle = settled  # type: ignore[attr-defined]
    pilot.Pilot._wait_for_screen = _wait_for_screen  # type: ignore[method-assign]


async def settled(min_sleep: float = IDLE_SECONDS, max_sleep: float = 1.0) -> None:
    """Until no message is under way, nothing is to be drawn, and the process was idle for a moment."""
    until = time.monotonic() + LONGEST_SECONDS
    while True:
        while _at_work() and time.monotonic() < until:
            await asyncio.sleep(0.001)
        await _idle(min_sleep, max_sleep)
        if not _at_work() or time.monotonic() >= until:
            return


async def _wait_for_screen(self: pilot.Pilot[Any], timeout: float = 30.0) -> bool:
    """Until no message is under way: what Pilot asks of every widget by a message of its own, a third of a key's time.

    Return False after an error in the app, as Pilot's own does.
    """
    until = time.monotonic() + timeout
    while _at_work() and not self.app._exception_event.is_set():
        if time.monotonic() >= until:
            raise pilot.WaitForScreenTimeout("a widget is still at work")
        await asyncio.sleep(0.001)
    return not self.app._exception_event.is_set()


def _at_work() -> bool:
    """Return True if a message waits or is handled, or a frame or a call after it is due."""
    now = active_app.get()
    if not now._running or not now._screen_stack:
        return False
    top = now.screen
    drawing = not now._batch_count and (
        top._dirty_widgets
        or top._layout_required
        or top._scroll_required
        or top._repaint_required
        or top._recompose_required
    )
    if drawing or top._callbacks:
        return True
    return any(map(_handling, (now, *top.walk_children(with_self=True))))


def _handling(pump: MessagePump) -> bool:
    """Return True if it does not wait for its next message."""
    if not pump._running or pump._closing or pump._closed or pump._task is asyncio.current_task():
        return False
    queue: Any = pump._message_queue
    return bool(pump._next_callbacks) or not queue.empty() or not queue.ready_event._waiters
