"""The Train place's view of one run folder: it reads, hands the history to the panes, and sends what keys ask for.

Data flows one way: run folder -> History -> panes. What is asked goes the other way through `folder.send`. A run that
ended last week is shown by the same path as one that trains now.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message

from cvtui.doctor import Doctor
from cvtui.runlog.axes import step_at
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.worker_process import usable_cores
from cvtui.text import significant
from cvtui.tui.panes.accuracy import AccuracyPane
from cvtui.tui.panes.curve_pane import CurvePane
from cvtui.tui.panes.findings import FindingsPane
from cvtui.tui.panes.gradient import GradientPane
from cvtui.tui.panes.header import RunHeader
from cvtui.tui.panes.layers import LayersPane
from cvtui.tui.panes.log import LogPane
from cvtui.tui.panes.loss import LossPane
from cvtui.tui.panes.pane import Pane
from cvtui.tui.panes.prediction import PredictionPane
from cvtui.tui.panes.rate import RatePane
from cvtui.tui.panes.values import ValuesPane
from cvtui.tui.panes.view_state import SMOOTHINGS, X_AXES
from cvtui.tui.plot.line_plot import LinePlot
from cvtui.tui.train.findings_control import Doctoring
from cvtui.tui.train.frame_budget import CROWDED_SECONDS, Pace
from cvtui.tui.train.modals import WhyModal
from cvtui.tui.train.overlay_runs import Others, OthersModal, drawn_at_first, other_runs
from cvtui.tui.train.pane_grid import Stage
from cvtui.tui.train.resume_modal import RESUMABLE
from cvtui.tui.train.saved_view import remember, remembered
from cvtui.tui.train.time_cursor import epoch_over, stepped, stride
from cvtui.tui.widgets.modal import BELOW_SECONDS

POLL_SECONDS = 0.095
"""A tick is a little late each time: these make ten frames a second."""
PATIENCE_SECONDS = 5.0
"""How long "pausing…" is shown when nobody obeys."""


PANES = (
    LossPane, AccuracyPane, RatePane, GradientPane, LayersPane, LogPane, FindingsPane, ValuesPane, PredictionPane,
)  # fmt: skip


class LiveView(Doctoring):
    """One run, live or ended.

    `focus_pane()` gives it the keys (it does so by itself when it is shown). On `q` it asks what should become of a
    living run and posts `Left`; what happens then is the app's business.
    """

    class StateChanged(Message):
        """The run's state (`History.state`) is another than before."""

        def __init__(self, folder: RunFolder, state: str) -> None:
            super().__init__()
            self.folder = folder
            self.state = state

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "Pause", tooltip="Pause the training, or go on"),
        Binding("l", "rate", "Rate", tooltip="Change the learning rate"),
        Binding("s", "save", "Save", tooltip="Save a checkpoint now"),
        Binding("x", "stop", "Stop", tooltip="Save and end the run (asks first)"),
        Binding("a", "x_axis", "Axis", tooltip="x axis: steps, epochs, samples or time"),
        Binding("y", "log_y", "Log", tooltip="Logarithmic y axis of this pane (or of the loss), or a linear one"),
        Binding(
            "m",
            "smoothing",
            "Smooth",
            show=False,
            tooltip="Smoothing of the training curves: light, medium, strong or off",
        ),
        Binding("o", "others", "Overlay", tooltip="Draw other runs over this one: validation, and training behind it"),
        Binding("i", "pictures", "Pictures", tooltip="Filters, feature maps, samples, mistakes, confusion matrix"),
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
        Binding("escape", "live", "Live", show=False),
        Binding("f", "fork", "Fork", tooltip="A new run from a checkpoint of this one, with a changed recipe"),
        Binding("u", "go_on", "Resume", tooltip="Go on with a run that was stopped, lost, or fell apart"),
        Binding("q", "leave", "Leave", tooltip="Leave: asks whether the run goes on"),
        Binding("v", "why", "Why?", tooltip="Why validation can lie below training"),
    ]
    DEFAULT_CSS = "LiveView { layout: vertical; width: 1fr; height: 1fr; background: $background; }"

    def __init__(self, folder: RunFolder, *, id: str | None = None) -> None:  # noqa: A002 (Textual's own name)
        super().__init__(id=id)
        self.folder = folder
        self.history = History(folder)
        self.view, self._alone = remembered()
        self.doctor = Doctor(self.history)
        self.others = Others()
        self.others.choose(drawn_at_first(folder))
        self.watching = True
        """The timer reads the folder; it doesn't while the view is hidden."""
        self._stale = True
        self._pace = Pace()
        self._cores = usable_cores()
        self._turn = 0
        """Which of the visible panes was drawn last."""

    def compose(self) -> ComposeResult:
        yield RunHeader()
        yield Stage([pane() for pane in PANES], self._alone)

    @property
    def stage(self) -> Stage:
        return self.query_one(Stage)

    @property
    def header(self) -> RunHeader:
        return self.query_one(RunHeader)

    @property
    def alive(self) -> bool:
        """Is there a process behind the run, as of the last poll?"""
        return self.view.alive

    def pane(self, name: str) -> Pane:
        return self.stage.panes[name]

    # ------------------------------------------------------------------ reading and drawing

    def on_mount(self) -> None:
        self._timer = self.set_interval(max(POLL_SECONDS, 0.95 / getattr(self.app, "fps", 10.0)), self._tick)
        self.poll()

    def on_show(self, event: events.Show) -> None:
        self._timer.resume()
        self.watching = True
        self.focus_pane()

    def on_hide(self, event: events.Hide) -> None:
        self._timer.pause()
        self.watching = False

    def _tick(self) -> None:
        if self._covered():
            return
        self._pace.earn()
        self.poll(panes=self._asked is not None)
        if self._stale and self._pace.may_draw(self._apart()):
            self.draw_next()

    def _apart(self) -> float:
        """Seconds between two frames, at least: more below a window, and while a training takes every core."""
        if self.app.screen is not self.screen:
            return BELOW_SECONDS
        run = self.history.run
        training = run is not None and run.device == "cpu" and self.view.state == "running"
        return CROWDED_SECONDS if training and self.history.threads >= self._cores else 0.0

    def _covered(self) -> bool:
        """Another place (not a question of ours) lies over this one."""
        top = self.app.screen
        return top is not self.screen and not top.is_modal

    def poll(self, panes: bool = True) -> None:
        """Takes in what is new in the folder and shows it, all at once; without `panes` only a state that is new."""
        changed = self.history.poll()
        before = self.view
        self.others.poll()
        self._know(self.history.state())
        self._stale |= changed or self.view != before
        if self._stale and (panes or self.view.state != before.state):
            self.ask_doctor()
            self.draw()
        if self.view.state != before.state:
            self._tell_trouble()
            self.refresh_bindings()
            self.post_message(self.StateChanged(self.folder, self.view.state))

    def draw_next(self) -> None:
        """One frame: the header, and the next pane with something new. (Painting a pane costs ten times as much as
        working out what is in it, so the panes take turns.)"""
        visible = self.stage.visible_panes()
        self._pace.begin_frame()
        with self.app.batch_update():
            self.header.update_from(self.history, self.view)
            for _ in visible:
                self._turn = (self._turn + 1) % len(visible)
                if not self._turn:
                    self.ask_doctor()
                if visible[self._turn].update_from(self.history, self.view):
                    return
        self._stale = any(pane.waiting for pane in visible)

    def _tell_trouble(self) -> None:
        """Why a run failed stands in its log, so that comes to the front of its slot."""
        if self.view.state not in ("failed", "lost"):
            return
        focused = self.has_focus_within
        self.stage.show("log")
        if focused and self.app.screen is self.screen:
            self.focus_pane()

    def _know(self, state: str) -> None:
        """The state of this moment; a command that was sent is pending until the run says that it was applied."""
        pending = self.view.pending
        if self._asked is not None:
            applied = len(self.history.commands) > self._asked[0]
            tired = time.monotonic() - self._asked[1] > PATIENCE_SECONDS
            if applied or tired or state not in ("starting", "running", "paused"):
                self._asked, pending = None, ""
        cursor = self.view.cursor
        if cursor is not None:  # a resumed run may have gone back behind it
            cursor = min(cursor, self.history.steps_done)
        self.view = replace(self.view, state=state, pending=pending, cursor=cursor, others=self.others.shown)

    def draw(self) -> None:
        """Header and visible panes, in one batch. Each decides by itself whether anything it shows is new."""
        stage = self.stage
        with self.app.batch_update():
            self.header.update_from(self.history, self.view)
            if self.history.run is not None:
                stage.set_layer_rows(len(self.history.run.layers))
            visible = stage.visible_panes()
            for pane in visible:
                pane.update_from(self.history, self.view)
        self._stale = any(pane.waiting for pane in visible)

    @on(Stage.Rearranged)
    def _rearranged(self, event: Stage.Rearranged) -> None:
        event.stop()
        self.draw()

    def _look(self, **changes: Any) -> None:
        """Another look at the run, asked for by a key: header and pane in use at once, the others a frame later, for
        painting all of them takes longer than a hand notices."""
        self.view = replace(self.view, **changes)
        with self.app.batch_update():
            self.header.update_from(self.history, self.view)
            self.pane(self.stage.current).update_from(self.history, self.view)
        self.call_after_refresh(self.draw)

    def _choose(self, **changes: Any) -> None:
        """A look that the person wants, now and the next time."""
        self._look(**changes)
        remember(self.view, self.stage.alone)

    # ------------------------------------------------------------------ panes

    def focus_pane(self) -> None:
        self.pane(self.stage.current).inner.focus(scroll_visible=False)

    def show_pane(self, name: str) -> None:
        """Brings a pane (one of `plan.PANES`) to the front and gives it keys."""
        self.stage.show(name)
        self.focus_pane()

    @on(Pane.Asked)
    def _tab_clicked(self, event: Pane.Asked) -> None:
        event.stop()
        self.show_pane(event.name)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """The pane with the focus is the current one. A pane that can't be seen has it from Textual, which focuses the
        first widget of a new screen (before or after us: Python decides); its key presses would go nowhere."""
        for pane in event.widget.ancestors_with_self:
            if isinstance(pane, Pane):
                if pane in self.stage.visible_panes():
                    self.stage.show(pane.NAME)
                else:
                    self.focus_pane()

    def action_next_pane(self, by: int) -> None:
        self.stage.step(by)
        self.focus_pane()

    def action_maximise(self) -> None:
        self.stage.maximise()
        remember(self.view, self.stage.alone)

    def action_reset_zoom(self) -> None:
        for pane in self.stage.panes.values():
            pane.reset_zoom()

    # ------------------------------------------------------------------ the look of the curves

    def action_x_axis(self) -> None:
        following = X_AXES[(X_AXES.index(self.view.x_axis) + 1) % len(X_AXES)]
        self.action_reset_zoom()  # a zoom in steps says nothing about seconds
        self._choose(x_axis=following)

    def action_log_y(self) -> None:
        """Of the pane that has the keys when it is one with curves, otherwise of the loss."""
        current = self.stage.current
        name = current if isinstance(self.pane(current), CurvePane) else "loss"
        self._choose(log_y=self.view.log_y ^ {name})

    def action_smoothing(self) -> None:
        self._choose(smoothing=(self.view.smoothing + 1) % len(SMOOTHINGS))

    # ------------------------------------------------------------------ the moment that is shown

    def show_step(self, step: int | None) -> None:
        """All panes show the run as it was when so many steps were done; None: as it is now."""
        if step != self.view.cursor:
            began_or_ended = (step is None) != (self.view.cursor is None)
            if step is not None and began_or_ended:
                self.stage.bring("values")
            self._look(cursor=step)
            if began_or_ended:
                self.refresh_bindings()

    def action_cursor(self, by: int) -> None:
        self.show_step(stepped(self.history, self.view.cursor, by, stride(self._steps_in_view())))

    def action_epoch(self, by: int) -> None:
        self.show_step(epoch_over(self.history, self.view.cursor, by))

    def action_live(self) -> None:
        self.show_step(None)

    def _steps_in_view(self) -> int:
        """In the curve that has the keys, or the loss: zoomed in, an arrow goes a shorter way."""
        pane = self.pane(self.stage.current)
        plot = (pane if isinstance(pane, CurvePane) else self.query_one(LossPane)).plot
        if plot.view[0] is None:
            return len(self.history.steps)
        low, high = (step_at(self.history, self.view.x_axis, x) for x in plot.view[0])
        return high - low

    @on(LinePlot.CursorMoved)
    def _cursor_put(self, event: LinePlot.CursorMoved) -> None:
        event.stop()
        self.show_step(step_at(self.history, self.view.x_axis, event.x))

    def action_others(self) -> None:
        """Which other runs of the same folder are drawn over this one. They stay while the view lives."""

        def take(folders: list[RunFolder] | None) -> None:
            if folders is not None:
                self.others.choose(folders)
                self.poll()

        self.app.push_screen(OthersModal(other_runs(self.folder), self.others.names), take)

    def action_pictures(self) -> None:
        from cvtui.tui.detail.pictures_view import PicturesView

        self.app.push_screen(PicturesView(self.history, self.view.cursor))

    def on_layers_table_opened(self) -> None:
        self.action_layer()

    def action_layer(self) -> None:
        """One layer over time: the one under the Layers pane's cursor."""
        from cvtui.tui.detail.layer_detail import LayerDetail
        from cvtui.tui.detail.layer_series import layer_names
        from cvtui.tui.panes.layers_table import LayersTable

        row = self.query_one(LayersTable).row
        names = layer_names(self.history)
        if not names:
            self.notify("No layer has been sampled yet.", severity="warning")
            return
        name = row.name if row is not None and row.name in names else names[0]
        self.app.push_screen(LayerDetail(self.history, name, self.view.cursor))

    def action_why(self) -> None:
        here = ""
        if self.history.epochs:
            last = self.history.epochs[-1]
            here = (
                f"Epoch {last.epoch} of this run: training {significant(last.train_loss)} (mean over the epoch), "
                f"validation {significant(last.val_loss)} (after it)."
            )
        self.app.push_screen(WhyModal(here))

    # ------------------------------------------------------------------ what is asked of the run

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Commands are dim where nobody is left to obey."""
        if action in ("pause", "rate", "save", "stop") and not self.view.alive:
            return None
        if action == "live":
            return self.view.cursor is not None
        if action == "go_on":
            return self.view.state in RESUMABLE
        return True
