"""The session's form, keys and places, driven as a person would; no engine is started here."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from textual import events
from textual._compositor import Compositor, LayoutUpdate
from textual.pilot import Pilot

from cvtui.recipe.fields import FIELDS
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from cvtui.tui.app import CvtuiApp
from cvtui.tui.form import preview
from cvtui.tui.form.field_row import FieldRow
from cvtui.tui.form.form_view import FormView
from cvtui.tui.panes.curve_pane import CurvePlot
from cvtui.tui.panes.findings import FindingsList
from cvtui.tui.plot.theme_colors import WORDS, contrast
from cvtui.tui.screens.base import SCREENS, TooSmall, TopBar
from cvtui.tui.screens.help import HelpScreen, keys_of
from cvtui.tui.screens.runs import RunsScreen
from cvtui.tui.screens.themes import DARK, LIGHT
from cvtui.tui.screens.train import TrainScreen
from cvtui.tui.widgets.key_bar import KeyBar
from cvtui.tui.widgets.picker import Picker
from cvtui.tui.widgets.picker_list import PickerList
from cvtui.tui.widgets.text_field import TextField
from tests.tui.written_runs import finished_run
from tests.waiting import wait_until_async

pytestmark = pytest.mark.walked

SIZES = [(80, 24), pytest.param((160, 45), marks=pytest.mark.long)]


def session(tmp_path: Path, recipe: Recipe | None = None) -> CvtuiApp:
    return CvtuiApp(recipe=recipe, runs=tmp_path / "runs", prewarm=False)


def form_view_of(app: CvtuiApp) -> FormView:
    screen = app.get_screen_stack("train")[0]
    assert isinstance(screen, TrainScreen)
    assert screen.form_view is not None
    return screen.form_view


def row(app: CvtuiApp, name: str) -> FieldRow:
    return form_view_of(app).form.rows[name]


async def ready(app: CvtuiApp) -> None:
    """Until what the first frame did without is there."""
    await wait_until_async(lambda: form_view_of(app).complete, what="the form")


async def test_an_engine_that_ends_while_the_screen_is_taken_apart_is_no_fault(tmp_path: Path) -> None:
    app = session(tmp_path)
    async with app.run_test():
        await ready(app)
        view = form_view_of(app)
        app.exit()
        await view.query_one("#status").remove()  # as the app itself does, one widget after the other
        view.engine._fail("ImportError: no torch")
    view.engine._fail("ImportError: no torch")
    assert app.return_code == 0


@pytest.mark.parametrize("turns", [1, 2, 3])  # of the event loop: with 2, images were added where nothing stood
async def test_leaving_while_the_form_is_completed_is_no_fault(tmp_path: Path, turns: int) -> None:
    app = session(tmp_path)
    async with app.run_test():
        view = form_view_of(app)
        while not view.complete or view.preview.plot is None:
            await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        app.exit()  # between its curve and the images below
    assert app.return_code == 0


async def test_a_form_that_is_completed_asks_nothing_of_a_screen_that_is_taken_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = threading.Event()
    monkeypatch.setattr(preview, "_import_heavy", lambda: loaded.wait(20))
    app = session(tmp_path)

    async def load_when_the_card_is_gone() -> None:
        shown = form_view_of(app).preview
        while shown.query("#card-rate"):
            await asyncio.sleep(0)
        assert shown.is_attached
        loaded.set()

    async with app.run_test():  # that ends without `exit`, as after an error
        await ready(app)
        gone = asyncio.create_task(load_when_the_card_is_gone())
    await gone


async def type_into(pilot: Pilot[None], app: CvtuiApp, name: str, text: str) -> None:
    """Replace the text in a field."""
    form_view_of(app).form.focus_field(name)
    await pilot.press("end", "ctrl+u")
    assert app.focused is not None
    app.focused.post_message(events.Paste(text))
    await wait_until_async(lambda: row(app, name).text == text, what=f"{text!r} in {name}")
    await examined(app)


async def examined(app: CvtuiApp) -> None:
    """Until the form has judged what stands in it now."""
    form_view = form_view_of(app)
    await wait_until_async(lambda: form_view.validation.texts == form_view.form.texts, what="the form's judgement")


@pytest.mark.parametrize("size", SIZES)
async def test_the_form_begins_with_the_recipe(tmp_path: Path, size: tuple[int, int]) -> None:
    recipe = Recipe(data="shapes", init="normal(std=0.02)", lr=0.05, warmup="2ep")
    app = session(tmp_path, recipe)
    async with app.run_test(size=size):
        await ready(app)
        assert form_view_of(app).validation.recipe == check(recipe).recipe
        assert not form_view_of(app).validation.problems


async def numbers_follow_what_is_typed(pilot: Pilot[None], app: CvtuiApp) -> None:
    form_view = form_view_of(app)
    await type_into(pilot, app, "batch_size", "100")
    await type_into(pilot, app, "epochs", "4")
    checked = check(Recipe(batch_size=100, epochs=4))
    said = form_view.preview.facts.facts
    numbers = {name: number for name, number, _ in said}
    assert numbers["steps per epoch"] == str(checked.steps_per_epoch)
    assert numbers["steps in all"] == str(checked.total_steps)
    assert numbers["parameters"] == f"{checked.table.parameters:,}"
    assert float(numbers["first loss"]) == pytest.approx(math.log(10), abs=1e-3)


async def a_wrong_net_is_underlined_at_its_column(pilot: Pilot[None], app: CvtuiApp) -> None:
    await type_into(pilot, app, "net", "conv32-relo-fc")
    shown = row(app, "net")
    assert shown.problem is not None
    assert shown.problem.column == 7
    field = shown.query_one(TextField)
    await wait_until_async(lambda: shown.size.height > 1, what="room for the error")
    caret = next(line for line in shown.render().plain.splitlines() if "^" in line)
    assert caret.index("^") == field.content_region.x - shown.region.x + 7
    assert "did you mean 'relu'?" in shown.render().plain
    assert form_view_of(app).preview.table.stale
    await type_into(pilot, app, "net", "conv32-relu-fc")
    assert shown.problem is None
    await wait_until_async(lambda: shown.size.height == 1, what="the row as it was")
    assert not form_view_of(app).preview.table.stale
    assert form_view_of(app).validation.table == check(Recipe(net="conv32-relu-fc")).table


async def start_is_refused_at_the_first_wrong_field(pilot: Pilot[None], app: CvtuiApp) -> None:
    await type_into(pilot, app, "lr", "-1")
    await type_into(pilot, app, "seed", "x")
    await pilot.press("ctrl+r")
    await wait_until_async(lambda: form_view_of(app).form.current is row(app, "lr"), what="the first wrong field")
    assert "above 0" in row(app, "lr").render().plain
    assert not app.runs.exists()
    status = form_view_of(app).query_one("#status").render()
    assert "lr, seed" in str(status)


async def a_long_message_is_told_in_full_below_the_form(pilot: Pilot[None], app: CvtuiApp) -> None:
    await type_into(pilot, app, "net", "conv32-fc-pool")
    problem = row(app, "net").problem
    assert problem is not None
    assert problem.message not in row(app, "net").render().plain  # no room
    assert problem.message in str(form_view_of(app).query_one("#explanation").render())


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_typed_is_judged_at_once(tmp_path: Path, size: tuple[int, int]) -> None:
    app = session(tmp_path)
    async with app.run_test(size=size) as pilot:
        await ready(app)
        await numbers_follow_what_is_typed(pilot, app)
        await a_wrong_net_is_underlined_at_its_column(pilot, app)
        await start_is_refused_at_the_first_wrong_field(pilot, app)
        if size == (80, 24):
            await a_long_message_is_told_in_full_below_the_form(pilot, app)


def chosen_in_list(app: CvtuiApp) -> str | None:
    (listed,) = app.screen.query(PickerList)
    option = listed.highlighted_option
    return option.id if option is not None else None


async def a_choice_by_list_by_letter_and_by_arrows(pilot: Pilot[None], app: CvtuiApp) -> None:
    assert row(app, "data").has_focus_within
    await pilot.press("enter", "s", "enter")
    await wait_until_async(lambda: row(app, "data").text == "shapes", what="the choice")
    await examined(app)
    data = form_view_of(app).validation.data
    assert data is not None
    assert data.name == "shapes"
    await wait_until_async(lambda: isinstance(app.focused, Picker), what="the focus back")
    await pilot.press("left")
    await wait_until_async(lambda: row(app, "data").text == "digits", what="the choice before")
    await pilot.press("enter", "down", "escape")
    await wait_until_async(lambda: isinstance(app.focused, Picker), what="the focus back")
    assert row(app, "data").text == "digits"
    assert isinstance(app.focused, Picker)
    await pilot.press("enter", *"fol")
    await wait_until_async(lambda: chosen_in_list(app) == "folder", what="the name that begins so")
    await pilot.press("escape", "enter", "q", "1", "4")  # letters belong to the list while it is open
    await pilot.pause()
    assert app.current_mode == "train"
    assert app.is_running
    (listed,) = app.screen.query(PickerList)
    assert app.screen.region.contains_region(listed.region), "its right border and bar are on the screen"
    listed.highlighted = listed.get_option_index("folder")
    await pilot.press("enter")  # the path is what is typed next
    await wait_until_async(lambda: isinstance(app.focused, TextField), what="the focus in the path")
    await pilot.press(*"/pics")
    await wait_until_async(lambda: row(app, "data").text == "folder:/pics", what="the path")
    form = form_view_of(app).form
    assert form.path_differs({**form.texts, "data": "folder:/"}), "a path is listed once it stands, not at every key"
    await row(app, "data").set_text("digits")
    assert not form.path_differs({**form.texts, "data": "folder:/pics"})


async def a_choice_with_parameters(pilot: Pilot[None], app: CvtuiApp) -> None:
    form_view_of(app).form.focus_field("init")
    await pilot.press("enter", "n", "enter")
    await wait_until_async(lambda: len(row(app, "init").query(TextField)) == 1, what="the field for parameters")
    await pilot.press("tab", *"0.02")
    await wait_until_async(lambda: row(app, "init").text == "normal(0.02)", what="the parameter")
    await examined(app)
    recipe = form_view_of(app).validation.recipe
    assert recipe is not None
    assert recipe.init == "normal(0.02)"
    await pilot.press("ctrl+u", *"-3")
    await wait_until_async(lambda: "can't be -3" in row(app, "init").render().plain, what="the error")
    form_view_of(app).form.focus_field("init")
    await pilot.press("left")
    await wait_until_async(lambda: row(app, "init").text == "xavier", what="the choice before")
    await wait_until_async(lambda: not row(app, "init").query(TextField), what="the end of the parameters")


def quick_arrows_are_all_counted(app: CvtuiApp) -> None:
    form = form_view_of(app).form
    form.focus_field("data")
    for _ in range(3):
        form.action_field(1)
    assert form.current is list(form.rows.values())[3]


async def test_choices_by_keys(tmp_path: Path) -> None:
    app = session(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app)
        await a_choice_by_list_by_letter_and_by_arrows(pilot, app)
        await a_choice_with_parameters(pilot, app)
        quick_arrows_are_all_counted(app)
        await pilot.press("ctrl+q")
        await pilot.pause()
    assert app.return_code == 0, "leaving without a run asks nothing"


@pytest.mark.parametrize("size", SIZES)
async def test_every_field_is_reached_with_the_arrows_and_is_in_sight(
    tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And hardly one of them draws the whole screen, a fifth of an arrow key's time."""
    whole: list[Compositor] = []
    app = session(tmp_path)
    async with app.run_test(size=size) as pilot:
        await ready(app)
        await pilot.pause()
        frame = Compositor.render_full_update

        def counted(self: Compositor, simplify: bool = False) -> LayoutUpdate:
            whole.append(self)
            return frame(self, simplify)

        monkeypatch.setattr(Compositor, "render_full_update", counted)
        form = form_view_of(app).form
        for shown in form.rows.values():
            await wait_until_async(partial(lambda shown: form.current is shown, shown), what=shown.field.name)
            await wait_until_async(
                partial(lambda s: form.region.contains_region(s.control.region), shown), what="sight"
            )
            assert form_view_of(app).query_one("#explanation").render()
            await pilot.press("down")
        assert len(whole) < len(form.rows) / 4


async def the_curve_is_the_schedules(pilot: Pilot[None], app: CvtuiApp) -> None:
    preview = form_view_of(app).preview
    await wait_until_async(lambda: preview.plot is not None, what="the plot")
    await type_into(pilot, app, "warmup", "100")
    assert preview.plot is not None
    (line,) = preview.plot.lines
    schedule = check(Recipe(optimizer="adagrad", warmup="100")).schedule
    assert [schedule.lr_at(int(step)) for step in line.x] == pytest.approx(list(line.y))
    assert schedule.describe() in str(preview.query_one(".describe").render())


async def a_field_that_counts_only_beside_another_is_faint(pilot: Pilot[None], app: CvtuiApp) -> None:
    assert row(app, "momentum").unused
    form_view_of(app).form.focus_field("optimizer")
    await pilot.press("left")
    await wait_until_async(lambda: row(app, "optimizer").text == "nesterov", what="the choice before")
    await wait_until_async(lambda: not row(app, "momentum").unused, what="momentum to count")


async def a_choice_by_mouse(pilot: Pilot[None], app: CvtuiApp) -> None:
    await pilot.click("#field-schedule Picker")
    await pilot.pause()
    await pilot.click("PickerList", offset=(4, 2))
    await wait_until_async(lambda: row(app, "schedule").text == "step", what="the choice")


async def the_page_of_keys_tells_every_key_of_the_place(pilot: Pilot[None], app: CvtuiApp) -> None:
    await pilot.press("question_mark")
    await wait_until_async(lambda: isinstance(app.screen, HelpScreen), what="the page")
    await wait_until_async(lambda: len(app.screen.query("Static")) > 0, what="its text")
    text = "\n".join(str(static.render()) for static in app.screen.query("Static"))
    for words in ("ctrl+r", "Start the run", "ctrl+p", "The field above", "Every number of a net"):
        assert words in text
    for words in ("ctrl+o", "The run that was shown before"):
        assert words not in text, "both parts are in sight, and no run was shown"
    assert text.count("The field above") == 1
    await pilot.press("escape")
    await wait_until_async(lambda: isinstance(app.screen, TrainScreen), what="the place again")


async def test_the_form_in_a_wide_terminal(tmp_path: Path) -> None:
    app = session(tmp_path, Recipe(optimizer="adagrad"))
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(app)
        await the_curve_is_the_schedules(pilot, app)
        await a_field_that_counts_only_beside_another_is_faint(pilot, app)
        await a_choice_by_mouse(pilot, app)
        await the_page_of_keys_tells_every_key_of_the_place(pilot, app)
        await what_an_empty_field_says_can_be_read(pilot, app)


async def what_an_empty_field_says_can_be_read(pilot: Pilot[None], app: CvtuiApp) -> None:
    for theme in (LIGHT, DARK):
        app.theme = theme.name
        await pilot.pause()
        field = row(app, "name").control
        ground = field.background_colors[1]
        ink = ground + field.get_component_styles("input--placeholder").color
        assert contrast(ink, ground) >= WORDS, theme.name


async def form_and_preview_fold_where_both_do_not_fit(pilot: Pilot[None], app: CvtuiApp) -> None:
    form_view = form_view_of(app)
    assert (form_view.form.region.width > 60, form_view.preview.region.width) == (True, 0)
    await pilot.press("ctrl+o")
    await wait_until_async(lambda: form_view.preview.region.width == 80, what="the preview")
    assert form_view.form.region.width == 0
    await wait_until_async(lambda: "total" in form_view.preview.table.text, what="the table")
    await pilot.click("Tabs", offset=(3, 0))
    await wait_until_async(lambda: form_view.form.region.width > 60, what="the form")
    assert form_view.preview.region.width == 0
    await pilot.resize_terminal(160, 45)
    await wait_until_async(lambda: 0 < form_view.form.region.width < form_view.preview.region.x, what="both")


async def a_terminal_that_is_too_small_says_so_and_recovers(pilot: Pilot[None], app: CvtuiApp) -> None:
    await pilot.resize_terminal(79, 24)
    cover = app.screen.query_one(TooSmall)
    assert cover.display
    assert "needs 80x23" in str(cover.render())
    assert app.focused is None, "keys would go to what isn't seen"
    await pilot.resize_terminal(80, 23)  # tmux takes a line of 80x24
    await wait_until_async(lambda: not cover.display, what="the place again")
    assert isinstance(app.focused, Picker)
    await pilot.resize_terminal(100, 20)
    await wait_until_async(lambda: cover.display, what="the cover")


async def test_the_form_in_terminals_of_any_size(tmp_path: Path) -> None:
    app = session(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app)
        await form_and_preview_fold_where_both_do_not_fit(pilot, app)
        await a_terminal_that_is_too_small_says_so_and_recovers(pilot, app)


def _is_at(app: CvtuiApp, place: str) -> bool:
    return app.current_mode == place


async def test_a_small_terminal_shows_one_pane_of_a_run_and_the_form_says_how_to_go_on(tmp_path: Path) -> None:
    finished_run(tmp_path / "runs", "good")
    app = session(tmp_path)
    async with app.run_test(size=(40, 10)) as pilot:
        await ready(app)
        cover = app.screen.query_one(TooSmall)
        assert cover.display
        said = str(cover.render())
        assert "The form needs 80x23" in said
        assert "4  the runs; enter shows one" in said
        assert max(map(len, said.splitlines())) <= 40
        for key, place in (("2", "Calc"), ("3", "Labs"), ("2", "Calc")):  # which would scroll there, if they could
            await pilot.press(key)
            await wait_until_async(partial(_is_at, app, place.lower()), what=place)
            await pilot.pause()
            cover = app.screen.query_one(TooSmall)
            assert cover.size == (40, 10)
            assert f"{place} needs 80x23" in str(cover.render())
        await pilot.press("4")
        await wait_until_async(lambda: isinstance(app.screen, RunsScreen) and bool(app.screen.table.rows), what="runs")
        assert not app.screen.query_one(TooSmall).display
        await pilot.press("enter")
        await wait_until_async(lambda: isinstance(app.screen, TrainScreen) and app.screen.shows_run, what="the run")
        assert isinstance(app.screen, TrainScreen)
        view = app.screen.view
        assert view is not None
        await wait_until_async(lambda: "finished" in view.header.text, what="its state")
        assert not app.screen.query_one(TooSmall).display
        (pane,) = view.grid.visible_panes()
        assert (pane.NAME, pane.region.width) == ("loss", 40)
        assert pane.region.height == 6
        assert app.screen.query_one(KeyBar).region.y == 9
        await pilot.resize_terminal(39, 10)
        await wait_until_async(lambda: app.screen.query_one(TooSmall).display, what="the cover")
        assert "cvtui needs 40x10" in str(app.screen.query_one(TooSmall).render())


# ---------------------------------------------------------------------- keys and places


def the_terminal_is_never_suspended(app: CvtuiApp) -> None:
    """ctrl+z leaves a raw terminal in Textual 8.2 (its issue 6298)."""
    assert "ctrl+z" not in app.screen.active_bindings


async def places_by_key_and_by_mouse(pilot: Pilot[None], app: CvtuiApp) -> None:
    for place in reversed(SCREENS):
        if app.current_mode == "calc":
            await pilot.press("escape")
        await pilot.press(place.key)
        await wait_until_async(partial(lambda place: app.current_mode == place.name, place), what=place.title)
    bar = str(app.screen.query_one(TopBar).render())
    for place in SCREENS:
        await pilot.click(TopBar, offset=(bar.index(place.title), 0))
        await wait_until_async(partial(lambda place: app.current_mode == place.name, place), what=place.title)


async def dark_and_light(pilot: Pilot[None], app: CvtuiApp) -> None:
    assert app.current_theme.dark
    await pilot.press("t")
    assert not app.current_theme.dark
    await pilot.press("t")
    assert app.current_theme.dark


async def letters_belong_to_a_text_field_while_it_has_the_focus(pilot: Pilot[None], app: CvtuiApp) -> None:
    await app.action_go_to("train")
    form_view_of(app).form.focus_field("name")
    await pilot.press(*"q124?t")
    await wait_until_async(lambda: row(app, "name").text == "q124?t", what="the letters")
    assert app.current_mode == "train"
    await pilot.press("escape", "4")
    await wait_until_async(lambda: app.current_mode == "runs", what="the Runs place")


async def values_stay_while_one_looks_elsewhere(pilot: Pilot[None], app: CvtuiApp) -> None:
    await app.action_go_to("train")
    await type_into(pilot, app, "net", "fc32-relu-fc")
    await pilot.press("escape", "4", "1")
    await pilot.pause()
    assert row(app, "net").text == "fc32-relu-fc"


async def commands_of_the_palette(pilot: Pilot[None], app: CvtuiApp) -> None:
    titles = [command.title for command in app.get_system_commands(app.screen)]
    for place in SCREENS:
        assert f"Go to {place.title}" in titles
    assert {"New run", "Light theme", "Keys", "Quit"} <= set(titles)
    await pilot.press("ctrl+p", *"go to runs", "enter")
    await wait_until_async(lambda: app.current_mode == "runs", what="the Runs place")


async def test_keys_and_places(tmp_path: Path) -> None:
    app = session(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app)
        the_terminal_is_never_suspended(app)
        await places_by_key_and_by_mouse(pilot, app)
        await dark_and_light(pilot, app)
        await letters_belong_to_a_text_field_while_it_has_the_focus(pilot, app)
        await values_stay_while_one_looks_elsewhere(pilot, app)
        await commands_of_the_palette(pilot, app)
        await pilot.press("q")
        await pilot.pause()
    assert app.return_code == 0, "leaving without a run asks nothing"


def test_the_page_of_keys_names_no_key_that_a_widget_left_to_others() -> None:
    """The curves of the live view leave shift+arrows, r and y to it, and bind others in their place."""
    keys = " ".join(line.keys for line in keys_of(CurvePlot())).split()
    assert not {"shift+←", "shift+→", "r", "y"} & set(keys)
    assert {"ctrl+←", "ctrl+→"} <= set(keys)
    keys = " ".join(line.keys for line in keys_of(FindingsList())).split()
    assert {"↑", "k"} <= set(keys)
    assert len(keys) == len(set(keys)), "what a base binds to them is bound no longer"


def test_all_fields_have_words() -> None:
    assert all(field.doc for field in FIELDS.values())


def test_the_first_frame_needs_neither_torch_nor_numpy() -> None:
    code = "import sys, cvtui.cli.screen, cvtui.tui.app, cvtui.tui.screens.train; print(*sys.modules)"
    modules = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "cvtui.tui.form.form_view" in modules
    assert not {"torch", "torchvision", "numpy", "cvtui.engine"} & modules
