"""What a process owes to whoever runs it: signals end it as ctrl+c does, and its streams may be missing or full."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, BinaryIO, cast


class Ended(KeyboardInterrupt):
    """SIGTERM or SIGHUP came: what a command has started is stopped on the way out, as after ctrl+c."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


came = 0
"""The signal that is ending this process; 0 for none."""


def end_on_signals() -> None:
    """From here on SIGTERM and SIGHUP (the terminal is gone) raise `Ended`. One that is ignored (`nohup`) stays so."""
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)


def _end(number: int, _: FrameType | None) -> None:
    global came
    came = number
    raise Ended(number)


def let_signals_be(*names: str) -> None:
    """Signals do again what the system does: for what lives on without us, or ends by itself."""
    for name in names:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is _end:
            signal.signal(number, signal.SIG_DFL)


def open_streams() -> None:
    """A stream that was closed by whoever started us (`>&-`) becomes /dev/null: the next file that is opened must not
    get its number, and `print` must not fail."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is not None:
            continue
        nothing = os.open(os.devnull, os.O_RDWR)
        if nothing != number:
            os.dup2(nothing, number)
            os.close(nothing)
        setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


class _Noting(io.FileIO):
    """A file that remembers why it could not be written: whoever catches the error later can tell whose it was. (Asking
    the buffer again doesn't tell: what it could not write it forgets.)"""

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.error = error
            raise


_stdout: _Noting | None = None


def note_output_errors() -> None:
    """Puts a stdout in place that `output_error` can ask. Only for a real one: tests have others."""
    global _stdout
    old = sys.stdout
    if not isinstance(old, io.TextIOWrapper):
        return
    bare = isinstance(old.buffer, io.FileIO)  # PYTHONUNBUFFERED
    if not bare and not isinstance(getattr(old.buffer, "raw", None), io.FileIO):
        return
    old.flush()
    _stdout = _Noting(old.fileno(), "w", closefd=False)
    buffer = cast(BinaryIO, _stdout if bare else io.BufferedWriter(_stdout))
    sys.stdout = io.TextIOWrapper(
        buffer, old.encoding, "replace", line_buffering=old.line_buffering, write_through=bare
    )


def output_error() -> OSError | None:
    """Why stdout could not be written, if so; what waits for it is written out first."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return error
    except ValueError:  # it is closed
        return OSError(errno.EBADF, os.strerror(errno.EBADF))
    return _stdout.error if _stdout is not None else None


lost: OSError | None = None
"""Why some of a training's lines could not be written; None as long as all of them were."""


@contextlib.contextmanager
def training_goes_on() -> Iterator[None]:
    """Around what tells of a training: a full disk below stdout is said once on stderr, and ends nothing. (A reader
    that went away does: BrokenPipeError is passed on.)"""
    global lost
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError:
        error = output_error()
        if error is None:
            return  # stderr's: there is nowhere to say it
        lost = error
        forget_output()
        from cvtui.cli.exit import say

        say(f"the output can't be written: {error.strerror}", "the training goes on")


def forget_output() -> None:
    """What still waits for stdout goes nowhere: no complaint when Python closes it."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
        sys.stdout.flush()
    if _stdout is not None:
        _stdout.error = None
