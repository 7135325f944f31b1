"""One field of the recipe in the form: its name, what is filled in, a word about it, and what is wrong with it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from cvtui.calc.table import size_text
from cvtui.recipe.choices.optimizers import OPTIMIZERS
from cvtui.recipe.choices.spec import Choice
from cvtui.recipe.datasets.catalog import find_source
from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.datasets.named_images import pasted_path
from cvtui.recipe.fields import Field
from cvtui.text import cut
from cvtui.tui.form.field_text import (
    has_parameters,
    join_text,
    needs_parameters,
    parameters_hint,
    split_text,
    summaries,
)
from cvtui.tui.form.field_values import Problem
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.picker import Picker
from cvtui.tui.widgets.text_field import TextField

LABEL = 15
"""Cells of the name, with a space after it."""
CONTROL = 22
"""Cells of the part to be filled in, and of a choice's parameters."""
EXPLAINED = 3
"""Lines of the explanation at the foot of the form."""
LONG = ("net", "augment", "mix")
"""Fields as wide as the form."""

USED_WITH = {"momentum": ("optimizer", tuple(name for name, entry in OPTIMIZERS.items() if entry.momentum))}
"""Fields that count only beside some choices of another: the others may stand there, but are faint."""


class FieldRow(Widget):
    """Draws name, word and error itself, so that a field costs two widgets."""

    DEFAULT_CSS = """
    FieldRow {
        height: 1; width: 1fr; layout: horizontal; color: $foreground;
        & > .control { width: 22; margin-left: 15; }
        & > .parameters { width: 1fr; margin-left: 1; }
        &.-long > .control { width: 1fr; }
    }
    """
    ALLOW_SELECT: ClassVar[bool] = False

    class Changed(Message):
        """The field's text is another."""

        def __init__(self, row: FieldRow) -> None:
            super().__init__()
            self.row = row

    def __init__(self, field: Field, text: str) -> None:
        super().__init__(id=f"field-{field.name}", classes="-long" if field.name in LONG else "")
        self.field = field
        self.problem: Problem | None = None
        self.unused = False
        self._text = text
        self._lines: list[str] = []
        self.control = self._control()
        """What takes the focus for the field."""
        self._followed = self.control.value if isinstance(self.control, Picker) else ""
        """The choice whose parameters stand beside it."""

    def _control(self) -> Picker | TextField:
        if self.field.kind not in ("choice", "word"):
            return TextField(self._text, placeholder=placeholder(self.field), classes="control")
        name, choices = split_text(self.field, self._text)[0], summaries(self.field)
        return Picker(name if name in choices else self.field.allowed[0], choices, classes="control")

    def compose(self) -> ComposeResult:
        yield self.control
        if isinstance(self.control, Picker):
            name, more = split_text(self.field, self._text)
            if has_parameters(self.field, name):
                yield self._parameters(name, more)

    def _parameters(self, name: str, more: str = "") -> TextField:
        return TextField(more, placeholder=parameters_hint(self.field, name), classes="parameters")

    @property
    def text(self) -> str:
        """What the field says now: `64`, `adam`, `normal(std=0.02)`."""
        control = self.control
        if not isinstance(control, Picker):
            return control.value
        inside = next((field.value.strip() for field in self.query(TextField)), "")
        return join_text(self.field, control.value, inside)

    async def set_text(self, text: str) -> None:
        """Fill the field in, as if typed."""
        control = self.control
        if not isinstance(control, Picker):
            control.value = text
            return
        control.value, more = split_text(self.field, text)
        await self._follow_choice(more)

    async def _follow_choice(self, more: str = "") -> None:
        """Show the field for parameters beside the choices that have some."""
        control = self.control
        assert isinstance(control, Picker)
        self._followed = control.value
        await self.query(TextField).remove()
        if has_parameters(self.field, control.value):
            await self.mount(self._parameters(control.value, more))
        self.refresh()
        self.post_message(self.Changed(self))

    @on(Picker.Changed)
    async def _picked(self, event: Picker.Changed) -> None:
        event.stop()
        if event.picker.value != self._followed:  # else it was filled in, with its parameters
            await self._follow_choice()

    @on(Picker.Taken)
    def _taken(self, event: Picker.Taken) -> None:
        """Go on to the path of a folder or file, which is what is typed next."""
        event.stop()
        if needs_parameters(self.field, event.picker.value):
            for field in self.query(TextField):
                field.focus()  # behind the list's own, which gives the focus back to the choice

    async def on_paste(self, event: events.Paste) -> None:
        """Take what is pasted on a choice: as one of them, or as the path of the one that needs one."""
        event.stop()  # a text field of the row has stopped its own
        control = self.control
        text = pasted_path(event.text.partition("\n")[0])
        if not isinstance(control, Picker) or not text:
            return
        if split_text(self.field, text)[0] in control.choices:
            await self.set_text(text)
        elif needs_parameters(self.field, control.value):
            await self.set_text(join_text(self.field, control.value, text))
        elif self.field.name == "data" and os.path.isdir(text):
            await self.set_text(f"folder:{text}")
        else:
            name = self.field.name.replace("_", " ")
            self.notify(
                f"{name}: {cut(text, 40)!r} is none of its choices; enter lists them", severity="warning", markup=False
            )

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self.problem is not None and self.problem.column is not None:
            self.refresh()
        self.post_message(self.Changed(self))

    # ------------------------------------------------------------------ what is wrong

    def show_problem(self, problem: Problem | None) -> None:
        self.problem = problem
        for field in self.query(TextField):
            field.set_class(problem is not None, "-wrong")
            field.mark(problem.column if problem is not None else None)
        self._arrange()

    def show_unused(self, unused: bool) -> None:
        if unused != self.unused:
            self.unused = unused
            self.refresh()

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        """Set the row's height by what its problem needs."""
        self._lines = self._problem_lines()
        height = 1 + len(self._lines)
        if self.styles.height is None or self.styles.height.value != height:
            self.styles.height = height
        self.refresh()

    def _problem_lines(self) -> list[str]:
        """Return the problem's message, with a caret below its column if it has one."""
        width = self.size.width - LABEL - 1
        if self.problem is None or width <= 0:
            return []
        column = self.problem.column
        if column is not None:
            column -= self.query_one(TextField).scroll_offset.x
        return caret_lines(self.problem.message, column, width)

    # ------------------------------------------------------------------ drawing

    def render(self) -> Content:
        label = self.field.name.replace("_", " ")
        wrong = self.problem is not None
        style = "$text-error" if wrong else MUTED if self.unused else "$foreground 85%"
        parts: list[Content | tuple[str, str]] = [(f" {label}".ljust(LABEL), style)]
        room = self.size.width - LABEL - CONTROL - 2
        if not self.has_class("-long") and len(self.children) < 2 and room > 8:
            parts.append((" " * (CONTROL + 1) + cut(self.remark, room), MUTED))
        for line in self._lines:
            parts.append(("\n" + " " * (LABEL + 1) + line, "$text-error"))
        return Content.assemble(*parts)

    @property
    def remark(self) -> str:
        """What stands beside the field: what the choice is, or what the number means."""
        if self.unused:
            other, names = USED_WITH[self.field.name]
            return f"only with {other} {names[0]}"
        control = self.control
        if isinstance(control, Picker) and self.field.kind == "choice":
            return control.choices.get(control.value, "")
        return re.split(r"[.;:] ", self.field.doc)[0].rstrip(".")


def placeholder(field: Field) -> str:
    return {
        "name": "data and a number",
        "augment": "flip, crop(4)",
        "mix": "mixup(0.2)",
        "size": "64",
        "only": "all classes",
        "data_dir": "the cache folder",
        "save_every": "5m",
        "max_time": "1h30m",
    }.get(field.name, "")


def explanation(field: Field, text: str, problem: Problem | None = None, notes: Sequence[str] = ()) -> Content:
    """Return the explanation at the foot of the form for one field, or its problem in full.

    notes: what is to be known of the data that is chosen.
    """
    if problem is not None:
        hint = f"\n{problem.hint}" if problem.hint else f"\n{field.doc}"
        return Content.assemble((problem.message, "$text-error"), (hint, MUTED))
    entry = (field.table or {}).get(text.partition("(")[0])
    if notes:
        return Content("\n").join(Content.styled(f"! {note}", "$text-warning") for note in notes)
    parts: list[Content | tuple[str, str]] = [(field.doc, "$foreground 85%")]
    if isinstance(entry, Choice):
        parts.append((f"\n{entry.name}: {entry.summary}. {entry.formula}", MUTED))
    elif isinstance(entry, DataFacts):
        size = size_text(entry.size)
        sizes = f"{size}, {len(entry.classes)} classes, {entry.train:,} to train and {entry.validation:,} to validate"
        parts = [(f"{entry.name}: {sizes}\n", "$foreground 85%"), (field.doc, MUTED)]
    elif field.name == "data" and (source := find_source(text)) is not None:
        parts = [(f"{source.usage}: {source.summary}\n", "$foreground 85%"), (field.doc, MUTED)]
    else:
        parts.append((f"\n{field.option} on the command line; {field.allowed_in_words()}", MUTED))
    return Content.assemble(*parts)


def shortened(text: Content, width: int) -> Content:
    """Return what there is room for at the foot of the form, with a sign where that is not all."""
    lines = text.wrap(max(2, width))
    if len(lines) <= EXPLAINED:
        return text
    last = lines[EXPLAINED - 1].rstrip()
    last = last if last.cell_length < width else last[: width - 1]
    return Content("\n").join([*lines[: EXPLAINED - 1], last + Content("…")])


def caret_lines(message: str, column: int | None, width: int) -> list[str]:
    """Return a message with a caret at `column`, beside it or above it; without one if that is None or out of sight."""
    if column is None or not 0 <= column < width:
        return [cut(message, width)]
    if column + 2 + len(message) <= width:
        return [" " * column + "^ " + message]
    if len(message) + 1 <= column:
        return [message.rjust(column - 1) + " ^"]
    return [" " * column + "^", cut(message, width)]
