"""The Train screen: the form until there is a run, then the run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widget import Widget

from cvtui.errors import RequestError
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.folder import RunFolder
from cvtui.tui.form.form_view import FormView
from cvtui.tui.screens.base import BaseScreen

if TYPE_CHECKING:
    from cvtui.runlog.history import History
    from cvtui.tui.train import LiveView
    from cvtui.tui.train.run_commands import Forked, Resumed


class TrainScreen(BaseScreen):
    """Form and run in one body, one of them shown. The form keeps its values, the run its view."""

    NAME = "train"
    NEEDS_ROOM = "The form"
    BINDING_GROUP_TITLE = "Form and run"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new_run", "New run", tooltip="Back to the form, as it was filled in"),
        Binding("b", "show_run", "Back to the run", tooltip="The run that was shown before"),
    ]
    DEFAULT_CSS = """
    TrainScreen #body { width: 1fr; height: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._view: LiveView | None = None
        self._form_view: FormView | None = None

    def compose_body(self) -> ComposeResult:
        with Container(id="body"):
            if self.session.attach is None:
                self._form_view = FormView(self.session.recipe, self.session.runs, prewarm=self.session.prewarm)
                yield self._form_view

    async def on_mount(self) -> None:
        if self.session.attach is not None:
            await self.show_folder(self.session.attach)
        self.call_after_refresh(self.session.shown)

    # ------------------------------------------------------------------ what is shown

    @property
    def form_view(self) -> FormView | None:
        return self._form_view

    @property
    def view(self) -> LiveView | None:
        """The run that is shown, or was before the form; None when there was none yet."""
        return self._view

    @property
    def shows_run(self) -> bool:
        return self._view is not None and self._view.display

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        if action == "new_run":
            return self.shows_run
        if action == "show_run":
            return self._view is not None and not self._view.display
        return True

    async def show_folder(self, folder: RunFolder) -> None:
        """Open a run, live or ended, on this screen."""
        from cvtui.tui.train import LiveView  # numpy and the panes: not needed for the first frame

        if self._view is None or self._view.folder != folder:
            if self._view is not None:
                await self._view.remove()
                self._discard_refused()
            self._view = LiveView(folder)
            await self.query_one("#body").mount(self._view)
        self.action_show_run()
        self._update_bar(folder, self._view.view.state)
        if self._view.view.alive:
            self.session.follow_end(folder)

    def action_show_run(self) -> None:
        if self._view is None:
            return
        self._swap(self._view, self._form_view)
        self._view.focus_pane()

    async def action_new_run(self) -> None:
        """Show the form again. The run goes on; `b` goes back to it."""
        if self._form_view is None:
            self._form_view = FormView(self.session.recipe, self.session.runs, prewarm=self.session.prewarm)
            await self.query_one("#body").mount(self._form_view)
        self._swap(self._form_view, self._view)
        self._form_view.validate(again=True)
        self._form_view.open()
        self._form_view.fold(False)
        self._form_view.form.focus_field("data")

    def _swap(self, shown: Widget, hidden: Widget | None) -> None:
        with self.app.batch_update():
            if hidden is not None:
                hidden.display = False
            shown.display = True
        self.set_class(not self.shows_run, "-roomy")
        self.bar.set_class(self.shows_run, "-run-is-here")
        self.bar.refresh()
        self.refresh_bindings()

    def _update_bar(self, folder: RunFolder, state: str) -> None:
        self.session.set_shown_run(folder.name, state)

    def on_live_view_state_changed(self, event: LiveView.StateChanged) -> None:
        event.stop()
        if self._view is not None and event.folder == self._view.folder:
            self._update_bar(event.folder, event.state)

    async def on_live_view_forked(self, event: Forked) -> None:
        event.stop()
        self.session.started.append(event.folder)
        self.session.watch_end(event.folder)
        if self._view is not None and self._view.view.state == "running":
            self._watch_parent(self._view.history, event.folder)
        await self.show_folder(event.folder)

    def _watch_parent(self, parent: History, child: RunFolder) -> None:
        """Look every two seconds whether the fork slows its parent, and offer to pause that."""
        from cvtui.tui.train.parent_speed import ParentSpeed

        speed = ParentSpeed(parent, child)

        def look() -> None:
            slowed = speed.look()
            if speed.over:
                timer.stop()
            if slowed is not None:
                self.session.offer_pause(slowed.parent, slowed.sentence)

        timer = self.set_interval(2.0, look)

    def on_live_view_resumed(self, event: Resumed) -> None:
        event.stop()
        self.session.watch_end(event.folder, event.size)

    # ------------------------------------------------------------------ starting

    @on(FormView.Start)
    async def _start(self, event: FormView.Start) -> None:
        event.stop()
        await self.start(event.recipe)

    async def start(self, recipe: Recipe) -> None:
        """Make the run's folder and show it at once; the prewarmed engine becomes its trainer."""
        assert self._form_view is not None
        self._discard_refused()
        try:
            folder = self._make_folder(recipe)
        except RequestError as error:
            self.app.notify(error.message, title="No run was started", severity="error", markup=False)
            return
        self.session.started.append(folder)
        self._train(folder, recipe, self._form_view)
        await self.show_folder(folder)

    def _discard_refused(self) -> None:
        """Remove the folders of runs of this session that were refused before they began, once they are left."""
        from cvtui.runlog.refused import discard_refused

        discard_refused(self.session.started)

    def on_unmount(self) -> None:
        if self.session.started:
            self._discard_refused()

    def _make_folder(self, recipe: Recipe) -> RunFolder:
        text = dumps(recipe)
        if recipe.name:
            return RunFolder.create(self.session.runs, recipe.name, text)
        return RunFolder.numbered(self.session.runs, recipe.data, text)

    @work(group="starting")
    async def _train(self, folder: RunFolder, recipe: Recipe, form_view: FormView) -> None:
        """Train with the prewarmed engine, or with a fresh one if that can't."""
        try:
            trains = await form_view.engine.train(folder, recipe)
        except asyncio.CancelledError:  # the screen is left; the engine, which has been told, trains
            self.session.watch_end(folder)
            raise
        if trains:
            self.session.watch_end(folder)
            return
        from cvtui.runlog.worker_process import launch

        try:
            launch(folder, detached=True)
            self.session.watch_end(folder)
        except (RequestError, OSError) as error:
            self.app.notify(str(error), title="The training could not be started", severity="error", markup=False)
