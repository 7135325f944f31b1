"""The Labs place: the list, the knobs, and labs that really run in their own process."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.app import App, ComposeResult

from cvtui.draw.figures import Heat, Points
from cvtui.labs.folder import LabFolder
from cvtui.labs.lecture import held
from cvtui.labs.lookup import labs
from cvtui.runlog.folder import list_runs
from cvtui.tui.app import CvtuiApp
from cvtui.tui.calc.solved import Solved
from cvtui.tui.labs.action_line import ActionLine
from cvtui.tui.labs.knobs import KnobForm, default_text
from cvtui.tui.labs.lab_run import LabRun
from cvtui.tui.labs.labs_view import LabsView
from cvtui.tui.labs.lecture_page import PredictModal
from cvtui.tui.labs.page import LabPage, Numbers, Paragraph
from cvtui.tui.screens.calc import CalcScreen
from cvtui.tui.screens.help import HelpScreen
from cvtui.tui.screens.labs import LabsScreen
from cvtui.tui.widgets.figures_view import number_lines
from cvtui.tui.widgets.item_list import ItemList
from tests.tui.places import begun_at
from tests.waiting import wait_until, wait_until_async

pytestmark = pytest.mark.walked

SIZES = [(80, 24), pytest.param((160, 45), marks=pytest.mark.long)]


async def place(app: CvtuiApp) -> LabsView:
    await wait_until_async(lambda: isinstance(app.screen, LabsScreen), what="the Labs place")
    await wait_until_async(lambda: app.screen.query(LabsView) and app.screen.query_one(LabsView).list.has_focus)
    return app.screen.query_one(LabsView)


def page_of(labs_place: LabsView) -> LabPage:
    page = labs_place.page
    assert page is not None
    return page


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.long)])
async def test_the_list_shows_every_lab_and_opens_its_page(tmp_path: Path, size: tuple[int, int], every: int) -> None:
    """`every`: how many of the labs have one page that is opened."""
    app = begun_at("labs", tmp_path)
    async with app.run_test(size=size) as pilot:
        here = await place(app)
        assert [option.id for option in here.list.options] == ["lecture", *labs()]
        assert here.list.region.height >= min(1 + len(labs()), 17)  # nearly all of them are visible at once
        about = here.query_one("#lab-about", Paragraph)
        for name, lab in list(labs().items())[::every]:
            here.list.highlighted = here.list.names.index(name)
            await pilot.pause()
            await pilot.pause()
            assert size[0] >= 110 or lab.claim in about.content.plain
            wanted = about.get_content_height(about.size, about.size, about.size.width)
            assert size[0] >= 110 or about.size.height >= wanted  # all of it, wrapped
            await here.open_lab(name)
            page = page_of(here)
            assert page.lab is lab
            assert page.border_title == lab.title
            assert {knob: row.text for knob, row in page.form.rows.items()} == {
                knob.name: default_text(knob) for knob in lab.all_knobs
            }
            assert page.form.values() is not None  # the defaults are allowed
            await pilot.pause()
            assert here.list.display
            assert here.query_one("#labs-list").display == (size[0] >= 110)
        await pilot.press("escape", "escape")
        await wait_until_async(lambda: here.list.has_focus, what="the list")


@pytest.mark.torch
@pytest.mark.parametrize("size", SIZES)
async def test_a_lab_runs_in_its_own_process_and_its_result_stays(tmp_path: Path, size: tuple[int, int]) -> None:
    app = begun_at("labs", tmp_path)
    async with app.run_test(size=size) as pilot:
        here = await place(app)
        await here.open_lab("sharing")
        page = page_of(here)
        page.form.rows["width"].set_text("7")
        await pilot.press("ctrl+r")
        await wait_until_async(lambda: "sharing" in here.runs, what="the start")
        assert "Stop" in page.line.text
        await wait_until_async(lambda: here.runs["sharing"].state == "done", 60, "the end")
        await wait_until_async(lambda: "Start" in page.line.text and "done" in page.line.text, what="the last line")
        shown = here.runs["sharing"].shown
        assert shown is not None
        await wait_until_async(lambda: "fc: 49 parameters" in page.figures.text, what="the figures")
        assert all(len(line) <= page.figures.size.width for line in page.figures.text.split("\n"))
        assert page.query_one("#verdict", Paragraph).content.plain.startswith("The claim holds. ")
        assert here.runs["sharing"].folder.asked() == ("sharing", {**shown_knobs("sharing"), "width": 7})
        assert here.runs["sharing"].folder.path.parent == tmp_path / "labs"
        assert list_runs(tmp_path) == []  # a lab is not a training
        before = page.figures.text
        await here.open_lab("gradcheck")
        assert page_of(here) is not page
        await here.open_lab("sharing")
        assert page_of(here) is page
        assert page.figures.text == before
        if size[0] < 110:
            await wait_until_async(lambda: page.sheet.scroll_offset.y > 0, what="the results at the top")
            await pilot.resize_terminal(140, 40)  # drawn again at the new width
            await wait_until_async(lambda: page.figures.text != before, what="the figures at another width")
            assert here.query_one("#labs-list").display
            verdict = page.query_one("#verdict")
            await wait_until_async(
                lambda: page.sheet.region.contains_region(verdict.region), what="the verdict in sight"
            )
        page.prepare({"width": "7"}, "")
        assert page.run is not None  # its own results stay
        assert page.has_class("-there")
        await pilot.press("ctrl+r")
        run = here.runs["sharing"]
        run.process.kill()
        await wait_until_async(lambda: run.state == "failed", what="the end of a run that has shown nothing")
        await wait_until_async(lambda: not page.has_class("-there"), what="no figures: they were another run's")
        page.prepare({}, "")  # another claim's knobs: what they have not given would be taken for theirs
        assert page.run is None
        assert not page.has_class("-there")
        page.form.rows["width"].set_text("9")
        page.form.reset()
        page.prepare({}, "")  # a second reset would bring the 9 back
        assert page.form.rows["width"].text == default_text(page.form.rows["width"].knob)
        await pilot.press("1")
        await wait_until_async(lambda: app.current_mode == "train", what="the Train place")


def shown_knobs(name: str) -> dict[str, object]:
    return {knob.name: knob.check(knob.default) for knob in labs()[name].all_knobs}


async def test_a_bad_knob_is_told_below_it_and_nothing_starts(tmp_path: Path) -> None:
    app = begun_at("labs", tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        here = await place(app)
        await here.open_lab("optim")
        page = page_of(here)
        row = page.form.rows["rules"]
        row.control.focus()
        row.set_text("sgd,momentun")
        await wait_until_async(lambda: row.problem is not None, what="the complaint")
        assert "momentum" in row.message
        assert row.message.startswith("allowed: all, or some of sgd, momentum")
        await wait_until_async(lambda: row.size.height == 2, what="the line that says it")
        page.form.rows["steps"].control.focus()
        await pilot.press("ctrl+r")
        await wait_until_async(lambda: row.control.has_focus, what="the way to the bad knob")
        assert not here.runs
        assert not (tmp_path / "labs").exists()
        await pilot.press("escape", "r")
        await wait_until_async(lambda: row.problem is None, what="the default")
        assert row.text == "sgd,momentum"
        assert not page.form.changed


@pytest.mark.long
async def test_stop_by_key_and_by_the_button(tmp_path: Path) -> None:
    app = begun_at("labs", tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        here = await place(app)
        await here.open_lab("lr")
        page = page_of(here)
        for stop in ("x", "escape", "button"):  # escape: and then x
            if stop == "button":
                await pilot.click(ActionLine, offset=(2, 0))
            else:
                await pilot.press("ctrl+r")
            await wait_until_async(lambda: page.run is not None and page.run.alive, what="the start")
            run = page.run
            assert run is not None
            await wait_until_async(lambda run=run: run.shown is not None, what="its first word")  # type: ignore[misc]
            if stop == "button":
                await pilot.click(ActionLine, offset=(2, 0))
            else:
                if stop == "escape":
                    await pilot.press(stop, stop)
                    await wait_until_async(lambda: here.list.has_focus, what="the list")
                    assert run.alive  # escape leaves the page, the lab goes on
                    await here.open_lab("lr")
                await pilot.press("x")
            await wait_until_async(lambda run=run: run.state == "stopped", what="the stop")  # type: ignore[misc]
            assert run.process.returncode is not None
            await wait_until_async(lambda: "stopped" in page.line.text, what="the word")
            assert here.page is page


@pytest.mark.long
async def test_closing_the_session_stops_its_labs(tmp_path: Path) -> None:
    app = begun_at("labs", tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        here = await place(app)
        await here.open_lab("landscape")
        await pilot.press("ctrl+r")
        await wait_until_async(lambda: "landscape" in here.runs, what="the start")
        process = here.runs["landscape"].process
        assert process.poll() is None
    wait_until(lambda: process.poll() is not None, what="the lab's end")


async def test_a_lab_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "labs").write_text("no folder")
    app = begun_at("labs", tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        here = await place(app)
        await here.open_lab("sharing")
        await pilot.press("ctrl+r")
        verdict = page_of(here).query_one("#verdict", Paragraph)
        await wait_until_async(lambda: "is no folder" in verdict.content.plain, what="the reason")
        assert "not started" in page_of(here).line.text
        assert not here.runs


async def test_keys_and_mouse(tmp_path: Path) -> None:
    app = begun_at("labs", tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        here = await place(app)
        await pilot.press("down", "down", "down", "enter")
        await wait_until_async(lambda: here.page is not None and here.page.lab.name == "fc-vs-conv", what="the page")
        page = page_of(here)
        await wait_until_async(lambda: page.form.rows["data"].control.has_focus, what="the first knob")
        await pilot.press("down")
        assert page.form.rows["net"].control.has_focus
        assert "a net expression" in str(page.border_subtitle)
        await pilot.press("escape")
        await wait_until_async(lambda: page.sheet.has_focus, what="the page")
        await pilot.press("question_mark")
        await wait_until_async(lambda: isinstance(app.screen, HelpScreen), what="the keys")
        await pilot.press("escape", "escape")
        await wait_until_async(lambda: here.page is None, what="the list")
        await pilot.click(here.list, offset=(5, 6))
        await wait_until_async(lambda: here.page is not None and here.page.lab.name == "sharing", what="the click")
        await pilot.press("escape", "escape", "slash", *"pooling", "enter", "enter")
        word = "the lab of that name, before those that have the word in their titles and claims"
        await wait_until_async(lambda: here.page is not None and here.page.lab.name == "pooling", what=word)


@pytest.mark.long
async def test_polls_only_while_it_is_visible(tmp_path: Path) -> None:
    app = begun_at("labs", tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        here = await place(app)
        await here.open_lab("sharing")
        await pilot.press("ctrl+r")
        await wait_until_async(lambda: "sharing" in here.runs, what="the start")
        run = here.runs["sharing"]
        await pilot.press("4")
        await wait_until_async(lambda: app.current_mode == "runs", what="the Runs place")
        await wait_until_async(lambda: run.process.poll() is not None, 60, "the end of its process")
        assert run.alive  # nobody has looked
        await pilot.press("3")
        await wait_until_async(lambda: run.state == "done", what="the look at it")
        await wait_until_async(lambda: "done" in page_of(here).line.text, what="the word")


def test_numbers_in_few_letters() -> None:
    numbers = {
        "one": 1234567,
        "std": [0.123456, None],
        "by layer": {"fc1": 1e-9},
        "wrong": [],
        "at": ["+ bias", "none"],
    }
    assert number_lines(numbers) == [
        ("one", "1,234,567"),
        ("std", "0.123 –"),
        ("by layer: fc1", "1e-9"),
        ("wrong", "none"),
        ("at", "+ bias; none"),
    ]


def test_what_a_lab_that_dies_leaves(tmp_path: Path) -> None:
    """Killed from outside before its first word: failed, with the code; nothing raises."""
    run = LabRun(tmp_path, "sharing", {})
    run.process.kill()
    run.process.wait()
    assert run.poll()
    assert run.state == "failed"
    assert "-9" in run.reason
    assert not run.poll()
    run.terminate()
    assert LabFolder(run.folder.path).asked()[0] == "sharing"


async def test_a_claim_asks_first_then_opens_its_page_and_is_ticked(tmp_path: Path) -> None:
    """A calculation is ticked as soon as it is opened; a lab is opened with the claim's knobs."""
    app = begun_at("labs", tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        here = await place(app)
        assert here.list.name_here == "lecture"
        assert app.screen.check_action("start", ()) is None
        await pilot.press("enter")
        await wait_until_async(lambda: here.lecture.list.has_focus, what="the claims")
        assert here.lecture.list.option_count == 28
        here.lecture.list.highlighted = 2
        await pilot.press("enter")
        await wait_until_async(lambda: isinstance(app.screen, PredictModal), what="the question")
        await wait_until_async(lambda: isinstance(app.focused, ItemList), what="its answers")
        assert app.focused is not None
        assert app.focused.size == app.focused.outer_size, "no frame of their own"
        await pilot.press("3")
        await wait_until_async(lambda: app.current_mode == "calc", what="the Calc place")
        await wait_until_async(lambda: held() == {3}, what="the tick")
        calc = app.screen
        assert isinstance(calc, CalcScreen)
        assert calc.line("net").input.value == "conv1f3s?p0"
        await wait_until_async(lambda: calc.query_one(Solved).display, what="what fits")
        assert "F3 S1 P0 → 5x5, F3 S2 P0 → 3x3" in calc.query_one(Solved).render().plain
        assert str(calc.query_one("#calc-head").border_title).startswith("Lecture 3: ")
        told = calc.query_one("#calc-verdict")
        assert str(told.render()).startswith("You predicted “3”: right. The claim holds. (7 − 3)/1 + 1 = 5 fits;")
        assert not app._notifications  # which would cover the picture
        calc.line("output").input.value = "9x9x1"  # out of reach: said below that line, and nothing old as its answer
        await wait_until_async(lambda: calc.line("output").error is not None, what="why not")
        assert "the nearest are 5x5x1" in str(calc.line("output").error)
        assert calc.line("net").error is None
        assert not calc.query_one(Solved).display
        calc.line("output").input.value = ""
        await wait_until_async(lambda: calc.query_one(Solved).display, what="what fits again")
        calc.line("output").input.value = "9x"
        await wait_until_async(lambda: calc.line("output").error is not None, what="what is no size")
        assert not calc.query_one(Solved).display
        calc.line("net").input.value = "conv1f3"
        await wait_until_async(lambda: calc.query_one("#calc-head").border_title == "Expression", what="its own net")
        assert not told.display
        assert not calc.line("output").display
        await pilot.press("3")
        await wait_until_async(lambda: app.current_mode == "labs" and here.lecture.list.has_focus, what="the claims")
        assert here.lecture.list.get_option("3").prompt.plain.startswith("✓  3")  # type: ignore[union-attr]
        here.lecture.list.highlighted = 20
        await pilot.press("enter")
        await wait_until_async(lambda: here.page is not None and here.page.lab.name == "optim", what="the lab")
        rows = page_of(here).form.rows
        await wait_until_async(lambda: rows["surface"].text == "quadratic", what="the knobs")
        assert rows["race"].text == "off"
        await pilot.press("escape", "escape")
        await wait_until_async(lambda: here.lecture.list.has_focus, what="the claims, from where it was opened")
        assert here.lecture.list.highlighted == 20
        await pilot.press("escape")
        await wait_until_async(lambda: here.list.has_focus, what="the list")


async def test_walkers_go_over_the_loss_surface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They set out when a run shows them; space lets them go again, the arrows move them by an update."""
    app = begun_at("labs", tmp_path)
    async with app.run_test(size=(120, 45)) as pilot:
        here = await place(app)
        await here.open_lab("optim")
        page = page_of(here)
        page.sheet.focus()
        assert not app.screen.check_action("walk", ())
        page.add_class("-there")  # as a run does
        way: list[float | None] = [n / 20 for n in range(21)]
        page.figures.show([Heat(values=[[0.0, 1.0]], paths=[Points(name="sgd", x=way, y=way)], steps=20)])
        await pilot.press("left", "left", "left")
        assert "step 17 of 20" in page.figures.text
        await pilot.press("right")
        assert "step 18 of 20" in page.figures.text
        await pilot.press("space")
        await wait_until_async(lambda: not page.figures.walking, what="the end of the walk")
        assert "step 20 of 20" in page.figures.text
        # From the start again, so slowly that a busy machine sees it there.
        monkeypatch.setattr("cvtui.tui.widgets.figures_view.WALK_SECONDS", 600.0)
        await pilot.press("space")
        await wait_until_async(lambda: "step 0 of 20" in page.figures.text, what="the second walk")
        await pilot.press("space")
        assert not page.figures.walking
        await pilot.press("space", "4")
        await wait_until_async(lambda: app.current_mode == "runs", what="the Runs place")
        await wait_until_async(lambda: not page.figures.walking, what="rest: unseen, they cost nothing")


class NumbersHost(App[None]):
    def compose(self) -> ComposeResult:
        yield Numbers()


@pytest.mark.parametrize(("width", "whole"), [(120, True), (60, False)])
async def test_the_name_of_a_number_is_whole_where_there_is_room(width: int, whole: bool) -> None:
    name = "conv + pool, trained: conv1: border"
    app = NumbersHost()
    async with app.run_test(size=(width, 10)) as pilot:
        shown = app.query_one(Numbers)
        shown.show([(name, "0.468 0.445 0.433 0.459 0.476 0.461")])
        await pilot.pause()
        assert (f"{name}  0.468" in shown.render().plain) is whole
        assert "…" not in shown.render().plain  # else it goes on below
        assert "border" in shown.render().plain
        assert shown.size.height == len(shown.render().plain.splitlines())


def test_what_a_knob_means_stands_whole_beside_it_and_what_it_takes_at_the_foot() -> None:
    """35 cells beside a knob in two columns of a wide page, 72 at the foot of an 80-column one."""
    for name, lab in labs().items():
        assert len(lab.title) <= 58, name  # whole in the list at 80 columns
        for row in KnobForm(lab.all_knobs).rows.values():
            few = row.beside(35)
            assert len(few) <= 35, (name, row.knob.name)
            assert few.count("(") == few.count(")"), (name, row.knob.name)
            assert few != row.knob.name, (name, few)  # `classes 0 classes` told nothing
            assert row.beside(len(row.knob.doc)) == row.knob.doc
            assert "…" not in row.explanation(72), (name, row.knob.name)
