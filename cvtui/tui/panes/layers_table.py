"""The table of layers: statistics of one sample, a row a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from cvtui.calc.table import size_text
from cvtui.draw.columns import Column
from cvtui.text import percent, significant, tiny
from cvtui.tui.panes.layer_rows import LayerRow, strip
from cvtui.tui.widgets.table import Cell, Grid

if TYPE_CHECKING:
    from cvtui.runlog.events import LayerStats

GLYPHS = {"good": "●", "warn": "▲", "bad": "✗", "none": "·"}
BINS = 32
"""Of the histograms: more cells show no more."""
_OF_OUTPUT = ("mean", "low", "high", "zeros", "saturated", "dead")
_QUIET = ("expression", "output", "rate", "predicted", "low", "high")


def widths_of(rows: Sequence[LayerRow]) -> dict[str, int]:
    """Cells that each column asks for. Of the numbers it is known: only names and shapes are looked at."""
    asked = {column.key: column.least for column in LayersTable.COLUMNS}
    texts: dict[str, Callable[[LayerRow], str]] = {
        "name": lambda row: row.label,
        "expression": lambda row: row.expression,
        "output": lambda row: size_text(row.output),
        "rate": lambda row: row.rate,
    }
    for key, text in texts.items():
        asked[key] = max([asked[key], *(len(text(row)) for row in rows)])
    if not any(row.rate for row in rows):
        asked["rate"] = 0  # all train at one rate
    return {**asked, "histogram": BINS}


def mean_and_std(stats: LayerStats) -> str:
    return f"{_signed(stats.mean, 6)} ± {_within(stats.std, 6):>6}"


def _within(value: float | None, width: int) -> str:
    """`significant`, with a digit less where three take more than `width` signs: 0.00844 is 0.0084."""
    text = significant(value)
    if value is None or len(text) <= width:
        return text
    return f"{value:.4f}" if abs(value) >= 1e-3 else significant(value, 2)


def _signed(value: float | None, width: int = 9) -> str:
    """With a true minus; `width` as in `_within`, without the sign."""
    return "−" + _within(-value, width) if value is not None and value < 0 else _within(value, width)


CELLS: dict[str, Callable[[LayerStats], str]] = {
    "mean": mean_and_std,
    "low": lambda stats: _signed(stats.min),
    "high": lambda stats: _signed(stats.max),
    "zeros": lambda stats: percent(stats.zeros, 0),
    "saturated": lambda stats: percent(stats.saturated, 0),
    "dead": lambda stats: percent(stats.dead, 0),
    "gradient": lambda stats: tiny(stats.grad_norm),
    "update": lambda stats: tiny(stats.update_ratio),
}


class LayersTable(Grid[LayerRow]):
    """Rows of layers with a cursor that is seen without the focus too; enter opens the layer under it."""

    class Opened(Message):
        """Request to open the layer under the cursor."""

    class GroupAsked(Message):
        """Request to show the next group of layers alone."""

    class AllAsked(Message):
        """Request to show all layers again."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(key="health"),
        Column(key="name", title="layer", least=6, stretch=2),
        Column(key="expression", title="expression", need=7, least=10, most=24),
        Column(key="output", title="output", need=6, least=8),
        Column(key="rate", title="rate", align="right", need=3, least=6, most=11),
        Column(key="mean", title="mean ±   std", align="right", least=16),
        Column(key="predicted", title="predicted", align="right", need=8, least=9),
        Column(key="low", title="min", align="right", need=9, least=6),
        Column(key="histogram", title="distribution (√)", need=1, least=16, most=16, stretch=1),
        Column(key="high", title="max", need=9, least=6),
        Column(key="zeros", title="zeros", align="right", need=2, least=5),
        Column(key="saturated", title="satur.", align="right", need=4, least=6),
        Column(key="dead", title="dead", align="right", need=2, least=5),
        Column(key="gradient", title="gradient", align="right", need=5, least=8),
        Column(key="update", title="update", align="right", need=3, least=7),
    )
    TOGETHER = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Layer", show=False, tooltip="This layer over time"),
        Binding(
            "slash", "narrow('filter')", "Filter", key_display="/", tooltip="Show some layers: layer3 attention check"
        ),
        Binding("w", "narrow('group')", "View", tooltip="Weights, activations, norms or attention alone; then all"),
        Binding("escape", "narrow('all')", "All layers", show=False, tooltip="Show all layers again"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"grid--negative", "grid--positive"}
    DEFAULT_CSS = """
    LayersTable {
        & .grid--warn { text-style: bold; }
        & .grid--bad { text-style: bold; }
        & .grid--negative { color: $primary 75%; }
        & .grid--positive { color: $primary; }
        & .grid--cursor { background: $boost; }
        &:focus .grid--cursor { background: $primary 30%; }
    }
    """

    ask_filter: Callable[[], None] | None = None
    """Opens the field: called rather than told, so that keys typed ahead find it."""
    narrowed = False
    """A filter or a group hides some layers."""

    @property
    def shows_cursor(self) -> bool:
        return True

    def action_open(self) -> None:
        self.post_message(self.Opened())

    def action_narrow(self, how: str) -> None:
        if how == "filter" and self.ask_filter is not None:
            self.ask_filter()
        else:
            self.post_message(self.GroupAsked() if how == "group" else self.AllAsked())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave esc to the view where all layers are shown."""
        return not (action == "narrow" and parameters == ("all",)) or self.narrowed

    def _measure(self) -> None:
        self._asked = widths_of(self.rows)

    def _arrange(self) -> None:
        """All of the histograms' bins or half of them: bins that are cut make a smooth slope jagged."""
        super()._arrange()
        if self._wide.get("histogram", BINS) < BINS:
            self._wide["histogram"] = BINS // 2

    def cell(self, row: LayerRow, key: str) -> Cell:
        if key == "histogram":
            return self._histogram(row)
        text, level = self._text(key, row), row.health.level
        if key == "health":
            return Cell(text, "quiet" if level == "none" else level)
        if level in ("warn", "bad") and key in ("name", row.health.column):
            return Cell(text, level)
        return Cell(text, "quiet" if key in _QUIET or text == "–" or row.stats is None else "text")

    def _text(self, key: str, row: LayerRow) -> str:
        match key:
            case "health":
                return GLYPHS[row.health.level]
            case "name":
                return row.label
            case "expression":
                return row.expression
            case "output":
                return size_text(row.output)
            case "rate":
                return row.rate
            case "predicted":
                return "" if row.predicted_std is None else significant(row.predicted_std)
        if row.stats is None or (row.stats.mean is None and row.unseen and key in _OF_OUTPUT):
            return ""
        return CELLS[key](row.stats)

    def _histogram(self, row: LayerRow) -> Cell:
        if row.stats is None or row.stats.histogram is None:
            return Cell(f"not seen: {row.unseen}" if row.unseen else "", "quiet")
        bars, left = strip(row.stats.histogram, self._wide["histogram"])
        return Cell(bars[:left], "negative", Cell(bars[left:], "positive"))
