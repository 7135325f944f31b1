"""Lines of styled text that wrap with a hanging indent, scroll, and follow the end while one is there."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from cvtui.tui.plot.theme_colors import readable_strip
from cvtui.tui.widgets.moves import SCROLLING
from cvtui.tui.widgets.reversible import Reversible

NARROW = 49
"""Cells; less than that, and short heads are taken."""


@dataclass(frozen=True, slots=True)
class StyledLine:
    """`head` stands once, before the first wrapped line; the others are indented by its width."""

    head: Content
    body: Content
    short: Content | None = None
    """Instead of `head` where there is little room."""


class StyledLines(Reversible, ScrollView, can_focus=True, inherit_bindings=False):
    """A list of lines. Wrapping is done once per line and width, drawing once per visible line."""

    BINDING_GROUP_TITLE = "The text"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"lines--pointed"}
    BINDINGS: ClassVar[list[BindingType]] = [*SCROLLING]
    DEFAULT_CSS = """
    StyledLines {
        width: 1fr; height: 1fr; background: transparent;
        overflow-x: hidden; scrollbar-size-vertical: 1; scrollbar-gutter: stable;
        & .lines--pointed { background: $primary 30%; }
    }
    """

    def __init__(self, follow: bool = False) -> None:
        super().__init__()
        self.follow = follow
        self.lines: list[StyledLine] = []
        self._wrapped: list[Content] = []
        self._strips: dict[int, Strip] = {}
        self._width = 0
        self._at_end = True
        self._starts: list[int] = []
        self.marked: int | None = None
        """The line that is set off from the others."""

    @property
    def text(self) -> str:
        """All lines, unwrapped and without style."""
        return "\n".join(line.head.plain + line.body.plain for line in self.lines)

    def set_lines(self, lines: list[StyledLine]) -> None:
        self.lines = list(lines)
        self._wrap_all()
        self._update_size()

    def add_lines(self, lines: list[StyledLine]) -> None:
        if not lines:
            return
        self.lines.extend(lines)
        for line in lines:
            self._starts.append(len(self._wrapped))
            self._wrapped.extend(self._wrap(line))
        self._update_size()

    def mark_line(self, number: int | None) -> None:
        """Highlight one line and scroll to it; None clears it and, if following, scrolls to the end."""
        if number is not None and not 0 <= number < len(self.lines):
            number = None
        if number == self.marked:
            return
        self.marked = number
        self._strips.clear()
        self.refresh()
        if number is not None:
            self._reveal(number)
        elif self.follow:
            self.scroll_end(animate=False, immediate=True, force=True)

    def _reveal(self, number: int) -> None:
        if number < len(self._starts):
            self.scroll_to(y=max(0, self._starts[number] - self.size.height // 2), animate=False, immediate=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._at_end = round(new_value) >= self.max_scroll_y

    def _update_size(self) -> None:
        size = Size(self._width, len(self._wrapped))
        if self.show_vertical_scrollbar == (size.height > self.size.height) and size.width == self.virtual_size.width:
            # A new virtual size lays out, and so repaints, the whole screen (40 ms). Where no scroll bar comes or
            # goes there's nothing to lay out.
            self.set_reactive(StyledLines.virtual_size, size)
            if self.show_vertical_scrollbar:
                self.vertical_scrollbar.window_virtual_size = size.height
        else:
            self.virtual_size = size
        if self.follow and self._at_end:
            self.scroll_end(animate=False, immediate=True, force=True)  # the bar may not be there yet
        self.refresh()

    def _wrap(self, line: StyledLine) -> list[Content]:
        if self._width <= 0:
            return []
        head = line.short if line.short is not None and self._width < NARROW else line.head
        indent = head.cell_length
        if indent >= self._width - 8:  # too narrow for an indent
            return Content.assemble(head, line.body).wrap(self._width)
        if line.body.cell_length <= self._width - indent and "\n" not in line.body.plain:
            return [Content.assemble(head, line.body)]
        first, *rest = line.body.wrap(self._width - indent) or [Content("")]
        return [Content.assemble(head, first), *(Content.assemble(" " * indent, part) for part in rest)]

    def _wrap_all(self) -> None:
        self._strips.clear()
        self._wrapped, self._starts = [], []
        for line in self.lines:
            self._starts.append(len(self._wrapped))
            self._wrapped.extend(self._wrap(line))

    def on_resize(self) -> None:
        width = self.scrollable_content_region.width
        if width == self._width:
            self._update_size()  # another height: the end lies elsewhere
            return
        self._width = width
        self._wrap_all()
        self._update_size()
        if self.marked is not None:
            self._reveal(self.marked)

    def notify_style_update(self) -> None:
        self._strips.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        index = self.scroll_offset.y + y
        width = self.size.width
        if index >= len(self._wrapped):
            return Strip.blank(width, self.rich_style)
        strip = self._strips.get(index)
        if strip is None or strip.cell_length != width:
            style = self.visual_style
            marked = self.marked is not None and bisect_right(self._starts, index) - 1 == self.marked
            if marked:
                style += self.get_visual_style("lines--pointed")
            strip = Visual.to_strips(self, self._wrapped[index], width, 1, style)[0]
            if marked:
                strip = readable_strip(strip)
            self._strips[index] = strip.adjust_cell_length(width, style.rich_style)
        return self._strips[index]
