"""A window over what lies below, which stays in sight behind a tint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.filter import LineFilter
from textual.geometry import Region
from textual.message import Message
from textual.reactive import Reactive
from textual.renderables.background_screen import BackgroundScreen
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from cvtui.tui.widgets.key_bar import KeyBar
from cvtui.tui.widgets.late_calls import LateCalls

Answer = TypeVar("Answer")


BELOW_SECONDS = 0.25
"""So often, at most, what lies below a window is drawn anew. (Opening one makes Textual lay it out again at once.)"""


class Modal(LateCalls, ModalScreen[Answer]):
    """What is asked or told in a window; `Answer` is what it is dismissed with.

    Textual draws all that lies below anew for each frame of a window, three of them until one is open, and mixes the
    tint into each of some 4,000 pieces. Here it is drawn when it has changed, four times a second at most, and each of
    its few styles is mixed once: a window opens in 34 ms instead of 60 (`python -m tests.benchmarks.keys`).
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(place), f"app.place({place})", "Place", show=False, tooltip=f"Go to {name}")
            for place, name in enumerate(("Train", "Calc", "Labs", "Runs"), 1)
        ),
        Binding("question_mark", "app.keys", "Keys", key_display="?", tooltip="The keys of this window"),
        Binding("q", "leave", "Quit", tooltip="Quit this window; in a place, cvtui"),
        Binding("f9", "app.keys", "Keys", show=False, tooltip="The keys of this window, also while typing"),
        Binding("ctrl+q", "app.leave", "Quit", show=False, tooltip="Quit cvtui, also while typing"),
    ]

    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    """As in `BaseScreen`: no frame of the whole screen whenever the focus moves."""

    _dismissed = False
    _below: list[Strip] | None = None
    _waits: Timer | None = None

    def on_mount(self) -> None:
        """Show its keys at the foot; Textual calls this after the subclass's own."""
        self.mount(KeyBar())

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """Close the window with its answer; a second answer, typed before the first was taken, does nothing.

        Textual would close whatever window or place is in front by then.
        """
        if self._dismissed or not self.is_active:
            return AwaitComplete()
        self._dismissed = True
        return super().dismiss(result)

    async def _on_message(self, message: Message) -> None:
        """Leave out what was typed into a window, or pressed in it, before it was gone from sight."""
        if not self._dismissed or type(message).__module__ in ("textual.events", "textual.messages"):
            await super()._on_message(message)

    async def action_leave(self) -> None:
        """Do as escape does."""
        await self.run_action(self._bindings.key_to_bindings["escape"][0].action)

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        if regions and self._waits is None:  # so Textual says that a screen below has changed there
            self._waits = self.set_timer(BELOW_SECONDS, self._draw_below)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def _draw_below(self) -> None:
        self._below = self._waits = None
        self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        below = self._below
        if below is None or self._compositor.size != (below[0].cell_length, len(below)):
            drawn: Any = self.render()
            # After a resize the screen below is drawn at its old size once more, and has too few lines for this one;
            # between two resizes this one is asked for lines of its own old size.
            if not isinstance(drawn, BackgroundScreen) or drawn.screen._compositor.size != self._compositor.size:
                return super().render_lines(crop)
            strips = drawn.screen._compositor.render_strips()
            below = self._below = tinted(strips, drawn.color, self.get_line_filters())
        return [strip.crop(crop.x, crop.right) for strip in below[crop.y : crop.bottom]]


class CardModal(Modal[Answer]):
    """A page in the place of all panes, in a frame with the id `card`."""

    DEFAULT_CSS = """
    CardModal {
        background: $background;
        & #card {
            border: round $foreground 25%; padding: 0 1; height: 1fr;
            border-title-color: $foreground; border-subtitle-color: $foreground 60%;
        }
    }
    """


class BoxModal(Modal[Answer]):
    """A window with a frame and a title: its parts lie in a container of the class `box`."""

    DEFAULT_CSS = """
    BoxModal {
        align: center middle;
        & > .box {
            width: 64; max-width: 95%; height: auto; max-height: 95%;
            overflow-y: auto; padding: 1 2; background: $surface; border: round $primary;
            border-title-color: $text-primary; border-title-style: bold;
        }
        & Static { width: 1fr; height: auto; }
        & .quiet { color: $foreground 60%; }
        & .buttons { height: auto; margin-top: 1; align-horizontal: right; }
        & Button { margin-left: 2; min-width: 8; padding: 0 1; }
    }
    """


def tinted(strips: list[Strip], color: Color, filters: Sequence[LineFilter] = ()) -> list[Strip]:
    """Return the strips behind a layer of this colour (with its alpha), without links and meta data."""
    mixed: dict[Style | None, Style | None] = {}
    for style in {segment.style for strip in strips for segment in strip}:
        piece = list(BackgroundScreen.process_segments([Segment(" ", style)], color))
        for one in filters:
            piece = one.apply(piece, color)
        mixed[style] = piece[0].style
    return [Strip([Segment(text, mixed[style]) for text, style, _ in strip], strip.cell_length) for strip in strips]
