"""Quitting: what is asked about runs and jobs that still work, and what ends before the screen does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from textual.app import ScreenStackError
from textual.css.query import NoMatches
from textual.dom import NoScreen
from textual.widget import MountError
from textual.worker import WorkerFailed

from cvtui.errors import RequestError
from cvtui.runlog.folder import RunFolder
from cvtui.tui.typed_ahead import TypedAheadApp

if TYPE_CHECKING:
    from cvtui.tui.jobs.job import Job
    from cvtui.tui.jobs.job_list import JobList
    from cvtui.tui.train.modals import Leaving
    from cvtui.tui.train.run_commands import Left

GONE = (MountError, NoMatches, NoScreen, ScreenStackError)
"""What Textual raises where a widget or its screen is there no longer."""


class LeavingApp(TypedAheadApp):
    """An app that asks about what still works before it ends, and ends quietly at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: JobList | None = None
        self.started: list[RunFolder] = []
        """Runs of this session."""

    def living(self) -> list[RunFolder]:
        """Return the runs of this session that still train."""
        from cvtui.runlog.run_summary import summary

        return [run for run in self.started if summary(run).state in ("starting", "running", "paused")]

    def action_leave(self) -> None:
        """Quit; ask what happens to runs of this session that still train."""
        self._leave(self.living())

    def action_help_quit(self) -> None:
        """Say what quits, for ctrl+c where there is nothing to copy; Textual says it of an action `quit` alone."""
        text = "q quits, ctrl+q also while typing."
        if all(shown.message != text for shown in self._notifications):
            self.notify(text, markup=False)

    def exit(self, *args: Any, **options: Any) -> None:
        """Leave the screen; what works beside it ends first: a widget that it adds now would have no place."""
        self.workers.cancel_all()
        super().exit(*args, **options)

    @property
    def is_leaving(self) -> bool:
        """Return True once widgets are taken apart, or are about to be."""
        return self._exit or not self.is_running

    def _handle_exception(self, error: Exception) -> None:
        """Let a handler that finds its widget gone end quietly while the screen is taken apart.

        A key that opens a place or a window, and ctrl+q before it is composed, is enough: Textual mounts nothing
        after `exit`, and raises for each widget that was to be mounted.
        """
        cause = error.error if isinstance(error, WorkerFailed) else error
        if self.is_leaving and isinstance(cause, GONE):
            self.log(f"while leaving: {cause!r}")
        else:
            super()._handle_exception(error)

    def _leave(self, alive: list[RunFolder]) -> None:
        if self.jobs is not None and (running := self.jobs.running):
            self._leave_jobs(running, alive)
            return
        if not alive:
            self.exit()
            return
        from cvtui.tui.train.modals import LeaveModal

        def apply(choice: Leaving | None) -> None:
            if choice == "stop":
                self._stop(alive)
            if choice in ("keep", "stop"):
                self.exit()

        if not isinstance(self.screen, LeaveModal):
            self.push_screen(LeaveModal(", ".join(run.name for run in alive)), apply)

    def _leave_jobs(self, running: list[Job], alive: list[RunFolder]) -> None:
        """Ask whether to cancel the jobs that run, then about the runs."""
        from cvtui.tui.jobs.leave_modal import LeaveJobsModal

        def apply(cancel: bool | None) -> None:
            if cancel and self.jobs is not None:
                self.jobs.cancel_all()
                self.jobs = None
                self._leave(alive)

        if not isinstance(self.screen, LeaveJobsModal):
            self.push_screen(LeaveJobsModal([job.title for job in running]), apply)

    def _stop(self, runs: list[RunFolder]) -> None:
        from cvtui.runlog.events import Command

        for run in runs:
            try:
                run.send(Command(command="stop", time=time.time()))
            except RequestError as error:
                self.notify(error.message, severity="error", markup=False)

    def on_live_view_left(self, event: Left) -> None:
        """Quit, asking about the other runs; the view has asked about its own."""
        self._leave([run for run in self.living() if run != event.folder])
