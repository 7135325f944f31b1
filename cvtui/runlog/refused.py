"""Runs that were refused before they began (a net that PyTorch can't build): no folder stays of them once that is told.

So the name is free for the next try, wherever it was started: on the command line, in a sweep, on the screen.
"""

from __future__ import annotations

from cvtui import door
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History

_CRASH = b"Traceback (most recent call last)"
_MOST = 1 << 20


def was_refused(history: History) -> bool:
    """Return True for a run that ended before it began, and not by an error of its own: of such a one the log stays."""
    end = history.end
    if history.run is not None or end is None or end.status != "failed":
        return False
    try:
        return _CRASH not in door.read_input(history.folder.log, _MOST)
    except OSError:
        return True


def discard_refused(folders: list[RunFolder]) -> None:
    """Remove the folders of refused runs from the disk and from the list."""
    for folder in list(folders):
        history = History(folder)
        history.poll()
        if was_refused(history):
            folder.discard()
            folders.remove(folder)
