"""What a plot is given (lines, marks, guides), and what it keeps of each line so that a longer one costs little."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from string import ascii_lowercase

import numpy as np
from numpy.typing import NDArray

from cvtui.draw.min_max_pyramid import Pyramid
from cvtui.draw.robust_range import typical
from cvtui.draw.scales import Array, Floats, Kind

DASHES: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("━", ()), ("╍", (5, 3)), ("┉", (1, 2)), ("╾", (7, 2, 1, 2)), ("┅", (2, 4)),
)  # fmt: skip
"""How curves differ where colour doesn't tell: glyph of the legend; dot columns that are drawn, left out, drawn …"""


@dataclass(eq=False)
class Line:
    """One curve. Lines are drawn in their order: the last lies on top where two meet.

    `x` in ascending order (sorted otherwise; a NaN leaves its point out), `y` of the same length with NaN or Inf where
    a value is missing or not finite: that breaks the line and is marked on the axis. The arrays are not copied; they
    may be views that stay valid until the next `set_lines`.
    """

    name: str
    """Shown in the legend; also how the plot knows the line again when it has grown. Empty: not in the legend."""
    x: Array
    y: Array
    color: str | int | None = None
    """`$primary`, `$success` … of the theme (the dollar may be left out), `#rrggbb`, or the number of a series colour
    (1 to 8). None: the series colour of the line's place in the list."""
    dim: bool = False
    """Faint, and behind all that is not: raw values behind smoothed ones, what is predicted, what lies ahead."""
    points: bool = False
    """A marker at each sample, for few of them (one an epoch)."""
    dash: int = 0
    """Number of its pattern in `DASHES`; 0 is solid. Larger ones begin again with the first."""
    label: str = ""
    """One character that is written on the curve and before its name in the legend."""
    legend: bool = True
    gaps: bool = True
    """Mark on the x axis where values are not finite. False where NaN only says "was not measured here"."""
    fit: bool = True
    """Whether the y axis is made large enough to show it."""
    revision: int = 0
    """To be changed when values given before are no longer the same. (A spot check notices most changes; this is
    certain.)"""

    @property
    def looks(self) -> tuple[object, ...]:
        """All but the numbers."""
        return (self.name, self.color, self.dim, self.points, self.dash, self.label, self.legend, self.gaps, self.fit)


def told_apart(lines: Sequence[Line]) -> list[Line]:
    """Give each line of the legend a dash and a letter of its name: for where colour doesn't tell them apart."""
    bold = [line for line in lines if line.legend and line.name and not line.dim]
    if len(bold) < 2:
        return list(lines)
    taken = {line.label for line in bold}
    given: dict[int, Line] = {}
    for place, line in enumerate(bold):
        letter = next((c for c in line.name.lower() + ascii_lowercase if c.isalnum() and c not in taken), "")
        label = line.label or letter
        taken.add(label)
        given[id(line)] = replace(line, label=label, dash=line.dash or place)
    return [given.get(id(line), line) for line in lines]


@dataclass(frozen=True, slots=True)
class Mark:
    """An upright line at x with a few words: what was done at that moment."""

    x: float
    words: str = ""
    color: str | int | None = None


@dataclass(frozen=True, slots=True)
class Guide:
    """A level line at y with a few words: what was predicted, what is advised."""

    y: float
    words: str = ""
    color: str | int | None = None
    fit: bool = True
    """Whether the axis is made large enough to show it."""


_PROBES = 48


@dataclass(eq=False)
class Track:
    """A line as the plot keeps it: clean arrays, and pyramids that grow with it."""

    line: Line
    x: Array = field(default_factory=lambda: np.empty(0))
    y: Array = field(default_factory=lambda: np.empty(0))
    version: int = 0
    """Changes with every change of what is drawn."""
    _linear: Pyramid = field(default_factory=Pyramid)
    _log: Pyramid | None = None
    _seen: tuple[NDArray[np.int64], Floats, Floats] | None = None
    _typical: tuple[tuple[int, int, int], tuple[float, float] | None] | None = None

    def __post_init__(self) -> None:
        self.take(self.line)

    def take(self, line: Line) -> None:
        """Update from the line as it is now. If it has only grown, only new values are worked on."""
        x, y = np.asarray(line.x), np.asarray(line.y)
        if x.shape != y.shape or x.ndim != 1:
            raise ValueError(f"line {line.name!r}: x has the shape {x.shape}, y {y.shape}; both must be (n,)")
        grown = line.revision == self.line.revision and self._grown(x, y)
        before = len(self.x) if grown else 0
        self.line = line
        if not grown or len(x) > before:
            self.version += 1
        fresh = x[max(0, before - 1) :]
        if not (np.isfinite(fresh).all() and (fresh[1:] >= fresh[:-1]).all()):
            there = np.flatnonzero(np.isfinite(x))
            there = there[np.argsort(x[there], kind="stable")]
            x, y, grown = x[there], y[there], False
        self._seen = None
        if not grown:
            self._linear, self._log = Pyramid(), None
        self.x, self.y = x, y
        self._linear.extend(y)
        if self._log is not None:
            self._log.extend(y)
        if len(x) == len(line.x):
            self._remember()

    def _remember(self) -> None:
        """Remember some values, most of them from the end, where a resumed run differs."""
        length = len(self.x)
        probes = np.concatenate(
            [np.linspace(0, max(0, length - 1), _PROBES), np.arange(max(0, length - _PROBES), length)]
        ).astype(np.int64)
        probes = probes[probes < length]
        self._seen = probes, self.x[probes].astype(np.float64), self.y[probes].astype(np.float64)

    def _grown(self, x: Array, y: Array) -> bool:
        """Return True if the series begins with the one before, checked at some places."""
        if self._seen is None or len(x) < len(self.x):
            return False
        probes, old_x, old_y = self._seen
        return bool(np.array_equal(x[probes], old_x) and np.array_equal(y[probes], old_y, equal_nan=True))

    def pyramid(self, kind: Kind) -> Pyramid:
        if kind == "linear":
            return self._linear
        if self._log is None:
            self._log = Pyramid(positive=True)
            self._log.extend(self.y)
        return self._log

    def reach(self, kind: Kind, low: float = -math.inf, high: float = math.inf) -> tuple[float, float] | None:
        """Smallest and largest y that can be drawn, for x within low … high; None where there is none."""
        start, end = self._span(low, high)
        lows, highs = self.pyramid(kind).reach(np.array([start]), np.array([end]))
        return (float(lows[0]), float(highs[0])) if highs[0] >= lows[0] else None

    def _span(self, low: float, high: float) -> tuple[int, int]:
        start, end = int(np.searchsorted(self.x, low, "left")), int(np.searchsorted(self.x, high, "right"))
        if end - start < 2:  # the line that passes is that of the neighbours
            start, end = max(0, start - 1), min(len(self.x), end + 1)
        return start, end

    def values(self, low: float, high: float) -> Floats:
        """Return the values whose range `reach` tells."""
        start, end = self._span(low, high)
        return self.y[start:end]

    def typical(self, low: float, high: float) -> tuple[float, float] | None:
        """Return the same without the few most extreme values; None where there are too few to tell."""
        start, end = int(np.searchsorted(self.x, low, "left")), int(np.searchsorted(self.x, high, "right"))
        key = (self.version, start, end)
        if self._typical is None or self._typical[0] != key:
            self._typical = (key, typical(self.y[start:end]))
        return self._typical[1]

    def beyond(self, low: float, high: float, level: float, sign: int) -> list[tuple[float, float]]:
        """Return (x, y) of the peak of each stretch above `level` (sign 1) or below it (−1), the furthest first."""
        start, end = int(np.searchsorted(self.x, low, "left")), int(np.searchsorted(self.x, high, "right"))
        x, y = self.x[start:end], self.y[start:end]
        with np.errstate(invalid="ignore"):
            out = (sign * y > sign * level) & np.isfinite(y)
        edges = np.flatnonzero(np.diff(out.astype(np.int8), prepend=0, append=0))
        peaks = [a + int(np.argmax(sign * y[a:b])) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        return sorted(((float(x[at]), float(y[at])) for at in peaks), key=lambda peak: -sign * peak[1])

    def at(self, x: float) -> float | None:
        """Return the value of the last sample at or before x; None before the first."""
        index = int(np.searchsorted(self.x, x, "right")) - 1
        return None if index < 0 else float(self.y[index])

    def nearest(self, x: float) -> float | None:
        """Return the x of the sample nearest to x."""
        if not len(self.x):
            return None
        right = int(np.searchsorted(self.x, x))
        around = self.x[max(0, right - 1) : right + 1].astype(np.float64)
        return float(around[np.argmin(np.abs(around - x))])

    @property
    def last(self) -> float | None:
        return float(self.y[-1]) if len(self.y) else None
