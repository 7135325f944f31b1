"""A line chart as SVG: pure numbers in, text out. Every pixel column keeps its minimum and maximum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cvtui.export.words import escape

Floats: TypeAlias = NDArray[np.float64]

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 30, 34


@dataclass(frozen=True, kw_only=True)
class Curve:
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
    curves: Sequence[Curve]
    x_label: str = "step"
    log_y: bool = False
    percent: bool = False
    guides: Sequence[tuple[float, str]] = field(default_factory=tuple)
    """Horizontal lines: value and words."""
    marks: Sequence[tuple[float, str]] = field(default_factory=tuple)
    """Vertical lines: x and words."""


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten) inside [low, high], at most about `count` + 1 of them."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    raw = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((m * power for m in (1, 2, 5) if m * power >= raw * 0.999), 10 * power)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def draw(chart: Chart) -> str:
    """The chart as one `<svg>` element; its colours come from the style sheet around it."""
    curves = [curve for curve in chart.curves if len(curve.x)]
    shown = [_clean(curve, chart.log_y) for curve in curves]
    y_low, y_high = _range([y for _, y in shown], [value for value, _ in chart.guides], chart.log_y)
    x_low, x_high = _range([x for x, _ in shown], [], False, pad=0.0)
    to_x = _scale(x_low, x_high, LEFT, WIDTH - RIGHT)
    to_y = _scale(y_low, y_high, HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title)}" '
        'xmlns="http://www.w3.org/2000/svg">',
        f'<text class="title" x="{LEFT}" y="16">{escape(chart.title)}{" (log axis)" if chart.log_y else ""}</text>',
    ]
    parts += _axes(chart, (x_low, x_high), (y_low, y_high), to_x, to_y)
    for value, words in chart.guides:
        if not chart.log_y or value > 0:
            y = to_y(math.log10(value) if chart.log_y else value)
            parts.append(f'<line class="guide" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(
                f'<text class="small" x="{WIDTH - RIGHT}" y="{y - 3:.1f}" text-anchor="end">{escape(words)}</text>'
            )
    for at, words in chart.marks:
        x = to_x(at)
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text class="small mark-words" x="{x + 3:.1f}" y="{TOP + 9}">{escape(words)}</text>')
    for curve, (x, y) in zip(curves, shown, strict=True):
        parts += _line(curve, x, y, to_x, to_y)
        parts += _not_finite(curve, x, y, to_x)
    parts += _legend(curves)
    parts.append("</svg>")
    return "\n".join(parts)


def _clean(curve: Curve, log_y: bool) -> tuple[Floats, Floats]:
    x = np.asarray(curve.x, dtype=np.float64)
    y = np.asarray(curve.y, dtype=np.float64)
    if log_y:
        with np.errstate(invalid="ignore", divide="ignore"):
            y = np.where(y > 0, np.log10(y), np.nan)
    return x, np.where(np.isfinite(y), y, np.nan)


def _range(columns: Sequence[Floats], more: Sequence[float], log: bool, pad: float = 0.04) -> tuple[float, float]:
    extra = [math.log10(v) if log else v for v in more if v > 0 or not log]
    found = [float(f(c[np.isfinite(c)])) for c in columns if np.isfinite(c).any() for f in (np.min, np.max)]
    found += extra
    if not found:
        return 0.0, 1.0
    low, high = min(found), max(found)
    if high <= low:
        return low - 0.5, high + 0.5
    room = (high - low) * pad
    return low - room, high + room


def _scale(low: float, high: float, start: float, end: float) -> Any:
    factor = (end - start) / (high - low)
    return lambda value: start + (value - low) * factor


def _axes(chart: Chart, xs: tuple[float, float], ys: tuple[float, float], to_x: Any, to_y: Any) -> list[str]:
    bottom = HEIGHT - BOTTOM
    parts = [f'<path class="axis" d="M{LEFT},{TOP}V{bottom}H{WIDTH - RIGHT}"/>']
    for value in nice_ticks(*xs, count=7):
        x = to_x(value)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{_compact(value)}</text>')
    parts.append(
        f'<text class="tick" x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{escape(chart.x_label)}</text>'
    )
    for value in nice_ticks(*ys):
        y = to_y(value)
        words = f"{10**value:.2g}" if chart.log_y else f"{value:.0%}" if chart.percent else _compact(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 3:.1f}" text-anchor="end">{words}</text>')
    return parts


def _compact(value: float) -> str:
    if value == 0:
        return "0"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:.3g}"


def _line(curve: Curve, x: Floats, y: Floats, to_x: Any, to_y: Any) -> list[str]:
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


def _not_finite(curve: Curve, x: Floats, y: Floats, to_x: Any) -> list[str]:
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


def _legend(curves: Sequence[Curve]) -> list[str]:
    parts: list[str] = []
    right: float = WIDTH - RIGHT
    for curve in reversed([c for c in curves if not c.dim]):
        words = escape(curve.name)
        parts.append(f'<text class="small legend {curve.kind}" x="{right}" y="16" text-anchor="end">● {words}</text>')
        right -= 6.2 * len(curve.name) + 26
    return parts
