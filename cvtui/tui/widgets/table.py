"""A table that is drawn line by line: a fixed heading, rows with a cursor, and a last line that stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from cvtui.draw.columns import GAP, Column, fit
from cvtui.text import cut, cut_middle
from cvtui.tui.plot.theme_colors import readable_words
from cvtui.tui.widgets.moves import jumps, moves

R = TypeVar("R")
"""What a row is made of."""
_MEASURED = 600
"""Rows that are looked at for the columns' widths; of longer tables only the first and the last ones are."""


class Cell(NamedTuple):
    text: str
    style: str = "text"
    """text, quiet, good, warn, bad, key or accent: one of the grid's component classes."""
    then: Cell | None = None
    """What follows in another style, where the two fill the column together."""


class Grid(ScrollView, Generic[R], can_focus=True, inherit_bindings=False):
    """Subclasses say what the columns are and what stands in a cell. Only visible rows cost anything."""

    COLUMNS: ClassVar[tuple[Column, ...]] = ()
    TOGETHER: ClassVar[bool] = False
    """As `fit` has it."""
    BINDING_GROUP_TITLE = "The table"
    BINDINGS: ClassVar[list[BindingType]] = [
        *moves("cursor(-1)", "cursor(1)", "Row"),
        *jumps("page(-1)", "page(1)", "cursor(-1000000)", "cursor(1000000)"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "grid--heading",
        "grid--text",
        "grid--quiet",
        "grid--good",
        "grid--warn",
        "grid--bad",
        "grid--key",
        "grid--accent",
        "grid--cursor",
    }
    DEFAULT_CSS = """
    Grid {
        width: 1fr; height: 1fr; background: transparent; color: $foreground;
        overflow-x: hidden; scrollbar-size-vertical: 1;
        & .grid--heading { color: $foreground 60%; }
        & .grid--text { color: $foreground; }
        & .grid--quiet { color: $foreground 60%; }
        & .grid--good { color: $text-success; }
        & .grid--warn { color: $text-warning; }
        & .grid--bad { color: $text-error; }
        & .grid--key { color: $foreground; text-style: bold; }
        & .grid--accent { color: $text-primary; }
        & .grid--cursor { background: $foreground 6%; }
        &:focus .grid--cursor { background: $primary 30%; }
    }
    """

    class Highlighted(Message):
        """The cursor came to another row (its number)."""

        def __init__(self, grid: Grid[Any], index: int) -> None:
            super().__init__()
            self.grid, self.index = grid, index

    class Chosen(Message):
        """A row was clicked twice."""

        def __init__(self, grid: Grid[Any], index: int) -> None:
            super().__init__()
            self.grid, self.index = grid, index

    class HeadingClicked(Message):
        def __init__(self, grid: Grid[Any], key: str) -> None:
            super().__init__()
            self.grid, self.key = grid, key

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self.rows: Sequence[R] = ()
        self.total: R | None = None
        self.cursor = 0
        self._wide: dict[str, int] = {}
        self._asked: dict[str, int] = {}
        self._palette: dict[str, Style] = {}
        self._pointed: dict[Style, Style] = {}

    # ------------------------------------------------------------------ for subclasses

    def cell(self, row: R, key: str) -> Cell:
        raise NotImplementedError

    def title(self, column: Column) -> str:
        return column.title

    def heading(self, column: Column, _wide: int) -> str:
        """Return the title as it stands over a column of so many cells; longer ones are cut."""
        return self.title(column)

    def total_cell(self, _key: str) -> Cell:
        return Cell("")

    # ------------------------------------------------------------------ what is shown

    @property
    def has_total(self) -> bool:
        return False

    @property
    def row(self) -> R | None:
        """The row under the cursor; None without rows."""
        return self.rows[self.cursor] if self.rows else None

    def set_rows(self, rows: Sequence[R]) -> None:
        self.rows = rows
        self.cursor = min(self.cursor, max(0, len(rows) - 1))
        self._measure()
        self._arrange()
        self.refresh()

    @property
    def columns(self) -> list[str]:
        """Keys of the columns that there is room for."""
        return list(self._wide)

    @property
    def text(self) -> str:
        """The visible lines without style."""
        return "\n".join(self.render_line(y).text.rstrip() for y in range(self.size.height))

    def _measure(self) -> None:
        rows = self.rows
        if len(rows) > _MEASURED:
            rows = [*rows[: _MEASURED // 2], *rows[-_MEASURED // 2 :]]
        self._asked = {}
        for column in self.COLUMNS:
            longest = max((cell_len(self.cell(row, column.key).text) for row in rows), default=0)
            if self.has_total:
                longest = max(longest, len(self.total_cell(column.key).text))
            # A column without anything in it is left out, heading and all.
            self._asked[column.key] = max(longest, len(self.title(column))) if longest else 0

    def _arrange(self) -> None:
        foot = 1 if self.has_total else 0
        height = len(self.rows) + 1 + foot
        # The styles' size: the bar itself has none before it is shown, and no resize tells of it then.
        bar = self.styles.scrollbar_size_vertical if height > self.container_size.height else 0
        self._wide = fit(self.COLUMNS, self._asked, max(0, self.size.width - bar), together=self.TOGETHER)
        self.virtual_size = Size(self.size.width, height)

    def on_resize(self) -> None:
        self._arrange()
        self._show_cursor()

    # ------------------------------------------------------------------ the cursor

    def action_cursor(self, by: int) -> None:
        if not self.rows:
            return
        before = self.cursor
        self.cursor = min(max(self.cursor + by, 0), len(self.rows) - 1)
        self._show_cursor()
        self.refresh()
        if self.cursor != before:
            self.post_message(self.Highlighted(self, self.cursor))

    def action_page(self, by: int) -> None:
        self.action_cursor(by * max(1, self._room() - 1))

    def _room(self) -> int:
        """Rows that are visible at once."""
        return max(1, self.size.height - 1 - (1 if self.has_total else 0))

    def _show_cursor(self) -> None:
        """Scrolls to its row; also in the moment before a table that is new has its scrollbar (hence `force`)."""
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True)
        elif self.cursor >= top + self._room():
            self.scroll_to(y=self.cursor - self._room() + 1, animate=False, force=True)

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            x = 0
            for key, width in self._wide.items():
                if x <= event.x < x + width:
                    self.post_message(self.HeadingClicked(self, key))
                x += width + GAP
            return
        index = self.scroll_offset.y + event.y - 1
        if event.y <= self._room() and 0 <= index < len(self.rows):
            self.action_cursor(index - self.cursor)
            if event.chain == 2:
                self.post_message(self.Chosen(self, index))

    # ------------------------------------------------------------------ drawing

    def notify_style_update(self) -> None:
        self._palette.clear()
        self._pointed.clear()
        super().notify_style_update()

    def _style(self, name: str) -> Style:
        """Kept, because Textual works a component's style out anew each time (0.1 ms, seven to a row)."""
        if name not in self._palette:
            own = self.rich_style if name == "base" else self.get_component_rich_style(f"grid--{name}")
            self._palette[name] = own
        return self._palette[name]

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            known = [column for column in self.COLUMNS if column.key in self._wide]
            heads = {column.key: Cell(self.heading(column, self._wide[column.key]), "heading") for column in known}
            return self._line(heads, width)
        if self.has_total and y == min(self.size.height - 1, len(self.rows) + 1):
            return self._line({c.key: self.total_cell(c.key) for c in self.COLUMNS}, width)
        index = self.scroll_offset.y + y - 1
        if index >= len(self.rows):
            return Strip.blank(width, self._style("base"))
        row = self.rows[index]
        line = self._line({c.key: self.cell(row, c.key) for c in self.COLUMNS if c.key in self._wide}, width)
        if index == self.cursor and self.shows_cursor:
            line = Strip(
                [Segment(text, self._on_cursor(own or Style()), ctl) for text, own, ctl in line], line.cell_length
            )
        return line

    def _on_cursor(self, own: Style) -> Style:
        """Return the style on the cursor's ground, as far from it as words need."""
        if own not in self._pointed:
            mark = self._style("cursor")
            style = own + Style(bgcolor=mark.bgcolor, reverse=mark.reverse, underline=mark.underline)
            self._pointed[own] = readable_words(style)
        return self._pointed[own]

    @property
    def shows_cursor(self) -> bool:
        return self.has_focus

    def _line(self, cells: Mapping[str, Cell], width: int) -> Strip:
        segments: list[Segment] = []
        base = self._style("base")
        for column in self.COLUMNS:
            wide = self._wide.get(column.key)
            if wide is None:
                continue
            cell = cells[column.key]
            if cell.then is not None:
                segments += [
                    Segment(cell.text, self._style(cell.style)),
                    Segment(cell.then.text, self._style(cell.then.style)),
                ]
            else:
                segments.append(Segment(_fitted(cell.text, wide, column), self._style(cell.style)))
            segments.append(Segment(" " * GAP, base))
        return Strip(segments[:-1]).adjust_cell_length(width, base)


def _fitted(text: str, wide: int, column: Column) -> str:
    """Cut or pad a cell to so many cells of the terminal; letters may take two."""
    long = cell_len(text)
    if long > wide:
        shown = cut_middle(text, wide) if column.keep_ends and len(text) == long else cut(text, wide)
        return set_cell_size(shown, wide)
    space = " " * (wide - long)
    return space + text if column.align == "right" else text + space
