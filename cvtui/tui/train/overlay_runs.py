"""The runs that are drawn over the one in view, and the question which ones (`o`)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

from rich.cells import set_cell_size
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import SelectionList, Static
from textual.widgets.selection_list import Selection

from cvtui.errors import RequestError
from cvtui.runlog.differing import differing
from cvtui.runlog.folder import RunFolder, is_run, list_runs
from cvtui.runlog.fork import parent_of
from cvtui.runlog.history import History
from cvtui.runlog.manage import is_pinned
from cvtui.runlog.run_summary import RunSummary, summary
from cvtui.text import clean, cut_middle, percent
from cvtui.tui.panes.overlay import COLOURS
from cvtui.tui.panes.view_state import OverlayCurves, OverlayRun
from cvtui.tui.widgets.bindings import hint
from cvtui.tui.widgets.filtered_list import FilteredList, TickList
from cvtui.tui.widgets.modal import BoxModal

POLL_SECONDS = 0.5
MOST_BYTES = 8_000_000
"""Read of one other run at a poll: a long one comes in pieces, and the screen stays alive."""
LISTED = 200


class OverlayRuns:
    """The chosen runs, each with a history of its own that is read on while the run lives."""

    def __init__(self) -> None:
        self._chosen: dict[str, OverlayRun] = {}
        self._polled = 0.0

    @property
    def names(self) -> list[str]:
        return list(self._chosen)

    @property
    def shown(self) -> tuple[OverlayRun, ...]:
        return tuple(self._chosen.values())

    def choose(self, folders: list[RunFolder]) -> None:
        """Draw these, at most one for each colour; those drawn before keep theirs."""
        wanted = {folder.name: folder for folder in folders[: len(COLOURS)]}
        kept = {name: other for name, other in self._chosen.items() if name in wanted}
        free = [color for color in COLOURS if color not in {other.color for other in kept.values()}]
        for name, folder in wanted.items():
            if name not in kept:
                kept[name] = OverlayRun(History(folder), free.pop(0), 0, OverlayCurves())
        self._chosen = kept
        self._polled = 0.0

    def poll(self) -> None:
        """Read new records, twice a second at most."""
        if not self._chosen or time.monotonic() - self._polled < POLL_SECONDS:
            return
        self._polled = time.monotonic()
        for name, other in self._chosen.items():
            if other.history.poll(MOST_BYTES):
                version = other.history.version
                self._chosen[name] = OverlayRun(other.history, other.color, version, other.curves)


def default_overlays(folder: RunFolder) -> list[RunFolder]:
    """Return the run that this one was forked from, and the pinned ones."""
    parent = parent_of(folder)
    beside = folder.path.parent
    runs = []
    if parent is not None and Path(parent.run).name == parent.run and is_run(beside / parent.run):
        runs.append(RunFolder(beside / parent.run))
    try:
        pinned = [run for run in list_runs(beside)[:LISTED] if run != folder and is_pinned(run)]
    except OSError:
        pinned = []
    return [*runs, *(run for run in pinned if run not in runs)]


def other_runs(folder: RunFolder) -> list[RunSummary]:
    """Return the readable runs beside this one, newest first."""
    try:
        return [summary(run) for run in list_runs(folder.path.parent)[:LISTED] if run.path != folder.path]
    except (RequestError, OSError):
        return []


class OverlayModal(BoxModal[list[RunFolder] | None]):
    """A list of runs with ticks. Enter or space ticks one, `o` or escape takes what is ticked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "draw", "Overlay them"),
        Binding("o", "draw", "Overlay", tooltip="Overlay the ticked runs"),
        Binding("delete,backspace", "none", "None", tooltip="Untick all"),
    ]
    DEFAULT_CSS = """
    OverlayModal > .box { width: 76; }
    OverlayModal TickList { max-height: 16; }
    """

    def __init__(self, runs: list[RunSummary], chosen: list[str]) -> None:
        super().__init__()
        self._runs = runs
        self._differs = differing(runs)
        self._ticked = {run.name for run in runs} & {*chosen}

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = "Overlay other runs"
            box.border_subtitle = f"space: tick · {hint(OverlayModal, none='none', draw='done')}"
            if self._runs:
                runs = {run.name: run for run in self._runs}
                texts = {name: f"{name} {run.state} {run.net}" for name, run in runs.items()}
                yield FilteredList(texts, lambda name: self._line(runs[name]), TickList(compact=True), "words of a run")
            else:
                yield Static("There is no other run in this folder.", classes="quiet", markup=False)
            yield Static("", id="others-said", classes="quiet", markup=False)

    def _line(self, run: RunSummary) -> Selection[str]:
        best = percent(run.best_val_accuracy) if run.best_val_accuracy is not None else "–"
        name = set_cell_size(cut_middle(clean(run.name), 28), 28)
        apart = clean(self._differs.get(run.folder) or run.net)
        text = Content.assemble(f"{name}  {run.state:<9} {best:>7}  ", (apart, "$foreground 60%"))
        return Selection(text, run.name, run.name in self._ticked)

    def on_mount(self) -> None:
        for ticks in self.query(TickList):
            ticks.focus()

    @on(SelectionList.SelectedChanged)
    def _changed(self, event: SelectionList.SelectedChanged[str]) -> None:
        """Keep the ticks of runs that the filter hides."""
        listed = {*self.query_one(FilteredList).keys}
        self._ticked = self._ticked - listed | {*event.selection_list.selected}
        self._show_count()

    def _show_count(self) -> None:
        over = len(self._ticked) - len(COLOURS)
        text = f"At most {len(COLOURS)} at once: the first of the list are drawn." if over > 0 else ""
        self.query_one("#others-said", Static).update(text)

    def action_none(self) -> None:
        self._ticked = set()
        for ticks in self.query(TickList):
            ticks.deselect_all()
        self._show_count()

    def action_draw(self) -> None:
        self.dismiss([run.folder for run in self._runs if run.name in self._ticked])
