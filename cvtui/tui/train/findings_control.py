"""The doctor beside a run: asked while it goes, and what becomes of its findings when a key is pressed on one."""

from __future__ import annotations

import time
from dataclasses import replace

from cvtui.doctor import Doctor
from cvtui.errors import RequestError
from cvtui.tui.panes.findings import FindingsList
from cvtui.tui.train.finding_modal import FindingModal, changes_of
from cvtui.tui.train.pane_grid import Stage
from cvtui.tui.train.run_commands import RunRequests

DOCTOR_SECONDS = 0.02
"""That the doctor may take at once: a long run is read in pieces, between pictures."""
DOCTOR_APART = 100.0
"""So many times as long as it took, until it is asked again: a hundredth of a core."""


class Doctoring(RunRequests):
    """The part of `LiveView` that knows the doctor."""

    doctor: Doctor
    _doctor_again: float = 0.0
    """Not to be asked before this moment (of time.perf_counter)."""

    @property
    def stage(self) -> Stage:
        raise NotImplementedError

    def show_step(self, step: int | None) -> None:
        raise NotImplementedError

    def ask_doctor(self) -> None:
        """What is wrong with the run, as of now; a fault that is new comes to the front of its slot."""
        begun = time.perf_counter()
        if begun < self._doctor_again:
            return
        found = tuple(self.doctor.update(DOCTOR_SECONDS))
        now = time.perf_counter()
        self._doctor_again = now + DOCTOR_APART * (now - begun)
        if found == self.view.findings:
            return
        known = {one.id for one in self.view.findings if one.severity != "note"}
        new = any(one.severity != "note" and one.id not in known for one in found)
        self.view = replace(self.view, findings=found)
        if new and self.view.cursor is None:
            self.stage.bring("doctor")

    def on_findings_asked(self, event: FindingsList.Asked) -> None:
        """A key on a finding: why, the cure, or the step where it was seen."""
        event.stop()
        finding = event.finding

        def take(what: str | None) -> None:
            if what == "cure":
                run = self.history.run
                per_epoch = run.steps_per_epoch if run is not None else 0
                done = max(finding.step, 0) + (run.shift if run is not None else 0)
                self.fork(changes_of(finding.cure), done // per_epoch if per_epoch else None)
            elif what == "go":
                self.show_step(max(finding.step, 0))
            elif what == "test":
                self._test(finding.test)

        if event.what == "why":
            self.app.push_screen(FindingModal(finding), take)
        else:
            take(event.what)

    def _test(self, test: str) -> None:
        """The short test that tells two causes apart: an epoch at a tenth of the rate, or the check of the recipe."""
        from cvtui.recipe.learning_rate import at_rate, full_rate
        from cvtui.runlog.origin import recipe_of
        from cvtui.tui.train.precheck_modal import CheckModal

        try:
            recipe = recipe_of(self.folder, "tried once more")
        except RequestError as error:
            self.refuse(error)
            return
        if test == "rate/10":
            rate = full_rate(recipe.lr, recipe.batch_size, recipe.scale_lr)
            self.fork(changes_of({**at_rate(float(f"{rate / 10:g}"), recipe.scale_lr), "epochs": 1}), 0)
        else:
            self.app.push_screen(CheckModal(recipe))
