"""The learning-rate pane: done solid, ahead dim, a mark at now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cvtui.runlog.axes import position
from cvtui.text import clean, compact, count
from cvtui.tui.panes.curve_pane import CurvePane
from cvtui.tui.panes.layer_rows import thaws_at
from cvtui.tui.panes.overlay import COLOURS
from cvtui.tui.panes.predictions import Predictions, UpcomingRates, predict
from cvtui.tui.panes.view_state import ViewState
from cvtui.tui.plot.line_plot import Line

if TYPE_CHECKING:
    from cvtui.runlog.events import RateGroup
    from cvtui.runlog.history import History

MOST_PARTS = 4
"""Lines of parts with a rate of their own: of more the ends and some between."""


class RatePane(CurvePane):
    NAME = "rate"
    KEY = "R"
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
        ahead, rates = self._ahead(history)
        places, axis = position(history, view.x_axis, ahead), self._positions.of_steps(history, view.x_axis)
        lines = []
        for number, part in enumerate(parts := parts_of(history)):
            color, many = 1 if part.factor == 1 else COLOURS[number % len(COLOURS)], len(parts) > 1
            first = 0 if part.begins is None else max(0, part.begins - history.steps.first)
            if len(ahead):
                later = slice(0 if part.begins is None else int(np.searchsorted(ahead, part.begins)), None)
                name = f"ahead {part.name}"
                lines.append(Line(name, places[later], rates[later] * part.factor, color, dim=True, legend=False))
            lines.append(Line(part.name or "done", axis[first:], done[first:] * part.factor, color, legend=many))
        now = float(position(history, view.x_axis, history.steps_done)[0])
        self.plot.now = now if len(ahead) and len(done) and np.isfinite(now) else None
        self.plot.set_lines(lines)

    def subtitle(self, history: History, view: ViewState) -> str:
        done, first = history.steps.lr, history.steps.first
        if not len(done):
            return ""
        if view.cursor is None:
            return f"now {_rates(history, float(done[-1]), history.steps_done)}"
        rate = float(done[min(max(view.cursor - first, 0), len(done) - 1)])
        return f"{_rates(history, rate, view.cursor)} at step {count(view.cursor)}"


@dataclass(frozen=True)
class RatePart:
    """Layers of one share of the rate."""

    name: str
    """Of its line in the legend."""
    factor: float
    begins: int | None = None
    """The step that it is trained from, where it is frozen at first."""


def parts_of(history: History) -> list[RatePart]:
    """Return the parts of the net that are trained at some time, the highest rate last; one where all are at one."""
    run, at = history.run, thaws_at(history)
    if run is None:
        return [RatePart("", 1.0)]
    parts = [
        RatePart(_name(group, run.recipe.get("unfreeze_at")), group.factor, at if group.frozen else None)
        for group in run.rates
        if not group.frozen or at is not None
    ]
    if len(parts) < 2:
        return [RatePart("", parts[0].factor if parts else 1.0)]
    if len(parts) <= MOST_PARTS:
        return parts
    shown = sorted({round(place * (len(parts) - 1) / (MOST_PARTS - 1)) for place in range(MOST_PARTS)})
    return [parts[place] for place in shown]


def _name(group: RateGroup, epoch: object) -> str:
    layers = [clean(name) for name in group.layers]
    which = layers[0] if len(layers) < 2 else f"{layers[0]} … {layers[-1]}"
    return f"{group.factor:.3g}x {which}" + (f", from epoch {epoch}" if group.frozen else "")


def _rates(history: History, rate: float, step: int) -> str:
    """Write the rate at a step, and the lowest of a part beside it."""
    shares = [part.factor for part in parts_of(history) if part.begins is None or step >= part.begins]
    low = min(shares, default=1.0)
    return compact(rate) if low == 1 else f"{compact(rate)}, down to {compact(rate * low)}"
