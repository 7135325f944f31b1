"""A lab's figures at the width of the pane, and below them its numbers, as lines that Textual can scroll."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.color import Color
from textual.geometry import Size
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from cvtui.draw.figures import AnyFigure, Heat
from cvtui.text import compact
from cvtui.tui.plot.theme_colors import CONTRAST, WORDS, readable, shows_colours

WALK_SECONDS = 6.0
"""From the first step of a walk to its last."""
WALK_FPS = 10.0
FAINT = 0.7
"""How much of a faint curve's colour is left on the ground, where its contrast stays enough."""


class FiguresView(Widget):
    """Draws when there is something new or the width is another, and only then; and while its walkers walk."""

    DEFAULT_CSS = """
    FiguresView {
        height: auto; width: 1fr; color: $foreground;
        & .figures--dim { color: $foreground 60%; }
    }
    """
    COMPONENT_CLASSES = {"figures--dim"}  # noqa: RUF012 (declared by Widget)

    def __init__(self) -> None:
        super().__init__()
        self.figures: Sequence[AnyFigure] = ()
        self.tall: int | None = None
        """Lines of the pane: a figure takes at most about two thirds of them."""
        self.cost = 0.0
        """Seconds that the last drawing took."""
        self._drawn: tuple[int, int | None, bool] | None = None
        self._lines: list[Text] = []
        self._strips: dict[int, Strip] = {}
        self.walked = 1.0
        """Share of each walk that is drawn."""
        self._timer: Timer | None = None

    def on_hide(self) -> None:
        self.animate_walkers(False)

    # ------------------------------------------------------------------ walks

    @property
    def steps(self) -> int:
        """Updates of the longest walk; 0: there is none."""
        return max((figure.steps for figure in self.figures if isinstance(figure, Heat)), default=0)

    @property
    def walking(self) -> bool:
        return self._timer is not None

    def animate_walkers(self, on: bool) -> None:
        """Let the walkers go on, from the start if they have arrived; or stop them."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if on and self.steps:
            if self.walked >= 1.0:
                self._walk_to(0.0)
            fps = min(WALK_FPS, getattr(self.app, "fps", WALK_FPS))
            self._timer = self.set_interval(1 / fps, lambda: self._walk_on(1 / fps / WALK_SECONDS))

    def step_walk(self, by: int) -> None:
        """Stop the walkers and move them by so many updates."""
        self.animate_walkers(False)
        if self.steps:
            self._walk_to((round(self.walked * self.steps) + by) / self.steps)

    def _walk_on(self, by: float) -> None:
        self._walk_to(self.walked + by)
        if self.walked >= 1.0:
            self.animate_walkers(False)

    def _walk_to(self, share: float) -> None:
        self.walked = min(1.0, max(0.0, share))
        self._drawn = None
        self.refresh()

    def show(self, figures: Sequence[AnyFigure]) -> None:
        self.figures = figures
        self._drawn = None
        self.refresh(layout=True)

    def set_tall(self, tall: int) -> None:
        if tall != self.tall:
            self.tall = tall
            self.refresh(layout=True)

    def lines(self, width: int) -> list[Text]:
        """Draw at a width; kept until something changes."""
        dark = self.app.current_theme.dark
        if self._drawn != (width, self.tall, dark):
            from cvtui.draw.text_figures import draw_all

            began = time.perf_counter()
            colour = shows_colours(self.app)
            self._lines = (
                draw_all(self.figures, max(20, width), tall=self.tall, colour=colour, dark=dark, walked=self.walked)
                if self.figures
                else []
            )
            self._drawn = (width, self.tall, dark)
            self._strips.clear()
            self.cost = time.perf_counter() - began
        return self._lines

    @property
    def text(self) -> str:
        return "\n".join(line.plain for line in self._lines)

    def get_content_width(self, container: Size, _viewport: Size) -> int:
        return container.width

    def get_content_height(self, _container: Size, _viewport: Size, width: int) -> int:
        return len(self.lines(width))

    def notify_style_update(self) -> None:
        self._strips.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        lines = self.lines(width)
        if y >= len(lines):
            return Strip.blank(width, self.rich_style)
        if y not in self._strips:
            self._strips[y] = self._strip(lines[y], width)
        return self._strips[y]

    def _strip(self, line: Text, width: int) -> Strip:
        """Fit the colours to the ground; `dim` becomes the theme's own quiet one: terminals differ in it."""
        ground = self.background_colors[1]
        quiet = Style(color=self.get_component_rich_style("figures--dim").color)
        segments = []
        if not line.spans:  # rich leaves the style of such a line out
            line = Text.assemble((line.plain, line.style))
        for text, style, _ in line.render(self.app.console):
            if style is not None and style.dim and style.color is not None:  # a faint curve keeps its colour
                own = ground.blend(Color.parse(style.color.get_truecolor().hex), FAINT)
                style = style + Style(color=readable(own, ground).rich_color, dim=False)
            elif style is not None and style.dim:
                style = style + quiet + Style(dim=False)
            elif style is not None and style.color is not None and style.bgcolor is None:
                least = WORDS if any(map(str.isalnum, text)) else CONTRAST
                own = Color.parse(style.color.get_truecolor().hex)
                style = style + Style(color=readable(own, ground, least).rich_color)
            segments.append(Segment(text, style))
        return Strip(segments).adjust_cell_length(width).apply_style(self.rich_style)


def number_lines(numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, value in few letters) for what a lab has measured; a table in a table gets a line an entry."""
    return list(_flat(numbers, ""))


def _flat(numbers: Mapping[str, Any], before: str) -> Iterator[tuple[str, str]]:
    for name, value in numbers.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}: ")
        else:
            yield f"{before}{name}", _text(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return compact(value)
    if isinstance(value, list | tuple):
        texts = [_text(entry) for entry in value]
        words = any(isinstance(entry, str) or " " in text for entry, text in zip(value, texts, strict=True))
        return ("; " if words else " ").join(texts) or "none"
    return "–" if value is None else str(value)
