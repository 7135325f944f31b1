"""Actions on the run under the cursor of the list: rename, note, pin, delete, undelete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from cvtui.errors import RequestError
from cvtui.runlog import manage
from cvtui.runlog.run_summary import RunSummary
from cvtui.text import clean
from cvtui.tui.widgets.bindings import hint
from cvtui.tui.widgets.modal import BoxModal

if TYPE_CHECKING:
    from textual.app import App

    from cvtui.tui.session import Session


class LineModal(BoxModal[str | None]):
    """Ask for one line of text; None if cancelled. `check` returns what is wrong with it, or ""."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel")]
    DEFAULT_CSS = "LineModal #line-said { color: $text-error; }"

    def __init__(self, title: str, text: str, explanation: str, check: Callable[[str], str]) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._explanation = explanation
        self._check = check

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = self._title
            box.border_subtitle = "enter: save · " + hint(LineModal, dismiss="cancel")
            yield Input(self._text, compact=True)
            yield Static("", id="line-said", markup=False)
            yield Static(self._explanation, classes="quiet", markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _check_text(self, event: Input.Changed) -> None:
        wrong = self._check(event.value)
        self.query_one("#line-said", Static).update(f"✗ {clean(wrong)}" if wrong else " ")

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        if not self._check(event.value):
            self.dismiss(event.value)


class Deleted(NamedTuple):
    binned: Path
    name: str


class RunsList(Protocol):
    """The Runs screen, as its actions see it."""

    @property
    def app(self) -> App[Any]: ...

    @property
    def session(self) -> Session: ...

    @property
    def chosen_run(self) -> RunSummary | None:
        """The run under the cursor."""

    def refresh_runs(self) -> None:
        """List the folder again."""


class RunActions:
    """Changes to run folders that the Runs screen offers."""

    def __init__(self, screen: RunsList) -> None:
        self._screen = screen
        self._deleted: list[Deleted] = []

    def _apply(self, work: Callable[[], object]) -> bool:
        """Change folders and list the runs again. Return False, with a message on the screen, if that was refused."""
        try:
            work()
        except RequestError as error:
            self._screen.app.notify(error.message, severity="error", markup=False)
            return False
        self._screen.refresh_runs()
        return True

    def rename(self) -> None:
        run = self._screen.chosen_run
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

        def apply(name: str | None) -> None:
            if name is not None and name != run.name:
                self._apply(lambda: manage.rename(run.folder, name))

        self._screen.app.push_screen(LineModal("Rename the run", run.name, "The folder gets this name.", check), apply)

    def write_note(self) -> None:
        run = self._screen.chosen_run
        if run is None:
            return

        def apply(text: str | None) -> None:
            if text is not None:
                self._apply(lambda: manage.write_note(run.folder, text))

        explanation = "One line; search with note~word. #word makes a tag: tag:word. Leave empty to remove the note."
        self._screen.app.push_screen(
            LineModal(f"A note on {clean(run.name)}", run.note, explanation, lambda _: ""), apply
        )

    def pin(self) -> None:
        run = self._screen.chosen_run
        if run is not None and self._apply(lambda: manage.pin(run.folder, not run.pinned)):
            verb = "is no longer overlaid" if run.pinned else "is now overlaid"
            self._screen.app.notify(f"{clean(run.name)} {verb} on every run you open", markup=False)

    def delete(self) -> None:
        run = self._screen.chosen_run
        if run is None:
            return

        def work() -> None:
            self._deleted.append(Deleted(manage.delete(run.folder), run.name))

        if self._apply(work):
            self._screen.app.notify(f"{clean(run.name)} moved to the bin; U restores it", markup=False)

    def undelete(self) -> None:
        """Restore the run that was deleted last, in this session or before it."""
        last = self._deleted[-1] if self._deleted else None
        if last is None:
            binned = manage.in_bin(self._screen.session.runs)
            if not binned:
                self._screen.app.notify("The bin is empty.", markup=False)
                return
            last = Deleted(binned[0], binned[0].name)
        if self._apply(lambda: manage.restore(last.binned, last.name)):
            if self._deleted:
                self._deleted.pop()
            self._screen.app.notify(f"{clean(last.name)} is back", markup=False)
