"""Processes that the screen starts beside a run, and what they tell on stdout and stderr."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from typing import IO, TypeVar

import msgspec

from cvtui.text import clean

Told = TypeVar("Told")
MOST_READ = 64 << 20
"""Bytes of output, at a time."""


def start_child(
    command: list[str], *, stdin: int, stdout: int | IO[bytes], env: Mapping[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """Start a process in a session of its own and return it with the file that holds its stderr. Raises OSError."""
    errors = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    try:
        process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=errors, start_new_session=True, env=env)
    except OSError:
        errors.close()
        raise
    return process, errors


def last_line(errors: IO[bytes]) -> str:
    """Return the last line written to a file, "" if there is none."""
    try:
        size = errors.seek(0, 2)
        errors.seek(max(0, size - 4096))
        lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    except (OSError, ValueError):
        return ""
    return lines[-1].strip() if lines else ""


class ChildProcess:
    """A process whose output is polled for: a file holds it, so it never waits for a reader. Raises OSError."""

    def __init__(self, command: list[str], env: Mapping[str, str] | None = None, *, stdin: bool = False) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self._rest, self._read_to = b"", 0
        try:
            self._process, self._errors = start_child(
                command, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL, stdout=self._output, env=env
            )
        except OSError:
            self._output.close()
            raise

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    @property
    def last_line(self) -> str:
        """The last line of its stderr; "" without one."""
        return clean(last_line(self._errors))

    @property
    def why_ended(self) -> str:
        """What a process that told nothing is said to have ended with."""
        return self.last_line or "its process ended without an error message"

    def send(self, data: bytes, *, last: bool = False) -> None:
        """Write to its stdin. Raises OSError where it has ended."""
        assert self._process.stdin is not None
        os.write(self._process.stdin.fileno(), data)
        if last:
            self._process.stdin.close()

    def read(self) -> bytes:
        """Return what it has written since the last call."""
        data = os.pread(self._output.fileno(), MOST_READ, self._read_to)  # a seek would move the writer too
        self._read_to += len(data)
        return data

    def records(self, decode: Callable[[bytes], Told]) -> list[Told]:
        """Return the records in the whole lines written since the last call; other lines are left out."""
        *lines, self._rest = (self._rest + self.read()).split(b"\n")
        found = []
        for line in lines:
            with contextlib.suppress(msgspec.MsgspecError):
                found.append(decode(line))
        return found

    def close(self, *, gently: bool = False) -> None:
        """End it, if it runs: at once, or so that it can end its own processes."""
        if self._process.poll() is None:
            if gently:
                self._process.terminate()
            else:
                self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._errors.close()
        self._output.close()
