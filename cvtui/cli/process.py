"""Signals and streams of a command: signals end it as ctrl+c does; streams may be missing or full."""

from __future__ import annotations

import atexit
import contextlib
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, cast

if TYPE_CHECKING:
    import subprocess


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: what a command has started is stopped on the way out, as after ctrl+c."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


received = 0
"""The signal that is ending this process; 0 for none."""


def raise_on_signals() -> None:
    """Raise `Terminated` on SIGTERM and SIGHUP (the terminal is gone) from here on.

    One that is ignored (`nohup`) stays so.
    """
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)


def _end(number: int, _: FrameType | None) -> None:
    global received
    received = number
    raise Terminated(number)


def restore_signals(*names: str) -> None:
    """Restore the system's handling of signals, for what lives on without us or ends by itself."""
    for name in names:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is _end:
            signal.signal(number, signal.SIG_DFL)


def open_streams() -> None:
    """Open /dev/null for each standard stream that the parent closed (`>&-`).

    The next file that is opened must not get its number, and `print` must not fail.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is not None:
            continue
        nothing = os.open(os.devnull, os.O_RDWR)
        if nothing != number:
            os.dup2(nothing, number)
            os.close(nothing)
        setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


class _Stdout(io.FileIO):
    """File that remembers why it could not be written, so that the error's origin is known later.

    (Asking the buffer again doesn't tell: what it could not write it forgets.)
    """

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.error = error
            raise


_stdout: _Stdout | None = None


def watch_output() -> None:
    """Replace stdout by one that `output_error` can ask. Only a real one: tests have others."""
    global _stdout
    old = sys.stdout
    if not isinstance(old, io.TextIOWrapper):
        return
    bare = isinstance(old.buffer, io.FileIO)  # PYTHONUNBUFFERED
    if not bare and not isinstance(getattr(old.buffer, "raw", None), io.FileIO):
        return
    old.flush()
    _stdout = _Stdout(old.fileno(), "w", closefd=False)
    buffer = cast(BinaryIO, _stdout if bare else io.BufferedWriter(_stdout))
    sys.stdout = io.TextIOWrapper(
        buffer, old.encoding, "replace", line_buffering=old.line_buffering, write_through=bare
    )


def output_error() -> OSError | None:
    """Return why stdout could not be written, if so; buffered output is flushed first."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return error
    except ValueError:  # it is closed
        return OSError(errno.EBADF, os.strerror(errno.EBADF))
    return _stdout.error if _stdout is not None else None


write_error: OSError | None = None
"""Why some of a training's lines could not be written; None as long as all of them were."""


@contextlib.contextmanager
def tolerate_output_errors() -> Iterator[None]:
    """Context in which a full disk below stdout is reported once on stderr, and ends nothing.

    (A reader that went away does: BrokenPipeError is passed on.)
    """
    global write_error
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError:
        error = output_error()
        if error is None:
            return  # stderr's: there is nowhere to say it
        write_error = error
        discard_output()
        from cvtui.cli.exit import say

        say(f"the output can't be written: {error.strerror}", "training continues")


def discard_output() -> None:
    """Discard buffered output: no complaint when Python closes stdout."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
        sys.stdout.flush()
    if _stdout is not None:
        _stdout.error = None


def wait_for_end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait at most `seconds` for the end of a process: woken by it, where the system can (Linux).

    `Popen.wait` looks after it, seven times in 0.05 s, and sees the end up to 0.02 s late.
    """
    import select  # `cvtui calc` needs neither
    import subprocess

    try:
        number = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        return
    try:
        poll = select.poll()
        poll.register(number, select.POLLIN)
        poll.poll(1000 * seconds)
    finally:
        os.close(number)


def end(code: int) -> NoReturn:
    """End the process after exit handlers and flushes, without Python's taking itself apart (0.01 to 0.05 s).

    Where a thread is left, Python waits for it as ever.
    """
    if threading.active_count() > 1:
        sys.exit(code)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # what main() could not write it has told
            stream.flush()
    os._exit(code)
