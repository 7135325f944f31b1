"""The accuracy pane: the training batches smoothed, each epoch's mean, and validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cvtui.runlog.axes import Smoothed, at_epochs, epoch_middles, position
from cvtui.text import percent
from cvtui.tui.panes.curve_pane import CurvePane
from cvtui.tui.panes.overlay import overlay_lines
from cvtui.tui.panes.view_state import ViewState
from cvtui.tui.plot.line_plot import Line

if TYPE_CHECKING:
    from cvtui.runlog.history import History


class AccuracyPane(CurvePane):
    NAME = "accuracy"
    KEY = "A"
    TITLE = "Accuracy"
    Y_KIND = "percent"
    NOTHING = "no accuracy in the log"

    def __init__(self) -> None:
        super().__init__()
        self._smoothed = Smoothed("accuracy")

    def draw(self, history: History, view: ViewState) -> None:
        self.set_axis(history, view)
        x = self._positions.of_steps(history, view.x_axis)
        raw = history.steps.accuracy
        lines = overlay_lines(view, "accuracy")
        if np.isfinite(raw).any():
            smooth = bool(view.beta)
            if smooth:
                lines.append(Line("each step", x, raw, 1, dim=True, legend=False, gaps=False))
            lines.append(Line("training", x, self._smoothed.values(history, view.beta), 1, gaps=False))
        if history.epochs:
            middles = position(history, view.x_axis, epoch_middles(history))
            ends = position(history, view.x_axis, [float(epoch.step) for epoch in history.epochs])
            x, means = at_epochs(history, "train_accuracy", middles)
            if len(means):
                lines.append(Line("epoch mean", x, means, 5, points=True, dash=2))
            x, values = at_epochs(history, "val_accuracy", ends)
            if len(values):
                lines.append(Line("validation", x, values, 2, points=True))
        self.plot.set_lines(lines)

    def subtitle(self, history: History, _view: ViewState) -> str:
        values = [(epoch.val_accuracy, -epoch.epoch) for epoch in history.epochs if epoch.val_accuracy is not None]
        best = f"best validation {percent(max(values)[0])} (epoch {-max(values)[1]})" if values else ""
        told = history.facts is not None and history.facts.accuracy_unit == "percent"
        return " · ".join(filter(None, [best, "told in percent" if told else ""]))
