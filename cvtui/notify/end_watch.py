"""Watch one run folder until its run is over; a process of its own, which outlives trainer and screen."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from cvtui import door
from cvtui.notify.hooks import EndHooks
from cvtui.notify.message import EndMessage, message_of
from cvtui.notify.send import tell
from cvtui.runlog.events import Log
from cvtui.runlog.folder import RunFolder, starting
from cvtui.runlog.run_summary import RunSummary, summary
from cvtui.runlog.writer import EventWriter

POLL_SECONDS = 0.5
STALL_SECONDS = 600.0
"""Silence of a living run that is told, or three times its longest one before, whichever is longer."""
START_SECONDS = 60.0
"""How long a process that no lock shows yet may load before its run is lost: as long as the screen waits for it."""
LOST_POLLS = 3
"""Polls that must agree on a lost run: the log's last line may come a moment after the lock went."""


class WatchOrder(msgspec.Struct):
    """What the process is told on its stdin."""

    folder: str
    hooks: EndHooks
    size: int = 0
    """Bytes that the log had before this process of the run began: an `end` in them is an old one."""
    stall: float = STALL_SECONDS
    limit: float | None = None
    """Seconds for a command or a notification, in place of the usual limits."""


@dataclass
class EndWatch:
    """What is known of a run between two polls."""

    folder: RunFolder
    size: int = 0
    stall: float = STALL_SECONDS
    over: bool = False
    """True once nothing more can happen."""
    _began: float = field(default_factory=time.monotonic)
    _grown: int = 0
    _heard: float = field(default_factory=time.monotonic)
    _longest: float = 0.0
    _stalled: bool = False
    _lost: int = 0

    def poll(self) -> EndMessage | None:
        """Look once. Return what is new to tell, or None."""
        if not self.folder.path.is_dir():
            self.over = True  # deleted or renamed: there is nowhere to look
            return None
        alive = self.folder.alive()
        found = door.state(self.folder.events)
        size = found.st_size if found is not None else 0
        if alive or (size <= self.size and (starting(self.folder) or self._may_start())):
            self._lost = 0
            return self._living(size)
        run = summary(self.folder)
        state = run.state if size > self.size else "lost"
        if state in ("starting", "running", "paused", "lost"):
            self._lost += 1
            if self._lost < LOST_POLLS:
                return None
            state = "lost"
        self.over = True
        return message_of(run, state)

    def _may_start(self) -> bool:
        """Return True while the process of a new run may still be loading."""
        return time.monotonic() < self._began + START_SECONDS and not self.folder.was_taken_before(1.0)

    def _living(self, size: int) -> EndMessage | None:
        now = time.monotonic()
        silence = now - self._heard
        if size != self._grown:
            if self._grown and not self._stalled:
                self._longest = max(self._longest, silence)
            self._grown, self._heard, self._stalled = size, now, False
            return None
        if self._stalled or silence < max(self.stall, 3 * self._longest):
            return None
        run = summary(self.folder)
        if run.state == "paused":
            self._heard = now
            return None
        self._stalled = True
        return message_of(run, "stalled", silence=silence)


def watch(order: WatchOrder) -> None:
    """Tell the ends of a run as they come, until it is over."""
    folder = RunFolder(Path(order.folder))
    watching = EndWatch(folder, order.size, order.stall)
    while not watching.over:
        message = watching.poll()
        if message is not None:
            tell_and_log(folder, order.hooks, message, order.limit)
        elif not watching.over:
            time.sleep(POLL_SECONDS)


def tell_and_log(folder: RunFolder, hooks: EndHooks, message: EndMessage, limit: float | None) -> None:
    """Tell it; what failed goes into the run's log. The command's output goes into worker.log."""
    with contextlib.ExitStack() as stack:
        output: int = -3  # subprocess.DEVNULL
        with contextlib.suppress(OSError):
            output = stack.enter_context(door.opened(folder.log, "ab")).fileno()
        failures = tell(hooks, message, output, limit)
    if not failures:
        return
    if folder.alive():  # its trainer alone writes the log
        with contextlib.suppress(OSError), door.opened(folder.log, "ab") as file:
            file.write("".join(f"cvtui: {text}\n" for text in failures).encode())
        return
    run: RunSummary = summary(folder)
    with contextlib.suppress(OSError), EventWriter(folder) as writer:
        for text in failures:
            writer.write(Log(time=time.time(), level="warning", text=text, step=run.steps))
