"""The list of labs beside the page of one; in a narrow terminal the one or the other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input, OptionList

from cvtui.errors import RequestError
from cvtui.labs.lecture import keep_held, shown_by
from cvtui.labs.lookup import labs
from cvtui.tui.labs.action_line import ActionLine
from cvtui.tui.labs.knobs import KnobForm
from cvtui.tui.labs.lab_list import LECTURE, LabList
from cvtui.tui.labs.lab_run import LabRun
from cvtui.tui.labs.lecture_page import LecturePage
from cvtui.tui.labs.page import LabPage, Paragraph
from cvtui.tui.widgets.filter_field import FilterField
from cvtui.tui.widgets.frame import Card

BESIDE = 110
"""Columns from which list and page stand side by side."""
POLL_SECONDS = 0.15
REST_SECONDS = 0.06


class LabsView(Horizontal):
    """`runs`: the folder in whose `labs` each start makes a folder."""

    DEFAULT_CSS = """
    LabsView {
        width: 1fr; height: 1fr;
        & > #labs-list { width: 1fr; height: 1fr; }
        & #lab-about { min-height: 3; }
        & > LabPage, & > LecturePage { display: none; }
        &.-page > #labs-list { display: none; }
        &.-page > .-here { display: block; }
        &.-beside > #labs-list { display: block; width: 23; }
        &.-beside > .-here { display: block; }
    }
    """

    class Moved(Message):
        """Another lab, the page or the list, a start or an end: other keys are of use."""

    def __init__(self, runs: Path) -> None:
        super().__init__()
        self._runs_folder = runs
        self._page_lock = asyncio.Lock()
        self.runs: dict[str, LabRun] = {}
        """The last run of each lab in this session."""
        self._pages: dict[str, LabPage] = {}
        self._here = LECTURE
        self._from_lecture = False
        """The page was opened by a claim, and leaving it leads back to the claims."""
        self._timer: Timer | None = None
        self._show_timer: Timer | None = None

    def compose(self) -> ComposeResult:
        with Card(id="labs-list") as card:
            card.border_title = "Labs"
            yield FilterField("words of a name, title or claim")
            yield LabList(self._ask_filter)
            yield Paragraph(id="lab-about")
        yield LecturePage()

    async def on_mount(self) -> None:
        self._timer = self.set_interval(POLL_SECONDS, self.poll)
        self.list.highlighted = 0
        self.list.focus()

    def on_unmount(self) -> None:
        for run in self.runs.values():
            run.terminate()

    @property
    def list(self) -> LabList:
        return self.query_one(LabList)

    @property
    def lecture(self) -> LecturePage:
        return self.query_one(LecturePage)

    @property
    def page(self) -> LabPage | None:
        """The page that is shown."""
        page = self._pages.get(self._here)
        return page if page is not None and (self.has_class("-page") or self.has_class("-beside")) else None

    @property
    def run_here(self) -> LabRun | None:
        page = self.page
        return page.run if page is not None else None

    @property
    def may_start(self) -> bool:
        """Whether there is a lab to start: the lecture is none."""
        return self.list.name_here != LECTURE

    @property
    def in_page(self) -> bool:
        """Whether the keys are the page's."""
        focused = self.screen.focused
        page = self.lecture if self._here == LECTURE else self.page
        return focused is not None and page is not None and page in focused.ancestors_with_self

    # ------------------------------------------------------------------ list and page

    async def on_resize(self, event: events.Resize) -> None:
        beside = event.size.width >= BESIDE
        if beside == self.has_class("-beside"):
            return
        inside = self.in_page
        self.set_class(beside, "-beside")
        self._update_list()
        if beside and self._here == LECTURE:
            self._show_lecture()
        elif beside:
            await self.show(self._here)
        else:
            self.set_class(inside, "-page")
            if not inside:
                self.list.focus()
        self.post_message(self.Moved())

    def _ask_filter(self) -> None:
        self.query_one(FilterField).reveal()

    @on(LabList.AllAsked)
    def all_labs(self) -> None:
        """Show all labs again."""
        self.query_one(FilterField).close()
        self.list.focus()

    @on(Input.Changed, "FilterField")
    def _filter(self, event: Input.Changed) -> None:
        event.stop()
        field = self.query_one(FilterField)
        kept = [LECTURE] if field.keeps(LECTURE, "The lecture") else []
        kept += [name for name, lab in labs().items() if field.keeps(name, lab.title, lab.claim)]
        asked = field.value.strip().lower()
        self.list.list_only(sorted(kept, key=lambda name: asked not in name))  # those called so come first
        if asked and kept:
            self.list.highlighted = 0
        self.query_one("#labs-list").border_subtitle = "" if kept else "no match"

    @on(Input.Submitted, "FilterField")
    def _filtered(self, event: Input.Submitted) -> None:
        event.stop()
        self.list.focus()

    def _update_list(self) -> None:
        """Redraw the list for the room that it has."""
        beside = self.has_class("-beside")
        self.list.mark_runs(self.runs, titles=not beside)
        name = self.list.name_here
        words = labs()[name].claim if name in labs() else "28 claims in the lecture's order, each with what shows it."
        claim = Content.assemble(("Claim  " if name in labs() else "", "bold $text-primary"), words)
        self.query_one("#lab-about", Paragraph).say(Content("") if beside else claim)

    def _show_lecture(self) -> None:
        for page in self._pages.values():
            page.remove_class("-here")
        self._here = LECTURE
        self.lecture.add_class("-here")
        self.lecture.mark_held()
        self.post_message(self.Moved())

    async def open_lecture(self) -> None:
        """Go to the claims."""
        if self.list.highlighted:
            self.list.highlighted = 0
        self._show_lecture()
        self._from_lecture = False
        self.add_class("-page")
        self.lecture.list.focus()

    async def show(self, name: str) -> LabPage:
        """Show the lab's page, with its knobs and last result."""
        async with self._page_lock:  # a page that is being mounted is waited for
            page = self._pages.get(name)
            if page is None:
                page = LabPage(labs()[name])
                await self.mount(page)
                self._pages[name] = page  # only now: the bar of keys asks what stands in its form
        for other in (self.lecture, *self._pages.values()):
            other.set_class(other is page, "-here")
        self._here = name
        page.refresh_run()
        self.post_message(self.Moved())
        return page

    async def open_lab(self, name: str, knobs: Mapping[str, str] | None = None, predicted: str = "") -> None:
        """Go to the lab's page and focus its first knob, or its figures if there are some.

        knobs: those to turn from their defaults; predicted: what to say of the reader's prediction at the run's end.
        """
        if name not in self.list.names:
            self.query_one(FilterField).close()
            self.list.list_only([LECTURE, *labs()])
        index = self.list.names.index(name)
        if self.list.highlighted != index:
            self.list.highlighted = index
        page = await self.show(name)
        self.add_class("-page")
        self._from_lecture = knobs is not None
        if knobs is not None:
            page.prepare(knobs, predicted)
        if page.run is not None:
            page.sheet.focus()
        else:
            page.form.focus_first()
        self.post_message(self.Moved())

    async def close(self) -> None:
        """Back to the claim that opened the page, or to the list."""
        if self._from_lecture and self._here != LECTURE and self.in_page:
            await self.open_lecture()
            return
        self.remove_class("-page")
        self.list.focus()
        self.post_message(self.Moved())

    @on(OptionList.OptionHighlighted)
    async def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        name = event.option_id or self._here
        self._update_list()
        if self.has_class("-beside"):
            if self._show_timer is not None:
                self._show_timer.stop()
            self._show_timer = self.set_timer(REST_SECONDS, self._show_highlighted)
        elif not self.has_class("-page"):
            self._here = name

    async def _show_highlighted(self) -> None:
        """Show the page of the highlighted lab, after a pause: moving along the list stays quick."""
        if self.list.name_here == LECTURE:
            self._show_lecture()
        elif self.list.name_here != self._here or self.page is None:
            await self.show(self.list.name_here)

    @on(OptionList.OptionSelected)
    async def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if (event.option_id or self._here) == LECTURE:
            await self.open_lecture()
        else:
            await self.open_lab(event.option_id or self._here)

    # ------------------------------------------------------------------ running

    async def start(self) -> None:
        """Start the lab of the page (or the highlighted one) unless it is running."""
        if not self.may_start:
            return
        if self.page is None:
            await self.open_lab(self.list.name_here)
        elif self.list.has_focus:
            await self._show_highlighted()
        page = self.page
        if page is None or (page.run is not None and page.run.alive):
            return
        knobs = page.form.values()
        if knobs is None:
            return
        try:
            run = LabRun(self._runs_folder, page.lab.name, knobs)
        except (RequestError, OSError) as error:
            page.say(error if isinstance(error, RequestError) else RequestError(f"can't start it: {error}"))
            return
        self.runs[page.lab.name] = run
        page.begin(run)
        self._update_list()
        self.post_message(self.Moved())

    def stop(self) -> None:
        run = self.run_here
        if run is not None:
            run.stop()
            self.poll()

    def poll(self) -> None:
        """Poll every running lab; draw only the one whose page is shown."""
        ended = False
        for run in self.runs.values():
            was = run.alive
            run.poll()
            if was != run.alive:
                ended = True
                if run.state == "done" and run.shown is not None and run.shown.claim_holds:
                    keep_held(shown_by(run.name, run.knobs))
                    self.lecture.mark_held()
        if self.page is not None and (ended or (self.page.run is not None and self.page.run.alive)):
            self.page.refresh_run()
        if ended:
            self._update_list()
            self.post_message(self.Moved())

    def set_polling(self, on: bool) -> None:
        """Poll only while the screen is visible."""
        if self._timer is None:
            return
        if on:
            self._timer.resume()
            self.poll()
        else:
            self._timer.pause()
            for page in self._pages.values():
                page.figures.animate_walkers(False)

    @on(ActionLine.Pressed)
    async def _pressed(self, event: ActionLine.Pressed) -> None:
        event.stop()
        run = self.run_here
        if run is not None and run.alive:
            self.stop()
        else:
            await self.start()

    @on(KnobForm.Submitted)
    async def _submitted(self, event: KnobForm.Submitted) -> None:
        event.stop()
        await self.start()
