"""Start the process that watches a run and tells how it ends."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

import msgspec

from cvtui import door
from cvtui.own_python import own_module

if TYPE_CHECKING:
    from cvtui.notify.hooks import EndHooks
    from cvtui.runlog.folder import RunFolder


def log_size(folder: RunFolder) -> int:
    """Bytes of the run's log now; asked before a run is resumed, whose log ends with an old `end`."""
    found = door.state(folder.events)
    return found.st_size if found is not None else 0


def watch_end(folder: RunFolder, hooks: EndHooks, size: int = 0) -> subprocess.Popen[bytes] | None:
    """Start the watching process; None without hooks. It has a session of its own and outlives ours.

    The addresses go over its stdin: a command line can be read by everyone on the machine. size: see `log_size`.
    """
    if not hooks:
        return None
    from cvtui.notify.end_watch import WatchOrder

    order = WatchOrder(str(folder.path.absolute()), hooks, size)
    process = subprocess.Popen(
        own_module("cvtui.notify"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None
    with contextlib.suppress(OSError), process.stdin as pipe:
        pipe.write(msgspec.json.encode(order))
    return process
