"""Commands to the run that is shown: pause, rate, save, stop, resume, fork, leave."""

from __future__ import annotations

import subprocess
import time
from typing import Literal

from textual.message import Message

from cvtui.errors import RequestError
from cvtui.notify.start import log_size
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.text import clean
from cvtui.tui.train.modals import LeaveModal, Leaving, RateModal, StopModal
from cvtui.tui.train.resume_modal import RESUMABLE, ResumeModal
from cvtui.tui.train.run_view import RunView

PENDING_TIMEOUT = 5.0
"""Seconds that "pausing…" is shown when no trainer applies it."""


class Left(Message, namespace="live_view"):
    """Request to leave the view.

    `choice`: "keep" or "stop" for a living run (the stop has been sent already), "ended" for one that is over.
    """

    def __init__(self, folder: RunFolder, choice: Literal["keep", "stop", "ended"]) -> None:
        super().__init__()
        self.folder = folder
        self.choice = choice


class Forked(Message, namespace="live_view"):
    """Notice that a run forked from this one is starting."""

    def __init__(self, folder: RunFolder) -> None:
        super().__init__()
        self.folder = folder


class Resumed(Message, namespace="live_view"):
    """Notice that the run was resumed; `size`: bytes of its log before."""

    def __init__(self, folder: RunFolder, size: int) -> None:
        super().__init__()
        self.folder = folder
        self.size = size


class RunCommands:
    """Commands to the run's trainer. The header shows a pending one until the log says that it was applied."""

    def __init__(self, live: RunView) -> None:
        self._live = live
        self._sent: tuple[int, float] | None = None
        """Commands applied when one was sent, and when that was."""
        self.worker: subprocess.Popen[bytes] | None = None
        """The trainer that was started to resume the run."""
        self._resuming = False

    def state_of(self, recorded: str) -> str:
        """Return the run's state; "starting" from the moment of a resume until its trainer says something."""
        alive = self.worker is not None and self.worker.poll() is None
        self._resuming = self._resuming and alive and recorded in RESUMABLE
        return "starting" if self._resuming else recorded

    def pending(self, state: str) -> str:
        """Return the command that waits to be applied, or "" when there is none (any more)."""
        if self._sent is not None:
            applied = len(self._live.history.commands) > self._sent[0]
            timed_out = time.monotonic() - self._sent[1] > PENDING_TIMEOUT
            if applied or timed_out or state not in ("starting", "running", "paused"):
                self._sent = None
        return self._live.view.pending if self._sent is not None else ""

    @property
    def waiting(self) -> bool:
        """Return True while a command has been sent and not applied."""
        return self._sent is not None

    def send(
        self,
        command: Literal["pause", "resume", "set_lr", "save", "stop"],
        value: float | None = None,
        group: str = "",
    ) -> bool:
        """Send a command and show it as pending. Return False if it could not be written."""
        try:
            self._live.folder.send(Command(command=command, time=time.time(), value=value, group=group))
        except RequestError as error:
            self.refuse(error)
            return False
        self._sent = (len(self._live.history.commands), time.monotonic())
        self._live.change_view(pending=_PENDING[command])
        return True

    def pause_or_resume(self) -> None:
        self.send("resume" if self._live.view.state == "paused" else "pause")

    def save(self) -> None:
        self.send("save")

    def change_rate(self) -> None:
        rates = self._live.history.steps.lr
        run = self._live.history.run
        lr = run.lr if run is not None else None
        now = float(rates[-1]) if len(rates) else lr

        def apply(value: float | None) -> None:
            if value is not None:
                self.send("set_lr", value, modal.group)

        if now is not None:
            modal = RateModal(now, lr, self._live.history.group_rates, custom_loop=self._is_custom_loop)
            self._live.app.push_screen(modal, apply)

    @property
    def _is_custom_loop(self) -> bool:
        run = self._live.history.run
        return run is not None and run.kind == "watch"

    def stop(self) -> None:
        def apply(stop: bool | None) -> None:
            if stop:
                self.send("stop")

        self._live.app.push_screen(StopModal(custom_loop=self._is_custom_loop), apply)

    def resume(self) -> None:
        """Resume a run that ended early from its newest checkpoint, in a process of its own."""

        def apply(rate: str | None) -> None:
            if rate is None:
                return
            size = log_size(self._live.folder)
            try:
                self.worker = launch(self._live.folder, detached=True, resume=True, rate=rate)
            except RequestError as error:
                self.refuse(error)
                return
            self._resuming = True
            self._live.post_message(Resumed(self._live.folder, size))
            self._live.app.notify("resuming: the trainer is starting", markup=False)

        if self._live.folder.alive():
            return
        from cvtui.runlog.origin import check_resumable, recipe_of
        from cvtui.runlog.worker_process import launch

        try:
            check_resumable(self._live.folder, self._live.history.run, recipe_of(self._live.folder, "resumed"))
        except RequestError as error:
            self.refuse(error)
            return
        self._live.app.push_screen(ResumeModal(self._live.history), apply)

    def refuse(self, error: RequestError) -> None:
        """Show why something can't be done, and what can be done instead."""
        message = f"{error.message}; {error.hint}" if error.hint else error.message
        self._live.app.notify(clean(message), severity="error", markup=False, timeout=15)

    def leave(self) -> None:
        # A trainer that still loads PyTorch has no lock yet, but obeys what was sent before it came.
        if not self._live.view.alive and self._live.view.state != "starting":
            self._live.post_message(Left(self._live.folder, "ended"))
            return

        def apply(choice: Leaving | None) -> None:
            if choice == "stop" and self._live.history.end is None and not self.send("stop"):
                return
            if choice in ("keep", "stop"):
                self._live.post_message(Left(self._live.folder, choice))

        self._live.app.push_screen(LeaveModal(self._live.folder.name, custom_loop=self._is_custom_loop), apply)

    def fork(self, changes: str = "", epoch: int | None = None) -> None:
        """Ask for a checkpoint and changes (`changes` is filled in already) and start the child run."""
        from cvtui.runlog.origin import recipe_of
        from cvtui.tui.train.fork_modal import ForkModal

        def apply(child: RunFolder | None) -> None:
            if child is not None:
                self._live.post_message(Forked(child))

        try:
            recipe_of(self._live.folder, "forked")
        except RequestError as error:
            self.refuse(error)
            return
        self._live.app.push_screen(ForkModal(self._live.history, changes, epoch), apply)


_PENDING = {
    "pause": "pausing",
    "resume": "resuming",
    "set_lr": "changing the rate",
    "save": "saving",
    "stop": "stopping",
}
