"""The log pane: epochs, commands, checkpoints, findings and the run's own words, with the time of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from cvtui.text import clean
from cvtui.tui.panes.log_entries import Entry, LogEntries, next_step
from cvtui.tui.panes.styled_lines import StyledLine, StyledLines
from cvtui.tui.panes.text_pane import TextPane
from cvtui.tui.panes.view_state import ViewState
from cvtui.tui.widgets import MUTED

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

    def __init__(self) -> None:
        super().__init__()
        self._entries = LogEntries()
        self._failure: str = ""
        self._steps: list[float] = []

    def key(self, history: History, view: ViewState) -> object:
        return (history.version, view.state, view.cursor)

    def draw(self, history: History, view: ViewState) -> None:
        lines = self.query_one(StyledLines)
        void, entries = self._entries.update(history)
        if void or (self._failure and view.state != self._failure):
            lines.set_lines([])
            self._steps.clear()
            if not void:  # the failure's lines go, the entries before it are written again
                self._entries = LogEntries()
                entries = self._entries.update(history)[1]
            self._failure = ""
        lines.follow = view.cursor is None
        lines.add_lines([_line(entry) for entry in entries])
        self._steps += [entry.step for entry in entries]
        if view.state in ("failed", "lost", "diverged", "stopped") and not self._failure:
            self._failure = view.state
            lines.add_lines(_failure(history, view.state))
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
