"""`/` over the lists of windows, the letters that move in them, and the focus after a window is closed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from textual import events
from textual.widgets import Input, OptionList, Static

from cvtui.runlog.evaluation import write_evaluation
from cvtui.runlog.folder import RunFolder
from cvtui.tui.app import CvtuiApp
from cvtui.tui.detail.evaluation_view import EvaluationView
from cvtui.tui.detail.pictures_view import PicturesView
from cvtui.tui.form.field_row import FieldRow
from cvtui.tui.labs.lab_list import LabList
from cvtui.tui.labs.lecture_page import ClaimList
from cvtui.tui.screens.calc import CalcScreen
from cvtui.tui.screens.help import HelpScreen
from cvtui.tui.screens.labs import LabsScreen
from cvtui.tui.train.finding_modal import FindingModal
from cvtui.tui.train.fork_modal import ForkModal
from cvtui.tui.widgets.bindings import hint, keys_for
from cvtui.tui.widgets.filter_field import FilterField
from cvtui.tui.widgets.filtered_list import TickList
from cvtui.tui.widgets.item_list import ItemList
from cvtui.tui.widgets.picker import Picker
from cvtui.tui.widgets.picker_list import PickerList
from cvtui.tui.widgets.text_field import TextField
from tests.docs import keys
from tests.draw.test_evaluation_text import evaluation
from tests.tui.live_host import LiveHost
from tests.tui.places import begun_at
from tests.tui.written_runs import WrittenRun, finished_run
from tests.waiting import wait_until_async

pytestmark = pytest.mark.walked


def lines(listed: OptionList) -> list[str]:
    """Return what is seen of a list."""
    return [listed.render_line(y).text.strip() for y in range(listed.option_count)]


def shown(app: CvtuiApp) -> str:
    """Return the words of the screen."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def test_every_list_moves_by_letters() -> None:
    """Only in a list of choices, where letters make a word, they don't."""
    kinds = [kind for kind in keys.classes() if issubclass(kind, OptionList) and kind is not PickerList]
    assert {ItemList, TickList, ClaimList} <= set(kinds)
    for kind in kinds:
        bound = {key for binding in kind._merge_bindings().key_to_bindings for key in binding.split(",")}
        assert {"j", "k", "g", "G", "ctrl+d", "ctrl+u"} <= bound, kind


async def test_words_typed_together_with_the_slash_or_behind_a_click_reach_the_field(tmp_path: Path) -> None:
    """A slow line hands over several keys at once: all of them are read before the field opens."""
    app = CvtuiApp(runs=tmp_path, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await wait_until_async(lambda: isinstance(app.focused, LabList), what="the list")
        for key in ("slash", *"gap"):
            app.post_message(events.Key(key, None))
        await wait_until_async(lambda: getattr(app.focused, "value", "") == "gap", what="the words")

        mouse = (None, shown(app).index("2 Calc"), 0, 0, 0, 1, False, False, False)
        click = events.MouseDown(*mouse), events.MouseUp(*mouse)
        for sent in (*click, events.Key("end", None), events.Key("minus", "-"), events.Paste("relu\n\n  -gap\n")):
            app.post_message(sent)
        ends = "-relu -gap"  # of a paste of several lines a field would take the first
        await wait_until_async(lambda: getattr(app.focused, "value", "").endswith(ends), what="the net's field")
        assert app.current_mode == "calc"


async def test_what_is_typed_or_pasted_behind_a_choice_reaches_what_it_opens(tmp_path: Path) -> None:
    """Read all at once: the list opens, takes its letters and enter, and the path's field has the rest."""
    path = str(tmp_path / "q 2x")
    app = CvtuiApp(runs=tmp_path, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until_async(lambda: isinstance(app.focused, Picker), what="the form")
        row = app.screen.query_one("#field-data", FieldRow)

        async def sent(*events_of_a_read: events.Event) -> None:
            for event in events_of_a_read:
                app.post_message(event)
            await wait_until_async(lambda: row.text == f"folder:{path}", what="the path")
            assert app.focused is row.query_one(TextField)
            await row.set_text("digits")
            row.control.focus()
            await wait_until_async(lambda: app.focused is row.control, what="the choice")

        def opens() -> list[events.Event]:
            return [events.Key(key, key if len(key) == 1 else None) for key in ("space", *"fol", "enter")]

        await sent(*opens(), events.Paste(path))
        await sent(*opens(), *(events.Key("space" if letter == " " else letter, letter) for letter in path))
        # A choice takes what is pasted on it, or says why not; none of it is obeyed.
        for pasted, text in ((str(tmp_path), f"folder:{tmp_path}"), ("mnist\n", "mnist"), ("q", "mnist")):
            app.post_message(events.Paste(pasted))
            await wait_until_async(partial(lambda asked: row.text == asked, text), what=text)
            row.control.focus()
        await pilot.pause()
        assert any("none of its choices" in notice.message for notice in app._notifications)


async def test_runs_to_overlay_are_filtered_and_keep_their_ticks(tmp_path: Path) -> None:
    shown = finished_run(tmp_path, "shown")
    for name in ("alpha", "beta"):
        run = WrittenRun(tmp_path, name)
        run.step(30)
        run.end()
    app = LiveHost(shown)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("o", "slash", *"beta")
        ticks = app.screen.query_one(TickList)
        await wait_until_async(lambda: ticks.option_count == 1, what="the one run")
        assert lines(ticks)[0].startswith("▐ ▌ beta")
        await pilot.press("enter", "space")
        assert lines(ticks)[0].startswith("▐X▌ beta")  # also where colours don't tell
        await pilot.press("escape")
        await wait_until_async(lambda: ticks.option_count == 2, what="all runs")
        assert sorted(line[:8] for line in lines(ticks)) == ["▐ ▌ alph", "▐X▌ beta"]
        await pilot.press("slash", *"nowhere", "enter", "escape", "escape")
        await wait_until_async(lambda: app.live.overlay_runs.names == ["beta"], what="the run that was ticked")


async def test_checkpoints_to_fork_from_are_filtered(tmp_path: Path) -> None:
    run = finished_run(tmp_path, "parent")
    run.checkpoints.mkdir(exist_ok=True)
    for name in ("best", "last"):
        (run.checkpoints / f"{name}.pt").touch()
    app = LiveHost(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("f", "shift+tab")
        modal = app.screen
        assert isinstance(modal, ForkModal)
        listed = modal.query_one(ItemList)
        assert listed.has_focus
        before = listed.option_count
        assert before == 2  # the newest checkpoint, the start
        await pilot.press("slash", *"the start", "enter")
        await wait_until_async(lambda: listed.option_count == 1, what="the one line")
        assert modal.saved.path == ""
        await pilot.press("escape")
        assert listed.option_count == before
        assert modal.saved.path == ""  # the cursor stays on its line
        await pilot.press("k")
        assert modal.saved.path
        await pilot.press("escape")
        assert app.screen is not modal


async def test_claims_of_the_lecture_are_filtered(tmp_path: Path) -> None:
    app = begun_at("labs", tmp_path)
    async with app.run_test(size=(80, 45)) as pilot:
        await wait_until_async(lambda: isinstance(app.screen, LabsScreen), what="the Labs place")
        await pilot.press("enter")
        claims = app.screen.query_one(ClaimList)
        await wait_until_async(lambda: claims.has_focus, what="the claims")
        assert claims.region.height >= 28  # all of them where there is room
        await pilot.press("slash", *"toeplitz", "enter")
        assert claims.option_count == 1
        assert claims.options[0].id == "11"
        await pilot.press("escape")
        assert claims.option_count == 28
        assert claims.highlighted == 10


async def test_layers_of_calc_are_filtered_below_the_total_of_all(tmp_path: Path) -> None:
    app = begun_at("calc", tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until_async(lambda: isinstance(app.screen, CalcScreen), what="the Calc place")
        screen = app.screen
        assert isinstance(screen, CalcScreen)
        screen.line("net").input.value = "conv8-relu-pool-conv16-relu-gap-fc"
        await pilot.press("enter", "down", "slash", *"conv")
        await wait_until_async(lambda: len(screen.table.rows) == 2, what="the two layers")
        assert [row.expression for row in screen.table.rows] == ["conv8", "conv16"]
        assert screen.table.table is not None
        assert f"{screen.table.table.parameters:,}" in screen.table.text  # of the whole net
        assert "7 layers" in screen.table.text
        assert screen.line("net").input.value == "conv8-relu-pool-conv16-relu-gap-fc"
        await pilot.press("enter", "down")
        assert screen.row is not None
        assert screen.row.expression == "conv16"
        await pilot.press("escape")
        assert len(screen.table.rows) == 7
        assert screen.row.expression == "conv16"  # the cursor stays on its layer
        await pilot.press("slash", *"nowhere")
        await wait_until_async(lambda: not screen.table.rows, what="no layer")
        assert "no match for 'nowhere'" in shown(app)
        await pilot.press("escape")
        assert len(screen.table.rows) == 7


async def test_classes_of_an_evaluation_are_filtered_all_of_them(finished: RunFolder) -> None:
    """Also those that have no row for want of room: of a thousand, 50 are written."""
    write_evaluation(finished, evaluation(1000))
    app = LiveHost(finished)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("e")
        await wait_until_async(lambda: isinstance(app.screen, EvaluationView), what="the page")
        page = app.screen.query_one("#text", Static)
        assert "k990 " not in str(page.content)
        await pilot.press("slash", *"k99")
        await wait_until_async(lambda: "k990 " in str(page.content), what="the class")
        title, _, *rows = str(page.content).strip().splitlines()
        assert title == "Classes"
        assert [row.split()[0] for row in rows] == ["k99", *(f"k{number}" for number in range(990, 1000))]
        await pilot.press("enter", "escape")
        assert isinstance(app.screen, EvaluationView)
        assert "accuracy" in str(page.content)
        await pilot.press("escape")
        assert not isinstance(app.screen, EvaluationView)


async def test_a_hidden_filter_takes_no_key(tmp_path: Path) -> None:
    """Where the place is opened and the next key comes before its first frame, the filter took it."""
    app = CvtuiApp(runs=tmp_path, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await wait_until_async(lambda: isinstance(app.screen, LabsScreen), what="the Labs place")
        for field in app.screen.query(FilterField):
            field.focus()
            await pilot.pause()
            assert not field.has_focus
        await pilot.press("slash")
        assert isinstance(app.focused, FilterField)
        await pilot.press("x", "escape")
        assert not isinstance(app.focused, FilterField)


# ---------------------------------------------------------------------- the focus after a window


async def test_a_window_leaves_the_focus_where_it_was(finished: RunFolder) -> None:
    """A digit goes to a place after the help was read: it was typed into Calc's net once."""
    app = CvtuiApp(runs=finished.path.parent, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        for keys_there in (("2", "escape"), ("2", "escape", "w"), ("3",), ("3", "enter"), ("4",), ("4", "w")):
            for key in keys_there:
                await pilot.press(key)
                await pilot.pause()
            before = app.screen.focused
            await pilot.press("question_mark")
            await wait_until_async(lambda: isinstance(app.screen, HelpScreen), what="help")
            await pilot.resize_terminal(100, 30)
            await pilot.resize_terminal(80, 24)
            await pilot.press("escape")
            await wait_until_async(lambda: not isinstance(app.screen, HelpScreen), what="the place")
            assert before is None or app.screen.focused is before, keys_there
            assert not isinstance(app.screen.focused, Input), keys_there
            await pilot.press("1")
            await wait_until_async(lambda: app.current_mode == "train", what="the Train place")


# ---------------------------------------------------------------------- hints


def test_hints_name_the_keys_that_are_bound() -> None:
    assert hint(PicturesView, down="layer", image="image", go="number", why="why", back="back") == (
        "↑ ↓: layer · [ ]: image · h: number · v: why · esc: back"
    )
    assert keys_for(FindingModal, "test") == "T"
    with pytest.raises(ValueError, match="binds no key"):
        hint(PicturesView, fork="fork")
