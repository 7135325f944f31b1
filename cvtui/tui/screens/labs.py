"""The Labs view: the lecture's experiments, each with its knobs and its picture."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from cvtui.labs.claims import Claim, InCalc
from cvtui.tui.labs.knobs import KnobForm
from cvtui.tui.labs.labs_view import LabsView
from cvtui.tui.labs.lecture_page import LecturePage, PredictModal, outcome
from cvtui.tui.screens.base import BaseScreen
from cvtui.tui.widgets.filter_field import FilterField
from cvtui.tui.widgets.moves import capital


class LabsScreen(BaseScreen):
    NAME = "labs"
    AUTO_FOCUS = "LabList"
    NEEDS_ROOM = "Labs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "start", "Start", tooltip="Start the lab with these knobs"),
        Binding("x", "stop", "Stop", tooltip="Stop the lab at once"),
        Binding("escape", "back", "Back", tooltip="Leave the field, then the page; a lab that works goes on"),
        Binding(capital("E"), "knobs", "Edit", tooltip="To the knobs"),
        Binding("space", "walk", "Walk", tooltip="Let the walkers go over the loss surface again, or stop them"),
        Binding("r", "defaults", "Reset", tooltip="Every knob back to its default; once more: as they were"),
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
            view.lecture.mark_held()

    @on(events.ScreenSuspend)
    def _suspended(self) -> None:
        for view in self.query(LabsView):
            view.set_polling(False)

    @on(LabsView.Moved)
    @on(KnobForm.Changed)
    def _update_keys(self) -> None:
        self.refresh_bindings()

    @on(LecturePage.Chosen)
    def _chosen(self, event: LecturePage.Chosen) -> None:
        """Ask for a prediction, where there is a question, then open the claim's page."""
        event.stop()
        question = event.claim.question
        if question is None:
            self._open_claim(event.claim, "")
            return

        def answered(answer: int | None) -> None:
            self._open_claim(event.claim, outcome(question, -1 if answer is None else answer))

        self.app.push_screen(PredictModal(question), answered)

    @work
    async def _open_claim(self, claim: Claim, predicted: str) -> None:
        if isinstance(claim.opens, InCalc):
            await self.session.calculate_claim(claim, predicted)
        else:
            await self.labs.open_lab(claim.opens.name, claim.opens.knobs, predicted)

    # ------------------------------------------------------------------ keys

    async def action_start(self) -> None:
        await self.labs.start()

    def action_stop(self) -> None:
        self.labs.stop()

    async def action_back(self) -> None:
        """Out of the field, then out of the page, to the claim that opened it; a lab that works goes on."""
        page = self.labs.page
        if isinstance(self.focused, FilterField):
            self.labs.all_labs()
        elif page is not None and page.form.current is not None:
            page.sheet.focus()
        else:
            await self.labs.close()

    def action_knobs(self) -> None:
        page = self.labs.page
        if page is not None:
            page.sheet.scroll_home(animate=False)
            page.form.focus_first()

    def action_defaults(self) -> None:
        page = self.labs.page
        if page is not None:
            page.form.reset()

    def action_walk(self) -> None:
        page = self.labs.page
        if page is not None:
            page.figures.animate_walkers(not page.figures.walking)

    def action_step_walk(self, by: int) -> None:
        page = self.labs.page
        if page is not None:
            page.figures.step_walk(by)

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        if not self.is_mounted or not self.query(LabsView):
            return True
        view = self.labs
        alive = view.run_here is not None and view.run_here.alive
        match action:
            case "start":
                return None if alive or not view.may_start else True
            case "stop":
                return True if alive else None
            case "back":
                return isinstance(self.focused, FilterField) or view.in_page
            case "walk" | "step_walk":
                return view.page is not None and view.page.figures.steps > 0
            case "knobs":
                return view.page is not None
            case "defaults":
                return None if view.page is None or not view.page.form.may_reset else True
        return True
