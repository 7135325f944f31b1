"""Start the training process before its run is known: it loads PyTorch while the recipe is checked.

The process is `python -m cvtui.engine --early`. Its stdin is a socket, over which it gets the words of its command line
(`FOLDER`, `--resume` …), worker.log, worker.lock and perhaps a listing, or nothing: then it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from types import TracebackType
from typing import IO

from cvtui.own_python import own_module
from cvtui.recipe.datasets.folder_listing import HANDED_LISTING
from cvtui.runlog import lock
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.worker_process import opened_log, threads_of, worker_environment, worker_threads


class EarlyProcess:
    """Training process that waits for its run. One that gets none is killed on leaving the context."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._threads = worker_threads(0)

    def __enter__(self) -> EarlyProcess:
        if lock.fcntl is None:  # Windows
            return self
        with contextlib.suppress(OSError):
            self._socket, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    own_module("cvtui.engine", "--early"),
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    env=worker_environment(self._threads),
                )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def train(
        self, folder: RunFolder, words: list[str], listing: IO[bytes] | None = None
    ) -> subprocess.Popen[bytes] | None:
        """Hand the run over, with its worker.log and worker.lock; None where another process must be launched.

        listing: of its folder of images, where this process has one (folder_listing.py).
        RequestError where another process holds the lock.
        """
        process = self._process
        if process is None or self._socket is None:
            return None
        if worker_threads(threads_of(folder)) != self._threads:  # OpenMP has read its number
            return None
        with opened_log(folder) as log:
            held = folder.lock()
            message = json.dumps([str(folder.path), *words]).encode() + b"\n"
            try:
                files = [log.fileno(), held.number, *([listing.fileno()] if listing is not None else [])]
                socket.send_fds(self._socket, [message], files)
            except OSError:  # it has died
                return None
            finally:
                held.forget()
        self._process = None
        return process


def wait_for_run() -> list[str]:
    """Wait, in that process, for what it is to do; [] for nothing. Its output goes to worker.log from then on."""
    text = b""
    files: list[int] = []
    with socket.socket(fileno=os.dup(0)) as parent:
        while not text.endswith(b"\n"):
            more, found, _, _ = socket.recv_fds(parent, 1 << 16, 3)
            if not more:
                return []
            text, files = text + more, files + found
    nothing = os.open(os.devnull, os.O_RDONLY)
    log, os.environ[lock.HANDED_ON] = files[0], str(files[1])
    if len(files) > 2:
        os.environ[HANDED_LISTING] = str(files[2])
    for number, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(number, target)
    os.close(nothing)
    os.close(log)
    words: list[str] = json.loads(text)
    return words
