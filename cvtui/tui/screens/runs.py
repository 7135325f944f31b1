"""The Runs place: every run folder with its state and result; enter opens one, live or ended."""

from __future__ import annotations

import time
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from cvtui.runlog import RunFolder, RunSummary, list_runs, summary
from cvtui.tui.screens.places import PlaceScreen
from cvtui.tui.screens.runs_table import SORTS, UPWARD, RunsTable
from cvtui.tui.setup import MUTED
from cvtui.tui.setup.cards import Card
from cvtui.tui.setup.grid import Grid

REFRESH_SECONDS = 1.0
SLICE = 0.03
"""Seconds that reading summaries may take at once: a first look at many long runs must not freeze the keys."""


class RunsScreen(PlaceScreen):
    """Looks into the folder every second while it is visible, and only then."""

    PLACE = "runs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", tooltip="Open the run in the Train place, live or ended"),
        Binding("s", "sort(1)", "Sort", tooltip="Sort by the next column (or click on its title)"),
        Binding("S,shift+s", "sort(-1)", "Sort back", show=False, tooltip="Sort by the column before"),
        Binding("o", "turn", "Order", tooltip="Turn the order around"),
        Binding("n", "new_run", "New run", tooltip="To the form of the Train place"),
    ]
    DEFAULT_CSS = """
    RunsScreen {
        & #runs { width: 1fr; height: 1fr; }
        & #none { width: 1fr; height: 1fr; content-align: center middle; text-align: center; display: none; }
        & #net-line { height: 1; color: $foreground 60%; }
        &.-none RunsTable, &.-none #net-line { display: none; }
        &.-none #none { display: block; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._timer: Timer | None = None
        self._runs: dict[RunFolder, RunSummary] = {}
        self._waiting: list[RunFolder] = []

    def compose_place(self) -> ComposeResult:
        with Card(id="runs") as card:
            card.border_title = "Runs"
            yield RunsTable()
            yield Static(id="none")
            yield Static(id="net-line")

    @property
    def table(self) -> RunsTable:
        return self.query_one(RunsTable)

    # ------------------------------------------------------------------ looking

    def on_mount(self) -> None:
        self._timer = self.set_interval(REFRESH_SECONDS, self.look)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        super().on_screen_resume(event)
        if self._timer is not None:
            self._timer.resume()
        self.look()

    def on_screen_suspend(self) -> None:
        if self._timer is not None:
            self._timer.pause()

    def look(self) -> None:
        """Lists the folder and reads what is new in each run, a slice of time at once."""
        folders = list_runs(self.session.runs)
        for gone in self._runs.keys() - set(folders):
            del self._runs[gone]
        if not self._waiting:
            self._waiting = folders
        self._read()

    def _read(self) -> None:
        until = time.monotonic() + SLICE
        while self._waiting and time.monotonic() < until:
            folder = self._waiting.pop(0)
            if folder.path.is_dir():
                self._runs[folder] = summary(folder)
        if self._waiting and self.is_current:
            self.set_timer(0.005, self._read)
        self.draw()

    def draw(self) -> None:
        runs = list(self._runs.values())
        self.set_class(not runs, "-none")
        card = self.query_one("#runs", Vertical)
        alive = sum(run.state in ("starting", "running", "paused") for run in runs)
        card.border_title = f"Runs in {self.session.runs}"
        card.border_subtitle = f"{len(runs)} run{'s' if len(runs) != 1 else ''}, {alive} alive" if runs else ""
        if not runs:
            self.query_one("#none", Static).update(_nothing(str(self.session.runs)))
            return
        self.table.show(runs)
        self._say_more()

    def _say_more(self) -> None:
        """The whole net of the run under the cursor, and why it ended where that was no wish of anybody's."""
        run = self.table.run
        if run is None:
            return
        parts: list[Content | tuple[str, str]] = [(run.net, MUTED)]
        if run.reason and run.state in ("diverged", "failed"):
            parts.insert(0, (f"{run.reason}  ", "$text-error"))
        line = Content.assemble(*parts)
        self.query_one("#net-line", Static).update(line.truncate(max(10, self.size.width - 4), ellipsis=True))

    @on(Grid.Highlighted)
    def _highlighted(self, event: Grid.Highlighted) -> None:
        event.stop()
        self._say_more()

    # ------------------------------------------------------------------ keys

    async def action_open(self) -> None:
        run = self.table.run
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

    async def action_new_run(self) -> None:
        await self.session.action_new_run()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("open", "sort", "turn") and not self._runs:
            return None
        return True


def _nothing(runs: str) -> Content:
    return Content.assemble(
        (f"No runs in {runs} yet.\n\n", "bold"),
        ("Press ", MUTED),
        ("n", "bold $text-primary"),
        (" for the form and ", MUTED),
        ("ctrl+r", "bold $text-primary"),
        (" to start one;\nor, without the screen: ", MUTED),
        ("cvtui --no-ui", "bold"),
    )
