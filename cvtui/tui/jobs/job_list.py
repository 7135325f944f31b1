"""The jobs of a session: asking for one, starting it, and telling when one that is not in view is over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cvtui.runlog.folder import RunFolder, list_runs
from cvtui.text import clean
from cvtui.tui.jobs.catalog import JobSpec
from cvtui.tui.jobs.job import Job
from cvtui.tui.jobs.job_form import JobForm
from cvtui.tui.jobs.job_view import JobView, state_line

if TYPE_CHECKING:
    from typing import Any

    from textual.app import App

    from cvtui.recipe.recipe import Recipe

POLL_SECONDS = 0.5
SIDES = 8
"""Columns of a job's window that its output can't have."""


class JobList:
    """Jobs that were started here; they end with the session."""

    def __init__(self, app: App[Any], runs: Path) -> None:
        self._app = app
        self._runs = runs
        self.jobs: list[Job] = []
        self._timer = app.set_interval(POLL_SECONDS, self._poll, pause=True)

    @property
    def running(self) -> list[Job]:
        return [job for job in self.jobs if job.poll()]

    def ask(self, spec: JobSpec, folder: RunFolder | None, recipe: Recipe | None) -> None:
        """Ask for the options of a job on a run, or of a recipe, and start it."""
        files: dict[str, bytes] = {}
        if spec.needs == "run":
            assert folder is not None
            first = [str(folder.path)]
            places = {"name": folder.name, "others": " ".join(run.name for run in self._others(folder))}
        else:
            from cvtui.recipe.toml import dumps

            assert recipe is not None
            files, first, places = {"recipe.toml": dumps(recipe).encode()}, ["{folder}/recipe.toml"], {}
        start = [spec.name, *first, *spec.fixed]
        if folder is not None and spec.name == "compare":
            start += ["--runs", str(folder.path.parent)]
        elif spec.needs == "recipe":
            start += ["--runs", str(self._runs)]

        def apply(words: list[str] | None) -> None:
            if words is not None:
                title = spec.title if folder is None or spec.needs != "run" else f"{spec.title}: {folder.name}"
                self.start(title, [*start, *words], files)

        shown = [word.replace("{folder}/", "") for word in start]
        self._app.push_screen(JobForm(spec, shown, places), apply)

    def start(
        self, title: str, words: list[str], files: dict[str, bytes] | None = None, *, from_top: bool = False
    ) -> None:
        """Start `cvtui WORDS` and show it; `from_top` as for `Job`."""
        width = min(124, self._app.size.width * 92 // 100) - SIDES
        try:
            job = Job(title, words, width, files, from_top=from_top)
        except OSError as error:
            self._app.notify(f"It can't be started: {error.strerror or error}", severity="error", markup=False)
            return
        self.jobs.append(job)
        self._timer.resume()
        self._app.push_screen(JobView(job))

    def show(self) -> None:
        """Show the job that was started last."""
        if self.jobs:
            self._app.push_screen(JobView(self.jobs[-1]))
        else:
            self._app.notify("No job was started yet: X exports, C compares, W sweeps, D fixes.", markup=False)

    def cancel_all(self) -> None:
        for job in self.running:
            job.cancel()

    def _poll(self) -> None:
        """Tell of jobs that have ended while their window was closed."""
        top = self._app.screen
        before = [job for job in self.jobs if job.running]
        for job in before:
            if not job.poll() and not (isinstance(top, JobView) and top.job is job):
                text = f"{state_line(job).plain}; J shows it"
                kind = "information" if job.ended_well else "warning"
                self._app.notify(text, title=clean(job.title), severity=kind, markup=False)  # type: ignore[arg-type]
        if not any(job.running for job in self.jobs):
            self._timer.pause()

    def _others(self, folder: RunFolder) -> list[RunFolder]:
        """Return the newest other run of the folder; the pinned ones, where there are such."""
        from cvtui.tui.train.overlay_runs import default_overlays

        return default_overlays(folder) or [run for run in list_runs(folder.path.parent) if run != folder][:1]
