"""The log pane: epochs, commands, checkpoints, findings and the run's own words, with the time of each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input

from cvtui.text import clean
from cvtui.tui.panes.log_entries import Entry, LogEntries, next_step
from cvtui.tui.panes.styled_lines import StyledLine, StyledLines
from cvtui.tui.panes.text_pane import TextPane
from cvtui.tui.panes.view_state import ViewState
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.filter_field import FilterField

if TYPE_CHECKING:
    from cvtui.runlog.history import History

COLOURS = {
    "plain": "$foreground",
    "quiet": MUTED,
    "good": "$text-success",
    "warn": "$text-warning",
    "bad": "$text-error",
    "mark": "$text-primary",
}


class LogPane(TextPane):
    NAME = "log"
    KEY = "O"
    FOLLOWS = True
    TITLE = "Log"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", tooltip="Show some lines: words that they hold"),
        Binding("escape", "all", "All lines", show=False, tooltip="Show all lines again"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._entries = LogEntries()
        self._failure: str = ""
        self._written: list[tuple[StyledLine, float]] = []
        """All lines with their steps; the filter shows some."""
        self._steps: list[float] = []
        """Of the lines that are shown."""

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield FilterField("words of a line")

    def action_filter(self) -> None:
        self.query_one(FilterField).reveal()

    def action_all(self) -> None:
        self.query_one(FilterField).close()
        self.query_one(StyledLines).focus()

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """Leave esc to the view where no line is hidden."""
        return action != "all" or bool(self.query_one(FilterField).display)

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        event.stop()
        lines, written = self.query_one(StyledLines), self._written
        lines.set_lines([])
        self._written, self._steps = [], []
        self._add(written)
        self.set_subtitle("" if self._steps else f"no match for {event.value!r}")

    @on(Input.Submitted)
    def _filtered(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(StyledLines).focus()

    def _add(self, lines: list[tuple[StyledLine, float]]) -> None:
        """Add lines, and show those that the filter keeps."""
        keeps = self.query_one(FilterField).keeps
        self._written += lines
        shown = [(line, step) for line, step in lines if keeps(line.head.plain + line.body.plain)]
        self.query_one(StyledLines).add_lines([line for line, _ in shown])
        self._steps += [step for _, step in shown]

    def key(self, history: History, view: ViewState) -> object:
        return (history.version, view.state, view.cursor)

    def draw(self, history: History, view: ViewState) -> None:
        lines = self.query_one(StyledLines)
        void, entries = self._entries.update(history)
        if void or (self._failure and view.state != self._failure):
            lines.set_lines([])
            self._written.clear()
            self._steps.clear()
            if not void:  # the failure's lines go, the entries before it are written again
                self._entries = LogEntries()
                entries = self._entries.update(history)[1]
            self._failure = ""
        lines.follow = view.cursor is None
        self._add([(_line(entry), entry.step) for entry in entries])
        if view.state in ("failed", "lost", "diverged", "stopped") and not self._failure:
            self._failure = view.state
            self._add([(line, math.inf) for line in _failure(history, view.state)])
        lines.mark_line(None if view.cursor is None else self._last_before(view.cursor))

    def _last_before(self, step: int) -> int:
        """Return the last line at or before a step."""
        before = [number for number, when in enumerate(self._steps) if when <= step]
        return max(before, default=0)


def _line(entry: Entry) -> StyledLine:
    glyph = Content.styled(f"{entry.glyph} ", COLOURS[entry.tone])
    head = Content.assemble((f"{entry.clock:8} ", MUTED), glyph)
    tone = "$foreground" if entry.tone in ("good", "mark") else COLOURS[entry.tone]
    return StyledLine(head, Content.styled(entry.text, tone), short=glyph)


def _failure(history: History, state: str) -> list[StyledLine]:
    """Return the last lines of worker.log, if the process broke, and what to do next."""
    lines: list[StyledLine] = []
    broke = state in ("failed", "lost")
    printed = [clean(text).rstrip() for text in (history.last_log_lines(20) if broke else [])]
    while printed and not printed[-1]:
        printed.pop()
    if printed:
        lines.append(StyledLine(Content(""), Content.styled("the process's last words (worker.log):", MUTED)))
        lines += [StyledLine(Content.styled("│ ", "$text-error"), Content(text)) for text in printed]
    if hint := next_step(state, history):
        lines.append(
            StyledLine(Content(""), Content.styled(hint, "bold $text-warning" if state != "stopped" else MUTED))
        )
    return lines
