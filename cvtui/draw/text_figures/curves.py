"""Curves in braille: two by four dots a cell, each curve in its colour."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from cvtui.draw.figures import Curve, Curves
from cvtui.draw.text_figures.frame import colour_of, legend, log_ticks, short, ticks

_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)
"""Unicode's bit of each dot, by row and column in the cell."""


class Dots:
    """A canvas of width x height cells: `cells` holds braille bits, `owner` the number of the last curve there."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.cells = np.zeros((height, width), np.uint8)
        self.owner = np.full((height, width), -1, np.int32)

    def dot(self, x: NDArray[np.int64], y: NDArray[np.int64], owner: int) -> None:
        """Dots at columns x from the left and rows y from the top; those outside are left out."""
        inside = (x >= 0) & (x < 2 * self.width) & (y >= 0) & (y < 4 * self.height)
        x, y = x[inside], y[inside]
        np.bitwise_or.at(self.cells, (y // 4, x // 2), _BITS[y % 4, x % 2])
        self.owner[y // 4, x // 2] = owner

    def line(self, x: NDArray[np.float64], y: NDArray[np.float64], owner: int) -> None:
        """A line through points in dot coordinates; NaN breaks it. A lone point is a dot."""
        good = np.isfinite(x) & np.isfinite(y)
        # Far outside points are brought near, so that a segment has at most a few thousand dots.
        x, y = np.clip(x, -4e3, 4e3), np.clip(y, -4e3, 4e3)
        self.dot(np.rint(x[good]).astype(np.int64), np.rint(y[good]).astype(np.int64), owner)
        for index in np.flatnonzero(good[:-1] & good[1:]):
            x0, y0, x1, y1 = x[index], y[index], x[index + 1], y[index + 1]
            steps = int(max(abs(x1 - x0), abs(y1 - y0))) + 1
            if steps > 1:
                along = np.linspace(0.0, 1.0, steps + 1)
                xs, ys = x0 + (x1 - x0) * along, y0 + (y1 - y0) * along
                self.dot(np.rint(xs).astype(np.int64), np.rint(ys).astype(np.int64), owner)


class Axis(NamedTuple):
    low: float
    high: float
    log: bool

    def place(self, values: NDArray[np.float64], dots: int) -> NDArray[np.float64]:
        """Where values lie on 0..dots−1; NaN for what a log axis can't show."""
        low, high = (np.log10(self.low), np.log10(self.high)) if self.log else (self.low, self.high)
        with np.errstate(divide="ignore", invalid="ignore"):
            shown = np.where(values > 0, np.log10(values), np.nan) if self.log else values
        placed: NDArray[np.float64] = (shown - low) / (high - low) * (dots - 1)
        return placed

    def ticks(self, most: int) -> list[float]:
        return log_ticks(self.low, self.high, most) if self.log else ticks(self.low, self.high, most)


def axis_over(values: NDArray[np.float64], log: bool) -> Axis:
    """From the lowest to the highest finite value (above 0 on a log axis), never empty."""
    values = values[np.isfinite(values)]
    if log:
        values = values[values > 0]
    if not len(values):
        return Axis(1.0, 10.0, log) if log else Axis(0.0, 1.0, log)
    low, high = float(values.min()), float(values.max())
    if high <= low * (1 + 1e-9) if log else high - low <= 1e-12 * max(1.0, abs(high)):
        return Axis(low / 2, high * 2, log) if log else Axis(low - 0.5, high + 0.5, log)
    return Axis(low, high, log)


def draw_curves(figure: Curves, width: int, height: int, colour: bool) -> list[Text]:
    """Legend, plot with its y ticks on the left, x ticks below: `height` lines of plot and ticks besides the legend."""
    arrays = [(_array(curve.x), _array(curve.y)) for curve in figure.curves]
    x_axis = axis_over(np.concatenate([x for x, _ in arrays] or [np.empty(0)]), figure.log_x)
    y_axis = axis_over(np.concatenate([y for _, y in arrays] or [np.empty(0)]), figure.log_y)
    rows = max(3, height - 2)
    marks = next((found for most in range(max(3, rows // 2), rows + 1) if len(found := y_axis.ticks(most)) >= 3), None)
    labels = {_row(y_axis, tick, rows): short(tick) for tick in reversed(marks or y_axis.ticks(rows))}
    margin = max(map(len, labels.values()), default=0) + 1
    canvas = Dots(max(8, width - margin - 1), rows)
    for number in _order(figure.curves):
        x, y = arrays[number]
        canvas.line(x_axis.place(x, 2 * canvas.width), 4 * rows - 1 - y_axis.place(y, 4 * rows), number)
    lines = legend([(curve.name, _style(figure, number, colour)) for number, curve in enumerate(figure.curves)], width)
    for row in range(rows):
        line = Text()
        line.append(f"{labels.get(row, ''):>{margin - 1}} ", style="dim" if colour else "")
        line.append("┤" if row in labels else "│", style="dim" if colour else "")
        lines.append(line.append_text(_cells(canvas, row, figure, colour)))
    lines += _below(x_axis, figure, margin, canvas.width)
    return lines


def _array(values: list[float] | list[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _order(curves: list[Curve]) -> list[int]:
    """Dim curves first (they lie behind), the first curve last."""
    return sorted(range(len(curves)), key=lambda number: (not curves[number].dim, -number))


def _style(figure: Curves, number: int, colour: bool) -> str:
    if not colour:
        return ""
    return f"{colour_of(number)} dim" if figure.curves[number].dim else colour_of(number)


def _row(axis: Axis, value: float, rows: int) -> int:
    """The row (from the top) in which a value lies."""
    return int(np.rint(4 * rows - 1 - axis.place(np.array([value]), 4 * rows))[0]) // 4


def _cells(canvas: Dots, row: int, figure: Curves, colour: bool) -> Text:
    text = Text()
    for bits, owner in zip(canvas.cells[row], canvas.owner[row], strict=True):
        text.append(chr(0x2800 + int(bits)) if bits else " ", style=_style(figure, int(owner), colour) if bits else "")
    return text


def _below(axis: Axis, figure: Curves, margin: int, width: int) -> list[Text]:
    """The x axis: a line with ticks, and their numbers with the label at the right."""
    rule, numbers = ["─"] * width, [" "] * (width + 1)
    names = [name for name in (figure.x_label, figure.y_label and f"(up: {figure.y_label})") if name]
    end = 0
    for tick in axis.ticks(max(2, width // 10)):
        if figure.whole_x and abs(tick - round(tick)) > 1e-9:
            continue
        place = int(np.rint(axis.place(np.array([tick]), 2 * width))[0]) // 2
        text = short(tick)
        start = min(max(0, place - len(text) // 2), width - len(text))
        if 0 <= place < width and (start > end or not end):
            rule[place] = "┬"
            numbers[start : start + len(text)] = text
            end = start + len(text)
    lines = [
        Text(" " * margin + "└" + "".join(rule), style="dim"),
        Text(" " * (margin + 1) + "".join(numbers).rstrip()),
    ]
    label = "  ".join(names)
    if label and margin + 1 + end + 2 + len(label) <= margin + 1 + width:
        lines[1].pad_right(margin + 1 + width - lines[1].cell_len - len(label))
        lines[1].append(label, style="dim")
    elif label:
        lines.append(Text(f"{label:>{margin + 1 + width}}"[-(margin + 1 + width) :], style="dim"))
    return lines
