"""Words in a plot: the legend, what marks and guides say, warnings. Each lies where it hides least of the curves."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from rich.cells import cell_len, set_cell_size

from cvtui.draw.plot_canvas import PlotCanvas
from cvtui.draw.plot_data import DASHES, Line, Track
from cvtui.draw.plot_scene import PlotFrame, Scene
from cvtui.draw.scales import Floats
from cvtui.draw.ticks import read_out

TAKEN = 3.0
"""In the map of busy cells: how much it would hide to write over words; a cell of a curve counts 1."""


def series_style(line: Line, place: int) -> str:
    """Return the name of a line's style: `series-3`, `$primary`, `#ff8800`; faint ones begin with `dim `."""
    return ("dim " if line.dim else "") + color_style(line.color, f"series-{place % 8 + 1}")


def color_style(color: str | int | None, otherwise: str) -> str:
    """Return the style's name for the colour of a line, mark or guide; `otherwise` for None."""
    if color is None:
        return otherwise
    if isinstance(color, int):
        return f"series-{(color - 1) % 8 + 1}"
    if color.startswith(("$", "#", "series-")):
        return color
    return f"${color}" if color.isidentifier() else f"={color}"


class Legend:
    """Names, and each line's value at the cursor, or its last. It lies in the corner where it hides least."""

    def __init__(self, scene: Scene, frame: PlotFrame, canvas: PlotCanvas, busy: Floats) -> None:
        self.scene, self.frame, self.canvas, self.busy = scene, frame, canvas, busy
        self.entries = [
            (self._glyph(track.line), series_style(track.line, number), track.line.name, self._value(track))
            for number, track in enumerate(scene.tracks)
            if track.line.name and (track.line.legend or (scene.cursor is not None and not track.line.dim))
        ]

    def _glyph(self, line: Line) -> str:
        if line.label:
            return line.label
        return ("○" if line.dash else "●") if line.points else DASHES[line.dash % len(DASHES)][0]

    def _value(self, track: Track) -> str:
        value = track.last if self.scene.cursor is None else track.at(self.scene.cursor)
        return "–" if value is None else read_out(value, self.scene.y_kind)

    def draw(self, corner: int | None) -> int | None:
        """Draw the legend; return its corner: 0 upper right, 1 lower right, 2 upper left, 3 lower left."""
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
        if frame.rows < 6 and costs[best] > 0.15 * rows * wide:  # too small to hide anything
            return None
        column, row = places[best]
        self.busy[row : row + rows, column : column + wide] = TAKEN
        for number, (glyph, style, name, value) in enumerate(self.entries):
            self._row(frame.left + column, frame.top + row + number, (glyph, style, name, value), names, values)
        return best

    def _row(self, x: int, y: int, entry: tuple[str, str, str, str], names: int, values: int) -> None:
        glyph, style, name, value = entry
        name = name if cell_len(name) <= names else set_cell_size(name, names - 1) + "…"
        x = self.canvas.put(x, y, f" {glyph}", style)
        x = self.canvas.put(x, y, f" {set_cell_size(name, names)} ", "legend")
        self.canvas.put(x, y, f"{' ' * (values - cell_len(value))}{value} ", "value")


class PlotLabels:
    """Words of marks and guides, and what the log axis left out: each where it hides least."""

    def __init__(self, scene: Scene, frame: PlotFrame, canvas: PlotCanvas, busy: Floats) -> None:
        self.scene, self.frame, self.canvas, self.busy = scene, frame, canvas, busy

    def draw(self) -> None:
        frame = self.frame
        if frame.rows < 4 or frame.columns < 16:
            return
        self._curve_labels()
        self._warnings()
        self._spikes()
        for guide in self.scene.guides:
            row = frame.row_of(guide.y)
            if row is not None and guide.words:
                self._beside_guide(guide.words, row // 4, "words " + color_style(guide.color, "guide"))
        marks = [(mark.x, mark.words, "words " + color_style(mark.color, "mark")) for mark in self.scene.marks]
        if self.scene.now is not None:
            marks.append((self.scene.now, "now", "now"))
        for x, words, style in marks:
            column = frame.column_of(x)
            if column is not None and words:
                self._beside_mark(words, column // 2, style)

    def _curve_labels(self) -> None:
        """Write each line's label on it: at its end, and at a third of its way, apart from those of the others."""
        frame = self.frame
        labelled = [(number, track) for number, track in enumerate(self.scene.tracks) if track.line.label]
        for place, (number, track) in enumerate(labelled):
            columns = frame.columns - 2 * len(labelled) + 2 * place, (place + 1) * frame.columns // (len(labelled) + 1)
            for column in columns:
                if column < 0 or (row := self._row_at(track, column)) is None or self.busy[row, column] >= TAKEN:
                    continue
                self._write(track.line.label, column, row, "words " + series_style(track.line, number))

    def _row_at(self, track: Track, column: int) -> int | None:
        """Return the row of a curve in a column; None where it isn't in view."""
        frame = self.frame
        x = float(frame.across.from_dots(np.array([2.0 * column + 0.5]), 2 * frame.columns)[0])
        if not len(track.x) or not track.x[0] <= x <= track.x[-1]:
            return None
        after = min(int(np.searchsorted(track.x, x)), len(track.x) - 1)
        around = slice(max(0, after - 1), after + 1)
        y = float(np.interp(x, track.x[around].astype(np.float64), track.y[around].astype(np.float64)))
        row = frame.row_of(y) if math.isfinite(y) else None
        return None if row is None else row // 4

    def _spikes(self) -> None:
        """Mark values beyond the axis at its edge, the three furthest at each end with their number."""
        frame = self.frame
        if not self.scene.cuts_spikes(frame):
            return
        x, limits = frame.across.limits, frame.up.limits
        for sign, level, row, arrow in ((1, limits.high, 0, "▲"), (-1, limits.low, frame.rows - 1, "▼")):
            found = [
                peak
                for track in self.scene.tracks
                if (reach := track.reach("linear", *x)) is not None and sign * reach[sign > 0] > sign * level
                for peak in track.beyond(x.low, x.high, level, sign)
            ]
            peaks: dict[int, float] = {}
            for at, value in sorted(found, key=lambda peak: -sign * peak[1]):
                peaks.setdefault((frame.column_of(at) or 0) // 2, value)
            for column in peaks:  # all arrows before the first number: none may lie in another's words
                self.canvas.put(frame.left + column, frame.top + row, arrow, "mark")
                self.busy[row, column] = TAKEN
            for first, last, value in clusters(peaks)[:3]:
                text = read_out(value, self.scene.y_kind)
                self._place(text, [(last + 1, row), (first - cell_len(text), row)], "words mark")

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
            wide = cell_len(text) + 2
            if wide <= self.frame.columns and self.busy[0, :wide].max() < TAKEN:
                self._write(f" {text} ", 0, 0, "warning")
                return

    def _write(self, text: str, column: int, row: int, style: str) -> None:
        self.canvas.put(self.frame.left + column, self.frame.top + row, text, style)
        self.busy[row, column : column + cell_len(text)] = TAKEN

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
            if hidden.max() < TAKEN and cost < best:
                best, at = cost, (column, row)
        if at is not None:
            self._write(text, *at, style)


def clusters(peaks: Mapping[int, float]) -> list[tuple[int, int, float]]:
    """Return (first, last, furthest value) of columns that lie side by side; `peaks`: by column, the furthest first."""
    rank = {column: place for place, column in enumerate(peaks)}
    found: list[list[int]] = []
    for column in sorted(peaks):
        if found and found[-1][-1] == column - 1:
            found[-1].append(column)
        else:
            found.append([column])
    best = {min(columns, key=rank.__getitem__): columns for columns in found}
    return [
        (columns[0], columns[-1], peaks[one]) for one, columns in sorted(best.items(), key=lambda item: rank[item[0]])
    ]
