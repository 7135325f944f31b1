"""The Calc screen: the layer table of a net, updated with every keystroke."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from cvtui.calc import Chain, Row, Size, Table, size_text, trace
from cvtui.calc.memory import training_memory
from cvtui.calc.module_table import ModuleTable
from cvtui.calc.net.parser import parse
from cvtui.calc.sizes import InputShape, parse_inputs, parse_size
from cvtui.calc.solve import solve
from cvtui.errors import RequestError
from cvtui.labs.claims import Claim, InCalc
from cvtui.labs.lecture import calculated, keep_held
from cvtui.recipe.datasets.catalog import DATA
from cvtui.recipe.net_target import is_target, parse_target
from cvtui.text import binary_size, count, counted, cut
from cvtui.tui.calc.code_count import CodeCount
from cvtui.tui.calc.layer_picture import LayerPicture
from cvtui.tui.calc.layer_summary import LayerSummary
from cvtui.tui.calc.pictures import VIEWS
from cvtui.tui.calc.solved import Solved
from cvtui.tui.form.field_row import caret_lines
from cvtui.tui.form.layer_table import LayerTable
from cvtui.tui.screens.base import BaseScreen
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.bindings import hint
from cvtui.tui.widgets.filtered_list import Filtered
from cvtui.tui.widgets.frame import Card
from cvtui.tui.widgets.moves import capital
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


class CalcScreen(BaseScreen):
    NAME = "calc"
    NEEDS_ROOM = "Calc"
    AUTO_FOCUS = "LayerTable"
    """After a window: where the picture hides the table nothing has the focus, and no text field may get it."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t,enter", "to_train", "Train this net", tooltip="Put this net into the form of the Train place"),
        Binding("w", "next_view", "View", tooltip="The next picture of the layer: filter, field, connections, matrix"),
        Binding("right", "step(1)", "Step", tooltip="The filter one place on, or the next unit"),
        Binding("left", "step(-1)", "Step back", show=False, tooltip="One place or unit back"),
        Binding("space", "play", "Play", tooltip="Step by itself, and stop again"),
        Binding("down", "to_table", "Table", show=False, tooltip="From the line to the table"),
        Binding("escape", "to_table", "Leave field", show=False, tooltip="Leave the text field (letters are keys)"),
        Binding(capital("E"), "edit", "Edit", tooltip="Back to the expression"),
    ]
    DEFAULT_CSS = """
    CalcScreen {
        & #calc-head { height: auto; padding: 0 1; }
        & #calc-output { display: none; }
        & #calc-verdict { height: auto; width: 1fr; display: none; }
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
        self._claim: InCalc | None = None
        """The claim of the lecture that the frame names, until net or input are others."""

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
            yield CalcLine("output", "", short=True, id="calc-output")
            yield Solved(id="calc-solved")
            yield Static(id="calc-verdict", markup=False)
        with Container(id="calc-body"):
            with Card(id="calc-table") as card:
                card.border_title = "Layers"
                table = LayerTable()
                yield Filtered(table, table.narrow, "words of a layer: conv 3x3")
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
        claim, asked = self._claim, (self.line("net").input.value, self.line("input").input.value)
        if claim is not None and asked != (claim.net, claim.input):
            self._claim = None
            self.query_one("#calc-head").border_title = "Expression"
            self.query_one("#calc-verdict").display = False
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
        classes.show_error(
            None if number else RequestError("a whole number from 1 up"), "outputs of an fc without a number"
        )
        table = None
        asks = "?" in net.input.value
        self.line("output").display = asks
        self.query_one(Solved).show([])  # what fitted before answers another question
        try:
            chain = parse(net.input.value)
            if "?" in net.input.value:
                table = self._solved(chain, shape, number) if shape and number else None
            else:
                table = trace(chain, shape, number, source=net.input.value) if shape and number else None
            net.show_error(None)
        except RequestError as error:
            net.show_error(error)
        return table

    def _solved(self, chain: Chain, size: Size, classes: int) -> Table | None:
        """Fill every ? of the net, and list what fits; None where the wanted output is no size. RequestError."""
        line = self.line("output")
        text = line.input.value.strip()
        try:
            goal = parse_size(text, "output") if text else None
            line.show_error(None, "to reach with every ?; empty: any that fits")
        except RequestError as error:
            line.show_error(error)
            return None
        try:
            solution = solve(chain, size, classes, goal, source=self.line("net").input.value)
        except RequestError as error:
            if not error.message.startswith("--output "):
                raise
            line.show_error(RequestError(error.message.partition(": ")[2]))
            return None
        self.query_one(Solved).show(solution.answers)
        return solution.table

    async def show_claim(self, claim: Claim, predicted: str) -> None:
        """Fill in what shows a claim of the lecture, and say whether it holds; what was predicted goes beside it."""
        from cvtui.tui.labs.page import VERDICTS

        page = claim.opens
        assert isinstance(page, InCalc)
        holds, found = calculated(page)
        if holds:
            keep_held({claim.number})
        self._claim = None
        for name, text in (("net", page.net), ("input", page.input), ("classes", "10"), ("output", page.output)):
            self.line(name).input.value = text
        self.calculate()
        self.picture.show_view(page.view)
        self._name_picture()
        self.table.focus()
        self._claim = page
        self.query_one("#calc-head").border_title = Content(f"Lecture {claim.number}: {claim.text}")
        word, style = VERDICTS[holds]
        said = self.query_one("#calc-verdict", Static)
        said.update(Content.assemble(f"{predicted} " if predicted else "", (word, f"bold {style}"), f" {found}"))
        said.display = True

    def _ask(self) -> None:
        """Have PyTorch code counted, where the lines are right."""
        self.line("output").display = False
        self.query_one(Solved).show([])
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
        card.border_subtitle = hint(
            CalcScreen, next_view="next picture", step="step", play="stop" if self.picture.playing else "play"
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
            self.table.focus()
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
    sums = f"{counted(table.parameters, 'parameter')}, {counted(table.macs, 'MAC')}"
    return f"{sums}; {binary_size(need)} with adamw, batch {BATCH}"


def _inputs(text: str) -> tuple[InputShape, ...] | None:
    return parse_inputs(text, "input") if text else None


def _whole(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) <= 10 and int(text) > 0 else None
