"""The gradient pane: the norm of the whole gradient at each step, before clipping."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cvtui.runlog.axes import Smoothed
from cvtui.text import count, significant
from cvtui.tui.panes.curve_pane import CurvePane
from cvtui.tui.panes.view_state import ViewState
from cvtui.tui.plot.line_plot import Line

if TYPE_CHECKING:
    from cvtui.runlog.history import History

APART = 9
"""Steps between two norms, at most, where they are looked for."""


class GradientPane(CurvePane):
    NAME = "gradient"
    KEY = "B"
    TITLE = "Gradient"
    TAB = "Grads"
    NOTHING = "this run logs no gradient norm"

    def __init__(self) -> None:
        super().__init__()
        self._smoothed = Smoothed("grad_norm")

    def draw(self, history: History, view: ViewState) -> None:
        self.set_axis(history, view)
        x, raw = self._positions.of_steps(history, view.x_axis), history.steps.grad_norm
        lines = []
        if (there := np.isfinite(raw)).any():
            smooth = bool(view.beta)
            mean = self._smoothed.values(history, view.beta) if smooth else raw
            if not there.all():  # a step without a norm is left out; one whose norm was not finite is marked
                there |= np.isin(history.steps.step, list(history.bad_norms))
                x, raw, mean = x[there], raw[there], mean[there]
            lines.append(Line("each step", x, raw, 1, dim=smooth, legend=False))
            if smooth:
                lines.append(Line("norm", x, mean, 1, gaps=False, legend=False))
        self.plot.set_lines(lines)

    def subtitle(self, history: History, view: ViewState) -> str:
        norms = history.steps.grad_norm
        if not len(norms):
            return ""
        at = len(norms) - 1 if view.cursor is None else min(max(view.cursor - history.steps.first, 0), len(norms) - 1)
        # A short custom loop has one at every tenth step alone; one that was not finite is no such gap.
        for back in range(min(APART, at) + 1):
            step = history.steps.first + at - back
            if step in history.bad_norms:
                return "norm not finite" if not back else ""
            if np.isfinite(value := float(norms[at - back])):
                return f"norm {significant(value)}" + (f" at step {count(step)}" if back else "")
        return ""
