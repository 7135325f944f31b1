"""A terminal of our own, with a program in it: what it writes is read in the background, what we type goes in."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import IO, Self

from tests.cli.running import command, environment


class Terminal:
    """`cvtui WORDS` in a pseudo-terminal. `said` is everything it wrote, escapes and all.

    With `stdout` or `stderr`, that stream goes to a file instead. script: Python to run in place of the command.
    """

    def __init__(
        self,
        *words: str,
        cwd: Path,
        size: tuple[int, int] = (100, 30),
        stdout: IO[str] | None = None,
        stderr: IO[str] | None = None,
        script: str = "",
        **env: str | None,
    ) -> None:
        self._pieces: list[str] = []
        self.news = threading.Event()
        """Set whenever it wrote something."""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", script] if script else command(*words), cwd=cwd, env=environment(**env),
            stdin=theirs, stdout=stdout or theirs, stderr=stderr or theirs,
            start_new_session=True, preexec_fn=_take_terminal,
        )  # fmt: skip
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the program is gone
            while piece := os.read(self._ours, 65536):
                self._pieces.append(piece.decode("utf-8", "replace"))
                self.answer(self._pieces[-1])
                self.news.set()

    def answer(self, piece: str) -> None:
        """React to what is written to the terminal: not at all here."""

    @property
    def said(self) -> str:
        return "".join(self._pieces)

    @property
    def pieces(self) -> int:
        """Number of pieces so far, for `since`."""
        return len(self._pieces)

    def since(self, pieces: int) -> str:
        """Return the output after so many pieces."""
        return "".join(self._pieces[pieces:])

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size; the kernel sends SIGWINCH."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def shows(self, wanted: str | re.Pattern[str], timeout: float = 60.0, since: int = 0) -> None:
        """Wait until a text or pattern was written (escapes left out), after so many pieces.

        Looks when something comes, and not in between, so that a benchmark which waits takes no core.
        """
        pattern = re.compile(re.escape(wanted)) if isinstance(wanted, str) else wanted
        deadline = time.monotonic() + timeout
        while True:
            self.news.clear()
            said = plain(self.since(since))
            if pattern.search(said):
                return
            left = deadline - time.monotonic()
            self.news.wait(max(0.0, left))
            assert left > 0, f"waited {timeout:g} s for {pattern.pattern!r} on the terminal; it shows {said}"

    def end(self, timeout: float = 60.0) -> int:
        """Wait for the program's end: its exit code, and `said` is complete."""
        code = self.process.wait(timeout)
        self._reader.join(timeout)
        return code

    def hang_up(self) -> None:
        """Close the terminal, as a lost SSH connection does: the kernel sends SIGHUP."""
        os.close(self._ours)
        self._ours = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)
        if self._ours >= 0:
            os.close(self._ours)


def plain(text: str) -> str:
    """Without escape sequences."""
    return re.sub(r"\x1b(\[[0-9;?<>=]*[a-zA-Z]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>])", "", text)


def _take_terminal() -> None:
    """Make the terminal the program's own, which starts as under `nohup`.

    That is the harder case for a lost terminal.
    """
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
