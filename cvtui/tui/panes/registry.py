"""All panes of the live view, in the order in which tab goes through them.

Each says in its class where it stands: SLOT "curves" or "tables".
"""

from __future__ import annotations

from textual.binding import Binding

from cvtui.tui.panes.accuracy import AccuracyPane
from cvtui.tui.panes.findings import FindingsPane
from cvtui.tui.panes.gradient import GradientPane
from cvtui.tui.panes.layers import LayersPane
from cvtui.tui.panes.log import LogPane
from cvtui.tui.panes.loss import LossPane
from cvtui.tui.panes.machine import MachinePane
from cvtui.tui.panes.own_scalars import own_scalar_panes
from cvtui.tui.panes.pane import Pane
from cvtui.tui.panes.prediction import PredictionPane
from cvtui.tui.panes.ranks import RanksPane
from cvtui.tui.panes.rate import RatePane
from cvtui.tui.panes.values import ValuesPane
from cvtui.tui.widgets.moves import capital

PANES: tuple[type[Pane], ...] = (
    LossPane,
    AccuracyPane,
    RatePane,
    GradientPane,
    LayersPane,
    LogPane,
    FindingsPane,
    ValuesPane,
    PredictionPane,
    RanksPane,
    MachinePane,
    *own_scalar_panes(),
)
NAMES: tuple[str, ...] = tuple(pane.NAME for pane in PANES)
PANE_KEYS = [
    Binding(capital(pane.KEY), f"pane('{pane.NAME}')", pane.TITLE, show=False, tooltip=f"Pane: {pane.TITLE}")
    for pane in PANES
    if pane.KEY
]
"""A direct key for each pane."""
