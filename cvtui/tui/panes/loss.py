"""The loss pane: training and validation in one figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cvtui.runlog.axes import Smoothed, at_epochs, epoch_middles, position
from cvtui.text import significant
from cvtui.tui.panes.curve_pane import CurvePane, smoothing_text
from cvtui.tui.panes.overlay import overlay_lines
from cvtui.tui.panes.predictions import first_loss
from cvtui.tui.panes.view_state import ViewState
from cvtui.tui.plot.line_plot import Guide, Line

if TYPE_CHECKING:
    from cvtui.runlog.history import History


class LossPane(CurvePane):
    """Per step dim, smoothed over it; an epoch's mean at its middle; validation at its end, drawn last, on top.

    Only the training curve is smoothed: validation points are few, and each is a fact.
    """

    NAME = "loss"
    KEY = "L"
    TITLE = "Loss"

    def __init__(self) -> None:
        super().__init__()
        self._smoothed = Smoothed("loss")

    def draw(self, history: History, view: ViewState) -> None:
        self.set_axis(history, view)
        x = self._positions.of_steps(history, view.x_axis)
        raw = history.steps.loss
        smooth = bool(view.beta)
        lines = overlay_lines(view, "loss")
        lines.append(Line("each step" if smooth else "training", x, raw, 1, dim=smooth, legend=not smooth))
        if smooth:
            lines.append(Line("training", x, self._smoothed.values(history, view.beta), 1, gaps=False))
        if history.epochs:
            middles = position(history, view.x_axis, epoch_middles(history))
            lines.append(Line("epoch mean", *at_epochs(history, "train_loss", middles), 5, points=True, dash=2))
            ends = position(history, view.x_axis, [float(epoch.step) for epoch in history.epochs])
            x, losses = at_epochs(history, "val_loss", ends)
            if np.isfinite(losses).any():
                lines.append(Line("validation", x, losses, 2, points=True))
        self.plot.set_guides(self._guides(history))
        self.plot.set_lines(lines)

    def _guides(self, history: History) -> list[Guide]:
        first = first_loss(history.run)
        return [] if first is None else [Guide(first.value, f"{first.words} = {first.value:.3f}")]

    def subtitle(self, history: History, view: ViewState) -> str:
        losses = [(epoch.val_loss, epoch.epoch) for epoch in history.epochs if epoch.val_loss is not None]
        best = f"best validation {significant(min(losses)[0])} (epoch {min(losses)[1]})" if losses else ""
        return " · ".join(part for part in (best, smoothing_text(view)) if part)
