"""The two lines above the panes: which run, how it is, how far, how fast; and the bar of the whole run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from cvtui.recipe.ending import is_planned
from cvtui.runlog.axes import speed
from cvtui.text import cells, clean, count, cut, cut_middle, duration, percent
from cvtui.tui.panes.machine import machine_at, short_text
from cvtui.tui.panes.predictions import images_per_second, time_left
from cvtui.tui.panes.time_left import time_left_text
from cvtui.tui.panes.view_state import ViewState
from cvtui.tui.widgets import MUTED

if TYPE_CHECKING:
    from cvtui.runlog.history import History

STATES: dict[str, tuple[str, str, str]] = {
    "starting": ("◌", "$text-primary", "starting"),
    "running": ("●", "$text-success", "running"),
    "paused": ("‖", "$text-warning", "paused"),
    "finished": ("✓", "$text-success", "finished"),
    "stopped": ("■", "$text-primary", "stopped"),
    "diverged": ("✗", "$text-error", "diverged"),
    "failed": ("✗", "$text-error", "failed"),
    "lost": ("✗", "$text-error", "lost"),
}
"""State: glyph, colour, word."""


NAME, REASON = 24, 30
"""Cells that a run's name and why it ended may ask for before epoch, step and time are left out."""


class RunHeader(Widget):
    """Never wraps: what there is no room for goes, the least important first."""

    DEFAULT_CSS = """
    RunHeader { height: 2; padding: 0 1; background: $panel; color: $foreground; }
    """

    def __init__(self) -> None:
        super().__init__(id="run-header")
        self._history: History | None = None
        self._view = ViewState()
        self._drawn: object = None

    def update_from(self, history: History, view: ViewState) -> None:
        key = (history.version, view.state, view.pending, view.cursor, view.findings)
        if key == self._drawn and history is self._history:
            return
        self._drawn, self._history, self._view = key, history, view
        self.refresh()

    def render(self) -> Content:
        width = self.content_size.width
        if self._history is None or width <= 0:
            return Content("")
        return Content("\n").join([_first(self._history, self._view, width), _second(self._history, self._view, width)])

    @property
    def text(self) -> str:
        return self.render().plain


def _state(view: ViewState, width: int) -> Content:
    glyph, colour, word = STATES[view.state]
    if view.pending:
        return Content.styled(f"◌ {view.pending}…", "bold $text-warning")
    return Content.styled(cut(f"{glyph} {word}", width), f"bold {colour}")


def _reason(history: History, view: ViewState) -> str:
    """Return why the run ended, if it wasn't asked to."""
    if history.trouble and (view.alive or view.state == "lost"):
        return clean(history.trouble)
    if view.state == "lost" and history.log_is_cut:
        return "its log is cut off within its first record"
    if view.state == "lost":
        return "its process ended without an error message"
    if history.end is None:
        return ""
    told = view.state in ("diverged", "failed") or is_planned(history.end.reason)
    return clean(history.end.reason if told else history.end.missing)


def _first(history: History, view: ViewState, width: int) -> Content:
    """State and name on the left, epoch, step and time left on the right."""
    right = _progress_parts(history, view) if view.cursor is None else _cursor_parts(history, view.cursor, view.alive)
    while len(right) > 1 and sum(len(part) + 3 for part in right) > width * 3 // 5:
        right = right[1:] if view.alive and view.cursor is None else right[:-1]
    reason, full = _reason(history, view), clean(history.folder.name)
    wanted = len(STATES[view.state][2]) + 4 + min(cells(full), NAME) + (2 + min(cells(reason), REASON) if reason else 0)
    while len(right) > 1 and width - sum(len(part) + 3 for part in right) < wanted:
        right = right[1:] if view.alive and view.cursor is None else right[:-1]
    tail = " · ".join(right)
    room = width - len(tail) - 3
    state = _state(view, max(12, room - 2))
    name = cut_middle(full, max(0, room - state.cell_length - 2 - min(cells(reason) + 2, room // 2)))
    left = Content.assemble(state, "  ", (name, "bold")) if name else state
    if reason:
        text = cut(reason, max(0, room - left.cell_length - 2))
        left = Content.assemble(left, "  ", (text, STATES[view.state][1]))
    gap = max(1, width - left.cell_length - len(tail))
    tone = "bold $text-warning" if view.cursor is not None else ""
    return Content.assemble(left, " " * gap, (tail, tone)).truncate(width, ellipsis=True)


def _cursor_parts(history: History, cursor: int, alive: bool) -> list[str]:
    """Which moment all panes show, and how to get back."""
    run = history.run
    per_epoch = run.steps_per_epoch if run is not None else 0
    shift = run.shift if run is not None else 0
    epoch = f" (epoch {(max(cursor, 1) - 1 + shift) // per_epoch + 1})" if per_epoch > 0 else ""
    return [f"at step {count(cursor)}{epoch}", "end: live" if alive else "end: last step"]


def _progress_parts(history: History, view: ViewState) -> list[str]:
    run, done = history.run, history.steps_done
    if run is None:
        return []
    parts = []
    epochs = run.recipe.get("epochs")
    if isinstance(epochs, int) and run.steps_per_epoch > 0:
        parts.append(f"epoch {min(epochs, (done + run.shift) // run.steps_per_epoch + 1)}/{epochs}")
    parts.append(f"step {count(done)}/{count(run.total_steps)}" if run.total_steps else f"step {count(done)}")
    seconds = float(history.steps.seconds[-1]) if len(history.steps.seconds) else None
    if view.alive and run.total_steps:
        parts.append(f"{time_left_text(history) or duration(time_left(history))} left")
    elif seconds is not None:
        parts.append(f"took {duration(seconds, decimal=True)}" if not view.alive else f"for {duration(seconds)}")
    return parts


def _watch_cost(history: History) -> float | None:
    """Return the share of the training time that watching took, by the last record that tells it."""
    if history.end is not None and history.end.watch_cost is not None:
        return history.end.watch_cost
    sampled = history.latest_layers
    return sampled.watch_cost if sampled is not None else None


def _second(history: History, view: ViewState, width: int) -> Content:
    """Return the progress bar, then as many facts as fit."""
    run = history.run
    facts: list[str] = []
    if run is not None:
        speed_text = _speed_text(history)
        if speed_text and view.state != "paused":
            facts.append(speed_text)
        facts += _machine_facts(history, view)
        facts.append(clean(run.device))
        if run.device.startswith("cpu"):
            facts.append(f"{history.threads} thread{'s' if history.threads != 1 else ''}")
        if world := run.ranks.get("world_size"):
            facts.append(f"rank 0's shard of {world}" if run.ranks.get("shard") else f"{world} ranks")
        cost = _watch_cost(history)
        if cost is not None:
            facts.append(f"monitoring overhead {percent(cost)}")
    faults = sum(one.severity != "note" for one in view.findings)
    if faults:
        facts.insert(0, f"▲ {faults} fault{'s' if faults > 1 else ''}")
    if run is not None and not run.total_steps:  # a custom loop without a known length: no bar
        while len(facts) > 1 and sum(len(fact) + 3 for fact in facts) > width:
            facts.pop()
        return Content.styled(" · ".join(facts), MUTED).truncate(width, ellipsis=True)
    share = history.steps_done / run.total_steps if run is not None else 0.0
    while facts and sum(len(fact) + 3 for fact in facts) + 8 > width * 3 // 5:
        facts.pop()
    tail = " · ".join([percent(min(1.0, share), 0).rjust(5), *facts])
    room = max(4, width - len(tail) - 1)
    return Content.assemble(bar(share, room, STATES[view.state][1]), " ", (tail, MUTED))


def _machine_facts(history: History, view: ViewState) -> list[str]:
    """Return what the machine does, while the run lives or at the cursor."""
    text = short_text(machine_at(history, view.cursor)) if view.alive or view.cursor is not None else ""
    return [text] if text else []


def _speed_text(history: History) -> str:
    """Return images a second, or steps a second if the batch size is unknown; "" if neither is known."""
    images = images_per_second(history)
    if images:
        return f"{count(round(images))} images/s"
    steps = speed(history, 5.0)
    return f"{count(round(steps)) if steps >= 100 else f'{steps:.3g}'} steps/s" if steps > 0 else ""


def bar(share: float, width: int, colour: str) -> Content:
    """Return a thin bar of `width` cells, to half a cell."""
    halves = round(min(1.0, max(0.0, share)) * width * 2)
    done = "━" * (halves // 2) + "╸" * (halves % 2)
    return Content.assemble((done, colour), ("─" * (width - len(done)), "$foreground 25%"))
