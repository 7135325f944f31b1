"""The Labs view: the lecture's experiments, each with its knobs and its picture."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from cvtui.tui.labs.knobs import KnobForm
from cvtui.tui.labs.labs_view import LabsView
from cvtui.tui.screens.base import BaseScreen


class LabsScreen(BaseScreen):
    NAME = "labs"
    NEEDS_ROOM = "Labs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "start", "Start", tooltip="Start the lab with these knobs"),
        Binding("x", "stop", "Stop", tooltip="Stop the lab at once"),
        Binding("escape", "back", "Back", tooltip="Stop the lab while it works; else leave the field, then the page"),
        Binding("k", "knobs", "Knobs", tooltip="To the knobs"),
        Binding("d", "defaults", "Defaults", tooltip="Every knob back to its default"),
    ]

    def compose_body(self) -> ComposeResult:
        yield LabsView(self.session.runs)

    @property
    def labs(self) -> LabsView:
        return self.query_one(LabsView)

    @on(events.ScreenResume)
    def _resumed(self) -> None:
        for view in self.query(LabsView):
            view.set_polling(True)

    @on(events.ScreenSuspend)
    def _suspended(self) -> None:
        for view in self.query(LabsView):
            view.set_polling(False)

    @on(LabsView.Moved)
    @on(KnobForm.Changed)
    def _update_keys(self) -> None:
        self.refresh_bindings()

    # ------------------------------------------------------------------ keys

    async def action_start(self) -> None:
        await self.labs.start()

    def action_stop(self) -> None:
        self.labs.stop()

    def action_back(self) -> None:
        """Out of what works, then out of the field, then out of the page."""
        page = self.labs.page
        if self.labs.run_here is not None and self.labs.run_here.alive:
            self.labs.stop()
        elif page is not None and page.form.current is not None:
            page.sheet.focus()
        else:
            self.labs.close()

    def action_knobs(self) -> None:
        page = self.labs.page
        if page is not None:
            page.sheet.scroll_home(animate=False)
            page.form.focus_first()

    def action_defaults(self) -> None:
        page = self.labs.page
        if page is not None:
            page.form.reset()

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        if not self.is_mounted or not self.query(LabsView):
            return True
        view = self.labs
        alive = view.run_here is not None and view.run_here.alive
        match action:
            case "start":
                return None if alive else True
            case "stop":
                return True if alive else None
            case "back":
                return view.page is not None and (alive or view.in_page)
            case "knobs":
                return view.page is not None
            case "defaults":
                return None if view.page is None or not view.page.form.changed else True
        return True
