"""The knobs of a lab as a form, made from the lab's table and validated by it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from cvtui.errors import RequestError
from cvtui.labs.spec import Knob, KnobValue
from cvtui.text import cut
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.moves import moves
from cvtui.tui.widgets.picker import Picker
from cvtui.tui.widgets.text_field import TextField

LABEL = 12
CONTROL = 15
"""Cells of the name and of what is filled in; nets, and lists too long for them, get the whole line."""
COLUMN = 62
"""Cells that a knob with its explanation likes to have."""


def default_text(knob: Knob) -> str:
    return ("on" if knob.default else "off") if knob.kind == "flag" else f"{knob.default}"


class KnobRow(Widget):
    """A name, what is filled in, what it means, and below it what is wrong with it."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    KnobRow {
        height: auto; width: 1fr; layout: horizontal; color: $foreground;
        & > .control { width: 15; margin-left: 12; }
        &.-long > .control { width: 1fr; }
    }
    """

    def __init__(self, knob: Knob) -> None:
        long = knob.kind == "net" or len(default_text(knob)) > CONTROL - 2
        super().__init__(id=f"knob-{knob.name}", classes="-long" if long else "")
        self.knob = knob
        self.problem: RequestError | None = None

    def compose(self) -> ComposeResult:
        text = default_text(self.knob)
        if self.knob.kind in ("choice", "flag"):
            choices = self.knob.choices if self.knob.kind == "choice" else ("on", "off")
            yield Picker(text, dict.fromkeys(choices, ""), classes="control")
        else:
            yield TextField(text, placeholder="none" if text == "" else "", classes="control")

    @property
    def control(self) -> Picker | TextField:
        control = self.query(".control").first()
        assert isinstance(control, Picker | TextField)
        return control

    @property
    def text(self) -> str:
        return self.control.value

    def set_text(self, text: str) -> None:
        self.control.value = text

    def check(self) -> KnobValue | None:
        """Return the knob's value; None if invalid, with the problem shown below."""
        try:
            value = self.knob.check(self.text)
        except RequestError as error:
            self._show_problem(error)
            return None
        self._show_problem(None)
        return value

    def _show_problem(self, problem: RequestError | None) -> None:
        self.problem = problem
        control = self.control
        if isinstance(control, TextField):
            control.set_class(problem is not None, "-wrong")
            control.mark(problem.column if problem is not None else None)
        self.refresh(layout=True)

    def get_content_height(self, _container: object, _viewport: object, _width: int) -> int:
        """Return the rows that it takes; the form's grid asks for this, and looks at no height of a style."""
        return 1 if self.problem is None else 2

    def beside(self, room: int) -> str:
        """Return what it means, whole or its first words: those that there is room for beside it."""
        return self.knob.doc if len(self.knob.doc) <= room else re.split("[;:] ", self.knob.doc)[0]

    def explanation(self, width: int) -> str:
        """Return what it means and what may be given; where both don't fit, the latter: the former stands beside it."""
        allowed = self.knob.allowed()
        texts: tuple[str, ...] = (f"{self.knob.doc} [{allowed}]", allowed, allowed.removesuffix(" with commas between"))
        for shown in range(len(self.knob.choices), 0, -1):
            rest = len(self.knob.choices) - shown
            texts += (f"all, or some of {', '.join(self.knob.choices[:shown])} and {rest} more",) if rest else ()
        return next((text for text in texts if len(text) <= width), cut(texts[-1], width))

    @property
    def message(self) -> str:
        """Return the problem in one line, as on the command line, without the value."""
        if self.problem is None:
            return ""
        message = self.problem.message.removeprefix(f"--{self.knob.name}: ")
        _, mark, rest = message.partition(" is not allowed; ")
        return rest if mark else message

    def render(self) -> Content:
        width = self.size.width
        style = "$text-error" if self.problem is not None else "$foreground 85%"
        parts: list[Content | tuple[str, str]] = [(cut(self.knob.name, LABEL - 1).ljust(LABEL), style)]
        room = width - LABEL - CONTROL - 2
        if not self.has_class("-long") and room > 5:
            parts.append((" " * (CONTROL + 1) + cut(self.beside(room), room), MUTED))
        if self.problem is not None:
            parts.append(("\n" + " " * LABEL + "↑ " + cut(self.message, width - LABEL - 2), "$text-error"))
        return Content.assemble(*parts)


class KnobForm(Container):
    """All knobs, in as many columns as their explanations leave room for."""

    BINDING_GROUP_TITLE = "The knobs"
    BINDINGS: ClassVar[list[BindingType]] = [
        *moves("knob(-1)", "knob(1)", "The knob", letters=False),
        Binding("enter", "start", "Start", show=False, tooltip="Start the lab, from any number or net"),
    ]
    DEFAULT_CSS = """
    KnobForm { height: auto; layout: grid; grid-size: 1; grid-rows: auto; grid-gutter: 0 2; margin: 0 1; }
    """

    class Submitted(Message):
        """Enter in a text field."""

    class Changed(Message):
        """Some knob says something else."""

    def __init__(self, knobs: Sequence[Knob]) -> None:
        super().__init__()
        self.rows = {knob.name: KnobRow(knob) for knob in knobs}
        self._columns = 1
        self._before: dict[str, str] = {}
        """The knobs' texts before the last reset."""

    def compose(self) -> ComposeResult:
        yield from self.rows.values()

    def on_resize(self, event: events.Resize) -> None:
        self._columns = max(1, event.size.width // COLUMN)
        self.styles.grid_size_columns = self._columns

    def values(self) -> dict[str, KnobValue] | None:
        """Every knob's value; None where one can't be (it has the keys then)."""
        values: dict[str, KnobValue] = {}
        wrong: KnobRow | None = None
        for name, row in self.rows.items():
            value = row.check()
            if value is not None:
                values[name] = value
            elif wrong is None:
                wrong = row
        if wrong is not None:
            wrong.control.focus()
            return None
        return values

    @property
    def changed(self) -> bool:
        """Whether some knob is not at its default."""
        return any(row.text != default_text(row.knob) for row in self.rows.values())

    @property
    def may_reset(self) -> bool:
        """True where some knob is not at its default, or was not before the last reset."""
        return self.changed or bool(self._before)

    def reset(self) -> None:
        """Set every knob to its default; where all are there, to what it was before the last reset."""
        if self.changed:
            self._before = {name: row.text for name, row in self.rows.items()}
            texts = {name: default_text(row.knob) for name, row in self.rows.items()}
        else:
            texts = self._before
        for name, text in texts.items():
            self.rows[name].set_text(text)

    @property
    def current(self) -> KnobRow | None:
        """The knob that has the keys."""
        focused = self.screen.focused
        rows = focused.ancestors_with_self if focused is not None else ()
        return next((row for row in rows if isinstance(row, KnobRow)), None)

    def focus_first(self) -> None:
        next(iter(self.rows.values())).control.focus()

    def action_knob(self, by: int) -> None:
        rows = list(self.rows.values())
        here = self.current
        place = rows.index(here) + by * self._columns if here is not None else 0
        if 0 <= place < len(rows):
            self.screen.set_focus(rows[place].control)  # at once: `focus()` would come after the next key

    def action_start(self) -> None:
        self.post_message(self.Submitted())

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_start()

    @on(Input.Changed)
    @on(Picker.Changed)
    def _changed(self, event: Input.Changed | Picker.Changed) -> None:
        event.stop()
        control = event.input if isinstance(event, Input.Changed) else event.picker
        row = control.parent
        if isinstance(row, KnobRow):
            row.check()
        self.post_message(self.Changed())
