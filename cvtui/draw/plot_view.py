"""Arithmetic of looking closer: pure."""

from __future__ import annotations

from dataclasses import dataclass

from cvtui.draw.plot_scene import PlotFrame
from cvtui.draw.scales import Kind, Limits, Scale, moved


@dataclass(slots=True)
class Drag:
    """From the mouse button going down at cell (x, y) to its coming up."""

    x: int
    y: int
    frame: PlotFrame
    selects: bool
    carries: bool = False
    """It began on the cursor, and takes that along."""
    moved: bool = False
    selection: tuple[float, float] | None = None


def within(limits: Limits, home: Limits, kind: Kind) -> Limits:
    """Move the limits into the home range; return the home range when they are wider."""
    low, high = Scale(home, kind).to_dots(limits, 2)
    if high - low >= 1:
        return home
    if low < 0:
        return moved(limits, -low / (high - low), kind)
    return moved(limits, (1 - high) / (high - low), kind) if high > 1 else limits
