"""A window over what lies below, which stays in sight behind a tint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from rich.console import RenderableType
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.renderables.background_screen import BackgroundScreen
from textual.screen import ModalScreen

Answer = TypeVar("Answer")


class Tint(BackgroundScreen):
    """Textual's, which mixes the colours of each of some 4,000 pieces of a screen anew; they have few styles, and each
    is mixed once here. (A third of what opening a window costs, and of each frame below it.)"""

    @classmethod
    def process_segments(cls, segments: Iterable[Segment], color: Color) -> Iterable[Segment]:
        mixed: dict[Style | None, Style | None] = {}
        for segment in segments:
            text, style, control = segment
            if control:
                yield segment
                continue
            if style not in mixed:
                mixed[style] = next(iter(super().process_segments([segment], color))).style
            yield Segment(text, mixed[style], control)


class Modal(ModalScreen[Answer]):
    """What is asked or told in a window; `Answer` is what it is dismissed with."""

    def render(self) -> RenderableType:
        drawn = super().render()
        return Tint(drawn.screen, drawn.color) if isinstance(drawn, BackgroundScreen) else drawn
