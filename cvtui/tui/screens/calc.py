"""The Calc screen: the layer table of a net, updated with every keystroke."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from cvtui.calc import Row, Table, size_text, trace
from cvtui.calc.memory import training_memory
from cvtui.calc.module_table import ModuleRow, ModuleTable
from cvtui.calc.net.parser import parse
from cvtui.calc.sizes import InputShape, parse_inputs, parse_size
from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import DATA
from cvtui.recipe.net_target import is_target, parse_target
from cvtui.text import binary_size, count
from cvtui.tui.calc.code_count import CodeCount
from cvtui.tui.calc.layer_picture import LayerPicture
from cvtui.tui.calc.pictures import VIEWS
from cvtui.tui.form.field_row import caret_lines, cut
from cvtui.tui.form.layer_table import LayerTable
from cvtui.tui.screens.base import BaseScreen
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.frame import Card
from cvtui.tui.widgets.table import Grid
from cvtui.tui.widgets.text_field import TextField

LABEL = 10
BATCH = 64
"""Images a batch of the memory to train."""
ADAMW = 2
"""Numbers that adamw keeps for each parameter."""


class CalcLine(Widget):
    """A label, a text field, and below it what is wrong with the text."""

    DEFAULT_CSS = """
    CalcLine {
        height: 1; width: 1fr; layout: horizontal;
        & > TextField { margin-left: 10; width: 1fr; }
        &.-short-text > TextField { width: 20; }
    }
    """

    def __init__(self, label: str, text: str, *, note: str = "", short: bool = False, id: str) -> None:  # noqa: A002
        super().__init__(id=id, classes="-short-text" if short else "")
        self._label, self._text, self.note = label, text, note
        self.error: RequestError | None = None

    def compose(self) -> ComposeResult:
        yield TextField(self._text)

    @property
    def input(self) -> TextField:
        return self.query_one(TextField)

    def show_error(self, error: RequestError | None, note: str = "") -> None:
        """error: shown below, with a caret where it has a column; note: beside a short field."""
        self.error, self.note = error, note
        self.input.set_class(error is not None, "-wrong")
        self.input.mark(error.column if error is not None else None)
        self.styles.height = 1 + len(self._problem())
        self.refresh()

    def _problem(self) -> list[str]:
        if self.error is None:
            return []
        column, width = self.error.column, max(1, self.size.width - LABEL - 1)
        if column is not None:
            column -= self.input.scroll_offset.x
        lines = caret_lines(self.error.message, column, width)
        return [*lines, cut(self.error.hint, width)] if self.error.hint else lines

    def on_resize(self) -> None:
        self.styles.height = 1 + len(self._problem())

    def render(self) -> Content:
        style = "$text-error" if self.error is not None else "$foreground 85%"
        parts: list[Content | tuple[str, str]] = [(f" {self._label}".ljust(LABEL), style)]
        if self.note and self.has_class("-short-text"):
            parts.append((" " * 22 + self.note, MUTED))
        parts += [("\n" + " " * (LABEL + 1) + line, "$text-error") for line in self._problem()]
        return Content.assemble(*parts)


class LayerSummary(Widget):
    """The layer under the cursor, worked out: output size, parameters, connections, and a remark."""

    DEFAULT_CSS = "LayerSummary { height: 4; width: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self._row: Row | ModuleRow | None = None

    def show(self, row: Row | ModuleRow | None) -> None:
        self._row = row
        self.refresh()

    def render(self) -> Content:
        return Content("\n").join(
            line.truncate(max(1, self.size.width), ellipsis=True) for line in summary_lines(self._row)
        )


def summary_lines(row: Row | ModuleRow | None) -> list[Content]:
    """At most four lines about a layer."""
    if row is None:
        return []
    way = f"{size_text(row.input)} → {size_text(row.output)}" if isinstance(row, Row) else size_text(row.output)
    lines = [Content.assemble((row.name, "bold $text-primary"), f"  {row.expression}  ", (way, "bold"))]
    if row.formula:
        lines.append(Content.assemble(("output  ", MUTED), row.formula))
    if row.counting:
        linked = row.connected if isinstance(row, Row) else None
        share = f"   {linked:.3%} of all possible connections" if linked is not None else ""
        lines.append(Content.assemble(("parameters  ", MUTED), row.counting, (share, MUTED)))
    if row.note:
        lines.append(Content.styled(f"▲ {row.note}", "$text-warning"))
    elif row.receptive_field is not None:
        seen = size_text(row.receptive_field.size)
        lines.append(Content.assemble(("one unit sees  ", MUTED), f"{seen} of the input"))
    return lines[:4]


class CalcScreen(BaseScreen):
    NAME = "calc"
    NEEDS_ROOM = "Calc"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t,enter", "to_train", "Train this net", tooltip="Put this net into the form of the Train place"),
        Binding(
            "w", "next_view", "Picture", tooltip="The next picture of the layer: filter, field, connections, matrix"
        ),
        Binding("n,right", "step(1)", "Step", tooltip="The filter one place on, or the next unit"),
        Binding("left", "step(-1)", "Step back", show=False, tooltip="One place or unit back"),
        Binding("p", "play", "Play", tooltip="Step by itself, and stop again"),
        Binding("down", "to_table", "Table", show=False, tooltip="From the line to the table"),
        Binding("escape", "to_table", "Leave the field", show=False, tooltip="Leave the text field: keys are free"),
        Binding("e", "edit", "Edit", tooltip="Back to the expression"),
    ]
    DEFAULT_CSS = """
    CalcScreen {
        & #calc-head { height: auto; padding: 0 1; }
        & #calc-body { layout: horizontal; height: 1fr; }
        & #calc-table { width: 1fr; height: 1fr; }
        & #calc-picture { width: 2fr; max-width: 84; height: 1fr; padding: 0 1; }
        & #calc-words { height: 6; }
        &.-narrow #calc-picture { display: none; max-width: 100%; width: 1fr; }
        &.-narrow.-picture #calc-picture { display: block; }
        &.-narrow.-picture #calc-table, &.-narrow.-picture #calc-words { display: none; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.code = CodeCount(self, self._counted, self._counting)
        self._usual: dict[str, str] = {}
        self._is_code = False

    def compose_body(self) -> ComposeResult:
        recipe = self.session.recipe
        data = DATA.get(recipe.data)
        size = size_text(data.size) if data is not None else "32x32x3"
        classes = str(len(data.classes)) if data is not None else "10"
        self._usual = {"input": size, "classes": classes}
        with Card(id="calc-head") as head:
            head.border_title = "Expression"
            yield CalcLine("net", recipe.net, id="calc-net")
            yield CalcLine("input", size, short=True, id="calc-input")
            yield CalcLine("classes", classes, short=True, id="calc-classes")
        with Container(id="calc-body"):
            with Card(id="calc-table") as card:
                card.border_title = "Layers"
                yield LayerTable()
            with Card(id="calc-picture"):
                yield LayerPicture()
        with Card(id="calc-words") as card:
            card.border_title = "Layer"
            yield LayerSummary()

    @property
    def picture(self) -> LayerPicture:
        return self.query_one(LayerPicture)

    @property
    def table(self) -> LayerTable:
        return self.query_one(LayerTable)

    @property
    def row(self) -> Row | None:
        """The layer under the table's cursor, of a net expression."""
        row = self.table.row
        return row if isinstance(row, Row) else None

    def line(self, name: str) -> CalcLine:
        return self.query_one(f"#calc-{name}", CalcLine)

    def on_mount(self) -> None:
        self._name_picture()
        self.calculate()
        self.line("net").input.focus()

    def on_unmount(self) -> None:
        self.code.cancel()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.calculate()

    def calculate(self) -> None:
        """Update the table from the three lines; each shows its own problem. PyTorch code is counted by a process."""
        self.code.cancel()
        code = is_target(self.line("net").input.value)
        self._follow_kind(code)
        with self.app.batch_update():
            if code:
                self._ask()
            else:
                self._show(self._traced())

    def _follow_kind(self, code: bool) -> None:
        """Leave size and classes to PyTorch code, and take them back for a net expression, unless they were typed."""
        if code is self._is_code:
            return
        self._is_code = code
        for name, usual in self._usual.items():
            field = self.line(name).input
            if field.value.strip() == ("" if not code else usual):
                with field.prevent(Input.Changed):
                    field.value = "" if code else usual

    def _traced(self) -> Table | None:
        """Calculate the net expression; None where a line is wrong."""
        net, size, classes = self.line("net"), self.line("input"), self.line("classes")
        try:
            shape = parse_size(size.input.value, "input")
            size.show_error(None, "H x W x C, H x W, or one number")
        except RequestError as error:
            size.show_error(error)
            shape = None
        number = _whole(classes.input.value)
        classes.show_error(None if number else RequestError("a whole number from 1 up"), "outputs of a bare fc")
        table = None
        try:
            chain = parse(net.input.value)
            table = trace(chain, shape, number, source=net.input.value) if shape and number else None
            net.show_error(None)
        except RequestError as error:
            net.show_error(error)
        return table

    def _ask(self) -> None:
        """Have PyTorch code counted, where the lines are right."""
        net, size, classes = self.line("net"), self.line("input"), self.line("classes")
        inputs, number = size.input.value.strip(), classes.input.value.strip()
        wrong = None if not number or _whole(number) else RequestError("a whole number from 1 up, or nothing")
        classes.show_error(wrong, "outputs; empty: its own")
        for line, read in ((net, lambda: parse_target(net.input.value)), (size, lambda: _inputs(inputs))):
            try:
                read()
                line.show_error(None, "" if line is net else "224x224x3 or 77:int …; empty: its own")
            except RequestError as error:
                wrong = error
                line.show_error(error)
        self._show(None)
        if wrong is None:
            self.query_one("#calc-head").border_subtitle = "PyTorch code"
            self.code.ask(net.input.value.strip(), inputs, number)

    def _counting(self, seconds: float) -> None:
        self.query_one("#calc-head").border_subtitle = f"PyTorch is loading and counts … {seconds:.0f} s"

    def _counted(self, answer: ModuleTable | RequestError) -> None:
        if isinstance(answer, RequestError):
            self.query_one("#calc-head").border_subtitle = ""
            self.line("net").show_error(answer)
            return
        self._show(answer)

    def _show(self, table: Table | ModuleTable | None) -> None:
        self.table.set_table(table)
        self._show_layer()
        self.query_one("#calc-head").border_subtitle = totals(table) if table is not None else ""
        card = self.query_one("#calc-table")
        if table is not None:
            card.border_subtitle = f"1 MAC = 1 multiply-add = 2 FLOPs; {count(table.activations)} activations an image"

    @on(Grid.Highlighted)
    def _highlighted(self, event: Grid.Highlighted) -> None:
        event.stop()
        self._show_layer()

    def _show_layer(self) -> None:
        """Show the layer under the table's cursor as text and picture."""
        self.query_one(LayerSummary).show(self.table.row)
        shown = self.table.table
        if shown is not None:
            self.picture.show_row(self.row, shown.input if isinstance(shown, Table) else (1, 1, 1))
            self._name_picture()

    def _name_picture(self) -> None:
        card = self.query_one("#calc-picture")
        row = self.row
        card.border_title = f"{row.name}: {VIEWS[self.picture.view]}" if row is not None else "Picture"
        card.border_subtitle = (
            "w: next picture · n: step · p: stop" if self.picture.playing else ("w: next picture · n: step · p: play")
        )

    @on(Input.Submitted)
    def action_to_table(self) -> None:
        self.table.focus()

    def action_edit(self) -> None:
        self.line("net").input.focus()

    def action_next_view(self) -> None:
        """Show the next picture; on a narrow screen the table again after the last."""
        alone = self.has_class("-narrow")
        if alone and not self.has_class("-picture"):
            self.add_class("-picture")
        elif self.picture.next_view() == next(iter(VIEWS)) and alone:
            self.remove_class("-picture")
        self._name_picture()

    def action_step(self, by: int) -> None:
        self.picture.step(by)

    def action_play(self) -> None:
        self.picture.play()
        self._name_picture()

    async def action_to_train(self) -> None:
        await self.session.use_net(self.line("net").input.value)


def totals(table: Table | ModuleTable) -> str:
    """Sum up a net in a line: parameters, MACs, memory to train."""
    need = training_memory(table, BATCH).total(ADAMW)
    sums = f"{count(table.parameters)} parameters, {count(table.macs)} MACs"
    return f"{sums}; {binary_size(need)} with adamw, batch {BATCH}"


def _inputs(text: str) -> tuple[InputShape, ...] | None:
    return parse_inputs(text, "input") if text else None


def _whole(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) <= 10 and int(text) > 0 else None
