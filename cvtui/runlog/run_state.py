"""State of a run whose log does not tell its end; without numpy, for lists of runs."""

from __future__ import annotations

from cvtui import door
from cvtui.runlog.folder import RunFolder, starting
from cvtui.runlog.tail import Tail


def state_without_end(folder: RunFolder, begun: bool, paused: bool, tail: Tail) -> str:
    """Return the state of a run without an `end` record; `begun` when there is a record `run`."""
    alive = folder.alive()
    if not begun:  # a worker holds the lock before it writes: a log that nobody writes is no beginning
        return "starting" if alive or tail.behind() or (starting(folder) and not log_has_begun(folder)) else "lost"
    # A worker writes `end` and lets the lock go: what isn't read yet may say how it ended.
    if alive or tail.behind():
        return "paused" if paused else "running"
    return "lost"


def log_has_begun(folder: RunFolder) -> bool:
    """Return True if anything was written to the log."""
    found = door.state(folder.events)
    return found is not None and found.st_size > 0
