"""What the three curve panes have in common: a `LinePlot`, the x axis, and the marks of what was asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from cvtui.draw.ticks import XKind, YKind
from cvtui.runlog.axes import Positions, XAxis, position, step_at
from cvtui.text import clean
from cvtui.tui.panes.pane import Pane
from cvtui.tui.panes.view_state import ViewState
from cvtui.tui.plot.line_plot import LinePlot, Mark

if TYPE_CHECKING:
    from cvtui.runlog.history import History


def marks_of(history: History, view: ViewState) -> list[Mark]:
    """Every change made while the run went, at its step; those of one step share a mark."""
    labels: dict[int, list[str]] = {}
    run = history.run
    if run is not None and run.step:
        labels[run.step] = [f"forked from {clean(str(run.parent.get('run', '')))}" if run.parent else "resumed here"]
    for command in history.commands:
        if command.command == "look":
            continue
        labels.setdefault(command.step, []).append(clean(command.words) or command.command.replace("_", " "))
    steps = sorted(labels)
    positions = position(history, view.x_axis, steps)
    return [Mark(float(x), ", ".join(labels[step]), 4) for step, x in zip(steps, positions, strict=True)]


def smoothing_text(view: ViewState) -> str:
    return f"smoothing β {view.beta:g}" if view.beta else "no smoothing"


WAITING_SECONDS = 1.0
_ELSEWHERE = ("y", "r", "shift+left", "shift+right")


class CurvePlot(LinePlot, inherit_bindings=False):
    """A `LinePlot` that leaves some keys to the live view: there they work whatever has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        binding for binding in LinePlot.BINDINGS if isinstance(binding, Binding) and binding.key not in _ELSEWHERE
    ]
    BINDINGS += [
        Binding("ctrl+left", "pan(-0.2)", "Move left", show=False, tooltip="Move the view when zoomed in"),
        Binding("ctrl+right", "pan(0.2)", "Move right", show=False, tooltip="Move the view when zoomed in"),
    ]


WAITING = "waiting for the first step"


class CurvePane(Pane):
    """A pane with one plot. Subclasses set lines and guides in `draw`, after `set_axis`."""

    X_KINDS: ClassVar[dict[XAxis, XKind]] = {"steps": "step", "epochs": "epoch", "samples": "samples", "time": "time"}
    Y_KIND: ClassVar[YKind] = "number"
    SLOT = "curves"
    NOTHING = "no values in the log"
    """What the empty plot says of a run that has steps, or has ended."""

    def __init__(self) -> None:
        super().__init__()
        self._positions = Positions()
        self._shown: object = None
        self._drawn_at = 0.0
        self._drawn_steps = 0

    def compose(self) -> ComposeResult:
        yield CurvePlot(y_kind=self.Y_KIND)

    @property
    def plot(self) -> LinePlot:
        return self.query_one(LinePlot)

    def key(self, history: History, view: ViewState) -> object:
        return (
            id(history.run),
            history.steps_done,
            len(history.epochs),
            len(history.commands),
            view.x_axis,
            view.beta,
            view.overlays,
            self.NAME in view.log_y,
            self.NAME in view.full_y,
        )

    def update_from(self, history: History, view: ViewState) -> bool:
        """Update as `Pane` does; a moved cursor recomputes no curves; a run that has ended is not waited for."""
        self.plot.empty = WAITING if view.alive and not len(history.steps) else self.NOTHING
        self.waiting = self._can_wait(history, view)
        if not self.waiting:
            self._drawn_at, self._drawn_steps = time.monotonic(), history.steps_done
            super().update_from(history, view)
        moment = (self._drawn, view.cursor)
        if moment == self._shown:
            return False
        self._shown = moment
        x = None if view.cursor is None else float(position(history, view.x_axis, view.cursor)[0])
        self.plot.cursor_x = x if x is not None and np.isfinite(x) else None
        if x is not None:
            self.plot.reveal(x)
        self.set_subtitle(self.subtitle(history, view))
        return True

    def _can_wait(self, history: History, view: ViewState) -> bool:
        """Return True if the new steps would not change a visible column; for a second at most.

        The legend shows values, hence the limit. On a run of 200,000 steps a column of dots is a thousand of them:
        three figures in ten frames a second would take a third of a core to show what can't be seen.
        """
        new = history.steps_done - self._drawn_steps
        if view.state != "running" or new <= 0 or time.monotonic() - self._drawn_at >= WAITING_SECONDS:
            return False
        if self.plot.view[0] is not None or 4 * new * self.plot.size.width >= len(history.steps):
            return False
        known, now = self._drawn, self.key(history, view)
        return isinstance(known, tuple) and isinstance(now, tuple) and known[:1] + known[2:] == now[:1] + now[2:]

    def subtitle(self, _history: History, _view: ViewState) -> str:
        """Return the text of the lower border."""
        return ""

    def set_axis(self, history: History, view: ViewState) -> None:
        self.plot.x_kind = self.X_KINDS[view.x_axis]
        self.plot.log_y = self.NAME in view.log_y
        self.plot.full_y = self.NAME in view.full_y
        self.plot.set_marks(marks_of(history, view))

    def steps_in_view(self, history: History, view: ViewState) -> float:
        """Return the number of steps between the left and the right end of the plot."""
        if self.plot.view[0] is None:
            return len(history.steps)
        low, high = (step_at(history, view.x_axis, x) for x in self.plot.view[0])
        return high - low

    def reset_zoom(self) -> None:
        self.plot.reset_zoom()
