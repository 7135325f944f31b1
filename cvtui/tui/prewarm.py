"""The engine process that is warmed while the form is open: it predicts, and becomes the trainer at Start.

`python -m cvtui.engine --warm` loads torch and then reads JSON lines. It is started with plain `Popen`: asyncio's own
subprocesses are killed with the event loop, and a training must outlive the screen. A thread reads its answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Callable
from typing import IO, Any, Literal, TypeAlias

import msgspec

from cvtui import door
from cvtui.own_python import own_module
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.worker_process import worker_environment, worker_threads
from cvtui.tui.child_process import last_line, start_child

State: TypeAlias = Literal["off", "loading", "ready", "dead", "spent"]
"""not started; torch is being loaded; it has answered; it died; it has become a trainer."""

MAX_NET_LENGTH = 4000
"""Longest net that is sent: a request must fit into the pipe (64 KiB) while it is not read."""
START_TIMEOUT = 60.0
"""How long a process may take to become the trainer before we stop looking whether it does."""


class PrewarmedEngine:
    """Client of one prewarmed process. Of several requests only the newest counts.

    `changed` is called, in the event loop, after each change of `state` or `answer`.
    """

    def __init__(self, changed: Callable[[], None], command: list[str] | None = None, *, enabled: bool = True) -> None:
        """Make a client; if not `enabled` it never starts, and Start launches a fresh engine."""
        self.enabled = enabled
        self.state: State = "off"
        self.answer: dict[str, Any] | None = None
        """The last answer: `activation_std`, `first_loss`, `memory`, `parameters`, or `error`."""
        self.answered: Recipe | None = None
        """What `answer` is about."""
        self.last_line = ""
        """Of a process that died: the last line it wrote."""
        self._changed = changed
        self._command = command or own_module("cvtui.engine", "--warm")
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._asked: Recipe | None = None
        self._next: Recipe | None = None
        self._end = asyncio.Event()
        self._listing = ""
        """File with the last listing that was handed on; the process removes it."""

    # ------------------------------------------------------------------ its life

    @property
    def expected(self) -> bool:
        """Return True if an answer will come."""
        return self.enabled and self.state in ("off", "loading", "ready")

    def will_answer(self, recipe: Recipe) -> bool:
        """Return True if predictions of the recipe will come, or have come."""
        return self.expected and len(recipe.net) <= MAX_NET_LENGTH

    def start(self, threads: int = 0) -> None:
        """Start the process unless it runs already. A failure is a state, never an exception."""
        if self.state in ("loading", "ready") or not self.enabled:
            return
        self._end = asyncio.Event()
        self._asked = None
        self.last_line = ""
        try:
            self._process, self._errors = start_child(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=worker_environment(worker_threads(threads)),
            )
        except OSError as error:
            self._fail(str(error))
            return
        self.state = "loading"
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._read, args=(self._process, loop), name="warm-engine", daemon=True)
        thread.start()
        self._send_next()
        self._changed()

    def close(self) -> None:
        """Close the process: one that was not told to train ends itself when its stdin ends."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        if process is not None and self.state != "spent":
            # Nothing is lost: it only waits. Without this, one that still loads torch would go on for seconds.
            process.terminate()
        if self._errors is not None:
            self._errors.close()
            self._errors = None
        self._drop_listing()
        if self.state in ("loading", "ready"):
            self.state = "off"

    # ------------------------------------------------------------------ asking

    def predict(self, recipe: Recipe) -> None:
        """Request predictions for a recipe; they arrive in `answer` and `answered`."""
        if recipe in (self.answered, self._asked, self._next) and self._next in (None, recipe):
            return
        self._next = recipe if len(recipe.net) <= MAX_NET_LENGTH else None
        self._send_next()

    def ask_again(self, recipe: Recipe) -> None:
        """Ask a fresh process, which has loaded nothing of the user's code, about a recipe that was refused."""
        self.close()
        self.answer = self.answered = None
        self._next = recipe
        self.start(recipe.threads)

    def _send_next(self) -> None:
        if self._next is None or self._asked is not None or self.state not in ("loading", "ready"):
            return
        self._asked, self._next = self._next, None
        self._write({"predict": msgspec.to_builtins(self._asked), **self._listing_of(self._asked)})

    def _listing_of(self, recipe: Recipe) -> dict[str, str]:
        """Write the listing of the recipe's folder, which was just made here, for the process; {} without one."""
        if not recipe.data.startswith("folder:"):
            return {}
        from cvtui.recipe.datasets.image_folder import hand_on

        file = hand_on(recipe, named=True)
        if file is None:
            return {}
        self._drop_listing()  # which a process that has died did not take
        self._listing = file.name
        file.close()
        return {"listing": self._listing}

    def _drop_listing(self) -> None:
        if self._listing:
            with contextlib.suppress(OSError):
                os.unlink(self._listing)
        self._listing = ""

    def _write(self, request: dict[str, Any]) -> bool:
        process = self._process
        if process is None or process.stdin is None:
            return False
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        except (OSError, ValueError):
            return False
        return True

    async def train(self, folder: RunFolder, recipe: Recipe) -> bool:
        """Make the process the trainer of `folder`, of this recipe. Return False if it can't; then launch another."""
        process = self._process
        if process is None or self.state not in ("loading", "ready") or process.poll() is not None:
            return False
        if not self._write({"start": str(folder.path.absolute()), **self._listing_of(recipe)}):
            return False
        self.state = "spent"
        self._changed()
        # It lets go of our pipes when it becomes the trainer, or when it dies: the end of its stdout says that one of
        # the two happened, its exit code which.
        try:
            await asyncio.wait_for(self._end.wait(), START_TIMEOUT)
        except TimeoutError:
            return process.poll() is None
        if process.poll() is None or door.is_file(folder.lock_file) or door.is_file(folder.events):
            self.close()
            return True
        self._fail(self._last_line())
        return False

    # ------------------------------------------------------------------ its answers

    def _read(self, process: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop) -> None:
        """In a thread of its own, until the pipe ends."""
        assert process.stdout is not None
        try:
            for line in process.stdout:
                loop.call_soon_threadsafe(self._receive, process, line)
            process.stdout.close()
            loop.call_soon_threadsafe(self._ended, process)
        except (RuntimeError, OSError, ValueError):
            return  # the screen is gone

    def _receive(self, process: subprocess.Popen[bytes], line: bytes) -> None:
        if process is not self._process:
            return
        try:
            answer = json.loads(line)
        except ValueError:
            return
        if not isinstance(answer, dict):
            return
        if self.state == "loading":
            self.state = "ready"
        if self._asked is not None:
            self.answer, self.answered, self._asked = answer, self._asked, None
        self._send_next()
        self._changed()

    def _ended(self, process: subprocess.Popen[bytes]) -> None:
        if process is not self._process:
            return
        if self.state in ("loading", "ready"):
            try:
                process.wait(1.0)  # its stdout has ended, so it is about to
            except subprocess.TimeoutExpired:
                process.kill()
            self._fail(self._last_line() or f"exit code {process.poll()}")
        self._end.set()

    def _last_line(self) -> str:
        return last_line(self._errors) if self._errors is not None else ""

    def _fail(self, message: str) -> None:
        self.state = "dead"
        self._drop_listing()
        self.last_line = message
        self._asked = self._next = None
        self._changed()
