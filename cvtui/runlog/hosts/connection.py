"""One long-lived POSIX shell on another host, through the system's own `ssh`.

Requests go to the shell's standard input, answers come back on its standard output, each ended by a marker that
nothing in a file can hold by accident. Nothing is installed there. No password is ever asked for: the process has
no terminal, and ssh is in batch mode.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import IO

from cvtui.errors import RequestError
from cvtui.runlog.hosts.address import Address
from cvtui.text import clean

CONNECT_SECONDS, SILENT_SECONDS = 15, 30.0
PIECE, MOST = 1 << 18, 1 << 26
OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": str(CONNECT_SECONDS),
    "ServerAliveInterval": "10",
    "ServerAliveCountMax": "3",
    "ControlMaster": "no",
    "ClearAllForwardings": "yes",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "LogLevel": "ERROR",
}
"""Beside the user's own configuration, which stays in force: keys, agent, jump hosts, compression."""


class LineBroken(Exception):
    """The connection ended, or could not be made; the message says why in one line."""


class Connection:
    """A shell on the host of `address`. `ask` is called by one thread at a time; `close` by any."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._mark = ""
        self._number = 0
        self._closed = False

    @property
    def open(self) -> bool:
        return self._process is not None

    def connect(self) -> None:
        """Start ssh and wait for its shell. LineBroken with ssh's own words, RequestError where there is no ssh."""
        self.hang_up()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by hang_up)
        self._mark = secrets.token_hex(16)
        try:
            self._process = subprocess.Popen(
                ssh_words(self.address), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
                start_new_session=True, bufsize=0,
            )  # fmt: skip
        except OSError as error:
            self.hang_up()
            raise RequestError(
                f"{self.address}: can't start `ssh`: {error.strerror}", hint="install the OpenSSH client"
            ) from None
        self.ask("umask 022; LC_ALL=C TZ=UTC0; export LC_ALL TZ", seconds=2.0 * CONNECT_SECONDS)

    def ask(
        self,
        script: str,
        sink: Callable[[bytes], None] | None = None,
        most: int = MOST,
        seconds: float = SILENT_SECONDS,
    ) -> int:
        """Run a shell script there and return its exit code; what it prints goes to `sink` as it comes.

        LineBroken where the connection ends, nothing comes for `seconds`, or more than `most` bytes do; what came
        before has reached `sink`.
        """
        self._number += 1
        mark = f"{self._mark}.{self._number}"
        self._write(f"{script}\nprintf '\\n%s %d\\n' {mark} $?\n".encode("utf-8", "surrogateescape"))
        end = f"\n{mark} ".encode()
        held = bytearray()
        came = 0
        while True:
            held += self._read(seconds)
            at = held.find(end)
            if at >= 0 and b"\n" in held[at + len(end) :]:
                break
            ready = at if at >= 0 else len(held) - len(end)
            if came + max(0, ready) > most:
                self.hang_up()
                raise LineBroken(f"it sent more than the {most:,} bytes that were asked for")
            if ready > 0:
                came += ready
                if sink is not None:
                    sink(bytes(held[:ready]))
                del held[:ready]
        if sink is not None and at:
            sink(bytes(held[:at]))
        word = bytes(held[at + len(end) :]).split(b"\n", 1)[0]
        return int(word) if word.isdigit() else 255

    def text(self, script: str) -> tuple[int, str]:
        """Run a script; return its exit code and what it printed."""
        parts: list[bytes] = []
        code = self.ask(script, parts.append)
        return code, b"".join(parts).decode("utf-8", "surrogateescape")

    def _write(self, data: bytes) -> None:
        if self._process is None or self._process.stdin is None:
            raise LineBroken(self._why("not connected"))
        try:
            while data:  # a script of many names may be longer than a pipe
                data = data[self._process.stdin.write(data) or 0 :]
        except OSError:
            raise LineBroken(self._lost("the connection was closed")) from None

    def _read(self, seconds: float) -> bytes:
        process = self._process
        if process is None or process.stdout is None or self._closed:
            raise LineBroken(self._why("not connected"))
        until = time.monotonic() + seconds
        file = process.stdout.fileno()
        while sys.platform != "win32" and not select.select([file], [], [], 0.2)[0]:
            if self._closed or time.monotonic() > until:
                raise LineBroken(self._lost(f"no answer in {seconds:.0f} s"))
        data = os.read(file, PIECE)
        if not data:
            raise LineBroken(self._lost("the connection was closed"))
        return data

    def _lost(self, otherwise: str) -> str:
        """End the process and return why, in ssh's own words where it left some."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.5)  # its last words come just before its end
        why = self._why(otherwise)
        self.hang_up()
        return why

    def _why(self, otherwise: str) -> str:
        said = ""
        if self._errors is not None:
            with contextlib.suppress(OSError, ValueError):
                size = self._errors.seek(0, os.SEEK_END)
                self._errors.seek(max(0, size - 4096))
                said = self._errors.read().decode("utf-8", "replace")
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        return clean(lines[-1])[:200] if lines else otherwise

    def hang_up(self) -> None:
        """End ssh, if it runs."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(OSError):
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def close(self) -> None:
        """Make a waiting `ask` end soon, and every later one."""
        self._closed = True


def ssh_words(address: Address) -> list[str]:
    """Return ssh's command line. Host and user were checked to be no options."""
    words = ["ssh", "-T"]
    for name, value in OPTIONS.items():
        words += ["-o", f"{name}={value}"]
    if address.user:
        words += ["-l", address.user]
    if address.port:
        words += ["-p", str(address.port)]
    return [*words, "--", address.host, "exec sh"]


def advice(why: str, address: Address) -> str:
    """Return the way out for a reason of ssh's; "" where there is none to tell."""
    port = f"-p {address.port} " if address.port else ""
    by_hand = f"ssh {port}{address.user + '@' if address.user else ''}{address.host}"
    if "Permission denied" in why:
        return f"cvtui asks for no password: give `{by_hand}` a key, or load it into the agent (ssh-add)"
    if "Host key verification failed" in why:
        return f"connect once by hand to accept its key: {by_hand}"
    return f"try it by hand: {by_hand}"


def quoted(path: str) -> str:
    """`path` as one word of a POSIX shell, never taken for an option."""
    return shlex.quote(path if path.startswith(("/", "./")) else f"./{path}")
