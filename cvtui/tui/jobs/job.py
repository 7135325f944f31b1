"""One command in a process of its own: its output, its progress, its end."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from cvtui.job_share import VARIABLE, WIDTH, parse_share
from cvtui.own_python import own_module
from cvtui.text import harmless

MOST_BYTES = 64 << 10
"""Of the end of its output that is shown."""


class Job:
    """`cvtui WORDS`, started when made. Raises OSError where it can't be started.

    `files`: what it reads, by name; in `words` they lie in `{folder}`.
    """

    def __init__(
        self,
        title: str,
        words: Sequence[str],
        width: int = 80,
        files: dict[str, bytes] | None = None,
        *,
        from_top: bool = False,
    ) -> None:
        """`width`: columns that the output may take. `from_top`: it is read from its begin; else its end is shown."""
        self.title = title
        self.from_top = from_top
        self.words = list(words)
        self.begun = time.monotonic()
        self.code: int | None = None
        self.cancelled = False
        self.seconds = 0.0
        self._folder = tempfile.TemporaryDirectory(prefix="cvtui-job-")
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the job)
        self._share = tempfile.TemporaryFile()  # noqa: SIM115
        for name, data in (files or {}).items():
            (Path(self._folder.name) / name).write_bytes(data)
        typed = [word.replace("{folder}", self._folder.name) for word in self.words]
        environment = {**os.environ, "COLUMNS": str(width), "NO_COLOR": "1", VARIABLE: str(self._share.fileno())}
        self._process = subprocess.Popen(
            own_module("cvtui", *typed),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
            pass_fds=[self._share.fileno()],
        )

    @property
    def command(self) -> str:
        """As one would type it."""
        return shlex.join(["cvtui", *(word.replace("{folder}/", "") for word in self.words)])

    @property
    def running(self) -> bool:
        return self.code is None

    def poll(self) -> bool:
        """Look whether it has ended. Return True while it runs."""
        if self.code is None:
            self.code = self._process.poll()
            self.seconds = time.monotonic() - self.begun
            if self.code is not None:
                self._text = self._read()
                for file in (self._output, self._share):
                    file.close()
                self._folder.cleanup()
        return self.code is None

    @property
    def output(self) -> str:
        """The end of what it wrote, stdout and stderr in their order."""
        return self._read() if self.running else self._text

    @property
    def share(self) -> tuple[float, str] | None:
        """(share, words) as it told them; None for a command that doesn't."""
        if not self.running:
            return None
        with contextlib.suppress(OSError):
            return parse_share(os.pread(self._share.fileno(), WIDTH, 0))
        return None

    @property
    def ended_well(self) -> bool:
        return self.code == 0

    def cancel(self) -> None:
        """Ask it to stop, as ctrl+c does; the second time end it at once, with what it started in its session."""
        if not self.running:
            return
        number = signal.SIGKILL if self.cancelled else signal.SIGTERM
        self.cancelled = True
        with contextlib.suppress(OSError):
            if number == signal.SIGKILL:
                os.killpg(self._process.pid, number)
            else:
                self._process.send_signal(number)

    def _read(self) -> str:
        number = self._output.fileno()  # pread: the child writes at the same place that `seek` would move
        size = os.fstat(number).st_size
        text = os.pread(number, MOST_BYTES, max(0, size - MOST_BYTES)).decode("utf-8", "replace")
        return harmless(text.replace("\r", "\n"), lines=True).strip("\n")
