"""Window that asks for the options of a job, with the command line that they make."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Checkbox, Input, Static

from cvtui.text import clean
from cvtui.tui.jobs.catalog import JobOption, JobSpec
from cvtui.tui.widgets.bindings import hint
from cvtui.tui.widgets.modal import BoxModal


class Box(Checkbox, inherit_bindings=False):
    """A check box that can be read without colours, and leaves enter to the form."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "toggle_button", "Choose", show=False)]

    @property
    def BUTTON_INNER(self) -> str:  # type: ignore[override]
        return "X" if self.value else " "


class JobForm(BoxModal[list[str] | None]):
    """Return the options as words of a command line, or None if cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel"),
        Binding("enter,ctrl+r", "start", "Start"),
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("up", "app.focus_previous", "Before", show=False),
    ]
    DEFAULT_CSS = """
    JobForm {
        & > .box { width: 96; }
        & .rows { height: auto; max-height: 14; }
        & .row { height: 1; }
        & Checkbox { width: 22; padding: 0; border: none; background: $surface; }
        & .none { width: 22; }
        & Input { width: 4fr; }
        & .about { width: 5fr; margin-left: 1; color: $foreground 60%; }
        & #job-words { margin-top: 1; color: $text-primary; }
        & #job-words.wrong { color: $text-error; }
    }
    """

    def __init__(self, spec: JobSpec, start: Sequence[str], places: Mapping[str, str]) -> None:
        """`start`: words that stand before the options; `places`: what `{name}` and the like mean."""
        super().__init__()
        self.spec = spec
        self._start = [*start]
        self._boxes = [
            Box(option.flag, option.on, id=f"on-{number}", compact=True) if option.flag else None
            for number, option in enumerate(spec.options)
        ]
        self._inputs = [
            None if option.value is None else Input(_filled(option.value, places), id=f"value-{number}", compact=True)
            for number, option in enumerate(spec.options)
        ]
        self._line = Static("", id="job-words", markup=False)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = self.spec.title
            box.border_subtitle = f"{hint(JobForm, start='start')} · space: choose · {hint(JobForm, dismiss='cancel')}"
            yield Static(f"{self.spec.about}.", classes="quiet", markup=False)
            with VerticalScroll(classes="rows", can_focus=False):
                for option, chosen, typed in zip(self.spec.options, self._boxes, self._inputs, strict=True):
                    with Horizontal(classes="row"):
                        yield chosen or Static("", classes="none")
                        if typed is not None:
                            yield typed
                        yield Static(option.about, classes="about", markup=False)
            yield self._line
            with Horizontal(classes="buttons"):
                yield Button("Start", id="start", variant="primary", compact=True)
                yield Button("Cancel", id="cancel", compact=True)

    def on_mount(self) -> None:
        self._show()
        first = next((one for pair in zip(self._boxes, self._inputs, strict=True) for one in pair if one), None)
        (first or self.query_one("#start")).focus()

    def words(self) -> list[str]:
        """Return the chosen options as words. ValueError for a quote that nothing closes."""
        found: list[str] = []
        for option, chosen, typed in zip(self.spec.options, self._boxes, self._inputs, strict=True):
            if chosen is None or chosen.value:
                found += _words_of(option, None if typed is None else typed.value)
        return found

    def _show(self) -> list[str] | None:
        """Show the command line, or what is wrong with it."""
        try:
            words = self.words()
        except ValueError as error:
            self._line.update(f"✗ {error}")
            self._line.set_class(True, "wrong")
            return None
        self._line.update(clean(shlex.join(["cvtui", *self._start, *words])))
        self._line.set_class(False, "wrong")
        return words

    @on(Checkbox.Changed)
    def _changed(self) -> None:
        self._show()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        """Choose the option whose value is typed."""
        chosen = self._boxes[self._inputs.index(event.input)]
        if event.input.has_focus and chosen is not None:
            chosen.value = bool(event.value.strip())
        self._show()

    @on(Input.Submitted)
    @on(Button.Pressed, "#start")
    def action_start(self) -> None:
        words = self._show()
        if words is not None:
            self.dismiss(words)

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)


def _filled(text: str, places: Mapping[str, str]) -> str:
    for name, value in places.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _words_of(option: JobOption, value: str | None) -> list[str]:
    if value is None:
        return [option.flag]
    value = value.strip()
    if not value:
        return []
    if option.many:
        return [*([option.flag] if option.flag else []), *shlex.split(value)]
    return [option.flag, value] if option.flag else [value]
