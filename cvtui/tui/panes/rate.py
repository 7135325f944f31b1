"""The learning-rate pane: done solid, ahead dim, a mark at now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cvtui.runlog.axes import position
from cvtui.text import compact, count
from cvtui.tui.panes.curve_pane import CurvePane
from cvtui.tui.panes.predictions import Predictions, UpcomingRates, predict
from cvtui.tui.panes.view_state import ViewState
from cvtui.tui.plot.line_plot import Line

if TYPE_CHECKING:
    from cvtui.runlog.history import History


class RatePane(CurvePane):
    NAME = "rate"
    TITLE = "Learning rate"
    TAB = "Rate"
    Y_KIND = "rate"

    def __init__(self) -> None:
        super().__init__()
        self._ahead = UpcomingRates(Predictions())
        self._of_run: object = None

    def draw(self, history: History, view: ViewState) -> None:
        if self._of_run is not history.run:
            self._of_run, self._ahead = history.run, UpcomingRates(predict(history))
        self.set_axis(history, view)
        done = history.steps.lr
        lines = []
        ahead, rates = self._ahead(history)
        if len(ahead):
            lines.append(Line("ahead", position(history, view.x_axis, ahead), rates, 1, dim=True, legend=False))
        lines.append(Line("done", self._positions.of_steps(history, view.x_axis), done, 1, legend=False))
        now = float(position(history, view.x_axis, history.steps_done)[0])
        self.plot.now = now if len(ahead) and len(done) and np.isfinite(now) else None
        self.plot.set_lines(lines)

    def subtitle(self, history: History, view: ViewState) -> str:
        done, first = history.steps.lr, history.steps.first
        if not len(done):
            return ""
        if view.cursor is None:
            return f"now {compact(float(done[-1]))}"
        return f"{compact(float(done[min(max(view.cursor - first, 0), len(done) - 1)]))} at step {count(view.cursor)}"
