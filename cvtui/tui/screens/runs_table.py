"""The list of runs: columns, what stands in them, and how they are sorted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from cvtui.draw.columns import Column
from cvtui.recipe.learning_rate import recorded_rate
from cvtui.runlog.differing import differing
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.other_hosts import where
from cvtui.runlog.run_names import order_of
from cvtui.runlog.run_summary import RunSummary
from cvtui.text import clean, duration, percent
from cvtui.tui.panes.header import STATES
from cvtui.tui.widgets.table import Cell, Grid

TONES = {"$text-success": "good", "$text-primary": "accent", "$text-warning": "warn", "$text-error": "bad"}


def age(seconds: float) -> str:
    """How long ago, in one unit: "12 s", "3 min", "2 h", "5 d"."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return "just now" if seconds < 10 else f"{seconds:.0f} s ago"


class RunsTable(Grid[RunSummary]):
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(key="glyph", least=1, most=1),
        Column(key="name", title="run", least=12, most=30, stretch=1, keep_ends=True),
        Column(key="differs", title="differs in", least=8, most=30, need=1, stretch=2),
        Column(key="where", title="where", least=6, most=24, need=3, stretch=1),
        Column(key="state", title="state", least=8, most=8, need=5),
        Column(key="data", title="data", least=4, most=14, need=3),
        Column(key="net", title="net", least=8, most=24, need=4, stretch=3),
        Column(key="optimizer", title="optimizer", least=4, most=18, need=6),
        Column(key="lr", title="lr", align="right", least=3, most=8, need=6),
        Column(key="epochs", title="epochs", align="right", least=5, most=11, need=1),
        Column(key="best", title="best val", align="right", least=6, most=10, need=0),
        Column(key="took", title="took", align="right", least=4, most=9, need=2),
        Column(key="age", title="started", align="right", least=7, most=10, need=2),
    )

    def __init__(self) -> None:
        super().__init__()
        self.sort_key = "age"
        self.reverse = True
        self.now = time.time()
        self.places: dict[RunFolder, str] = {}
        """The folder of each run, where there are several."""
        self.differs: dict[RunFolder, str] = {}
        """What tells each run from the others that are listed."""
        self._recipes: list[dict[str, Any]] = []
        """What was compared last."""
        self._depths: dict[str, int] = {}
        """Generations from the first ancestor in the list, by name."""

    def title(self, column: Column) -> str:
        arrow = "" if column.key != self.sort_key else " ▾" if self.reverse else " ▴"
        return column.title + arrow

    def heading(self, column: Column, wide: int) -> str:
        title = self.title(column)
        sorts = column.key == self.sort_key
        return title if len(title) <= wide or not sorts else title[: wide - 1].rstrip(" ▾▴") + title[-1]

    def show(self, runs: Sequence[RunSummary]) -> None:
        """Show the runs, sorted; the cursor stays on its run."""
        self.now = time.time()
        kept = self.row
        key = SORTS[self.sort_key]
        known = [run for run in runs if key(run) is not None]
        unknown = [run for run in runs if key(run) is None]
        rows = [*sorted(known, key=key, reverse=self.reverse), *unknown]
        recipes = [run.recipe for run in rows]
        if len(recipes) != len(self._recipes) or any(a is not b for a, b in zip(recipes, self._recipes, strict=True)):
            self._recipes = recipes  # of 500 runs a comparison costs 13 ms, and the list is drawn every second
            self.differs = {folder: clean(text) for folder, text in differing(rows).items()}
        self._depths = {}
        if self.sort_key in TREE:
            rows = self._as_trees(rows)
        if kept is not None:
            self.cursor = next((n for n, run in enumerate(rows) if run.folder == kept.folder), self.cursor)
        self.set_rows(rows)

    def _as_trees(self, rows: list[RunSummary]) -> list[RunSummary]:
        """Return the runs with forks right below their parent."""
        children: dict[str, list[RunSummary]] = {}
        names = {row.name for row in rows}
        for row in rows:
            if row.parent in names and row.parent != row.name:
                children.setdefault(row.parent, []).append(row)
        ordered: list[RunSummary] = []

        def add(row: RunSummary, depth: int) -> None:
            if row.name in self._depths:
                return  # a circle of parents, after a rename
            self._depths[row.name] = depth
            ordered.append(row)
            for child in sorted(children.get(row.name, ()), key=lambda child: child.started or 0.0):
                add(child, depth + 1)

        for row in rows:
            if row.parent not in names or row.parent == row.name:
                add(row, 0)
        for row in rows:
            add(row, 0)
        return ordered

    @property
    def shows_cursor(self) -> bool:
        return True

    def cell(self, row: RunSummary, key: str) -> Cell:
        glyph, colour, word = STATES[row.state]
        tone = TONES[colour]
        match key:
            case "glyph":
                return Cell(glyph, tone)
            case "state":
                return Cell(word, tone)
            case "where":
                return Cell(clean(self.places.get(row.folder, "")), "quiet")
            case "differs":
                return Cell(self.differs.get(row.folder, ""))
            case "name":
                depth = self._depths.get(row.name, 0)
                before = "  " * (depth - 1) + "└ " if depth else ""
                return Cell(f"{before}{clean(row.name)}{' ●' if row.pinned else ''}", "key")
        return _recipe_cell(row, key) or self._result_cell(row, key)

    def _result_cell(self, row: RunSummary, key: str) -> Cell:
        match key:
            case "epochs":
                asked = "" if row.epochs_asked is None else f"/{row.epochs_asked}"
                return Cell(f"{row.epochs}{asked}")
            case "best":
                best = row.best_val_accuracy
                return Cell(percent(best), "text" if best is not None else "quiet")
            case "took":
                return Cell(duration(row.seconds) if row.seconds else "–", "text" if row.seconds else "quiet")
        return Cell(age(self.now - row.started) if row.started else "–", "quiet")


def _recipe_cell(row: RunSummary, key: str) -> Cell | None:
    match key:
        case "data":
            return Cell(clean(row.data))
        case "net":
            return Cell(clean(row.net), "quiet")
        case "optimizer":
            return Cell(clean(str(row.recipe.get("optimizer", ""))), "quiet")
        case "lr":
            lr = recorded_rate(row.recipe)
            return Cell(f"{lr:g}" if lr is not None else "", "quiet")
    return None


SORTS: dict[str, Callable[[RunSummary], Any]] = {
    "name": lambda run: order_of(run.name),
    "where": lambda run: where(run.folder.path),
    "state": lambda run: list(STATES).index(run.state),
    "data": lambda run: run.data,
    "net": lambda run: run.net,
    "optimizer": lambda run: str(run.recipe.get("optimizer", "")),
    "lr": lambda run: recorded_rate(run.recipe),
    "epochs": lambda run: run.epochs,
    "best": lambda run: run.best_val_accuracy,
    "took": lambda run: run.seconds or None,
    "age": lambda run: run.started if run.started is not None else time.time(),
}
"""What each column is sorted by; runs where it is None come last."""

TREE = ("age", "name")
"""Sorted by these, forks stand below their parents; sorted by a result, each run stands for itself."""

UPWARD = ("name", "where", "state", "data", "net", "optimizer")
"""Columns that are sorted from small to large at first; the others begin with the largest."""
