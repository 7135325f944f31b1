"""The table of layers, drawn line by line: only visible rows cost anything, whatever the depth of the net."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from cvtui.tui.panes.format import percent, shape, significant, tiny
from cvtui.tui.panes.layer_rows import LayerRow, strip

if TYPE_CHECKING:
    from cvtui.runlog.events import LayerStats

GLYPHS = {"good": "●", "warn": "▲", "bad": "✗", "none": "·"}


@dataclass(frozen=True, slots=True)
class Column:
    """`need` orders the columns by how soon they go when the table gets narrow (0 stays always)."""

    key: str
    title: str
    width: int
    need: int
    align: Literal["left", "right"] = "right"


COLUMNS = (
    Column("health", "", 1, 0, "left"),
    Column("name", "layer", 6, 0, "left"),
    Column("expression", "expression", 10, 7, "left"),
    Column("output", "output", 8, 6, "left"),
    Column("mean", "mean ±   std", 16, 0),
    Column("predicted", "predicted", 9, 8),
    Column("low", "min", 6, 9),
    Column("histogram", "distribution (√)", 16, 1, "left"),
    Column("high", "max", 6, 9, "left"),
    Column("zeros", "zeros", 5, 2),
    Column("saturated", "satur.", 6, 4),
    Column("dead", "dead", 5, 2),
    Column("gradient", "gradient", 8, 5),
    Column("update", "update", 7, 3),
)
_GAP = 2


def fit(columns: tuple[Column, ...], width: int, widths: dict[str, int]) -> tuple[list[Column], dict[str, int]]:
    """Return the columns that fit into `width` cells, most needed first, and their widths.

    `widths` holds what the content asks for. What is left over makes the histogram wider, up to its 32 bins.
    """
    wide = {column.key: max(column.width, widths.get(column.key, 0)) for column in columns}
    chosen: set[str] = set()
    used = -_GAP
    for need in sorted({column.need for column in columns}):
        group = [column for column in columns if column.need == need]
        more = sum(wide[column.key] + _GAP for column in group)
        if need > 0 and used + more > width:
            break
        used += more
        chosen.update(column.key for column in group)
    if "histogram" in chosen and width - used >= 16:
        wide["histogram"] = 32
    return [column for column in columns if column.key in chosen], wide


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


class LayersTable(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows of layers under a fixed heading, with a cursor on one of them."""

    class Opened(Message):
        """Request to open the layer under the cursor."""

    class Highlighted(Message):
        """The cursor came to another row."""

        def __init__(self, row: LayerRow | None) -> None:
            super().__init__()
            self.row = row

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor(-1)", "Row up", show=False),
        Binding("down", "cursor(1)", "Row down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "cursor(-1000000)", "First row", show=False),
        Binding("end", "cursor(1000000)", "Last row", show=False),
        Binding("enter", "open", "Layer", show=False, tooltip="This layer over time"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "layers--heading",
        "layers--text",
        "layers--quiet",
        "layers--good",
        "layers--warn",
        "layers--bad",
        "layers--negative",
        "layers--positive",
        "layers--cursor",
    }
    DEFAULT_CSS = """
    LayersTable {
        width: 1fr; height: 1fr; background: transparent;
        overflow-x: hidden; scrollbar-size-vertical: 1;
        & .layers--heading { color: $foreground 60%; }
        & .layers--text { color: $foreground; }
        & .layers--quiet { color: $foreground 60%; }
        & .layers--good { color: $text-success; }
        & .layers--warn { color: $text-warning; text-style: bold; }
        & .layers--bad { color: $text-error; text-style: bold; }
        & .layers--negative { color: $primary 45%; }
        & .layers--positive { color: $primary; }
        & .layers--cursor { background: $boost; }
        &:focus .layers--cursor { background: $primary 30%; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[LayerRow] = []
        self.cursor = 0
        self._columns: list[Column] = []
        self._wide: dict[str, int] = {}
        self._styles: dict[str, Style] = {}

    def set_rows(self, rows: list[LayerRow]) -> None:
        self.rows = rows
        self.cursor = min(self.cursor, max(0, len(rows) - 1))
        self._arrange()
        self.refresh()

    @property
    def row(self) -> LayerRow | None:
        return self.rows[self.cursor] if self.rows else None

    @property
    def columns(self) -> list[str]:
        """Return the keys of the columns that fit."""
        return [column.key for column in self._columns]

    def _arrange(self) -> None:
        asked = {
            "name": max((len(row.name) for row in self.rows), default=0),
            "expression": min(24, max((len(row.expression) for row in self.rows), default=0)),
            "output": max((len(shape(row.output)) for row in self.rows), default=0),
        }
        width = self.scrollable_content_region.width or self.size.width
        self._columns, self._wide = fit(COLUMNS, width, asked)
        self.virtual_size = Size(width, len(self.rows) + 1)

    def on_resize(self) -> None:
        self._arrange()
        self._show_cursor()

    # ------------------------------------------------------------------ the cursor

    def action_cursor(self, by: int) -> None:
        if not self.rows:
            return
        self.cursor = min(max(self.cursor + by, 0), len(self.rows) - 1)
        self._show_cursor()
        self.refresh()
        self.post_message(self.Highlighted(self.row))

    def action_open(self) -> None:
        self.post_message(self.Opened())

    def action_page(self, by: int) -> None:
        self.action_cursor(by * max(1, self.size.height - 2))

    def _show_cursor(self) -> None:
        """Scroll the cursor into view; the heading covers the first line."""
        height = max(1, self.size.height - 1)
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False)

    def on_click(self, event: events.Click) -> None:
        index = self.scroll_offset.y + event.y - 1
        if event.y > 0 and 0 <= index < len(self.rows):
            self.action_cursor(index - self.cursor)

    # ------------------------------------------------------------------ drawing

    def _style(self, name: str) -> Style:
        """Kept, because Textual works a component's style out anew each time (0.1 ms, seven to a row)."""
        style = self._styles.get(name)
        if style is None:
            style = self.rich_style if name == "base" else self.get_component_rich_style(f"layers--{name}")
            self._styles[name] = style
        return style

    def notify_style_update(self) -> None:
        self._styles.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self._style("base")
        index = self.scroll_offset.y + y - 1
        if y == 0:
            text = (" " * _GAP).join(self._fit(column, column.title) for column in self._columns)
            segments = [Segment(text, self._style("heading"))]
        elif index < len(self.rows):
            segments = self._cells(self.rows[index])
        else:
            return Strip.blank(width, base)
        line = Strip(segments).adjust_cell_length(width, base)
        if y > 0 and index == self.cursor:
            line = _on(line, self._style("cursor"))
        return line

    def _fit(self, column: Column, text: str) -> str:
        wide = self._wide[column.key]
        if len(text) > wide:
            text = text[: wide - 1] + "…"
        return text.rjust(wide) if column.align == "right" else text.ljust(wide)

    def _cells(self, row: LayerRow) -> list[Segment]:
        styles = {name: self._style(name) for name in _STYLES}
        gap = Segment(" " * _GAP, self._style("base"))
        level = row.health.level
        segments: list[Segment] = []
        for number, column in enumerate(self._columns):
            if number:
                segments.append(gap)
            if column.key == "histogram":
                segments.extend(self._histogram(row, styles))
                continue
            text = self._text(column.key, row)
            style = styles["quiet" if column.key in _QUIET or text == "–" or row.stats is None else "text"]
            if column.key == "health":
                style = styles["quiet" if level == "none" else level]
            elif level in ("warn", "bad") and column.key in ("name", row.health.column):
                style = styles[level]
            segments.append(Segment(self._fit(column, text), style))
        return segments

    def _text(self, key: str, row: LayerRow) -> str:
        match key:
            case "health":
                return GLYPHS[row.health.level]
            case "name":
                return row.name
            case "expression":
                return row.expression
            case "output":
                return shape(row.output)
            case "predicted":
                return "" if row.predicted_std is None else significant(row.predicted_std)
        return "" if row.stats is None else CELLS[key](row.stats)

    def _histogram(self, row: LayerRow, styles: dict[str, Style]) -> list[Segment]:
        width = self._wide["histogram"]
        if row.stats is None or row.stats.histogram is None:
            return [Segment(" " * width, self._style("base"))]
        bars, left = strip(row.stats.histogram, width)
        return [Segment(bars[:left], styles["negative"]), Segment(bars[left:], styles["positive"])]


_QUIET = ("expression", "output", "predicted", "low", "high")
_STYLES = ("text", "quiet", "good", "warn", "bad", "negative", "positive")


def _on(line: Strip, style: Style) -> Strip:
    """Return the line on the style's background, with its own text colours."""
    back = Style(bgcolor=style.bgcolor)
    return Strip([Segment(text, (own or Style()) + back, control) for text, own, control in line], line.cell_length)
