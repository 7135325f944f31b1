"""File locks that the kernel releases when their process dies: the sign of life of a run."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from cvtui import door

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

HANDED_ON = "CVTUI_LOCK"
"""In the environment of a process that was started with the lock already taken for it: the open file's number."""


class Busy(Exception):
    """Another process holds the lock."""


class WorkerLock:
    """File lock held by the training process; the kernel releases it on exit. `number`: its open file (-1: none)."""

    def __init__(self, number: int, other: Any = None) -> None:
        self.number = number
        self._other = other

    def release(self) -> None:
        """Release the lock, for every process that has it."""
        if self._other is not None:
            self._other.release()
        elif self.number >= 0:
            with contextlib.suppress(OSError):
                fcntl.flock(self.number, fcntl.LOCK_UN)
            self.forget()

    def forget(self) -> None:
        """Close the file here; a process that it was handed on to goes on holding the lock."""
        if self.number >= 0:
            os.close(self.number)
            self.number = -1

    def __enter__(self) -> WorkerLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def take(path: Path, timeout: float) -> WorkerLock:
    """Take the lock `path`, trying for `timeout` seconds. Busy where another process holds it; OSError."""
    if fcntl is None:
        return _take_elsewhere(path, timeout)
    number = door.descriptor(path, os.O_RDWR | os.O_CREAT)
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(number)
                raise Busy from None
            time.sleep(0.01)
        except OSError:
            os.close(number)
            raise
    with contextlib.suppress(OSError):
        os.utime(number)  # when it was taken; see RunFolder.was_taken_before
    return WorkerLock(number)


def take_over(path: Path) -> None:
    """Take the lock, in a thread, as soon as the process that has it is gone; this one then holds it to its end."""
    if fcntl is None:
        return

    def wait() -> None:
        with contextlib.suppress(OSError):
            fcntl.flock(door.descriptor(path, os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)

    threading.Thread(target=wait, daemon=True).start()


def handed_on(path: Path) -> WorkerLock | None:
    """Return the lock that the parent process took for this one; None without."""
    word = os.environ.pop(HANDED_ON, "")
    if fcntl is None or not word.isdecimal():
        return None
    number, found = int(word), door.state(path)
    try:
        if found is None or not os.path.samestat(found, os.fstat(number)):
            return None
        os.set_inheritable(number, False)  # what this process starts must not hold it on
    except OSError:
        return None
    return WorkerLock(number)


def is_held(path: Path) -> bool:
    """Return True if a living process holds it: asked of the kernel, about 10 µs."""
    if fcntl is None:
        return _held_elsewhere(path)
    try:
        number = door.descriptor(path)
    except OSError:
        return False
    try:
        # Shared, so that two screens that ask at once don't take each other for the worker.
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(number)
    return False


def _take_elsewhere(path: Path, timeout: float) -> WorkerLock:
    from filelock import FileLock, Timeout

    os.close(door.descriptor(path, os.O_RDWR | os.O_CREAT))
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=timeout, poll_interval=0.01)
    except Timeout:
        raise Busy from None
    return WorkerLock(-1, lock)


def _held_elsewhere(path: Path) -> bool:
    if not door.is_file(path):
        return False
    try:
        _take_elsewhere(path, 0).release()
    except Busy:
        return True
    except OSError:
        return False
    return False
