"""A line chart as SVG: pure numbers in, text out. Every pixel column keeps its minimum and maximum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cvtui.draw.robust_range import cut, typical, typical_of_all
from cvtui.draw.scales import Floats, Kind, Limits, Scale, widened
from cvtui.draw.ticks import labels, linear_ticks, log_ticks
from cvtui.export.words import escape

Place: TypeAlias = Callable[[Any], Any]
"""From values to pixels."""

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 30, 34
LETTER = 6.0
"""Width of a letter of ten pixels, rather too much than too little."""


@dataclass(frozen=True, kw_only=True)
class ChartCurve:
    """`x` rises; NaN in `y` breaks the line. `kind` is the CSS class that colours it (train, validation, rate …)."""

    name: str
    x: NDArray[Any]
    y: NDArray[Any]
    kind: str
    dim: bool = False
    points: bool = False
    """Draw a dot at each value (for one value an epoch)."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    title: str
    curves: Sequence[ChartCurve]
    x_label: str = "step"
    log_y: bool = False
    percent: bool = False
    guides: Sequence[tuple[float, str]] = field(default_factory=tuple)
    """Horizontal lines: value and words."""
    marks: Sequence[tuple[float, str]] = field(default_factory=tuple)
    """Vertical lines: x and words."""


def draw(chart: Chart) -> str:
    """Draw the chart as one `<svg>` element; its colours come from the style sheet around it."""
    curves = [curve for curve in chart.curves if len(curve.x)]
    shown = [_finite(curve) for curve in curves]
    across = _scale([x for x, _ in shown], "linear", share=0.0)
    levels = np.array([value for value, _ in chart.guides])
    up = _scale([*(y for _, y in shown), levels], "log" if chart.log_y else "linear", percent=chart.percent)
    if up.kind == "linear" and not chart.percent:
        up = _without_spikes(up, [y for _, y in shown], levels)
    to_x: Place = lambda value: LEFT + across.to_dots(value, 2) * (WIDTH - RIGHT - LEFT)  # noqa: E731
    to_y: Place = lambda value: HEIGHT - BOTTOM - up.to_dots(value, 2) * (HEIGHT - BOTTOM - TOP)  # noqa: E731
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title)}" '
        'xmlns="http://www.w3.org/2000/svg">',
        f'<text class="title" x="{LEFT}" y="16">{escape(chart.title)}{" (log axis)" if chart.log_y else ""}</text>',
    ]
    parts += _axes(chart, across, up, to_x, to_y)
    texts = _Words()
    for value, words in chart.guides:
        if not chart.log_y or value > 0:
            y = to_y(value)
            parts.append(f'<line class="guide" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            texts.put(words, "", [(WIDTH - RIGHT, y - 3, "end"), (LEFT + 4, y - 3, "start")])
    for curve, (x, y) in zip(curves, shown, strict=True):
        parts += _line(curve, x, np.clip(y, *_edges(up)), to_x, to_y)
        parts += _not_finite(curve, x, to_x)
    parts += _spikes(shown, up, to_x, texts)
    for at, words in chart.marks:
        x = to_x(at)
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        rows = [TOP + 14 + 11 * row for row in range(6)]
        texts.put(
            words,
            "mark-words",
            [(x + side, y, anchor) for y in rows for side, anchor in ((3, "start"), (-3, "end"))],
        )
    parts += [*texts.parts, *_legend(curves)]
    parts.append("</svg>")
    return "\n".join(parts)


def _finite(curve: ChartCurve) -> tuple[Floats, Floats]:
    y = np.asarray(curve.y, dtype=np.float64)
    return np.asarray(curve.x, dtype=np.float64), np.where(np.isfinite(y), y, np.nan)


def _scale(columns: Sequence[Floats], kind: Kind, share: float = 0.04, *, percent: bool = False) -> Scale:
    """From the smallest to the largest value that the axis can show, and a share of that beyond."""
    values = np.concatenate([*columns, np.empty(0)])
    values = values[np.isfinite(values) & ((values > 0) | (kind == "linear"))]
    if not len(values):
        return Scale(Limits(0.1, 1.0) if kind == "log" else Limits(0.0, 1.0), kind)
    low, high = float(values.min()), float(values.max())
    if high - low > 1e-12 * max(abs(low), abs(high)):
        return Scale(widened(low, high, kind, share), kind)
    # One value: what smoothing it has left in its last bit is no curve. (share 0: steps, of which there is one.)
    if not share:
        return Scale(Limits(low - 0.5, low + 0.5), kind)
    return Scale(Limits(0.0, 1.0) if percent and 0 <= low <= 1 else widened(low, low, kind), kind)


def _without_spikes(scale: Scale, columns: Sequence[Floats], levels: Floats) -> Scale:
    """Return the scale of most values where a few stick out far."""
    most = typical_of_all([typical(y) for y in columns], columns)
    full = _reach(np.concatenate([*columns, levels]))
    if most is None or full is None:
        return scale
    there = [float(level) for level in levels if np.isfinite(level)]
    low, high = cut(full, (min([most[0], *there]), max([most[1], *there])))
    return scale if (low, high) == full else Scale(widened(low, high, "linear"), "linear")


def _reach(y: Floats) -> tuple[float, float] | None:
    y = y[np.isfinite(y)]
    return (float(y.min()), float(y.max())) if len(y) else None


def _edges(scale: Scale) -> tuple[float, float]:
    """Return the values between which a line is drawn: what sticks out ends at the frame."""
    return scale.limits if scale.kind == "linear" else (-np.inf, np.inf)


def _spikes(shown: Sequence[tuple[Floats, Floats]], up: Scale, to_x: Place, texts: _Words) -> list[str]:
    """Mark values beyond the axis at its ends, the three furthest of each curve; numbers where they have room."""
    parts: list[str] = []
    if up.kind == "log":
        return parts
    for sign, at in ((1, TOP + 3), (-1, HEIGHT - BOTTOM - 3)):
        level = up.limits.high if sign > 0 else up.limits.low
        found: list[tuple[float, float]] = []
        for x, y in shown:
            with np.errstate(invalid="ignore"):
                out = np.flatnonzero(sign * y > sign * level)
            found += [(float(y[place]), float(x[place])) for place in sorted(out, key=lambda n: -sign * y[n])[:3]]
        for value, place in sorted(found, key=lambda one: -sign * one[0]):
            x = to_x(place)
            arrow = "▲" if sign > 0 else "▼"
            parts.append(f'<text class="small spike" x="{x:.1f}" y="{at}" text-anchor="middle">{arrow}</text>')
            texts.put(f"{value:.3g}", "spike", [(x + 7, at, "start"), (x - 7, at, "end")])
    return parts


class _Words:
    """Words in a chart: each at the first of its places where they lie in no others', or nowhere."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._taken: list[tuple[float, float, float]] = []
        """Left and right end, and base line."""

    def put(self, words: str, kind: str, places: Sequence[tuple[float, float, str]]) -> None:
        """places: x, y of the base line, and which end of the words lies there."""
        wide = LETTER * len(words)
        for x, y, anchor in places:
            left = x - wide if anchor == "end" else x
            free = all(left > right or left + wide < start or abs(y - base) > 10 for start, right, base in self._taken)
            if free and left >= LEFT and left + wide <= WIDTH:
                self._taken.append((left, left + wide, y))
                look = f"small {kind}".strip()
                end = ' text-anchor="end"' if anchor == "end" else ""
                self.parts.append(f'<text class="{look}" x="{x:.1f}" y="{y:.1f}"{end}>{escape(words)}</text>')
                return


def _axes(chart: Chart, across: Scale, up: Scale, to_x: Place, to_y: Place) -> list[str]:
    bottom = HEIGHT - BOTTOM
    parts = [f'<path class="axis" d="M{LEFT},{TOP}V{bottom}H{WIDTH - RIGHT}"/>']
    for value, words in zip(*_ticks(across, 8, "number"), strict=True):
        parts.append(f'<text class="tick" x="{to_x(value):.1f}" y="{bottom + 14}" text-anchor="middle">{words}</text>')
    parts.append(
        f'<text class="tick" x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{escape(chart.x_label)}</text>'
    )
    for value, words in zip(*_ticks(up, 6, "percent" if chart.percent else "number"), strict=True):
        y = to_y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 3:.1f}" text-anchor="end">{words}</text>')
    return parts


def _ticks(scale: Scale, most: int, kind: str) -> tuple[list[float], list[str]]:
    if scale.kind == "log":
        ticks, step = log_ticks(scale.limits, most), None
    else:
        ticks, step = linear_ticks(scale.limits, most)
    return ticks, labels(ticks, kind, step)


def _line(curve: ChartCurve, x: Floats, y: Floats, to_x: Place, to_y: Place) -> list[str]:
    """Unbroken pieces as paths; a piece of one value as a dot (it would be invisible)."""
    parts: list[str] = []
    style = f'class="line {curve.kind}{" dim" if curve.dim else ""}"'
    there = np.isfinite(y) & np.isfinite(x)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], there.astype(np.int8), [0]])))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        px, py = to_x(x[start:end]), to_y(y[start:end])
        if end - start == 1:
            parts.append(f'<circle class="dot {curve.kind}" cx="{px[0]:.1f}" cy="{py[0]:.1f}" r="2"/>')
            continue
        px, py = _thin(px, py)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px, py, strict=True))
        parts.append(f'<polyline {style} points="{points}"/>')
    if curve.points:
        for a, b in zip(to_x(x[there]), to_y(y[there]), strict=True):
            parts.append(f'<circle class="dot {curve.kind}" cx="{a:.1f}" cy="{b:.1f}" r="2"/>')
    return parts


def _thin(px: Floats, py: Floats) -> tuple[Floats, Floats]:
    """First, lowest, highest and last point of each half pixel column, in their order: spikes stay."""
    if len(px) <= 4 * WIDTH:
        return px, py
    column = np.floor(px * 2).astype(np.int64)
    starts = np.flatnonzero(np.diff(column, prepend=column[0] - 1))
    ends = np.append(starts[1:], len(px))
    keep: set[int] = set()
    for start, end in zip(starts, ends, strict=True):
        part = py[start:end]
        keep.update((int(start), int(start + part.argmin()), int(start + part.argmax()), int(end - 1)))
    chosen = np.array(sorted(keep))
    return px[chosen], py[chosen]


def _not_finite(curve: ChartCurve, x: Floats, to_x: Place) -> list[str]:
    """NaN and infinite values as a red bar on the axis, with the first one's place in words."""
    bad = ~np.isfinite(np.asarray(curve.y, dtype=np.float64)) & np.isfinite(x)
    if curve.points or curve.dim or not bad.any():
        return []
    edges = np.flatnonzero(np.diff(np.concatenate([[0], bad.astype(np.int8), [0]])))
    bottom = HEIGHT - BOTTOM
    parts = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        left, right = to_x(x[start]), to_x(x[end - 1])
        parts.append(
            f'<rect class="bad" x="{left:.1f}" y="{bottom - 2}" width="{max(2.0, right - left):.1f}" height="4">'
            f"<title>{escape(curve.name)}: not finite from {x[start]:g}</title></rect>"
        )
    return parts


def _legend(curves: Sequence[ChartCurve]) -> list[str]:
    parts: list[str] = []
    right: float = WIDTH - RIGHT
    for curve in reversed([c for c in curves if not c.dim]):
        words = escape(curve.name)
        parts.append(f'<text class="small legend {curve.kind}" x="{right}" y="16" text-anchor="end">● {words}</text>')
        right -= 6.2 * len(curve.name) + 26
    return parts
