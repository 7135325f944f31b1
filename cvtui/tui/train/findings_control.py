"""The doctor beside a run: updated while the run goes on, and the keys on its findings."""

from __future__ import annotations

import time
from dataclasses import replace

from cvtui.doctor import Doctor
from cvtui.errors import RequestError
from cvtui.tui.panes.findings import FindingsList
from cvtui.tui.train.finding_modal import FindingModal, changes_of
from cvtui.tui.train.run_commands import RunCommands
from cvtui.tui.train.run_view import RunView

DOCTOR_SECONDS = 0.02
"""Time budget of one update: a long run is read in pieces, between frames."""
DOCTOR_INTERVAL = 100.0
"""Pause until the next update, as a multiple of the time that the last one took: a hundredth of a core."""


class FindingsControl:
    """Runs the doctor on the history of a view, and applies what is chosen for a finding."""

    def __init__(self, live: RunView, commands: RunCommands) -> None:
        self._live = live
        self._commands = commands
        self.doctor = Doctor(live.history)
        self._next_update = 0.0
        """Earliest time of the next update (of time.perf_counter)."""

    def update(self) -> None:
        """Update the findings of the view; bring the doctor's pane to the front of its slot for a new fault."""
        begun = time.perf_counter()
        if begun < self._next_update:
            return
        findings = tuple(self.doctor.update(DOCTOR_SECONDS))
        now = time.perf_counter()
        self._next_update = now + DOCTOR_INTERVAL * (now - begun)
        view = self._live.view
        if findings == view.findings:
            return
        known = {one.id for one in view.findings if one.severity != "note"}
        new = any(one.severity != "note" and one.id not in known for one in findings)
        self._live.view = replace(view, findings=findings)
        if new and view.cursor is None:
            self._live.grid.bring("doctor")

    def act(self, event: FindingsList.Asked) -> None:
        """Apply a key pressed on a finding: explain it, fork with its cure, or go to its step."""
        finding = event.finding

        def apply(choice: str | None) -> None:
            if choice == "cure":
                run = self._live.history.run
                per_epoch = run.steps_per_epoch if run is not None else 0
                done = max(finding.step, 0) + (run.shift if run is not None else 0)
                self._commands.fork(changes_of(finding.cure), done // per_epoch if per_epoch else None)
            elif choice == "go":
                self._live.show_step(max(finding.step, 0))
            elif choice == "test":
                self._test(finding.test)

        if event.what == "why":
            self._live.app.push_screen(FindingModal(finding), apply)
        else:
            apply(event.what)

    def test_first(self) -> bool:
        """Run the test of the first finding that has one. Return False without such."""
        finding = next((one for one in self._live.view.findings if one.test), None)
        if finding is not None:
            self._test(finding.test)
        return finding is not None

    def _test(self, test: str) -> None:
        """Run the short test that tells two causes apart: one epoch at a tenth of the rate, or `cvtui check`."""
        from cvtui.recipe.learning_rate import at_rate, full_rate
        from cvtui.runlog.origin import recipe_of
        from cvtui.tui.train.precheck_modal import PrecheckModal

        try:
            recipe = recipe_of(self._live.folder, "tried again")
        except RequestError as error:
            self._commands.refuse(error)
            return
        if test == "rate/10":
            rate = full_rate(recipe.lr, recipe.step_images, recipe.scale_lr)
            changes = changes_of({**at_rate(float(f"{rate / 10:g}"), recipe.scale_lr), "epochs": 1})
            self._commands.fork(changes, 0)
        else:
            self._live.app.push_screen(PrecheckModal(recipe))
