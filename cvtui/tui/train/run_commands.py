"""What keys ask of the run that is in view: commands to its trainer, a trainer for one that ended, a fork, leaving."""

from __future__ import annotations

import subprocess
import time
from typing import Any, Literal

from textual.message import Message
from textual.widget import Widget

from cvtui.errors import RequestError
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.text import clean
from cvtui.tui.panes.view_state import ViewState
from cvtui.tui.train.modals import LeaveModal, Leaving, RateModal, StopModal
from cvtui.tui.train.resume_modal import ResumeModal, resume


class Left(Message, namespace="live_view"):
    """The person wants to leave. `choice`: "keep" or "stop" for a living run (the stop has been sent already),
    "ended" where there was nothing to ask."""

    def __init__(self, folder: RunFolder, choice: Literal["keep", "stop", "ended"]) -> None:
        super().__init__()
        self.folder = folder
        self.choice = choice


class Forked(Message, namespace="live_view"):
    """A new run was made from a checkpoint of this one, and is starting."""

    def __init__(self, folder: RunFolder) -> None:
        super().__init__()
        self.folder = folder


class RunRequests(Widget):
    """The part of `LiveView` that sends; what was asked shows as `view.pending` until the run says it was applied."""

    folder: RunFolder
    history: History
    view: ViewState
    _asked: tuple[int, float] | None = None
    """Commands applied when one was sent, and when that was."""
    _worker: subprocess.Popen[bytes] | None = None
    """The trainer that was started to go on."""

    def _look(self, **changes: Any) -> None:
        raise NotImplementedError

    def send(self, command: Literal["pause", "resume", "set_lr", "save", "stop"], value: float | None = None) -> bool:
        """Asks the run for something; says so in the header until it is done. False when it could not be written."""
        try:
            self.folder.send(Command(command=command, time=time.time(), value=value))
        except RequestError as error:
            self.app.notify(error.message, severity="error", markup=False)
            return False
        self._asked = (len(self.history.commands), time.monotonic())
        self._look(pending=_DOING[command])
        return True

    def action_pause(self) -> None:
        self.send("resume" if self.view.state == "paused" else "pause")

    def action_save(self) -> None:
        self.send("save")

    def action_rate(self) -> None:
        rates = self.history.steps.lr
        run = self.history.run
        lr = run.lr if run is not None else None
        now = float(rates[-1]) if len(rates) else lr

        def take(value: float | None) -> None:
            if value is not None:
                self.send("set_lr", value)

        if now is not None:
            self.app.push_screen(RateModal(now, lr), take)

    def action_stop(self) -> None:
        def take(stop: bool | None) -> None:
            if stop:
                self.send("stop")

        self.app.push_screen(StopModal(), take)

    def action_go_on(self) -> None:
        """A run that ended early goes on from its newest checkpoint, in a process of its own."""

        def take(rate: str | None) -> None:
            if rate is None:
                return
            try:
                self._worker = resume(self.folder, rate)
            except RequestError as error:
                self.app.notify(error.message, severity="error", markup=False)
                return
            self.app.notify("going on: the trainer is starting", markup=False)

        if self.folder.alive():
            return
        from cvtui.runlog.origin import check_resumable, recipe_of

        try:
            check_resumable(self.folder, self.history.run, recipe_of(self.folder, "resumed"))
        except RequestError as error:
            self.refuse(error)
            return
        self.app.push_screen(ResumeModal(self.history), take)

    def refuse(self, error: RequestError) -> None:
        """Says why not, and what can be done instead."""
        words = f"{error.message}; {error.hint}" if error.hint else error.message
        self.app.notify(clean(words), severity="error", markup=False, timeout=15)

    def action_leave(self) -> None:
        # A trainer that still loads PyTorch has no lock yet, but obeys what was sent before it came.
        if not self.view.alive and self.view.state != "starting":
            self.post_message(Left(self.folder, "ended"))
            return

        def take(choice: Leaving | None) -> None:
            if choice == "stop" and self.history.end is None and not self.send("stop"):
                return
            if choice in ("keep", "stop"):
                self.post_message(Left(self.folder, choice))

        self.app.push_screen(LeaveModal(self.folder.name), take)

    def action_fork(self) -> None:
        """A new run from a checkpoint of this one."""
        self.fork()

    def fork(self, changes: str = "", epoch: int | None = None) -> None:
        """Asks for checkpoint and changes (`changes` stands there already) and starts the child."""
        from cvtui.runlog.origin import recipe_of
        from cvtui.tui.train.fork_modal import ForkModal

        def take(child: RunFolder | None) -> None:
            if child is not None:
                self.post_message(Forked(child))

        try:
            recipe_of(self.folder, "forked")
        except RequestError as error:
            self.refuse(error)
            return
        self.app.push_screen(ForkModal(self.history, changes, epoch), take)


_DOING = {
    "pause": "pausing",
    "resume": "going on",
    "set_lr": "changing the rate",
    "save": "saving",
    "stop": "stopping",
}
