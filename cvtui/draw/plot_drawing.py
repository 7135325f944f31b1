"""From a scene to a canvas: the order in which things are laid over one another, and where words find room."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from cvtui.draw import braille
from cvtui.draw.braille import Codes
from cvtui.draw.plot_canvas import DotLayers, PlotCanvas
from cvtui.draw.plot_data import DASHES, Track
from cvtui.draw.plot_labels import TAKEN, Legend, PlotLabels, color_style, series_style
from cvtui.draw.plot_scene import PlotFrame, Scene, label_spans, lay_out
from cvtui.draw.scales import Floats
from cvtui.draw.ticks import read_out

_GRID, _LEVEL, _FAINT, _LINE = 1, 2, 3, 4
"""Ranks of the layers of dots, from the back to the front."""


class RasterCache:
    """The braille cells of each track, until something that they depend on changes."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[object, Codes, Floats]] = {}
        self.misses = 0

    def cells(self, track: Track, frame: PlotFrame) -> tuple[Codes, Floats]:
        """Codes, and (n, 2) x ranges that are not finite."""
        line = track.line
        key = (track, track.version, frame.size, frame.across, frame.up, line.points, line.dash)
        found = self._kept.get(id(track))
        if found is None or found[0] != key:
            self.misses += 1
            found = (key, *self._draw(track, frame))
            self._kept[id(track)] = found
        return found[1], found[2]

    @staticmethod
    def _draw(track: Track, frame: PlotFrame) -> tuple[Codes, Floats]:
        line, x, y = track.line, track.x, track.y
        pyramid = track.pyramid(frame.up.kind)
        drawn = braille.rasterise(x, y, frame.size, frame.across, frame.up, pyramid)
        dots = braille.dashed(drawn.dots, DASHES[line.dash % len(DASHES)][1])
        if line.points or len(x) == 1:
            start, end = np.searchsorted(x, frame.across.limits[0]), np.searchsorted(x, frame.across.limits[1], "right")
            if 0 < end - start <= frame.columns // 3:
                dots = dots | braille.markers(x[start:end], y[start:end], frame.size, frame.across, frame.up)
        return braille.cells(dots), drawn.lost

    def forget(self, tracks: list[Track]) -> None:
        """Drop all but what belongs to these."""
        kept = {id(track) for track in tracks}
        self._kept = {key: value for key, value in self._kept.items() if key in kept}


@dataclass(slots=True)
class DrawnPlot:
    """What was drawn, for the mouse and for the next drawing."""

    canvas: PlotCanvas
    frame: PlotFrame | None
    corner: int | None = None
    """In which corner the legend came to lie."""


def draw(scene: Scene, width: int, height: int, cache: RasterCache, corner: int | None = None) -> DrawnPlot:
    """Draw a scene in `width` x `height` cells. `corner`: where the legend was before, so that it stays."""
    canvas = PlotCanvas(width, height)
    frame = lay_out(scene, width, height)
    if frame is None:
        _draw_empty(scene, canvas)
        return DrawnPlot(canvas, None)
    layers, gaps = _dots(scene, frame, cache)
    canvas.put_dots(frame.left, frame.top, layers)
    busy = (layers.rank >= _FAINT).astype(np.float64)
    _Axes(scene, frame, canvas).draw(gaps, busy)
    if scene.title and frame.top:
        canvas.put(0, 0, scene.title, "title")
    corner = Legend(scene, frame, canvas, busy).draw(corner)
    PlotLabels(scene, frame, canvas, busy).draw()
    _shade(scene, frame, canvas)
    return DrawnPlot(canvas, frame, corner)


def _draw_empty(scene: Scene, canvas: PlotCanvas) -> None:
    if scene.title and canvas.height >= 2:
        canvas.put(0, 0, scene.title, "title")
    lines = textwrap.wrap(scene.empty, max(1, canvas.width - 2)) or [""]
    for row, text in enumerate(lines, (canvas.height - len(lines)) // 2):
        canvas.put((canvas.width - cell_len(text)) // 2, row, text, "empty")


def _dots(scene: Scene, frame: PlotFrame, cache: RasterCache) -> tuple[DotLayers, list[Floats]]:
    """Draw grid, marks, guides, cursor, faint lines, lines: from the back to the front."""
    layers = DotLayers(frame.columns, frame.rows)
    _straight_lines(scene, frame, layers)
    gaps = []
    for number, track in sorted(enumerate(scene.tracks), key=lambda entry: not entry[1].line.dim):
        codes, lost = cache.cells(track, frame)
        layers.add(codes, series_style(track.line, number), _FAINT if track.line.dim else _LINE)
        if track.line.gaps and len(lost):
            gaps.append(lost)
    return layers, gaps


def _straight_lines(scene: Scene, frame: PlotFrame, layers: DotLayers) -> None:
    if scene.grid:
        grid = np.zeros((frame.rows, frame.columns), np.uint8)
        for place in frame.y_axis.places:
            grid |= braille.level(frame.size, 4 * frame.rows - 1 - place, 1, 4)
        layers.add(grid, "grid", _GRID)
    for mark in scene.marks:
        if (column := frame.column_of(mark.x)) is not None:
            layers.add(braille.upright(frame.size, column, 2), color_style(mark.color, "mark"), _LEVEL)
    for guide in scene.guides:
        if (row := frame.row_of(guide.y)) is not None:
            layers.add(braille.level(frame.size, row, 3, 6), color_style(guide.color, "guide"), _LEVEL)
    for x, style, every in ((scene.now, "now", 2), (scene.cursor, "cursor", 1)):
        if x is not None and (column := frame.column_of(x)) is not None:
            layers.add(braille.upright(frame.size, column, every), style, _LEVEL)


class _Axes:
    def __init__(self, scene: Scene, frame: PlotFrame, canvas: PlotCanvas) -> None:
        self.scene, self.frame, self.canvas = scene, frame, canvas

    def draw(self, gaps: list[Floats], busy: Floats) -> None:
        frame, canvas = self.frame, self.canvas
        if frame.left:
            for row in range(frame.top, frame.top + frame.rows):
                canvas.put(frame.left - 1, row, "│", "axis")
            for place, text in zip(frame.y_axis.places, frame.y_axis.labels, strict=True):
                row = frame.top + frame.rows - 1 - place // 4
                canvas.put(frame.left - 1, row, "┤", "axis")
                canvas.put(frame.left - 1 - cell_len(text), row, text, "label")
        if frame.axis_row is not None:
            canvas.put(max(0, frame.left - 1), frame.axis_row, "└" if frame.left else "", "axis")
            canvas.put(frame.left, frame.axis_row, "─" * frame.columns, "axis")
            for place in frame.x_axis.places:
                canvas.put(frame.left + place // 2, frame.axis_row, "┬", "axis")
        if frame.label_row is not None:
            self._x_labels(frame.label_row)
        if gaps and frame.rows >= 2:
            self._gaps(gaps)
            if frame.axis_row is None:
                busy[-1] = TAKEN
        self._more()

    def _more(self) -> None:
        """Arrows at the ends of an axis beyond which there is more to see."""
        frame, canvas, home = self.frame, self.canvas, self.scene.x_home()
        if frame.axis_row is not None and home is not None:
            if frame.column_of(home.low) is None and home.low < frame.across.limits.low:
                canvas.put(frame.left, frame.axis_row, "◂", "now")
            if frame.column_of(home.high) is None and home.high > frame.across.limits.high:
                canvas.put(frame.left + frame.columns - 1, frame.axis_row, "▸", "now")

    def _x_labels(self, row: int) -> None:
        frame, canvas = self.frame, self.canvas
        spans = label_spans(frame.x_axis, frame.columns, frame.left)
        name = self.scene.x_name
        name_at = self._name_at(name, spans)
        for (left, right), text in zip(spans, frame.x_axis.labels, strict=True):
            if name_at is None or right < name_at or name_at + cell_len(name) < left:
                canvas.put(left, row, text, "label")
        if name_at is not None:
            canvas.put(name_at, row, name, "name")
        self._cursor_label(row)

    def _cursor_label(self, row: int) -> None:
        """Write the cursor's x below it; a tick's label that it touches gives way."""
        frame, canvas, cursor = self.frame, self.canvas, self.scene.cursor
        if cursor is None or (column := frame.column_of(cursor)) is None:
            return
        text = f" {read_out(cursor, self.scene.x_kind)} "
        wide = cell_len(text)
        at = max(0, min(frame.left + column // 2 - wide // 2, canvas.width - wide))
        for left, right in label_spans(frame.x_axis, frame.columns, frame.left):
            if left <= at + wide and at <= right:
                canvas.put(left, row, " " * (right - left), "label")
        canvas.put(at, row, text, "cursor-label")
        if frame.axis_row is not None:
            canvas.put(frame.left + column // 2, frame.axis_row, "┴", "cursor")

    def _name_at(self, name: str, spans: list[tuple[int, int]]) -> int | None:
        """Find the column of the axis's name: under the y labels, or at the right end if a label can give way."""
        wide = cell_len(name)
        if not name or self.frame.left + self.frame.columns < wide + 12:
            return None
        if not spans or wide + 1 <= min(spans[0][0], self.frame.left):
            return max(0, min(spans[0][0] if spans else wide, self.frame.left) - 1 - wide)
        at = self.frame.left + self.frame.columns - wide
        return at if len(spans) < 3 or spans[-2][1] < at else None

    def _gaps(self, gaps: list[Floats]) -> None:
        """Where values are not finite the axis is red, with a cross at each beginning, and the first x in words."""
        frame, canvas = self.frame, self.canvas
        spans = np.concatenate(gaps)
        places = np.nan_to_num(frame.across.to_dots(spans, 2 * frame.columns))  # NaN: 0 and below on a log axis
        places = np.clip(np.rint(places), 0, 2 * frame.columns - 1)
        first, last = places.astype(np.int64).T // 2
        change = np.bincount(first, minlength=frame.columns + 1) - np.bincount(last + 1, minlength=frame.columns + 1)
        red = np.cumsum(change)[: frame.columns] > 0
        row = frame.axis_row if frame.axis_row is not None else frame.top + frame.rows - 1
        begins = np.flatnonzero(red & ~np.concatenate([[False], red[:-1]]))
        for column in np.flatnonzero(red):
            canvas.put(frame.left + int(column), row, "━", "error")
        for column in begins:
            canvas.put(frame.left + int(column), row, "✗", "error")
        earliest = int(np.argmin(spans[:, 0]))
        self._gap_words(row, begins, int(first[earliest]), float(spans[earliest, 0]))

    def _gap_words(self, row: int, begins: NDArray[np.int64], column: int, x: float) -> None:
        """Beside the cross, on the right if no other cross is hidden there."""
        frame = self.frame
        words = f"not finite from {read_out(x, self.scene.x_kind)}"
        for text in (words, words.removeprefix("not finite ")):
            wide = cell_len(text) + 1
            places = [column + 1, column - wide]
            if ((begins > column) & (begins <= column + wide)).any():
                places.reverse()
            for at in places:
                if at >= 0 and at + wide <= frame.columns:
                    self.canvas.put(frame.left + at, row, f" {text}" if at > column else f"{text} ", "error")
                    return


def _shade(scene: Scene, frame: PlotFrame, canvas: PlotCanvas) -> None:
    """Shade the range that is being selected with the mouse."""
    if scene.selection is None:
        return
    ends = np.clip(np.sort(frame.across.to_dots(scene.selection, 2 * frame.columns)), 0, 2 * frame.columns - 1)
    first, last = (int(end) // 2 + frame.left for end in ends)
    part = canvas.styles[frame.top : frame.top + frame.rows, first : last + 1]
    shaded: Callable[[str], int] = lambda name: canvas.number(f"selected {name}")  # noqa: E731
    table = np.array([shaded(name) for name in list(canvas.names)], np.int32)
    part[:] = table[part]
