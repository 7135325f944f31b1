"""All fields of the recipe, by group, one line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from cvtui.recipe.fields import grouped
from cvtui.recipe.recipe import Recipe
from cvtui.tui.form.field_row import USED_WITH, FieldRow
from cvtui.tui.form.field_text import needs_parameters, split_text
from cvtui.tui.form.field_values import Problem, field_texts
from cvtui.tui.widgets.moves import jumps, moves
from cvtui.tui.widgets.picker import Picker


class Heading(Widget):
    """The title of a group, with a line to the edge."""

    DEFAULT_CSS = "Heading { height: 1; width: 1fr; color: $foreground; }"

    def __init__(self, title: str, classes: str = "") -> None:
        super().__init__(classes=classes)
        self._title = title

    def render(self) -> Content:
        rest = "─" * max(0, self.size.width - len(self._title) - 4)
        return Content.assemble(" ", (self._title, "bold $text-primary"), " ", (rest, "$foreground 20%"))


class Form(VerticalScroll, can_focus=False):
    """The rows of all fields; shows problems, validates nothing itself."""

    BINDING_GROUP_TITLE = "The fields"
    BINDINGS: ClassVar[list[BindingType]] = [
        *moves("field(-1)", "field(1)", "The field", letters=False),
        *jumps("field(-9)", "field(9)", "field(-999)", "field(999)", letters=False),
    ]
    SCOPED_CSS = False
    DEFAULT_CSS = """
    Form {
        height: 1fr; scrollbar-size-vertical: 1; scrollbar-gutter: stable; overflow-x: hidden;
        & Heading { margin-top: 1; }
        & Heading.-first { margin-top: 0; }
    }
    Screen.-short Form Heading { margin-top: 0; }
    """

    class Changed(Message):
        """What stands in the form is something else."""

    class Focused(Message):
        """Another field has the keys."""

        def __init__(self, row: FieldRow) -> None:
            super().__init__()
            self.row = row

    class Submitted(Message):
        """Enter in the last field."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.rows: dict[str, FieldRow] = {}
        self._recipe = recipe

    def compose(self) -> ComposeResult:
        texts = field_texts(self._recipe)
        for number, (title, fields) in enumerate(grouped()):
            yield Heading(title, "" if number else "-first")
            for field in fields:
                self.rows[field.name] = FieldRow(field, texts[field.name])
                yield self.rows[field.name]

    @property
    def texts(self) -> dict[str, str]:
        return {name: row.text for name, row in self.rows.items()}

    def path_differs(self, texts: Mapping[str, str]) -> bool:
        """Return True where a look lists what lies below another path: `/` on the way to `/home/me/pics`, say."""
        row = self.rows["data"]
        return row.text != texts["data"] and needs_parameters(row.field, split_text(row.field, row.text)[0])

    async def fill(self, recipe: Recipe) -> None:
        """Every field as in `recipe`."""
        for name, text in field_texts(recipe).items():
            if self.rows[name].text != text:
                await self.rows[name].set_text(text)

    def show_problems(self, problems: Mapping[str, Problem]) -> None:
        texts = self.texts
        for name, row in self.rows.items():
            if row.problem != problems.get(name):
                row.show_problem(problems.get(name))
            if name in USED_WITH:
                other, names = USED_WITH[name]
                row.show_unused(texts[other].partition("(")[0] not in names)

    # ------------------------------------------------------------------ moving

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        for widget in event.widget.ancestors_with_self:
            if isinstance(widget, FieldRow):
                self.post_message(self.Focused(widget))

    def focus_field(self, name: str) -> None:
        self.screen.set_focus(self.rows[name].control)  # at once: `focus()` would come after the next key

    def action_field(self, by: int) -> None:
        """Focus the field above or below; stop at the ends."""
        names = list(self.rows)
        here = self.current
        place = names.index(here.field.name) + by if here is not None else 0
        self.focus_field(names[min(max(place, 0), len(names) - 1)])

    @property
    def current(self) -> FieldRow | None:
        """The field that has the keys."""
        focused = self.screen.focused
        rows = focused.ancestors_with_self if focused is not None else ()
        return next((row for row in rows if isinstance(row, FieldRow)), None)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        if self.current is list(self.rows.values())[-1]:
            self.post_message(self.Submitted())
        else:
            self.action_field(1)

    @on(FieldRow.Changed)
    def _changed(self, event: FieldRow.Changed) -> None:
        event.stop()
        self.post_message(self.Changed())

    @on(Picker.Changed)
    def _stop(self, event: Picker.Changed) -> None:
        event.stop()
