"""Other runs, drawn over the one that is shown: their validation, and their smoothed training curve behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from cvtui.runlog.axes import at_epochs, position
from cvtui.text import clean
from cvtui.tui.plot.line_plot import Line

if TYPE_CHECKING:
    from cvtui.tui.panes.view_state import ViewState

COLOURS = (3, 4, 6, 7, 8)
"""Series colours that the run itself doesn't use: one for each overlaid run."""
PALE_BETA = 0.98
"""Smoothing of their training curves where that of the run itself is off: five raw curves would hide each other."""


def overlay_lines(view: ViewState, column: Literal["loss", "accuracy"]) -> list[Line]:
    """Per run the smoothed training curve (faint) and the validation, in the run's colour, dash and number."""
    lines = []
    for other in view.overlays:
        history, number = other.history, COLOURS.index(other.color) + 1
        raw = history.steps.column(column)
        if np.isfinite(raw[:1]).any() or np.isfinite(raw).any():
            x = other.curves.positions.of_steps(history, view.x_axis)
            y = other.curves.smoothed[column].values(history, view.beta or PALE_BETA)
            lines.append(
                Line(f"{clean(other.name)}: training", x, y, other.color, dim=True, legend=False, gaps=False, fit=False)
            )
        if history.epochs:
            ends = position(history, view.x_axis, [float(epoch.step) for epoch in history.epochs])
            x, values = at_epochs(history, "val_loss" if column == "loss" else "val_accuracy", ends)
            if np.isfinite(values).any():
                lines.append(
                    Line(clean(other.name), x, values, other.color, points=True, dash=number, label=str(number))
                )
    return lines
