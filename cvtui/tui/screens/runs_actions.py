"""What can be done to a run in the list: rename it, note something, pin it, delete it and take that back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from cvtui.errors import RequestError
from cvtui.runlog import manage
from cvtui.runlog.run_summary import RunSummary
from cvtui.text import clean
from cvtui.tui.screens.base import PlaceScreen
from cvtui.tui.train.modals import BOX
from cvtui.tui.widgets.modal import Modal


class LineModal(Modal[str | None]):
    """Asks for one line of text; None where it was cancelled. `check` says what is wrong with it, or ""."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel")]
    DEFAULT_CSS = BOX.format(name="LineModal") + "\n    LineModal #line-said { color: $text-error; }\n"

    def __init__(self, title: str, text: str, words: str, check: Callable[[str], str]) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._words = words
        self._check = check

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = self._title
            box.border_subtitle = "enter: take it · esc: cancel"
            yield Input(self._text, compact=True)
            yield Static("", id="line-said", markup=False)
            yield Static(self._words, classes="quiet", markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _judge(self, event: Input.Changed) -> None:
        wrong = self._check(event.value)
        self.query_one("#line-said", Static).update(f"✗ {clean(wrong)}" if wrong else " ")

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        if not self._check(event.value):
            self.dismiss(event.value)


class Deleted(NamedTuple):
    binned: Path
    name: str


class RunsCare(PlaceScreen):
    """The part of the Runs place that changes folders. `look` reads them again, `chosen_run` is under the cursor."""

    _deleted: list[Deleted]

    @property
    def chosen_run(self) -> RunSummary | None:
        raise NotImplementedError

    def look(self) -> None:
        raise NotImplementedError

    def _do(self, work: Callable[[], object]) -> bool:
        """Does it and lists the runs again; a refusal is told. Was it done?"""
        try:
            work()
        except RequestError as error:
            self.app.notify(error.message, severity="error", markup=False)
            return False
        self.look()
        return True

    def action_rename(self) -> None:
        run = self.chosen_run
        if run is None:
            return

        def check(name: str) -> str:
            from cvtui.recipe.run_name import check_name

            try:
                check_name(name, "name")
            except RequestError as error:
                return error.message
            taken = name != run.name and run.folder.path.with_name(name).exists()
            return f"{name!r} exists already" if taken else ""

        def take(name: str | None) -> None:
            if name is not None and name != run.name:
                self._do(lambda: manage.rename(run.folder, name))

        self.app.push_screen(LineModal("Rename the run", run.name, "The folder gets this name.", check), take)

    def action_note(self) -> None:
        run = self.chosen_run
        if run is None:
            return

        def take(text: str | None) -> None:
            if text is not None:
                self._do(lambda: manage.write_note(run.folder, text))

        words = "One line, found again by the filter: note~word. Empty: no note."
        self.app.push_screen(LineModal(f"A note on {clean(run.name)}", run.note, words, lambda text: ""), take)

    def action_pin(self) -> None:
        run = self.chosen_run
        if run is not None and self._do(lambda: manage.pin(run.folder, not run.pinned)):
            words = "is no longer drawn" if run.pinned else "is drawn from now on"
            self.app.notify(f"{clean(run.name)} {words} over the runs that are opened", markup=False)

    def action_delete(self) -> None:
        run = self.chosen_run
        if run is None:
            return

        def work() -> None:
            self._deleted.append(Deleted(manage.delete(run.folder), run.name))

        if self._do(work):
            self.app.notify(f"{clean(run.name)} lies in the bin; u takes it back", markup=False)

    def action_undelete(self) -> None:
        """The run that was deleted last, in this session or before it."""
        last = self._deleted[-1] if self._deleted else None
        if last is None:
            binned = manage.in_bin(self.session.runs)
            if not binned:
                self.app.notify("The bin is empty.", markup=False)
                return
            last = Deleted(binned[0], binned[0].name)
        if self._do(lambda: manage.restore(last.binned, last.name)):
            if self._deleted:
                self._deleted.pop()
            self.app.notify(f"{clean(last.name)} is back", markup=False)
