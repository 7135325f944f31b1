"""What can be said before the run: the layer table, the curve of the learning rate, and numbers to expect."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widget import Widget

from cvtui.calc.module_table import ModuleTable, table_from_rows
from cvtui.calc.table import size_text
from cvtui.text import binary_size, count, cut_middle, significant
from cvtui.tui.form.layer_table import LayerTable
from cvtui.tui.form.validation import Validation
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.filtered_list import Filtered
from cvtui.tui.widgets.frame import Card

if TYPE_CHECKING:
    from cvtui.calc import Table
    from cvtui.recipe.choices.schedules import Schedule
    from cvtui.tui.form.augment_preview import AugmentPreview
    from cvtui.tui.plot.line_plot import LinePlot
    from cvtui.tui.prewarm import PrewarmedEngine

POINTS = 600
"""Of the schedule's curve."""
NAME = 36
"""Cells of the data set's name, beside the size of its images."""


class FactList(Widget):
    """Names and numbers in one column, or in two where there is room."""

    DEFAULT_CSS = "FactList { height: auto; width: 1fr; color: $foreground; }"

    def __init__(self) -> None:
        super().__init__()
        self.facts: list[tuple[str, str, str]] = []
        self.footnote = Content("")

    def show(self, facts: list[tuple[str, str, str]], footnote: Content) -> None:
        """Set the facts (name, number, remark) and the line below them."""
        if (facts, footnote) != (self.facts, self.footnote):
            self.facts, self.footnote = facts, footnote
            self.refresh(layout=True)

    @property
    def text(self) -> str:
        return self.render().plain

    def get_content_height(self, _container: object, _viewport: object, width: int) -> int:
        return -(-len(self.facts) // self._columns(width)) + len(self._footnote_lines(width))

    def _footnote_lines(self, width: int) -> list[Content]:
        return self.footnote.wrap(max(1, width)) if self.footnote else []

    def _columns(self, width: int) -> int:
        return 1 if width < 66 else 2 if width < 130 else 3

    def render(self) -> Content:
        width = self.size.width
        columns = self._columns(width)
        names = max((len(name) for name, _, _ in self.facts), default=0)
        height = -(-len(self.facts) // columns)
        lines = []
        for y in range(height):
            parts: list[Content] = []
            for x in range(columns):
                place = x * height + y
                if place < len(self.facts):
                    part, room = _fact(*self.facts[place], names), width // columns - 1
                    if part.cell_length > room:  # a remark is whole, or not there
                        part = _fact(*self.facts[place][:2], "", names)
                    parts.append(part.truncate(room, ellipsis=True))
                    gap = width // columns - parts[-1].cell_length
                    parts.append(Content(" " * gap))
            lines.append(Content.assemble(*parts))
        return Content("\n").join([*lines, *self._footnote_lines(width)])


def _fact(name: str, number: str, remark: str, wide: int) -> Content:
    return Content.assemble(
        (name.ljust(wide) + "  ", MUTED), (number, "bold"), (f"  {remark}" if remark else "", MUTED)
    )


class Preview(Container):
    """Preview of a `Validation`; predictions of the prewarmed engine are added when they arrive."""

    SCOPED_CSS = False
    DEFAULT_CSS = """
    Preview {
        layout: vertical; width: 1fr; height: 1fr;
        & #card-net { height: 1fr; min-height: 6; }
        & #card-below { height: 1fr; layout: vertical; }
        & #card-rate { height: 1fr; max-height: 22; min-height: 6; width: 1fr; }
        & #card-rate > LinePlot { height: 1fr; }
        & #card-rate > .describe { height: 1; color: $foreground 80%; }
        & #card-facts { height: auto; width: 1fr; }
    }
    Screen.-narrow Preview, Screen.-vast Preview {
        & #card-below { layout: horizontal; height: 10; }
        & #card-rate { height: 1fr; }
        & #card-facts { height: 1fr; width: 38; }
    }
    Screen.-vast Preview {
        & #card-below { height: 1fr; }
        & #card-rate { max-height: 100%; }
        & #card-facts { width: 48; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._schedule: Schedule | None = None
        self._plot: LinePlot | None = None
        self._images: AugmentPreview | None = None

    def compose(self) -> ComposeResult:
        with Card(id="card-net") as net:
            net.border_title = "Net"
            table = LayerTable()
            yield Filtered(table, table.narrow, "words of a layer: conv 3x3")
        with Container(id="card-below"):
            with Card(id="card-rate") as rate:
                rate.border_title = "Learning rate"
                yield ScheduleText(classes="describe")
            with Card(id="card-facts") as facts:
                facts.border_title = "Before the run"
                yield FactList()

    @property
    def table(self) -> LayerTable:
        return self.query_one(LayerTable)

    @property
    def facts(self) -> FactList:
        return self.query_one(FactList)

    @property
    def _is_there(self) -> bool:
        """False while the screen is taken down: what was computed for it may come later than that."""
        return bool(self.query(LayerTable)) and bool(self.query(FactList))

    @property
    def plot(self) -> LinePlot | None:
        """The curve; None until numpy is loaded."""
        return self._plot

    async def add_plot(self) -> None:
        """Load numpy beside the event loop and add the curve: the first frame does not wait for it."""
        if self._plot is not None:
            return
        await asyncio.to_thread(_import_heavy)
        if not self.is_attached:  # the screen was left meanwhile
            return
        from cvtui.tui.plot.line_plot import LinePlot

        plot = LinePlot(x_kind="step", y_kind="rate", id="schedule-plot")
        plot.empty = "no curve while a field is wrong"
        plot.legend = False
        plot.can_focus = False
        self._plot = plot
        await self.query_one("#card-rate").mount(plot, before=0)
        from cvtui.tui.form.augment_preview import AugmentPreview

        self._images = AugmentPreview()
        await self.mount(self._images)
        self._draw_schedule()

    def show(self, validation: Validation, engine: PrewarmedEngine) -> None:
        """Show table, curve and numbers for what stands in the form now."""
        if not self._is_there:
            return
        net = self.query_one("#card-net")
        if validation.table is not None:
            data = validation.data
            net.border_subtitle = Content(
                f"one {cut_middle(data.name, NAME)} image: {_shape(validation)}" if data is not None else ""
            )
        elif "data" in validation.problems and net.border_subtitle:
            net.border_subtitle = Content("still of the data before")
        if validation.schedule is not None or "net" not in validation.problems:
            self._schedule = validation.schedule
            self.query_one(ScheduleText).set_text(
                validation.schedule.describe() if validation.schedule is not None else "–"
            )
            self._draw_schedule()
        self.show_predictions(validation, engine)

    def show_predictions(self, validation: Validation, engine: PrewarmedEngine) -> None:
        """Show what the prewarmed engine predicts of it."""
        if not self._is_there:
            return
        answer = engine.answer if validation.recipe is not None and engine.answered == validation.recipe else None
        waiting = validation.ready and answer is None and engine.expected
        table = _counted(validation, answer)
        self.table.set_table(table)
        stds = answer.get("activation_std") if answer is not None else None
        self.table.set_stds(stds if isinstance(stds, dict) else None, waiting=waiting)
        if self._images is not None and not waiting:
            self._images.show(answer.get("preview") if answer is not None else None)
        answered = answer.get("memory") if answer is not None else None
        memory = answered if isinstance(answered, int) else validation.memory
        notes = validation.data.notes if validation.data is not None else ()
        told = [Content.styled(f"! {note}", "$text-warning") for note in notes]
        footnote = Content("\n").join(line for line in [*told, _footnote(engine, answer, waiting)] if line)
        self.facts.show(_numbers(validation, table, memory), footnote)

    def _draw_schedule(self) -> None:
        if self._plot is None:
            return
        from cvtui.tui.plot.line_plot import Line

        if self._schedule is None:
            self._plot.set_lines([])
            return
        points = self._schedule.curve(POINTS)
        import numpy as np

        steps, rates = np.array(points, dtype=np.float64).T
        self._plot.set_lines([Line("lr", steps, rates, "primary")])


class ScheduleText(Widget):
    """The schedule in plain words, on one line."""

    def __init__(self, classes: str = "") -> None:
        super().__init__(classes=classes)
        self.line = ""

    def set_text(self, line: str) -> None:
        if line != self.line:
            self.line = line
            self.refresh()

    def render(self) -> Content:
        return Content(self.line).truncate(max(1, self.size.width), ellipsis=True)


def _import_heavy() -> None:
    """numpy, the plot, and the panes of a run: at Start they are there."""
    import cvtui.tui.form.augment_preview
    import cvtui.tui.plot.line_plot
    import cvtui.tui.train  # noqa: F401


def _counted(validation: Validation, answer: dict[str, object] | None) -> Table | ModuleTable | None:
    """Return the table: of PyTorch code as the engine has counted it, None before."""
    table = validation.table
    if not isinstance(table, ModuleTable):
        return table
    rows = answer.get("layers") if answer is not None else None
    return table_from_rows(table.target, table.input, rows) if isinstance(rows, list) else None


def _shape(validation: Validation) -> str:
    return size_text(validation.data.size) if validation.data is not None else ""


def _step_division(validation: Validation, batch: str) -> str:
    """How the steps of an epoch come about."""
    if validation.data is None or not validation.steps_per_epoch:
        return ""
    times = validation.texts.get("accumulate", "1").strip()
    images = int(batch) * int(times) if batch.isdecimal() and times.isdecimal() else 0
    joins = 0 < validation.steps_per_epoch * images < validation.data.train
    step = batch if times == "1" else f"({batch} x {times})"
    return f"{validation.data.train:,} / {step}{', the last one joins' if joins else ''}"


def _numbers(
    validation: Validation, table: Table | ModuleTable | None, memory: int | None
) -> list[tuple[str, str, str]]:
    batch = validation.texts.get("batch_size", "").strip()
    loss = validation.first_loss
    return [
        (
            "steps per epoch",
            validation.around + _or_dash(validation.steps_per_epoch) if validation.steps_per_epoch else "–",
            _step_division(validation, batch),
        ),
        ("steps in all", validation.around + _or_dash(validation.total_steps) if validation.total_steps else "–", ""),
        ("first loss", significant(loss.value, 4) if loss is not None else "–", loss.words if loss is not None else ""),
        ("parameters", _or_dash(table.parameters if table is not None else None), ""),
        (
            "memory",
            binary_size(memory) if memory is not None else "–",
            f"(batch {batch})" if memory is not None else "",
        ),
        ("MACs per image", _or_dash(table.macs if table is not None else None), ""),
    ]


def _footnote(engine: PrewarmedEngine, answer: dict[str, object] | None, waiting: bool) -> Content:
    """One line about where the std of the layers comes from."""
    if answer is not None and "error" in answer:
        return Content.styled(f"✗ the engine can't predict this: {answer['error']}", "$text-warning")
    if engine.state == "dead":
        return Content.styled(
            f"✗ the engine ended ({engine.last_line}): no std is predicted; Start launches a new one", "$text-warning"
        )
    if waiting:
        what = "PyTorch is loading" if engine.state != "ready" else "one batch runs through the new net"
        return Content.styled(f"… {what}; the std of each layer follows", MUTED)
    if answer is not None:
        return Content.styled("✓ std: one real batch, the weights it begins with", MUTED)
    return Content("")


def _or_dash(number: int | None) -> str:
    return "–" if number is None else count(number)
