"""The Runs screen: every run folder with its state and result; enter opens one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.markup import escape
from textual.timer import Timer
from textual.widgets import Input, Static

from cvtui.errors import RequestError
from cvtui.recipe.ending import is_planned
from cvtui.runlog import other_hosts
from cvtui.runlog.folder import RunFolder, runs_below
from cvtui.runlog.foreign.listing import logs_below, told
from cvtui.runlog.other_hosts import where
from cvtui.runlog.run_filter import Keeps, parse_filter
from cvtui.runlog.run_summary import RunSummary, summary
from cvtui.text import clean
from cvtui.tui.screens.base import BaseScreen
from cvtui.tui.screens.run_curves import RunCurves
from cvtui.tui.screens.runs_actions import RunActions
from cvtui.tui.screens.runs_table import SORTS, UPWARD, RunsTable
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.frame import Card
from cvtui.tui.widgets.moves import capital
from cvtui.tui.widgets.table import Grid

REFRESH_SECONDS = 1.0
_OF_RUNS = ("open", "view", "sort", "turn", "filter", "fork", "pin", "rename", "note", "delete")
"""Actions that need a run."""
LIVING = ("starting", "running", "paused")
AGING_SECONDS = 10.0
"""So often a list without news is drawn, for its times: to draw 500 runs takes 40 ms."""
READ_SECONDS = 0.2
"""So often it is drawn while there is more to read."""
SLICE = 0.03
"""Seconds that reading summaries may take at once: a first look at many long runs must not freeze the keys."""


class RunsScreen(BaseScreen):
    """Looks into the folder every second while it is visible, and only then."""

    NAME = "runs"
    AUTO_FOCUS = "RunsTable"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", tooltip="Open the run in the Train place, live or ended"),
        Binding("greater_than_sign", "sort(1)", "Sort", tooltip="Sort by the next column (or click on its title)"),
        Binding("less_than_sign", "sort(-1)", "Sort back", show=False, tooltip="Sort by the column before"),
        Binding(capital("S"), "turn", "Order", tooltip="Reverse the order"),
        Binding("slash", "filter", "Filter", key_display="/", tooltip="Show some: acc>0.97 net~conv lr<=0.01 digits"),
        Binding("f", "fork", "Fork", tooltip="A new run from a checkpoint of this one"),
        Binding("o", "pin", "Overlay", tooltip="Pin: overlay this run on every run (toggle)"),
        Binding(capital("N"), "rename", "Rename", show=False, tooltip="Give the run another name"),
        Binding("c", "note", "Note", show=False, tooltip="Write a line about the run"),
        Binding("delete,backspace", "delete", "Delete", tooltip="Move the run to the bin; U restores it"),
        Binding(capital("U"), "undelete", "Undelete", show=False, tooltip="Restore the last deleted run"),
        Binding("w", "view", "View", tooltip="A tiny loss curve of each listed run, and the list again"),
        Binding("escape", "unfilter", "All runs", show=False, tooltip="Show all runs again"),
        Binding("n", "new_run", "New run", tooltip="To the form of the Train place"),
    ]
    DEFAULT_CSS = """
    RunsScreen {
        & #runs { width: 1fr; height: 1fr; }
        & #none { width: 1fr; height: 1fr; content-align: center middle; text-align: center; display: none; }
        & #net-line { height: 1; color: $foreground 60%; }
        & #filter { display: none; height: 1; border: none; padding: 0; background: $panel; }
        &.-filter #filter { display: block; }
        &.-none RunsTable, &.-none #net-line, &.-curves RunsTable { display: none; }
        &.-curves RunCurves { display: block; }
        &.-none RunCurves { display: none; }
        &.-none #none { display: block; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._timer: Timer | None = None
        self._runs: dict[RunFolder, RunSummary] = {}
        self._logs: list[Path] = []
        """Folders with logs of other programs."""
        self._waiting: list[RunFolder] = []
        self._looks = 0
        self._changed = True
        """A summary is another than the drawn one."""
        self._drawn = -AGING_SECONDS
        """Monotonic time of the last drawing."""
        self._actions = RunActions(self)
        self._keeps: Keeps = parse_filter("")
        self._wrong = ""
        """Why the filter's text can't be followed; the last good one holds meanwhile."""

    def compose_body(self) -> ComposeResult:
        with Card(id="runs") as card:
            card.border_title = "Runs"
            yield Input(placeholder="acc>0.97 net~conv lr<=0.01 state=finished digits", id="filter", compact=True)
            yield RunsTable()
            yield RunCurves(self._move)
            yield Static(id="none")
            yield Static(id="net-line")

    @property
    def table(self) -> RunsTable:
        return self.query_one(RunsTable)

    @property
    def chosen_run(self) -> RunSummary | None:
        return self.table.row if self._runs else None

    # ------------------------------------------------------------------ looking

    def on_mount(self) -> None:
        self._timer = self.set_interval(REFRESH_SECONDS, self._look)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        super().on_screen_resume(event)
        if self._timer is not None:
            self._timer.resume()
        self._changed = True
        self.refresh_runs()

    def on_screen_suspend(self) -> None:
        if self._timer is not None:
            self._timer.pause()

    def _look(self) -> None:
        """Refresh the runs that live; those that have ended too at every fifth look."""
        self._looks += 1
        self.refresh_runs(ended=self._looks % 5 == 0)

    def refresh_runs(self, *, ended: bool = True) -> None:
        """List the folder and read new records of each run, a slice of time at once."""
        folders = runs_below(self.session.places)
        if ended and (logs := logs_below(self.session.places)) != self._logs:
            self._logs, self._changed = logs, True
        for gone in self._runs.keys() - set(folders):
            del self._runs[gone]
            self._changed = True
        if not self._waiting:
            self._waiting = [folder for folder in folders if ended or self._is_living(folder)]
        self._read()

    def _is_living(self, folder: RunFolder) -> bool:
        """Return True for a run that trained at the last look, or is new."""
        known = self._runs.get(folder)
        return known is None or known.state in LIVING

    def _read(self) -> None:
        until = time.monotonic() + SLICE
        while self._waiting and time.monotonic() < until:
            folder = self._waiting.pop(0)
            if folder.path.is_dir() and (read := summary(folder)) != self._runs.get(folder):
                self._runs[folder], self._changed = read, True
        if self._waiting and self.is_current:
            self.set_timer(0.005, self._read)
        age = time.monotonic() - self._drawn
        news = self._changed and (not self._waiting or age >= READ_SECONDS)
        if news or other_hosts.mirrors or age >= AGING_SECONDS:
            self.draw()

    def draw(self) -> None:
        self._changed, self._drawn = False, time.monotonic()
        runs = list(self._runs.values())
        self.set_class(not runs, "-none")
        card = self.query_one("#runs", Vertical)
        alive = sum(run.state in LIVING for run in runs)
        hosts = [mirror.status() for mirror in other_hosts.mirrors.values()]
        card.border_title = escape(f"Runs in {self._places()}")
        logs = f"{told(self._logs)}: ctrl+p, Open log" if self._logs else ""
        text = f"{len(runs)} run{'s' if len(runs) != 1 else ''}, {alive} training" if runs else ""
        if not runs:
            card.border_subtitle = _after("", hosts)
            self.query_one("#none", Static).update(_no_runs(self._places(), logs))
            return
        kept = [run for run in runs if self._keeps(run)]
        hosts = [logs, *hosts] if logs else hosts
        card.border_subtitle = _after(text if len(kept) == len(runs) else f"{len(kept)} of {text}", hosts)
        places = {run.folder: where(run.folder.path) for run in runs}
        self.table.places = places if len(set(places.values())) > 1 else {}
        self.table.show(kept)
        self._show_details()
        self._draw_curves()

    def _draw_curves(self) -> None:
        """Draw the small multiples where they are in view, and go on while there is more to read."""
        if not self.has_class("-curves"):
            return
        table = self.table
        whole = self.query_one(RunCurves).show(table.rows, table.cursor, table.differs)
        if not whole and self.is_current:
            self.set_timer(0.005, self._draw_curves)

    def _move(self, by: int) -> None:
        self.table.action_cursor(by)
        self._draw_curves()

    def action_view(self) -> None:
        """Show small multiples instead of the table, or the table again."""
        self.toggle_class("-curves")
        self._focus_list()
        self._show_details()
        self.call_after_refresh(self._draw_curves)

    def _focus_list(self) -> None:
        (self.query_one(RunCurves) if self.has_class("-curves") else self.table).focus()

    def _places(self) -> str:
        """Return where the runs are looked for."""
        known = other_hosts.mirrors
        return ", ".join(str(known[path].address) if path in known else str(path) for path in self.session.places)

    def _show_details(self) -> None:
        """Show the full net of the run under the cursor, its note, and why it failed."""
        run = self.table.row
        if self._wrong or run is None:
            text = Content.styled(f"✗ {self._wrong}" if self._wrong else "No run passes the filter.", "$text-warning")
            self.query_one("#net-line", Static).update(text)
            return
        parts: list[Content | tuple[str, str]] = [(clean(run.net), MUTED)]
        if self.has_class("-curves"):
            parts.insert(0, (f"{clean(run.name)}  ", "bold"))
        if run.reason and run.state in ("diverged", "failed"):
            parts.insert(0, (f"{clean(run.reason)}  ", "$text-error"))
        elif is_planned(run.reason):
            parts.insert(0, (f"{clean(run.reason)}  ", "$text-primary"))
        elif run.trouble:
            parts.insert(0, (f"▲ {clean(run.trouble)}  ", "$text-error"))
        if run.note:
            parts.insert(0, (f"“{clean(run.note)}”  ", "$text-primary"))
        line = Content.assemble(*parts)
        self.query_one("#net-line", Static).update(line.truncate(max(10, self.size.width - 4), ellipsis=True))

    @on(Grid.Highlighted)
    def _highlighted(self, event: Grid.Highlighted) -> None:
        event.stop()
        self._show_details()

    # ------------------------------------------------------------------ keys

    async def action_open(self) -> None:
        run = self.table.row
        if run is not None:
            await self.session.open_run(run.folder)

    @on(Grid.Chosen)
    async def _chosen(self, event: Grid.Chosen) -> None:
        event.stop()
        await self.action_open()

    def action_sort(self, by: int) -> None:
        keys = [key for key in self.table.columns if key in SORTS]
        here = keys.index(self.table.sort_key) if self.table.sort_key in keys else -1
        self.sort_by(keys[(here + by) % len(keys)])

    @on(Grid.HeadingClicked)
    def _heading(self, event: Grid.HeadingClicked) -> None:
        event.stop()
        if event.key == self.table.sort_key:
            self.action_turn()
        elif event.key in SORTS:
            self.sort_by(event.key)

    def sort_by(self, key: str) -> None:
        self.table.sort_key, self.table.reverse = key, key not in UPWARD
        self.draw()

    def action_turn(self) -> None:
        self.table.reverse = not self.table.reverse
        self.draw()

    def action_filter(self) -> None:
        self.add_class("-filter")
        self.set_focus(self.query_one("#filter", Input))  # at once: `focus()` would come after keys typed with this one

    def action_unfilter(self) -> None:
        line = self.query_one("#filter", Input)
        line.value = ""
        self.remove_class("-filter")
        self._focus_list()

    @on(Input.Changed, "#filter")
    def _filter(self, event: Input.Changed) -> None:
        event.stop()
        try:
            self._keeps, self._wrong = parse_filter(event.value), ""
        except RequestError as error:
            self._wrong = error.message.removeprefix("filter: ")
        self.draw()

    @on(Input.Submitted, "#filter")
    def _filtered(self, event: Input.Submitted) -> None:
        event.stop()
        if not event.value.strip():
            self.remove_class("-filter")
        self._focus_list()

    async def action_fork(self) -> None:
        """Open the run and its fork window."""
        run = self.table.row
        if run is not None:
            await self.session.open_run(run.folder)
            self.session.fork_shown_run()

    def action_pin(self) -> None:
        self._actions.pin()

    def action_rename(self) -> None:
        self._actions.rename()

    def action_note(self) -> None:
        self._actions.write_note()

    def action_delete(self) -> None:
        self._actions.delete()

    def action_undelete(self) -> None:
        self._actions.undelete()

    async def action_new_run(self) -> None:
        await self.session.action_new_run()

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        if action in _OF_RUNS and not self._runs:
            return None
        if action == "unfilter":
            return self.has_class("-filter")
        return True


def _after(text: str, hosts: list[str]) -> str:
    """Return `text` and what is not well with other hosts."""
    return escape(" · ".join(part for part in (text, *map(clean, hosts)) if part))


def _no_runs(runs: str, logs: str) -> Content:
    return Content.assemble(
        (f"No runs in {runs} yet.\n\n", "bold"),
        ("Press ", MUTED),
        ("n", "bold $text-primary"),
        (" for the form and ", MUTED),
        ("ctrl+r", "bold $text-primary"),
        (" to start one;\nor, without the screen: ", MUTED),
        ("cvtui --no-ui", "bold"),
        (f"\n\n{logs}" if logs else "", MUTED),
    )
