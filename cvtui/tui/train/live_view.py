"""The live view of one run folder: poll the history, update the panes, and run the actions of keys.

Data flows one way: run folder -> History -> panes. Commands go the other way through `folder.send`. A run that ended
last week is shown by the same path as one that trains now. The view is put together of three parts: `PaneGrid` lays
out the panes, `RunCommands` talks to the trainer, `FindingsControl` runs the doctor.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.timer import Timer

from cvtui.runlog.axes import step_at
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.worker_process import usable_cores
from cvtui.tui.panes.curve_pane import CurvePane
from cvtui.tui.panes.findings import FindingsList
from cvtui.tui.panes.header import RunHeader
from cvtui.tui.panes.loss import LossPane
from cvtui.tui.panes.pane import Pane
from cvtui.tui.panes.registry import PANE_KEYS, PANES
from cvtui.tui.panes.view_state import SMOOTHINGS, X_AXES
from cvtui.tui.plot.line_plot import LinePlot
from cvtui.tui.train.detail_windows import DetailWindows
from cvtui.tui.train.findings_control import FindingsControl
from cvtui.tui.train.frame_budget import CROWDED_SECONDS, FrameBudget
from cvtui.tui.train.overlay_runs import OverlayModal, OverlayRuns, default_overlays, other_runs
from cvtui.tui.train.pane_grid import PaneGrid
from cvtui.tui.train.resume_modal import RESUMABLE
from cvtui.tui.train.run_commands import RunCommands
from cvtui.tui.train.saved_view import remember, remembered
from cvtui.tui.train.time_cursor import moved, moved_by_epoch, stride
from cvtui.tui.widgets.modal import BELOW_SECONDS

POLL_SECONDS = 0.095
"""Poll interval; a tick is a little late each time, so this makes ten frames a second."""
UNSEEN_SECONDS = 1.0
"""So often a run that is out of sight is looked at: the bar of every place tells its state."""


class LiveView(DetailWindows):
    """One run, live or ended.

    `focus_pane()` focuses it (it does so by itself when it is shown). On `q` it asks whether a living run goes on and
    posts `Left`; the app decides what follows.
    """

    class StateChanged(Message):
        """Notice that the run's state (`History.state`) has changed."""

        def __init__(self, folder: RunFolder, state: str) -> None:
            super().__init__()
            self.folder = folder
            self.state = state

    BINDING_GROUP_TITLE = "The run"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "Pause", tooltip="Pause the training, or go on"),
        Binding("l", "rate", "Rate", tooltip="Change the learning rate"),
        Binding("s", "save", "Save", tooltip="Save a checkpoint now"),
        Binding("x", "stop", "Stop", tooltip="End the run (asks first)"),
        Binding("a", "x_axis", "Axis", tooltip="x axis: steps, epochs, samples or time"),
        Binding("y", "range", "Range", tooltip="y axis of this pane (or the loss): without spikes, all, logarithmic"),
        Binding("m", "smoothing", "Smooth", show=False, tooltip="Smooth the curves: light, medium, strong or off"),
        Binding("o", "overlay", "Overlay", tooltip="Overlay other runs: validation, and training fainter"),
        Binding("i", "pictures", "Pictures", tooltip="Filters, feature maps, samples, mistakes, confusion matrix"),
        Binding("e", "evaluate", "Evaluate", tooltip="How good it is: interval, classes, calibration, slices, images"),
        Binding("d", "layer", "Layer", tooltip="The layer under the cursor over time (enter on its row, too)"),
        Binding("r", "reset_zoom", "Reset", show=False, tooltip="Show the whole curves again after zooming"),
        Binding("z,enter", "maximise", "Zoom", tooltip="This pane alone, and back to all"),
        Binding("tab", "next_pane(1)", "Next pane", show=False, tooltip="Go on to the next pane"),
        Binding("shift+tab", "next_pane(-1)", "Pane before", show=False, tooltip="Go back to the pane before"),
        Binding("left", "cursor(-1)", "Back in time", show=False, tooltip="Back in time: all panes show that moment"),
        Binding("right", "cursor(1)", "On in time", show=False, tooltip="On in time"),
        Binding("shift+left", "epoch(-1)", "Epoch before", show=False, tooltip="Back to the end of the epoch before"),
        Binding("shift+right", "epoch(1)", "Next epoch", show=False, tooltip="On to the end of the next epoch"),
        Binding("end", "live", "Live", priority=True, tooltip="From a moment in time back to the run as it is now"),
        Binding("escape", "live", "Live", show=False, tooltip="From a moment in time back to the run as it is now"),
        Binding("f", "fork", "Fork", tooltip="A new run from a checkpoint of this one, with a changed recipe"),
        Binding("u", "go_on", "Resume", tooltip="Resume a stopped, lost or diverged run"),
        Binding("q", "leave", "Quit", tooltip="Quit (asks whether training should continue)"),
        Binding("v", "why", "Why?", tooltip="Why validation can lie below training"),
        *PANE_KEYS,
    ]
    DEFAULT_CSS = "LiveView { layout: vertical; width: 1fr; height: 1fr; background: $background; }"

    def __init__(self, folder: RunFolder, *, id: str | None = None) -> None:  # noqa: A002 (Textual's own name)
        super().__init__(id=id)
        self.folder = folder
        self.history = History(folder)
        self.view, self._alone = remembered()
        self.commands = RunCommands(self)
        self.findings = FindingsControl(self, self.commands)
        self.overlay_runs = OverlayRuns()
        self.overlay_runs.choose(default_overlays(folder))
        self._shown = True
        self._stale = True
        self._looked = time.monotonic()
        self._budget = FrameBudget()
        self._cores = usable_cores()

    def compose(self) -> ComposeResult:
        yield RunHeader()
        yield PaneGrid([pane() for pane in PANES], self._alone)

    @property
    def grid(self) -> PaneGrid:
        return self.query_one(PaneGrid)

    @property
    def header(self) -> RunHeader:
        return self.query_one(RunHeader)

    def pane(self, name: str) -> Pane:
        return self.grid.panes[name]

    # ------------------------------------------------------------------ reading and drawing

    def on_mount(self) -> None:
        self._timer = self._look_regularly()
        self.poll()

    def _look_regularly(self) -> Timer:
        seconds = max(POLL_SECONDS, 0.95 / getattr(self.app, "fps", 10.0))
        return self.set_interval(seconds, self._tick)

    def set_pace(self) -> None:
        """Look into the folder as often as the app's frames a second now say."""
        self._timer.stop()
        self._timer = self._look_regularly()

    @property
    def watching(self) -> bool:
        """False while the view is hidden, behind the form."""
        return all(node.display for node in self.ancestors_with_self)

    def on_show(self) -> None:
        self._shown = True
        self.focus_pane()

    def _tick(self) -> None:
        if not self.watching:
            self._shown = False
        elif not self._shown:  # Textual tells nobody where something asked for a region before the next layout
            self.on_show()
        if not self.watching or self._covered():
            self._look_unseen()
            return
        self._budget.earn()
        self.poll(panes=self.commands.waiting)
        if self._stale and self._budget.may_draw(self._frame_interval()):
            self.draw_next()

    def _look_unseen(self) -> None:
        """Notice another state of a run that is out of sight; nothing of it is drawn."""
        now = time.monotonic()
        if now - self._looked >= UNSEEN_SECONDS:
            self._looked = now
            self._stale |= self.history.poll()
            if self.commands.state_of(self.history.state()) != self.view.state:
                self.poll(panes=False)

    def _frame_interval(self) -> float:
        """Return the least seconds between two frames: more below a window, and while training takes every core."""
        if self.app.screen is not self.screen:
            return BELOW_SECONDS
        run = self.history.run
        training = run is not None and run.device == "cpu" and self.view.state == "running"
        return CROWDED_SECONDS if training and self.history.threads >= self._cores else 0.0

    def _covered(self) -> bool:
        """Return True if another screen (not a window of ours) lies over this one."""
        top = self.app.screen
        return top is not self.screen and not top.is_modal

    def poll(self, panes: bool = True) -> None:
        """Read what is new in the folder and draw it at once; without `panes` draw only a change of state."""
        changed = self.history.poll()
        self.grid.leave_out_empty(self.history)
        before = self.view
        self.overlay_runs.poll()
        self._update_state(self.commands.state_of(self.history.state()))
        self._stale |= changed or self.view != before
        if self._stale and (panes or self.view.state != before.state):
            self.findings.update()
            self.draw()
        if self.view.state != before.state:
            self._show_trouble()
            self.refresh_bindings()
            self.post_message(self.StateChanged(self.folder, self.view.state))

    def draw_next(self) -> None:
        """Draw one frame: the header, and the next pane with something new.

        Painting a pane costs ten times as much as working out what is in it, so the panes take turns.
        """
        self._budget.begin_frame()
        with self.app.batch_update():
            self.header.update_from(self.history, self.view)
            for turn, pane in self.grid.turns():
                if turn == 0:
                    self.findings.update()
                if pane.update_from(self.history, self.view):
                    return
        self._stale = self.grid.waiting

    def _show_trouble(self) -> None:
        """Bring the log to the front of its slot when the run failed: it holds the reason."""
        if self.view.state not in ("failed", "lost"):
            return
        focused = self.has_focus_within
        self.grid.show("log")
        if focused and self.app.screen is self.screen:
            self.focus_pane()

    def _update_state(self, state: str) -> None:
        """Take over the run's state; a command is pending until the run logs that it was applied."""
        cursor = self.view.cursor
        if cursor is not None:  # a resumed run may have gone back behind it
            cursor = min(cursor, self.history.steps_done)
        pending = self.commands.pending(state)
        self.view = replace(self.view, state=state, pending=pending, cursor=cursor, overlays=self.overlay_runs.shown)

    def draw(self) -> None:
        """Update header and visible panes in one batch. Each decides by itself whether anything it shows is new."""
        with self.app.batch_update():
            self.header.update_from(self.history, self.view)
            if self.history.run is not None:
                self.grid.set_layer_rows(len(self.history.run.layers))
            for pane in self.grid.visible_panes():
                pane.update_from(self.history, self.view)
        self._stale = self.grid.waiting

    @on(PaneGrid.Rearranged)
    def _rearranged(self, event: PaneGrid.Rearranged) -> None:
        event.stop()
        self.draw()

    def change_view(self, **changes: Any) -> None:
        """Replace fields of the view state: redraw header and current pane at once, the others a frame later.

        Painting all of them takes longer than a hand notices.
        """
        self.view = replace(self.view, **changes)
        with self.app.batch_update():
            self.header.update_from(self.history, self.view)
            self.pane(self.grid.current).update_from(self.history, self.view)
        self.call_after_refresh(self.draw)

    def _set_preference(self, **changes: Any) -> None:
        """Change the view and remember it for the next session."""
        self.change_view(**changes)
        remember(self.view, self.grid.alone)

    # ------------------------------------------------------------------ panes

    def focus_pane(self) -> None:
        self.pane(self.grid.current).inner.focus(scroll_visible=False)

    def show_pane(self, name: str) -> None:
        """Bring a pane (by its NAME) to the front and focus it."""
        self.grid.show(name)
        self.focus_pane()

    @on(Pane.Asked)
    def _tab_clicked(self, event: Pane.Asked) -> None:
        event.stop()
        self.show_pane(event.name)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Make the focused pane the current one; move the focus away from a pane that can't be seen.

        Such a pane has it from Textual, which focuses the first widget of a new screen (before or after us: Python
        decides); its key presses would go nowhere.
        """
        for pane in event.widget.ancestors_with_self:
            if isinstance(pane, Pane):
                if pane in self.grid.visible_panes():
                    self.grid.show(pane.NAME)
                else:
                    self.focus_pane()

    def action_pane(self, name: str) -> None:
        if not self.pane(name).has_content(self.history):
            self.notify(f"This run has recorded nothing for the pane {self.pane(name).TITLE}.", markup=False)
            return
        self.show_pane(name)

    def action_next_pane(self, by: int) -> None:
        self.grid.step(by)
        self.focus_pane()

    def action_maximise(self) -> None:
        self.grid.maximise()
        remember(self.view, self.grid.alone)

    def action_reset_zoom(self) -> None:
        for pane in self.grid.panes.values():
            pane.reset_zoom()

    # ------------------------------------------------------------------ the look of the curves

    def action_x_axis(self) -> None:
        following = X_AXES[(X_AXES.index(self.view.x_axis) + 1) % len(X_AXES)]
        self.action_reset_zoom()  # a zoom in steps says nothing about seconds
        self._set_preference(x_axis=following)

    @property
    def _curve(self) -> CurvePane:
        """The focused pane if it has curves, otherwise the loss."""
        pane = self.pane(self.grid.current)
        return pane if isinstance(pane, CurvePane) else self.query_one(LossPane)

    def action_range(self) -> None:
        self._set_preference(**self.view.next_range(self._curve.NAME))

    def action_smoothing(self) -> None:
        self._set_preference(smoothing=(self.view.smoothing + 1) % len(SMOOTHINGS))

    # ------------------------------------------------------------------ the moment that is shown

    def show_step(self, step: int | None) -> None:
        """Show the run in all panes as it was after `step` steps; None: as it is now."""
        if step != self.view.cursor:
            began_or_ended = (step is None) != (self.view.cursor is None)
            if step is not None and began_or_ended:
                self.grid.bring("values")
            self.change_view(cursor=step)
            if began_or_ended:
                self.refresh_bindings()

    def action_cursor(self, by: int) -> None:
        size = stride(self._curve.steps_in_view(self.history, self.view))
        self.show_step(moved(self.history, self.view.cursor, by, size))

    def action_epoch(self, by: int) -> None:
        self.show_step(moved_by_epoch(self.history, self.view.cursor, by))

    def action_live(self) -> None:
        self.show_step(None)

    @on(LinePlot.CursorMoved)
    def _cursor_put(self, event: LinePlot.CursorMoved) -> None:
        event.stop()
        self.show_step(step_at(self.history, self.view.x_axis, event.x))

    def action_overlay(self) -> None:
        """Choose the runs of the same folder that are drawn over this one. They stay while the view lives."""

        def apply(folders: list[RunFolder] | None) -> None:
            if folders is not None:
                self.overlay_runs.choose(folders)
                self.poll()

        self.app.push_screen(OverlayModal(other_runs(self.folder), self.overlay_runs.names), apply)

    # ------------------------------------------------------------------ commands and findings: keys of the parts

    def action_pause(self) -> None:
        self.commands.pause_or_resume()

    def action_rate(self) -> None:
        self.commands.change_rate()

    def action_save(self) -> None:
        self.commands.save()

    def action_stop(self) -> None:
        self.commands.stop()

    def action_go_on(self) -> None:
        self.commands.resume()

    def action_fork(self) -> None:
        self.commands.fork()

    def action_leave(self) -> None:
        self.commands.leave()

    @on(FindingsList.Asked)
    def _finding_asked(self, event: FindingsList.Asked) -> None:
        event.stop()
        self.findings.act(event)

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """Leave out commands that no trainer could apply: of a run that has ended."""
        if action in ("pause", "rate", "save", "stop") and not self.view.alive:
            return False
        if action == "live":
            return self.view.cursor is not None
        return self.view.state in RESUMABLE if action == "go_on" else True
