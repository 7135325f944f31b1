"""From a scene to a canvas: the order in which things are laid over one another, and where words find room."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size

from cvtui.tui.widgets import raster
from cvtui.tui.widgets.plot_canvas import Canvas, Layers
from cvtui.tui.widgets.plot_data import Line, Track
from cvtui.tui.widgets.plot_scene import Frame, Scene, label_spans, lay_out
from cvtui.tui.widgets.raster import Codes
from cvtui.tui.widgets.scales import Floats
from cvtui.tui.widgets.ticks import read_out

_GRID, _LEVEL, _FAINT, _LINE = 1, 2, 3, 4
"""Ranks of the layers of dots, from the back to the front."""


_TAKEN = 3.0
"""How much it would hide to write over words; a cell of a curve counts 1."""


class RasterCache:
    """The braille cells of each track, until something that they depend on changes."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[object, Codes, Floats]] = {}
        self.misses = 0

    def cells(self, track: Track, frame: Frame) -> tuple[Codes, Floats]:
        """Codes, and (n, 2) x ranges that are not finite."""
        line = track.line
        key = (track, track.version, frame.size, frame.across, frame.up, line.points, line.dashed)
        found = self._kept.get(id(track))
        if found is None or found[0] != key:
            self.misses += 1
            found = (key, *self._draw(track, frame))
            self._kept[id(track)] = found
        return found[1], found[2]

    @staticmethod
    def _draw(track: Track, frame: Frame) -> tuple[Codes, Floats]:
        line, x, y = track.line, track.x, track.y
        pyramid = track.pyramid(frame.up.kind)
        drawn = raster.rasterise(x, y, frame.size, frame.across, frame.up, pyramid)
        dots = raster.dashed(drawn.dots) if line.dashed else drawn.dots
        if line.points or len(x) == 1:
            start, end = np.searchsorted(x, frame.across.limits[0]), np.searchsorted(x, frame.across.limits[1], "right")
            if 0 < end - start <= frame.columns // 3:
                dots = dots | raster.markers(x[start:end], y[start:end], frame.size, frame.across, frame.up)
        return raster.cells(dots), drawn.lost

    def forget(self, tracks: list[Track]) -> None:
        """Keeps only what belongs to these."""
        kept = {id(track) for track in tracks}
        self._kept = {key: value for key, value in self._kept.items() if key in kept}


def series_style(line: Line, place: int) -> str:
    """The name of a line's style: `series-3`, `$primary`, `#ff8800`, with `dim ` before it for faint ones."""
    return ("dim " if line.dim else "") + color_style(line.color, f"series-{place % 8 + 1}")


def color_style(color: str | int | None, otherwise: str) -> str:
    if color is None:
        return otherwise
    if isinstance(color, int):
        return f"series-{(color - 1) % 8 + 1}"
    return color if color.startswith(("$", "#", "series-")) or not color.isidentifier() else f"${color}"


@dataclass(slots=True)
class Picture:
    """What was drawn, for the mouse and for the next drawing."""

    canvas: Canvas
    frame: Frame | None
    corner: int | None = None
    """In which corner the legend came to lie."""


def draw(scene: Scene, width: int, height: int, cache: RasterCache, corner: int | None = None) -> Picture:
    """The picture of `width` x `height` cells. `corner`: where the legend was before, so that it doesn't wander."""
    canvas = Canvas(width, height)
    frame = lay_out(scene, width, height)
    if frame is None:
        _draw_empty(scene, canvas)
        return Picture(canvas, None)
    layers, gaps = _dots(scene, frame, cache)
    canvas.put_dots(frame.left, frame.top, layers)
    busy = (layers.rank >= _FAINT).astype(np.float64)
    _Axes(scene, frame, canvas).draw(gaps, busy)
    if scene.title and frame.top:
        canvas.put(0, 0, scene.title, "title")
    corner = Legend(scene, frame, canvas, busy).draw(corner)
    _Words(scene, frame, canvas, busy).draw()
    _shade(scene, frame, canvas)
    return Picture(canvas, frame, corner)


def _draw_empty(scene: Scene, canvas: Canvas) -> None:
    if scene.title and canvas.height >= 2:
        canvas.put(0, 0, scene.title, "title")
    lines = textwrap.wrap(scene.empty, max(1, canvas.width - 2)) or [""]
    for row, text in enumerate(lines, (canvas.height - len(lines)) // 2):
        canvas.put((canvas.width - cell_len(text)) // 2, row, text, "empty")


def _dots(scene: Scene, frame: Frame, cache: RasterCache) -> tuple[Layers, list[Floats]]:
    """Grid, marks, guides, cursor, faint lines, lines: from the back to the front."""
    layers = Layers(frame.columns, frame.rows)
    grid = np.zeros((frame.rows, frame.columns), np.uint8)
    for place in frame.y_axis.places:
        grid |= raster.level(frame.size, 4 * frame.rows - 1 - place, 1, 4)
    layers.add(grid, "grid", _GRID)
    for mark in scene.marks:
        if (column := frame.column_of(mark.x)) is not None:
            layers.add(raster.upright(frame.size, column, 2), color_style(mark.color, "mark"), _LEVEL)
    for guide in scene.guides:
        if (row := frame.row_of(guide.y)) is not None:
            layers.add(raster.level(frame.size, row, 3, 6), color_style(guide.color, "guide"), _LEVEL)
    for x, style, every in ((scene.now, "now", 2), (scene.cursor, "cursor", 1)):
        if x is not None and (column := frame.column_of(x)) is not None:
            layers.add(raster.upright(frame.size, column, every), style, _LEVEL)
    gaps = []
    for number, track in sorted(enumerate(scene.tracks), key=lambda entry: not entry[1].line.dim):
        codes, lost = cache.cells(track, frame)
        layers.add(codes, series_style(track.line, number), _FAINT if track.line.dim else _LINE)
        if track.line.gaps and len(lost):
            gaps.append(lost)
    return layers, gaps


class _Axes:
    def __init__(self, scene: Scene, frame: Frame, canvas: Canvas) -> None:
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
                busy[-1] = _TAKEN
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
        """The cursor's x below it; a tick's label that it touches gives way."""
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
        """The axis's name stands under the y labels, or at the right end where a label may give way to it."""
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
        places = np.clip(np.rint(frame.across.place(spans, 2 * frame.columns)), 0, 2 * frame.columns - 1)
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
        self._gap_words(row, red, int(first[earliest]), float(spans[earliest, 0]))

    def _gap_words(self, row: int, red: NDArray[np.bool_], column: int, x: float) -> None:
        """Beside the cross, over as little of the other red as can be."""
        frame = self.frame
        words = f"not finite from {read_out(x, self.scene.x_kind)}"
        for text in (words, words.removeprefix("not finite ")):
            wide = cell_len(text) + 1
            places = [column + 1, column - wide]
            if red[column + 1 : column + 1 + wide].any():
                places.reverse()
            for at in places:
                if at >= 0 and at + wide <= frame.columns:
                    self.canvas.put(frame.left + at, row, f" {text}" if at > column else f"{text} ", "error")
                    return


class _Words:
    """Words of marks and guides, and what the log axis left out: each where it hides least."""

    def __init__(self, scene: Scene, frame: Frame, canvas: Canvas, busy: Floats) -> None:
        self.scene, self.frame, self.canvas, self.busy = scene, frame, canvas, busy

    def draw(self) -> None:
        frame = self.frame
        if frame.rows < 4 or frame.columns < 16:
            return
        self._warnings()
        for guide in self.scene.guides:
            row = frame.row_of(guide.y)
            if row is not None and guide.words:
                self._beside_guide(guide.words, row // 4, color_style(guide.color, "guide"))
        marks = [(mark.x, mark.words, color_style(mark.color, "mark")) for mark in self.scene.marks]
        if self.scene.now is not None:
            marks.append((self.scene.now, "now", "now"))
        for x, words, style in marks:
            column = frame.column_of(x)
            if column is not None and words:
                self._beside_mark(words, column // 2, style)

    def _warnings(self) -> None:
        scene = self.scene
        if scene.log_y and self.frame.up.kind == "linear":
            self._first_that_fits(
                "log axis needs values above 0: none here, drawn linear", "log needs values above 0", "not log"
            )
        elif refused := scene.refused:
            points = f"{refused:,} point{'s' if refused > 1 else ''} left out"
            self._first_that_fits(f"log axis needs values above 0: {points}", points)
        elif not any(track.reach("linear") for track in scene.tracks):
            self._first_that_fits("no finite value", "✗")

    def _first_that_fits(self, *texts: str) -> None:
        for text in texts:
            if cell_len(text) + 2 <= self.frame.columns:
                self._write(f" {text} ", 0, 0, "warning")
                return

    def _write(self, text: str, column: int, row: int, style: str) -> None:
        self.canvas.put(self.frame.left + column, self.frame.top + row, text, style)
        self.busy[row, column : column + cell_len(text)] = _TAKEN

    def _beside_guide(self, words: str, row: int, style: str) -> None:
        text = f" {words} "
        end = self.frame.columns - cell_len(text)
        if end < 4:
            return
        self._place(text, [(end, row), (0, row), (end, row - 1), (end, row + 1), (0, row - 1), (0, row + 1)], style)

    def _beside_mark(self, words: str, column: int, style: str) -> None:
        room = self.frame.columns // 3
        text = words if cell_len(words) <= room else set_cell_size(words, room - 1).rstrip() + "…"
        wide = cell_len(text)
        rows = range(min(5, self.frame.rows // 2))
        self._place(text, [(at, row) for row in rows for at in (column + 1, column - wide)], style)

    def _place(self, text: str, places: list[tuple[int, int]], style: str) -> None:
        """At the first of the places that hide nothing, or where least is hidden; nowhere if words would be hidden."""
        wide = cell_len(text)
        best, at = math.inf, None
        for number, (column, row) in enumerate(places):
            if not (column >= 0 and column + wide <= self.frame.columns and 0 <= row < self.frame.rows):
                continue
            hidden = self.busy[row, column : column + wide]
            cost = float(hidden.sum()) + 0.01 * number
            if hidden.max() < _TAKEN and cost < best:
                best, at = cost, (column, row)
        if at is not None:
            self._write(text, *at, style)


def _shade(scene: Scene, frame: Frame, canvas: Canvas) -> None:
    """The range that is being selected with the mouse, on another ground."""
    if scene.selection is None:
        return
    ends = np.clip(np.sort(frame.across.place(scene.selection, 2 * frame.columns)), 0, 2 * frame.columns - 1)
    first, last = (int(end) // 2 + frame.left for end in ends)
    part = canvas.styles[frame.top : frame.top + frame.rows, first : last + 1]
    shaded: Callable[[str], int] = lambda name: canvas.number(f"selected {name}")  # noqa: E731
    table = np.array([shaded(name) for name in list(canvas.names)], np.int32)
    part[:] = table[part]


class Legend:
    """Names, and each line's value at the cursor, or its last. It lies in the corner where it hides least."""

    def __init__(self, scene: Scene, frame: Frame, canvas: Canvas, busy: Floats) -> None:
        self.scene, self.frame, self.canvas, self.busy = scene, frame, canvas, busy
        self.entries = [
            (self._glyph(track.line), series_style(track.line, number), track.line.name, self._value(track))
            for number, track in enumerate(scene.tracks)
            if track.line.name and (track.line.legend or (scene.cursor is not None and not track.line.dim))
        ]

    def _glyph(self, line: Line) -> str:
        return "●" if line.points else "╍" if line.dashed else "━"

    def _value(self, track: Track) -> str:
        value = track.last if self.scene.cursor is None else track.at(self.scene.cursor)
        return "–" if value is None else read_out(value, self.scene.y_kind)

    def draw(self, corner: int | None) -> int | None:
        """The corner that was chosen: 0 upper right, 1 lower right, 2 upper left, 3 lower left."""
        if not self.scene.legend or not self.entries:
            return None
        if self.frame.top and self._in_head():
            return None
        return self._in_corner(corner)

    def _in_head(self) -> bool:
        """Beside the title, when all has room there."""
        parts = [f"{glyph} {name} {value}" for glyph, _, name, value in self.entries]
        wide = sum(map(cell_len, parts)) + 3 * (len(parts) - 1)
        at = self.canvas.width - wide
        if at < cell_len(self.scene.title) + 3:
            return False
        for glyph, style, name, value in self.entries:
            at = self.canvas.put(at, 0, glyph, style)
            at = self.canvas.put(at, 0, f" {name} ", "legend")
            at = self.canvas.put(at, 0, value, "value") + 3
        return True

    def _in_corner(self, corner: int | None) -> int | None:
        frame = self.frame
        rows = len(self.entries)
        if rows > max(1, frame.rows // 2) or frame.rows < 3:
            return None
        values = max(cell_len(value) for *_, value in self.entries)
        names = max(cell_len(name) for _, _, name, _ in self.entries)
        names = min(names, frame.columns - values - 8)
        wide = names + values + 5
        if names < 3:
            return None
        places = {
            0: (frame.columns - wide, 0),
            1: (frame.columns - wide, frame.rows - rows),
            2: (0, 0),
            3: (0, frame.rows - rows),
        }
        costs = {
            key: float(self.busy[row : row + rows, column : column + wide].sum()) + 0.1 * key
            for key, (column, row) in places.items()
        }
        best = min(costs, key=lambda key: costs[key])
        if corner is not None and costs[corner] < 1.5 * costs[best] + 4:
            best = corner
        column, row = places[best]
        self.busy[row : row + rows, column : column + wide] = _TAKEN
        for number, (glyph, style, name, value) in enumerate(self.entries):
            self._row(frame.left + column, frame.top + row + number, (glyph, style, name, value), names, values)
        return best

    def _row(self, x: int, y: int, entry: tuple[str, str, str, str], names: int, values: int) -> None:
        glyph, style, name, value = entry
        name = name if cell_len(name) <= names else set_cell_size(name, names - 1) + "…"
        x = self.canvas.put(x, y, f" {glyph}", style)
        x = self.canvas.put(x, y, f" {set_cell_size(name, names)} ", "legend")
        self.canvas.put(x, y, f"{' ' * (values - cell_len(value))}{value} ", "value")
