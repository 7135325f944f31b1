"""Panes of a custom loop's own scalars: one a name, and the rest of many names in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cvtui.runlog.axes import Smoother, position
from cvtui.text import clean, significant
from cvtui.tui.panes.curve_pane import CurvePane
from cvtui.tui.panes.view_state import ViewState
from cvtui.tui.plot.line_plot import Line

if TYPE_CHECKING:
    from cvtui.runlog.history import History
    from cvtui.runlog.scalar_curves import ScalarCurve

OWN_PANES = 6
"""Names that have a pane of their own."""
LINES = 6
"""Curves in the pane of the rest."""
FEW = 60
"""Points up to which each is drawn as one."""


class OwnScalarPane(CurvePane):
    """The pane of the name at `PLACE`, in the order in which they were logged."""

    PLACE: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self._scalar = ""

    @property
    def heading(self) -> str:
        return self._scalar or self.TITLE

    @property
    def tab(self) -> str:
        return self.heading[:12]

    def has_content(self, history: History) -> bool:
        """Return True for a run that logs so many names."""
        names = history.scalars.names
        self._scalar = clean(names[self.PLACE]) if len(names) > self.PLACE else ""
        return bool(self._scalar)

    def key(self, history: History, view: ViewState) -> object:
        counts = tuple(curve.count for _, curve in self._curves(history))
        return (id(history.run), counts, view.x_axis, view.beta, view.log_y, len(history.commands))

    def _curves(self, history: History) -> list[tuple[str, ScalarCurve]]:
        return list(history.scalars.curves.items())[self.PLACE : self.PLACE + 1]

    def draw(self, history: History, view: ViewState) -> None:
        self.set_axis(history, view)
        lines = []
        for number, (name, curve) in enumerate(self._curves(history), 1):
            x, values = position(history, view.x_axis, curve.steps), curve.values
            if view.beta and len(values) > FEW:
                smoother = Smoother(view.beta)
                smoother.extend(values)
                lines.append(Line("each value", x, values, number, dim=True, legend=False, gaps=False))
                values = smoother.values
            lines.append(Line(clean(name), x, values, number, gaps=False, points=len(values) <= FEW))
        self.plot.set_lines(lines)

    def subtitle(self, history: History, view: ViewState) -> str:
        told = []
        for name, curve in self._curves(history):
            value = curve.at(view.cursor)
            text = "–" if value is None or not np.isfinite(value) else significant(value)
            told.append(f"{clean(name)} {text}")
        return " · ".join(told)


class OtherScalarsPane(OwnScalarPane):
    """All further names in one pane, the first LINES of them drawn."""

    NAME = "own-rest"
    TITLE = "More"
    PLACE = OWN_PANES

    @property
    def heading(self) -> str:
        return self.TITLE

    def _curves(self, history: History) -> list[tuple[str, ScalarCurve]]:
        return list(history.scalars.curves.items())[self.PLACE : self.PLACE + LINES]

    def subtitle(self, history: History, view: ViewState) -> str:
        hidden = len(history.scalars.names) - self.PLACE - LINES
        more = f" · {hidden} more in the CSV export" if hidden > 0 else ""
        return super().subtitle(history, view) + more


def own_scalar_panes() -> tuple[type[OwnScalarPane], ...]:
    """Return a pane class a place, and that of the rest."""
    panes = [
        type(f"OwnScalarPane{place}", (OwnScalarPane,), {"NAME": f"own-{place}", "TITLE": "Own", "PLACE": place})
        for place in range(OWN_PANES)
    ]
    return (*panes, OtherScalarsPane)
