"""A lab's page: its claim, its knobs, its results."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Mapping
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from cvtui.draw.figures import LabShown
from cvtui.errors import RequestError
from cvtui.labs.spec import Lab
from cvtui.tui.labs.action_line import ActionLine
from cvtui.tui.labs.knobs import KnobForm, default_text
from cvtui.tui.labs.lab_run import LabRun
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.figures_view import FiguresView, number_lines
from cvtui.tui.widgets.frame import Card
from cvtui.tui.widgets.late_calls import LateCalls
from cvtui.tui.widgets.scroll import Scroll

REDRAW_PAUSE = 5
"""Pause between redraws of the figures, as a multiple of the time that the last one took."""


class Paragraph(Widget):
    """Paragraphs, wrapped."""

    DEFAULT_CSS = """
    Paragraph { height: auto; width: 1fr; color: $foreground; margin: 0 1; &.-gap { margin: 1 1 0 1; } }
    """

    def __init__(self, content: Content | str = "", *, classes: str = "", id: str | None = None) -> None:  # noqa: A002
        super().__init__(classes=classes, id=id)
        self.content = content if isinstance(content, Content) else Content(content)
        self.display = bool(self.content)

    def say(self, content: Content) -> None:
        if content != self.content:
            self.content = content
            self.display = bool(content)
            self.refresh(layout=True)

    def render(self) -> Content:
        return self.content


class Numbers(Widget):
    """What was measured, in as many columns as there is room for."""

    DEFAULT_CSS = "Numbers { height: auto; width: 1fr; margin: 1 1 0 1; color: $foreground; }"

    def __init__(self) -> None:
        super().__init__()
        self._numbers: list[tuple[str, str]] = []
        self.display = False

    def show(self, numbers: list[tuple[str, str]]) -> None:
        if numbers != self._numbers:
            self._numbers = numbers
            self.display = bool(numbers)
            self.refresh(layout=True)

    def _lines(self, width: int) -> list[Content]:
        """Return the title and the numbers, in one column that wraps where a value fits beside no other."""
        names = max((len(name) for name, _ in self._numbers), default=1)
        values = max((len(value) for _, value in self._numbers), default=1)
        label = min(names, max(34, width * 2 // 5))
        columns = max(1, min(4, (width + 3) // (label + 2 + values + 3)))
        if columns == 1:
            label = min(names, max(label, width - 2 - values))
        each = (width - 3 * (columns - 1)) // columns
        height = -(-len(self._numbers) // columns)
        lines = [Content.styled("Numbers", "bold")]
        for y in range(height):
            row = [
                (textwrap.wrap(name, label) or [""], textwrap.wrap(value, max(8, each - label - 2)) or [""])
                for name, value in self._numbers[y::height]
            ]
            for place in range(max(max(len(name), len(value)) for name, value in row)):
                parts: list[tuple[str, str]] = []
                for name, value in row:
                    left, right = ("".join(part[place : place + 1]) for part in (name, value))
                    parts += [(left.ljust(label) + "  ", MUTED), (right.ljust(each - label - 2) + "   ", "")]
                lines.append(Content.assemble(*parts).truncate(width))
        return lines

    def get_content_height(self, _container: object, _viewport: object, width: int) -> int:
        return len(self._lines(width)) if self._numbers else 0

    def render(self) -> Content:
        return Content("\n").join(self._lines(max(1, self.size.width)))


class Sheet(Scroll, can_focus=True):
    """All of a page that scrolls."""

    BINDING_GROUP_TITLE = "The page"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "turn_page", "Page down", show=False),
        # Here, since the keys that scroll sideways would hide them in the bar of keys.
        Binding("right", "screen.step_walk(1)", "Step", tooltip="The walkers one update on"),
        Binding("left", "screen.step_walk(-1)", "Step back", show=False, tooltip="The walkers one update back"),
    ]
    DEFAULT_CSS = """
    Sheet {
        width: 1fr; height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; scrollbar-gutter: stable;
    }
    """

    def action_turn_page(self) -> None:
        self.scroll_page_down()

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """Leave the key to the walkers, where there are some."""
        return action != "turn_page" or not any(view.steps for view in self.query(FiguresView))


VERDICTS: dict[bool | None, tuple[str, str]] = {
    True: ("The claim holds.", "$text-success"),
    False: ("The claim does not hold here.", "$text-error"),
    None: ("The claim says nothing about these knobs.", "$text-warning"),
}


def verdict(shown: LabShown) -> Content:
    """Whether the claim holds, and the sentence with the numbers."""
    word, style = VERDICTS[shown.claim_holds]
    return Content.assemble((word, f"bold {style}"), f" {shown.sentence}" if shown.sentence else "")


class LabPage(LateCalls, Card):
    """Page of one lab: its knobs and its last run."""

    SCOPED_CSS = False
    DEFAULT_CSS = """
    LabPage {
        width: 1fr; height: 1fr; padding: 0; border-title-color: $foreground;
        & ActionLine { margin: 0 1; }
        & KnobForm { margin: 1 1 0 1; }
        & #results { height: auto; }
        & FiguresView { margin: 1 0 0 1; display: none; }
        &.-there FiguresView { display: block; }
    }
    Screen.-short LabPage.-there #results { min-height: 100%; }
    """

    def __init__(self, lab: Lab) -> None:
        super().__init__(id=f"lab-{lab.name}")
        self.lab = lab
        self.run: LabRun | None = None
        self.border_title = lab.title
        self._shown: LabShown | None = None
        self._predicted = ""
        """What to say of the reader's prediction once the next run has ended."""
        self._said = ""
        """The same, of the run that is followed."""
        self._to_results = False
        self._walked = True
        """The walkers of the run have set out."""
        self._drawn_at = 0.0
        self._scrolled = 0
        """Where the page has scrolled itself to."""

    def compose(self) -> ComposeResult:
        yield ActionLine()
        with Sheet():
            yield Paragraph(Content.assemble(("Claim  ", "bold $text-primary"), self.lab.claim), id="claim")
            yield KnobForm(self.lab.all_knobs)
            with Vertical(id="results"):
                yield Paragraph(classes="-gap", id="verdict")
                yield FiguresView()
                yield Paragraph(
                    Content.assemble(
                        ("What to look for  ", "bold $text-primary"), (self.lab.notice, "$foreground 85%")
                    ),
                    classes="-gap",
                    id="notice",
                )
                yield Numbers()

    @property
    def form(self) -> KnobForm:
        return self.query_one(KnobForm)

    @property
    def sheet(self) -> Sheet:
        return self.query_one(Sheet)

    @property
    def line(self) -> ActionLine:
        return self.query_one(ActionLine)

    @property
    def figures(self) -> FiguresView:
        return self.query_one(FiguresView)

    def on_resize(self, event: events.Resize) -> None:
        self.figures.set_tall(max(12, event.size.height - 3))
        if self._shown is not None and 0 < self._scrolled == round(self.sheet.scroll_offset.y):
            self.call_after_refresh(self._scroll_to_results, resized=True)  # they lie elsewhere at this width

    def prepare(self, knobs: Mapping[str, str], predicted: str) -> None:
        """Turn the knobs for a claim of the lecture, the others back to their defaults.

        The results of other knobs, which would seem to be the claim's, are put away.
        """
        for name, row in self.form.rows.items():
            row.set_text(knobs.get(name, default_text(row.knob)))
        self._predicted = predicted
        if self.run is not None and not self.run.alive and self.run.knobs != self.form.values():
            self.run = None
            self._show_nothing()

    # ------------------------------------------------------------------ a run

    def begin(self, run: LabRun) -> None:
        """Follow a new run; the last run's figures stay until its first."""
        self.run = run
        self._to_results, self._walked = True, False
        self._said, self._predicted = self._predicted, ""
        self.query_one("#verdict", Paragraph).say(Content(""))
        self._scrolled = round(self.sheet.scroll_offset.y)
        self.sheet.focus()
        self.refresh_run()

    def say(self, error: RequestError) -> None:
        """Show why the lab could not be started."""
        self.line.show(self.run, "✗ not started")
        self.query_one("#verdict", Paragraph).say(Content.styled(error.message, "$text-error"))

    def refresh_run(self) -> None:
        """Redraw the action line, and the figures if they have changed."""
        run = self.run
        self.line.show(run)
        shown = run.shown if run is not None else None
        if run is not None and run.state == "failed":
            text = f"{run.reason}\nIts log: {run.folder.log}"
            self.query_one("#verdict", Paragraph).say(Content.styled(text, "$text-error"))
        if run is not None and shown is None and not run.alive:
            self._put_away()  # of the run before, with its own knobs
        if run is None or shown is None or shown is self._shown:
            return
        if not shown.done and time.monotonic() < self._drawn_at + REDRAW_PAUSE * self.figures.cost:
            return  # the next look shows it: drawing must leave the keys their time
        self._drawn_at = time.monotonic()
        self._shown = shown
        content = self._end(run, shown) if shown.done else Content("")
        with self.app.batch_update():
            self.query_one("#verdict", Paragraph).say(content)
            self.set_class(bool(shown.figures), "-there")
            self.figures.show(shown.figures)
            self.query_one(Numbers).show(number_lines(shown.numbers) if shown.done else [])
        if self.figures.steps and not self._walked:
            self._walked = True
            self.figures.animate_walkers(True)
            self.screen.refresh_bindings()
        if self._to_results and shown.figures:
            self._to_results = not shown.done
            self.call_after_refresh(self._scroll_to_results)

    def _end(self, run: LabRun, shown: LabShown) -> Content:
        """Return the prediction, the verdict, and the command line that runs it again."""
        parts = [verdict(shown), Content.styled(self.lab.command(run.knobs), MUTED)]
        return Content("\n").join([Content(self._said), *parts] if self._said else parts)

    def _show_nothing(self) -> None:
        """Show the page as before its first run."""
        self.line.show(None)
        self.query_one("#verdict", Paragraph).say(Content(""))
        self._put_away()

    def _put_away(self) -> None:
        """Show no figures and no numbers."""
        self._shown = None
        self.query_one(Numbers).show([])
        self.figures.animate_walkers(False)
        self.figures.show([])
        self.set_class(False, "-there")

    def on_descendant_focus(self) -> None:
        self._show_explanation()

    def on_descendant_blur(self) -> None:
        self._show_explanation()

    def _show_explanation(self) -> None:
        """Show the focused knob's explanation at the foot of the frame."""
        row = self.form.current
        self.border_subtitle = Content(row.explanation(max(1, self.size.width - 8)) if row is not None else "")

    def _scroll_to_results(self, resized: bool = False) -> None:
        """Scroll to the results if the knobs leave them less than two thirds of the page."""
        sheet = self.sheet
        if not resized and round(sheet.scroll_offset.y) != self._scrolled:  # scrolled by hand
            return
        top = self.query_one("#results").virtual_region.y + 1  # it begins with an empty line
        beyond = top > sheet.size.height // 3
        if beyond or resized:
            top = top if beyond else 0
            sheet.scroll_to(y=top, animate=False)
            self._scrolled = round(min(top, sheet.max_scroll_y))
