"""The places of the session, and what they have in common: the bar with their names, the keys, the smallest size."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.reactive import Reactive, reactive
from textual.screen import Screen
from textual.widget import Widget

from cvtui.text import clean, cut_middle
from cvtui.tui.widgets.key_bar import KeyBar

if TYPE_CHECKING:
    from cvtui.tui.session import Session

LEAST = (80, 23)
"""Columns and lines that every place can live with: a terminal of 80x24 without the line that tmux takes."""
SMALLEST = (40, 10)
"""Columns and lines of one pane of a run, and of the list of runs."""


@dataclass(frozen=True, slots=True)
class ScreenEntry:
    key: str
    name: str
    title: str
    import_path: str
    """module:class of its screen, imported when it is first shown."""
    about: str

    def screen(self) -> BaseScreen:
        module, _, name = self.import_path.partition(":")
        screen = getattr(import_module(module), name)()
        assert isinstance(screen, BaseScreen)
        return screen


SCREENS: tuple[ScreenEntry, ...] = (
    ScreenEntry("1", "train", "Train", "cvtui.tui.screens.train:TrainScreen", "Fill in a recipe, start it, watch it"),
    ScreenEntry("2", "calc", "Calc", "cvtui.tui.screens.calc:CalcScreen", "Every number of a net before it is built"),
    ScreenEntry("3", "labs", "Labs", "cvtui.tui.screens.labs:LabsScreen", "The lecture's experiments, with knobs"),
    ScreenEntry("4", "runs", "Runs", "cvtui.tui.screens.runs:RunsScreen", "All runs, live and ended"),
)


class TopBar(Widget):
    """The places' names, each one click away; at the right the run that is shown, from wherever one is."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    TopBar {
        dock: top; height: 1; background: $panel; color: $foreground; pointer: pointer;
    }
    """

    run: reactive[tuple[str, str] | None] = reactive(None)
    """(name, state) of the run in the Train place."""

    def __init__(self, here: str) -> None:
        super().__init__()
        self._here = here
        self._targets: list[tuple[int, int, str]] = []

    def render(self) -> Content:
        parts: list[Content] = [
            Content.styled(" cvtui  " if self.size.width >= LEAST[0] else " ", "bold $text-primary")
        ]
        self._targets = []
        at = parts[0].cell_length
        for entry in SCREENS:
            style = "bold $foreground on $primary 35%" if entry.name == self._here else "$foreground 75%"
            parts.append(Content.styled(f" {entry.key} {entry.title} ", style))
            self._targets.append((at, at + parts[-1].cell_length, f"app.go_to('{entry.name}')"))
            at += parts[-1].cell_length
        right = self._run(max(0, self.size.width - at - 2))
        start = max(at + 1, self.size.width - right.cell_length - 1)
        self._targets.append((start, start + right.cell_length, "app.show_run"))
        return Content.assemble(*parts, " " * (start - at), right)

    def _run(self, room: int) -> Content:
        if self.run is None or room < 12 or self.has_class("-run-is-here"):  # its own header says it below
            return Content("")
        from cvtui.tui.panes.header import STATES

        name, state = self.run
        glyph, colour, word = STATES[state]
        name = cut_middle(clean(name), room - len(word) - 3)
        return Content.assemble((f"{glyph} {word} ", colour), (name, "$foreground 75%"))

    async def on_click(self, event: events.Click) -> None:
        for start, end, action in self._targets:
            if start <= event.x < end:
                await self.run_action(action)


class TooSmall(Widget):
    """Cover of a screen while the terminal is too small."""

    SCOPED_CSS = False
    DEFAULT_CSS = """
    TooSmall {
        layer: over; dock: top; width: 100%; height: 100%; display: none;
        background: $background; color: $foreground; content-align: center middle; text-align: center;
    }
    Screen.-too-narrow TooSmall, Screen.-too-short TooSmall { display: block; }
    Screen.-roomy.-slim TooSmall, Screen.-roomy.-low TooSmall { display: block; }
    """

    def __init__(self, place: str) -> None:
        super().__init__()
        self._place = place

    def render(self) -> Content:
        wide, high = self.app.size
        roomy = self.screen.has_class("-roomy")
        if roomy and wide >= SMALLEST[0] and high >= SMALLEST[1]:
            lines = [
                f"This terminal is {wide}x{high}.",
                f"{self._place} needs {LEAST[0]}x{LEAST[1]}.",
                "",
                "Enlarge it; nothing is lost. Or:",
                "4  the runs; enter shows one",
                "q  quit; cvtui --no-ui trains",
            ]
        else:
            lines = [
                f"This terminal is {wide}x{high}.",
                f"cvtui needs {SMALLEST[0]}x{SMALLEST[1]}.",
                "",
                "Enlarge it; nothing is lost.",
            ]
        return Content("\n").join([Content.styled(lines[0], "bold"), *map(Content, lines[1:])])


class BaseScreen(Screen[None]):
    """Base class of the four screens. Subclasses compose what stands between bar and keys in `compose_body`."""

    NAME: ClassVar[str] = ""
    NEEDS_ROOM: ClassVar[str] = ""
    """How the place is called where it can't be shown in less than `LEAST`; empty: it can."""
    BINDING_GROUP_TITLE = "This place"
    BINDINGS: ClassVar[list[BindingType]] = []
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    """Without Textual's frame of the whole screen whenever the focus moves, a sixth of an arrow key's time: the two
    widgets that it moves between are drawn anew by themselves, and so is what their styles change."""
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 (declared by Screen)
        (0, "-too-narrow"),
        (SMALLEST[0], "-slim"),
        (LEAST[0], "-narrow"),
        (120, "-wide"),
        (200, "-vast"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-too-short"),
        (SMALLEST[1], "-low"),
        (LEAST[1], "-short"),
        (36, "-tall"),
    ]
    DEFAULT_CSS = """
    BaseScreen {
        layers: base over; background: $background; overflow: hidden;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen = False
        self._focus_below: Widget | None = None
        """What gets the focus when the terminal is large enough again."""
        self.set_class(bool(self.NEEDS_ROOM), "-roomy")
        # The classes that the first resize would set: else every widget's styles are worked out twice (40 ms).
        width, height = self.app.size
        for size, points in ((width, self.HORIZONTAL_BREAKPOINTS), (height, self.VERTICAL_BREAKPOINTS)):
            self.add_class([name for least, name in points if size >= least][-1])

    def compose(self) -> ComposeResult:
        yield TopBar(self.NAME)
        yield from self.compose_body()
        yield KeyBar()
        yield TooSmall(self.NEEDS_ROOM)

    def compose_body(self) -> ComposeResult:
        return iter(())

    @property
    def session(self) -> Session:
        return cast("Session", self.app)

    @property
    def bar(self) -> TopBar:
        return self.query_one(TopBar)

    @property
    def is_covered(self) -> bool:
        """The terminal is too small for what is shown here."""
        least = LEAST if self.has_class("-roomy") else SMALLEST
        return self.app.size.width < least[0] or self.app.size.height < least[1]

    def set_focus(self, widget: Widget | None, scroll_visible: bool = True, from_app_focus: bool = False) -> None:
        """Focus a widget; none while the screen says that it is too small: a field would take the keys named there."""
        if widget is not None and self.is_covered:
            self._focus_below, widget = widget, None
        super().set_focus(widget, scroll_visible, from_app_focus)

    def on_resize(self) -> None:
        if self.is_covered:
            self.set_focus(self.focused)
        elif self._focus_below is not None:
            below, self._focus_below = self._focus_below, None
            if below.is_attached:
                self.set_focus(below)
        # The classes of the new size come after this, and the keys at the foot are drawn by the old ones.
        self.call_next(self.refresh_bindings)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        if not self._seen:  # its styles are as fresh as can be: working them all out again costs 25 ms
            self._seen, event.refresh_styles = True, False
        self.bar.run = self.session.shown_run
