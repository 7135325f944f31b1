"""Small multiples of the listed runs: a tiny loss curve each, all on the same scales."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np
from rich.cells import set_cell_size
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Region
from textual.widgets import Static

from cvtui.draw.scales import Floats
from cvtui.draw.small_multiples import Shared, axis_words, shared_scales, tiny_curve
from cvtui.runlog.axes import Smoothed
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.run_summary import RunSummary
from cvtui.runlog.tiny_loss import tiny_loss
from cvtui.text import clean, cut_middle, fill, percent
from cvtui.tui.panes.header import STATES
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.moves import jumps, moves

MOST = 60
"""Runs that are drawn: the first ones of the list."""
TILE = (22, 4)
"""Least columns, and lines, of a curve; above it a title, below it what differs, then an empty line."""
HEIGHT = TILE[1] + 3
SLICE = 0.05
"""Seconds of reading at once."""
MOST_BYTES = 1_000_000


class RunCurves(VerticalScroll, can_focus=True, inherit_bindings=False):
    """The grid. Its cursor is that of the table: the screen's keys act on the same run."""

    BINDING_GROUP_TITLE = "The curves"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "Run before", show=False),
        Binding("right", "move(1)", "Next run", show=False),
        *moves("move_row(-1)", "move_row(1)", "Row"),
        *jumps("page(-1)", "page(1)", "move(-1000000)", "move(1000000)"),
    ]
    DEFAULT_CSS = """
    RunCurves { width: 1fr; height: 1fr; display: none; scrollbar-size-vertical: 1; }
    RunCurves > Static { width: 1fr; height: auto; }
    """

    def __init__(self, move: Callable[[int], None]) -> None:
        """`move` moves the cursor of the list by so many runs."""
        super().__init__()
        self._move = move
        self._histories: dict[RunFolder, History] = {}
        self._smoothed: dict[RunFolder, Smoothed] = {}
        self._curves: dict[RunFolder, tuple[int, tuple[Floats, Floats]]] = {}
        self._shown = ""

    def compose(self) -> ComposeResult:
        yield Static()

    @property
    def text(self) -> str:
        """The grid without style."""
        return self._shown

    @property
    def abreast(self) -> int:
        return max(1, (self.size.width or 80) // (TILE[0] + 2))

    def action_move(self, by: int) -> None:
        self._move(by)

    def action_move_row(self, by: int) -> None:
        self._move(by * self.abreast)

    def action_page(self, by: int) -> None:
        self.action_move_row(by * max(1, self.size.height // HEIGHT))

    def show(self, runs: Sequence[RunSummary], cursor: int, differs: Mapping[RunFolder, str]) -> bool:
        """Draw the runs; return False while there is more to read."""
        runs = runs[:MOST]
        whole = self._read([run.folder for run in runs])
        known = {run.folder: self._curve(run.folder) for run in runs}
        shared = shared_scales(list(known.values()))
        across = self.abreast
        wide = max(TILE[0], (self.size.width or 80) // across - 2)
        lines: list[Content] = [self._heading(shared, len(runs))]
        for start in range(0, len(runs), across):
            row = runs[start : start + across]
            tiles = [
                _tile(run, known[run.folder], shared, differs.get(run.folder, ""), wide, start + place == cursor)
                for place, run in enumerate(row)
            ]
            lines += [Content("  ").join(parts) for parts in zip(*tiles, strict=True)]
            lines.append(Content(""))
        grid = Content("\n").join(lines)
        self._shown = grid.plain
        self.query_one(Static).update(grid)
        self.scroll_to_region(Region(0, 1 + cursor // across * HEIGHT, 1, HEIGHT - 1), animate=False)
        return whole

    def _heading(self, shared: Shared | None, count: int) -> Content:
        if shared is None:
            return Content.styled("No losses.", MUTED)
        more = f"; the first {MOST} of the list" if count == MOST else ""
        return Content.styled(axis_words(shared) + more, MUTED)

    def _read(self, folders: Sequence[RunFolder]) -> bool:
        """Read new records of each run; return False if time was up before all were read."""
        until = time.monotonic() + SLICE
        whole = True
        for folder in folders:
            if time.monotonic() > until:
                return False
            history = self._histories.setdefault(folder, History(folder))
            history.poll(MOST_BYTES)
            whole &= not history.behind()
        return whole

    def _curve(self, folder: RunFolder) -> tuple[Floats, Floats]:
        history = self._histories.get(folder)
        if history is None:
            return np.empty(0), np.empty(0)
        version, curve = self._curves.get(folder, (-1, (np.empty(0), np.empty(0))))
        if version != history.version:
            curve = tiny_loss(history, self._smoothed.setdefault(folder, Smoothed("loss")))
            self._curves[folder] = (history.version, curve)
        return curve


def _tile(
    run: RunSummary, curve: tuple[Floats, Floats], shared: Shared | None, differs: str, width: int, chosen: bool
) -> list[Content]:
    """Return a title, the curve, and what tells the run from the others; each `width` cells wide."""
    glyph, colour, _ = STATES[run.state]
    best = percent(run.best_val_accuracy) if run.best_val_accuracy is not None else ""
    name = set_cell_size(cut_middle(clean(run.name), width - 3 - len(best)), width - 2 - len(best))
    style = "bold underline $foreground on $primary 35%" if chosen else "bold"
    title = Content.assemble((f"{glyph} ", colour), (f"{name}{best}", style))
    x, y = curve
    rows = tiny_curve(x, y, shared, width, TILE[1]) if shared is not None and len(x) else [" " * width] * TILE[1]
    drawn = [Content.styled(row, "$primary") for row in rows]
    return [title, *drawn, Content.styled(fill(clean(differs), width), MUTED)]
