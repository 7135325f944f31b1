"""What a plot shows, as data, and what follows from it: limits, frame, ticks. No widget, no theme."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from rich.cells import cell_len

from cvtui.draw.plot_data import Guide, Mark, Track
from cvtui.draw.robust_range import cut, typical_of_all
from cvtui.draw.scales import Kind, Limits, Scale, widened
from cvtui.draw.ticks import labels, linear_ticks, log_ticks, nice_step

_X_NAMES = {"step": "step", "epoch": "epoch", "samples": "images", "time": "time", "rate": "rate"}
WHOLE = ("step", "samples", "epoch")
"""Kinds of x whose ticks are whole numbers."""


@dataclass(slots=True)
class Scene:
    """Everything that the picture depends on but its size and colours."""

    title: str = ""
    tracks: list[Track] = field(default_factory=list)
    marks: Sequence[Mark] = ()
    guides: Sequence[Guide] = ()
    now: float | None = None
    cursor: float | None = None
    selection: tuple[float, float] | None = None
    x_kind: str = "step"
    y_kind: str = "number"
    x_label: str | None = None
    log_x: bool = False
    log_y: bool = False
    robust: bool = True
    """Whether a linear y axis leaves a few spikes outside (PlotLabels marks them), so that the rest can be read."""
    home: tuple[float | None, float | None] = (None, None)
    """Ends of the x axis when it is not zoomed; None: those of the data."""
    y_home: tuple[float | None, float | None] = (None, None)
    view_x: Limits | None = None
    view_y: Limits | None = None
    empty: str = "waiting for the first step"
    legend: bool = True
    grid: bool = True

    def key(self) -> tuple[object, ...]:
        """Equal for two scenes that look the same."""
        tracks = tuple((track, track.version, track.line.looks) for track in self.tracks)
        own = tuple(getattr(self, name) for name in _PLAIN)
        return (tracks, tuple(self.marks), tuple(self.guides), *own)

    # ------------------------------------------------------------------ limits

    @property
    def x_scale_kind(self) -> Kind:
        return "log" if self.log_x and any(track.x[-1] > 0 for track in self.tracks if len(track.x)) else "linear"

    def x_home(self) -> Limits | None:
        """Return the whole range of x; None when there is nothing to show."""
        filled = [track for track in self.tracks if len(track.x)]
        if not filled:
            return None
        kind = self.x_scale_kind
        if kind == "log":
            firsts = [track.x[np.searchsorted(track.x, 0, "right")] for track in filled if track.x[-1] > 0]
        else:
            firsts = [track.x[0] for track in filled]
        low = float(min(firsts)) if self.home[0] is None or (kind == "log" and self.home[0] <= 0) else self.home[0]
        high = float(max(track.x[-1] for track in filled)) if self.home[1] is None else self.home[1]
        if high > low and high - low > 1e-12 * max(abs(low), abs(high)):
            return Limits(low, high)
        if kind == "linear" and self.x_kind in WHOLE:
            return Limits(low, low + 1)
        return widened(low, low, kind)

    def y_scale_kind(self) -> Kind:
        """Log only where something can be drawn on it."""
        if not self.log_y:
            return "linear"
        there = any(track.reach("log") is not None for track in self.tracks)
        return "log" if there else "linear"

    def y_limits(self, x: Limits, kind: Kind) -> Limits:
        """Return the zoomed limits, or round ones that hold all that is in view."""
        if self.view_y is not None and (kind == "linear" or self.view_y.low > 0):
            return self.view_y
        found = [reach for track in self.tracks if track.line.fit and (reach := track.reach(kind, *x)) is not None]
        if not found:
            found = [reach for track in self.tracks if (reach := track.reach(kind)) is not None]
        if not found:
            return Limits(0.0, 1.0) if kind == "linear" else Limits(0.1, 1.0)
        levels = [guide.y for guide in self.guides if guide.fit and math.isfinite(guide.y)]
        levels = [level for level in levels if level > 0 or kind == "linear"]
        low, high = min([low for low, _ in found] + levels), max([high for _, high in found] + levels)
        # Of shares the whole is readable: without its first values an accuracy would seem to begin high.
        if self.robust and kind == "linear" and not (self.y_kind == "percent" and low >= 0 and high <= 1):
            low, high = self._without_spikes(x, (low, high), levels)
        if high - low <= 1e-12 * max(abs(low), abs(high)):
            high = low  # one value: what smoothing it has left in its last bit is no curve
        limits = round_limits(low, high, self.y_kind) if kind == "linear" else widened(low, high, "log")
        low, high = (own if given is None else given for own, given in zip(limits, self.y_home, strict=True))
        return Limits(low, high) if low < high and (low > 0 or kind == "linear") else limits

    def _without_spikes(self, x: Limits, full: tuple[float, float], levels: list[float]) -> tuple[float, float]:
        lines = [track for track in self.tracks if track.line.fit and track.reach("linear", *x) is not None]
        most = typical_of_all([track.typical(*x) for track in lines], [track.values(*x) for track in lines])
        return full if most is None else cut(full, (min([most[0], *levels]), max([most[1], *levels])))

    def cuts_spikes(self, frame: PlotFrame) -> bool:
        """Return True if values may lie beyond the ends of the y axis that nobody has chosen."""
        return self.robust and self.view_y is None and self.y_home == (None, None) and frame.up.kind == "linear"

    @property
    def x_name(self) -> str:
        return self.x_label if self.x_label is not None else _X_NAMES.get(self.x_kind, "")

    @property
    def refused(self) -> int:
        """Finite values that a log axis leaves out."""
        return sum(track.pyramid("log").refused for track in self.tracks) if self.log_y else 0


_PLAIN = tuple(name for name in Scene.__slots__ if name not in ("tracks", "marks", "guides"))


def round_limits(low: float, high: float, kind: str) -> Limits:
    """Limits that hold low … high with a little room and end on quarters of a tick: they stand still while data grow.

    An axis whose data come near zero begins there; shares end at 0 and 1.
    """
    wide = widened(low, high)
    step = (wide.high / 2 - wide.low / 2) / 2.5
    if not (high > low) or not 1e-290 < step < 1e290 or step < 1e-9 * max(abs(low), abs(high)):
        if low == high and low >= 0 and kind == "percent":
            return Limits(0.0, min(wide.high, 1.0) if high <= 1 else wide.high)
        return wide
    quarter = nice_step(step) / 4
    bottom, top = math.floor(wide.low / quarter) * quarter, math.ceil(wide.high / quarter) * quarter
    if low >= 0 and low < 0.35 * high:
        bottom = 0.0
    if kind == "percent" and high <= 1 and top > 0.9:
        top = 1.0
    return Limits(bottom, top)


@dataclass(frozen=True, slots=True)
class AxisTicks:
    """Ticks of one axis: value, dot from the low end, label."""

    ticks: list[float]
    places: list[int]
    labels: list[str]


@dataclass(frozen=True, slots=True)
class PlotFrame:
    """Where things lie, in cells of the widget. `columns` x `rows` cells of dots, the upper left at (left, top)."""

    left: int
    top: int
    columns: int
    rows: int
    across: Scale
    up: Scale
    x_axis: AxisTicks
    y_axis: AxisTicks
    axis_row: int | None
    label_row: int | None

    @property
    def size(self) -> tuple[int, int]:
        return self.columns, self.rows

    def x_share(self, cell: float) -> float:
        """How far along the x axis the middle of a cell of the widget is: 0 … 1 within the plot."""
        return ((cell - self.left) * 2 + 0.5) / (2 * self.columns - 1)

    def y_share(self, cell: float) -> float:
        """How far up the y axis the middle of a cell of the widget is: 0 … 1 within the plot."""
        return 1 - ((cell - self.top) * 4 + 1.5) / (4 * self.rows - 1)

    def x_at(self, cell: float) -> float:
        """Return the x at the middle of a cell of the widget, also outside of the plot."""
        return float(self.across.from_dots(self.x_share(cell), 2))

    def column_of(self, x: float) -> int | None:
        """Return the dot column of x; None out of view."""
        return _inside(float(self.across.to_dots(x, 2 * self.columns)), 2 * self.columns)

    def row_of(self, y: float) -> int | None:
        """Return the dot row of y, from the top; None out of view."""
        place = _inside(float(self.up.to_dots(y, 4 * self.rows)), 4 * self.rows)
        return None if place is None else 4 * self.rows - 1 - place


def _inside(place: float, dots: int) -> int | None:
    if not math.isfinite(place):
        return None
    dot = round(place)
    return dot if 0 <= dot < dots else None


def lay_out(scene: Scene, width: int, height: int) -> PlotFrame | None:
    """Where things lie in width x height cells; None when there is no line or no room. Labels give way first."""
    x = scene.view_x or scene.x_home()
    if x is None or width < 2 or height < 1:
        return None
    kind = scene.y_scale_kind()
    across, up = Scale(x, scene.x_scale_kind), Scale(scene.y_limits(x, kind), kind)
    top = 1 if scene.title and height >= 6 else 0
    below = 2 if height - top >= 6 else 1 if height - top >= 4 else 0
    rows = height - top - below
    y_axis = _ticks(up, scene.y_kind, 4 * rows, max(2, min(9, rows // 3 + 1)))
    gutter = max(map(len, y_axis.labels), default=0) + 1
    if width >= 40 and rows >= 6:
        gutter = max(gutter, min(cell_len(scene.x_name), 6) + 2)  # the name of x stands under the y labels
    if width < 20 or gutter > width // 3 or height < 3:
        gutter, y_axis = 0, AxisTicks([], [], [])
    columns = width - gutter
    x_axis = _x_ticks(across, scene.x_kind, columns, gutter)
    axis_row = top + rows if below == 2 else None
    label_row = top + rows + below - 1 if below else None
    return PlotFrame(gutter, top, columns, rows, across, up, x_axis, y_axis, axis_row, label_row)


def _ticks(scale: Scale, kind: str, dots: int, most: int) -> AxisTicks:
    if scale.kind == "log":
        ticks, step = log_ticks(scale.limits, most), None
    else:
        low, high = (
            float(end) for end in scale.from_dots([-0.5, dots - 0.5], dots)
        )  # up to the edges of the outer dots
        if not (math.isfinite(low) and math.isfinite(high)):
            low, high = scale.limits
        whole, time = kind in WHOLE, kind == "time"
        ticks, step = linear_ticks(Limits(low, high), most, whole=whole, time=time)
        if whole and not ticks:  # zoomed in between two epochs
            ticks, step = linear_ticks(Limits(low, high), most)
    places = [round(float(place)) for place in np.atleast_1d(scale.to_dots(ticks, dots))]
    kept = [number for number, place in enumerate(places) if 0 <= place < dots]
    texts = labels(ticks, kind, step)
    return AxisTicks([ticks[n] for n in kept], [places[n] for n in kept], [texts[n] for n in kept])


def _x_ticks(scale: Scale, kind: str, columns: int, gutter: int) -> AxisTicks:
    """As many ticks as have room for their labels."""
    axis = AxisTicks([], [], [])
    for most in range(max(2, min(12, columns // 7)), 0, -1):
        axis = _ticks(scale, kind, 2 * columns, most)
        spans = label_spans(axis, columns, gutter)
        if all(right + 2 <= left for (_, right), (left, _) in itertools.pairwise(spans)):
            break
    return axis


def label_spans(axis: AxisTicks, columns: int, gutter: int) -> list[tuple[int, int]]:
    """Return the cells [from, to) of each x label: centred below its tick, kept within the widget."""
    spans = []
    for place, text in zip(axis.places, axis.labels, strict=True):
        wide = cell_len(text)
        left = min(gutter + place // 2 - (wide - 1) // 2, gutter + columns - wide)
        left = max(left, 0)
        spans.append((left, left + wide))
    return spans
