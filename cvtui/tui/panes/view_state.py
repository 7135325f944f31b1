"""View state shared by all panes: changed by keys, never by the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cvtui.runlog.axes import Positions, Smoothed, XAxis

if TYPE_CHECKING:
    from cvtui.doctor import Diagnosis
    from cvtui.runlog.history import History

X_AXES: tuple[XAxis, ...] = ("steps", "epochs", "samples", "time")
SMOOTHINGS: tuple[tuple[str, float], ...] = (("light", 0.9), ("medium", 0.98), ("strong", 0.995), ("off", 0.0))
"""Name and beta of the exponential moving average; 1 / (1 − beta) is about how many steps it looks back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewState:
    """What a pane needs beside the history. `state` and `pending` come from the run, at the moment of the poll."""

    x_axis: XAxis = "steps"
    log_y: frozenset[str] = frozenset()
    """Names of the curve panes with a logarithmic y axis."""
    full_y: frozenset[str] = frozenset()
    """Names of those whose linear y axis reaches to every spike."""
    smoothing: int = 0
    """Index into SMOOTHINGS."""
    cursor: int | None = None
    """Steps done at the moment that all panes show; None: they follow the run."""
    overlays: tuple[OverlayRun, ...] = ()
    """Runs that are drawn over this one."""
    findings: tuple[Diagnosis, ...] = ()
    """What the doctor says, root causes first."""
    state: str = "starting"
    """As `History.state`."""
    pending: str = ""
    """A command that was sent and not applied yet: "pausing", "stopping" …; empty when there is none."""

    @property
    def beta(self) -> float:
        return SMOOTHINGS[self.smoothing][1]

    def next_range(self, name: str) -> dict[str, frozenset[str]]:
        """Return what changes for the next y axis of a pane: without its spikes, with them, logarithmic."""
        if name in self.log_y:
            return {"log_y": self.log_y - {name}}
        if name in self.full_y:
            return {"full_y": self.full_y - {name}, "log_y": self.log_y | {name}}
        return {"full_y": self.full_y | {name}}

    @property
    def smoothing_name(self) -> str:
        return SMOOTHINGS[self.smoothing][0]

    @property
    def alive(self) -> bool:
        """Return True if a process could apply commands."""
        return self.state in ("starting", "running", "paused")


class OverlayCurves:
    """What has been worked out of one other run; kept while it is drawn, so that only new steps cost anything."""

    def __init__(self) -> None:
        self.positions = Positions()
        self.smoothed = {name: Smoothed(name) for name in ("loss", "accuracy")}


@dataclass(frozen=True, slots=True)
class OverlayRun:
    """One other run at one moment; another `version` is another picture."""

    history: History
    color: int
    version: int
    curves: OverlayCurves = field(compare=False)

    @property
    def name(self) -> str:
        return self.history.folder.name
