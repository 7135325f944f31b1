"""SIGTERM ends the recorded runs of a script that has set no handler of its own; the process then dies of it as ever.

`os._exit`, SIGKILL and a crash of the process leave no moment for that: such a run is shown as lost.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType

import msgspec

from cvtui import door
from cvtui.engine.runtime.job_rank import job_rank
from cvtui.runlog.events import RunEnded
from cvtui.runlog.folder import RunFolder

REASON = "stopped by SIGTERM"
_SIGHT = "cvtui.engine.run_script.loss_sight"
"""Whose mode PyTorch's own functions run under: of most moments of a step."""
_END: Callable[[bool], None] | None = None
"""Ends the runs of the watcher that was last begun."""

_MASK: Iterable[int] | None = None
"""Signals that the thread which forks has blocked itself, while SIGTERM is."""


def end_on_sigterm(end: Callable[[bool], None]) -> None:
    """Have `end` called when SIGTERM comes, where nothing handles it yet; its argument: our own code was interrupted.

    Not in a job of several ranks: one that waits for another inside of PyTorch would run no handler, and stay.
    """
    global _END
    if job_rank() is not None or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, _on_signal)
        _END = end


def leave_sigterm() -> None:
    """Take the handler off, where it is still ours."""
    global _END
    _END = None
    if signal.getsignal(signal.SIGTERM) is _on_signal:
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def append_end(folder: Path, step: int) -> None:
    """Write the record `end` beside a writer that was interrupted: whole lines of both stay whole."""
    ended = RunEnded(time=time.time(), step=step, status="stopped", reason=REASON)
    with contextlib.suppress(OSError):
        file = door.descriptor(RunFolder(folder).events, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, msgspec.json.encode(ended) + b"\n")
        finally:
            os.close(file)


def _on_signal(number: int, frame: FrameType | None) -> None:
    end = _END
    try:
        if end is not None:
            end(any(name.startswith("cvtui.") and name != _SIGHT for name in _modules(frame)))
    finally:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _modules(frame: FrameType | None) -> Iterable[str]:
    """Yield the names of the modules whose functions are running."""
    while frame is not None:
        yield str(frame.f_globals.get("__name__", ""))
        frame = frame.f_back


def _before_fork() -> None:
    global _MASK
    if signal.getsignal(signal.SIGTERM) is _on_signal:
        _MASK = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


def _after_fork() -> None:
    global _MASK
    mask, _MASK = _MASK, None
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _in_child() -> None:
    """Let a DataLoader's worker, say, die of it as ever: of one that has come already, too."""
    if _MASK is not None:
        leave_sigterm()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
