"""The keys: help and quit in every bar, places from everywhere, moves in every list, one meaning a letter."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual._xterm_parser import XTermParser
from textual.command import Command
from textual.events import Key, Paste
from textual.pilot import Pilot
from textual.widgets import OptionList, Static

from cvtui.runlog.folder import RunFolder
from cvtui.runlog.mistakes import Mistake
from cvtui.tui import terminal_keys
from cvtui.tui.app import CvtuiApp
from cvtui.tui.detail import evaluation_view, mistakes_view
from cvtui.tui.detail.evaluation_view import EvaluationView
from cvtui.tui.detail.layer_detail import LayerDetail
from cvtui.tui.detail.mistakes_view import MistakesView
from cvtui.tui.detail.pictures_view import PicturesView
from cvtui.tui.labs.lab_list import LabList
from cvtui.tui.palette import Palette
from cvtui.tui.panes.styled_lines import StyledLines
from cvtui.tui.screens.base import SCREENS
from cvtui.tui.screens.help import HelpScreen
from cvtui.tui.screens.train import TrainScreen
from cvtui.tui.train import LiveView
from cvtui.tui.widgets.key_bar import KeyBar
from cvtui.tui.widgets.modal import Modal
from tests.docs import keys
from tests.waiting import wait_until_async

SIZES = [(80, 24), (120, 35), (160, 45)]


def bar_of(app: CvtuiApp) -> str:
    return str(app.screen.query_one(KeyBar).render()).rstrip()


async def opened(app: CvtuiApp, view: type) -> None:
    await wait_until_async(lambda: isinstance(app.screen, view) and bool(app.screen.query(KeyBar)), what=view.__name__)


async def at(app: CvtuiApp, name: str) -> None:
    await wait_until_async(lambda: app.current_mode == name, what=name)


def help_of(app: CvtuiApp) -> str:
    return str(app.screen.query_one("Scroll Static", Static).render())


def mistake(image: str, truth: str, said: str) -> Mistake:
    return Mistake(image=image, number=0, truth=truth, said=said, share=0.9, truth_share=0.1, loss=2.3)


def hits(app: CvtuiApp) -> list[str]:
    """Return what the palette lists: titles, or that nothing matches."""
    return [
        str(option.hit.text) if isinstance(option, Command) else str(option.id)
        for lines in app.screen.query(OptionList)
        for option in lines.options
    ]


async def look_up(pilot: Pilot[None], app: CvtuiApp, words: str, title: str) -> None:
    """Find a command by some words of it, and take it."""
    await pilot.press("ctrl+p", *words)
    await wait_until_async(lambda: hits(app)[:1] == [title], what=title)
    await pilot.press("enter")


def live_of(app: CvtuiApp) -> LiveView:
    screen = app.get_screen_stack("train")[0]
    assert isinstance(screen, TrainScreen)
    assert screen.view is not None
    return screen.view


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no program to evaluate with: the pages open and say so."""
    nothing: tuple[list[str], dict[str, str]] = (["/no/such/program"], {})
    monkeypatch.setattr(evaluation_view, "evaluate_command", lambda _: nothing)
    monkeypatch.setattr(mistakes_view, "mistakes_command", lambda _: nothing)


@pytest.mark.walked
async def test_help_and_quit_stand_in_every_bar(finished: RunFolder) -> None:
    app = CvtuiApp(runs=finished.path.parent, prewarm=False, attach=finished.path)
    async with app.run_test(size=SIZES[0]) as pilot:
        await wait_until_async(lambda: bool(app.screen.query(LiveView)), what="the run")
        for size in SIZES:
            await pilot.resize_terminal(*size)
            for place in SCREENS:
                await pilot.press(f"f{place.key}")
                await at(app, place.name)
                await pilot.pause()
                typing = place.name == "calc"
                assert bar_of(app).endswith("F9 Keys  ctrl+q Quit" if typing else "? Keys  q Quit"), (place, size)
        await pilot.press("f1")
        live = live_of(app)
        for pane in live.grid.panes:
            live.show_pane(pane)
            await pilot.pause()
            assert bar_of(app).endswith("? Keys  q Quit"), pane


@pytest.mark.walked
@pytest.mark.usefixtures("no_process")
async def test_places_help_and_escape_from_every_page(finished: RunFolder) -> None:
    app = CvtuiApp(runs=finished.path.parent, prewarm=False, attach=finished.path)
    async with app.run_test(size=SIZES[0]) as pilot:
        await wait_until_async(lambda: bool(app.screen.query(LiveView)), what="the run")
        for key, view in (("i", PicturesView), ("d", LayerDetail), ("e", EvaluationView), ("", MistakesView)):
            if key:
                await pilot.press(key)
            else:
                app.push_screen(MistakesView(finished))
            await opened(app, view)
            assert bar_of(app).endswith("? Keys  q Quit"), view
            await pilot.press("question_mark")
            await opened(app, HelpScreen)
            await pilot.press("2")
            await at(app, "calc")
            await pilot.press("3", "ctrl+c", "ctrl+c")  # goes into the text field; nothing is selected to copy
            assert app.current_mode == "calc"
            assert [told.message for told in app._notifications] == ["q quits, ctrl+q also while typing."]
            await pilot.press("alt+4")
            await at(app, "runs")
            await pilot.press("1")
            await at(app, "train")
            assert isinstance(app.screen, view)  # the window is there again, without the help
            await pilot.press("escape")
            await wait_until_async(lambda: not isinstance(app.screen, Modal), what="the run again")
        live_of(app).show_step(100)
        for key in ("i", "escape") * 3 + ("end",):  # read at once: what a window was to draw later ended the program
            app.post_message(Key(key, key if len(key) == 1 else None))
        await wait_until_async(lambda: live_of(app).view.cursor is None, 30, "the last key")
        assert not isinstance(app.screen, Modal)


async def test_escape_then_enter_starts_no_training(tmp_path: Path) -> None:
    app = CvtuiApp(runs=tmp_path / "runs", prewarm=False)
    async with app.run_test(size=SIZES[0]) as pilot:
        screen = app.screen
        assert isinstance(screen, TrainScreen)
        form = screen.form_view
        assert form is not None
        await wait_until_async(lambda: form.complete, what="the form")
        form.form.focus_field("epochs")
        await pilot.press("escape", "enter", "enter")
        await pilot.pause()
        assert not (tmp_path / "runs").exists()
        await pilot.press("j")
        assert form.form.current is None, "the next would be typed over a field's text"
        await pilot.press("down")
        current = form.form.current
        assert current is not None
        assert current.field.name == "epochs"


def test_no_letter_has_two_meanings() -> None:
    letters = keys.meanings()
    assert {key: list(told) for key, told in letters.items() if len(told) > 1} == {}
    assert {"j", "k", "g", "G", "q", "ctrl+d", "ctrl+u", "L"} <= set(letters)


@pytest.mark.walked
async def test_the_palette_finds_every_action_of_every_place_and_runs_and_labs_by_name(finished: RunFolder) -> None:
    app = CvtuiApp(runs=finished.path.parent, prewarm=False)
    async with app.run_test(size=SIZES[0]) as pilot:
        await pilot.press("f4")
        await at(app, "runs")
        provider = Palette(app.screen)
        await provider.startup()
        titles = {command.title for command in provider._all}
        assert {"Export", "Compare", "Evaluate", "Fork", "Rate", "Open run finished", "Open lab init"} <= titles
        assert {"Rename", "Delete", "Calc: View", "Labs: Reset", "Train: Start", "Train: Check"} <= titles
        told = {command.title: command.help for command in provider._all}
        assert told["Rename"] == "Give the run another name (N)"
        await look_up(pilot, app, "run fini", "Open run finished")
        await wait_until_async(lambda: app.current_mode == "train" and bool(app.screen.query(LiveView)), what="the run")
        await pilot.press("f2")
        await at(app, "calc")
        await look_up(pilot, app, "train smoo", "Train: Smooth")
        await at(app, "train")
        await wait_until_async(lambda: live_of(app).view.smoothing == 1, what="smoothing")
        await look_up(pilot, app, "lab opt", "Open lab optim")
        await at(app, "labs")
        await pilot.press("ctrl+p", *"qqq")
        await wait_until_async(lambda: hits(app) == ["--no-matches"], what="the words")


@pytest.mark.walked
@pytest.mark.usefixtures("no_process")
async def test_slash_filters_every_list(finished: RunFolder) -> None:
    app = CvtuiApp(runs=finished.path.parent, prewarm=False, attach=finished.path)
    async with app.run_test(size=SIZES[0]) as pilot:
        await wait_until_async(lambda: bool(app.screen.query(LiveView)), what="the run")
        live, log = live_of(app), live_of(app).pane("log").query_one(StyledLines)
        await pilot.press("O")
        await wait_until_async(
            lambda: live.grid.current == "log" and log.has_focus and len(log.lines) > 15, what="the log"
        )
        every = len(log.lines)
        await pilot.press("slash", *"qqq")
        await wait_until_async(lambda: not log.lines, what="no line")
        await pilot.press("ctrl+u", *"rate", "enter")
        await wait_until_async(lambda: 0 < len(log.lines) < every, what="some lines")
        assert all("rate" in line.body.plain for line in log.lines)
        await pilot.press("escape")
        await wait_until_async(lambda: len(log.lines) == every, what="all lines")
        await pilot.press("g")
        await wait_until_async(lambda: log.scroll_offset.y == 0, what="the top")
        await pilot.press("G")
        await wait_until_async(lambda: log.scroll_offset.y == log.max_scroll_y, what="the end")

        await pilot.press("question_mark")
        await opened(app, HelpScreen)
        lines = [line for line in help_of(app).split("\n") if line]
        assert "The run" in lines  # no class's name
        indented = [line for line in lines if line.startswith("   ")]
        assert indented  # what goes on below a meaning stands below it, 80 columns
        assert {len(line) - len(line.lstrip()) for line in indented} == {len(indented[0]) - len(indented[0].lstrip())}
        assert max(map(len, lines)) <= 70
        await pilot.press("slash", *"whole curves")
        await wait_until_async(lambda: "Show the whole curves again" in help_of(app), what="the key")
        assert "Pause the training" not in help_of(app)
        await pilot.press(*"qqq")
        await wait_until_async(lambda: "no match" in help_of(app), what="no match")
        await pilot.press("escape", "escape", "3")
        await at(app, "labs")
        labs = app.screen.query_one(LabList)
        await wait_until_async(lambda: labs.has_focus, what="the list")
        await pilot.press("slash", *"toepl", "enter")
        await wait_until_async(lambda: labs.names == ["toeplitz"], what="one lab")
        await pilot.press("escape")
        await wait_until_async(lambda: len(labs.names) > 10, what="all labs")
        assert labs.name_here == "toeplitz"

        view = MistakesView(finished)
        app.push_screen(view)
        await opened(app, MistakesView)
        view.mistakes = [mistake("a/cat.png", "cat", "dog"), mistake("b/dog.png", "dog", "cow")]
        await pilot.press("slash", *"cow", "enter")
        await wait_until_async(lambda: [one.image for one in view.shown] == ["b/dog.png"], what="one mistake")
        await pilot.press("slash", *"zz")
        about = view.query_one("#about", Static)
        await wait_until_async(lambda: str(about.render()) == "no match for 'zz'", what="that there is none")


def test_what_a_terminal_sends_for_alt_and_a_digit_is_that_key() -> None:
    parser = XTermParser()
    tokens = [*parser.feed("\x1b2"), *parser.feed("")]
    assert [token.key for token in tokens if isinstance(token, Key)] == ["alt+2"]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("\x1bz", ["escape", "z"]),
        ("\x1bZq", ["escape", "Z", "q"]),
        ("\x1b/a", ["escape", "slash", "a"]),
        ("\x1b\r", ["escape", "enter"]),
        ("\x1b=", ["escape", "equals_sign"]),
        ("\x1b\x1bj", ["escape", "escape", "j"]),
        ("\x1b\x1b[A\x1bOP", ["escape", "up", "f1"]),
        ("\x1b[122;3u", ["alt+z"]),
        ("\x1b[99999x", ["left_square_bracket", *"99999x"]),
    ],
)
def test_escape_and_a_key_that_come_together_are_both_pressed(sent: str, expected: list[str]) -> None:
    """Textual 8.2 makes alt+z of ESC z, and loses the ESC before a slash; a kitty says alt by itself."""
    parser = XTermParser()
    tokens = [*parser.feed(sent), *parser.feed("")]
    assert [token.key for token in tokens if isinstance(token, Key)] == expected


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
def test_a_paste_is_text_whatever_it_holds_and_however_it_comes(size: int) -> None:
    """An ESC in it ended it for Textual 8.2: the rest was keys, and `x`, `y` or enter did what they do."""
    sent = "a\x1b[200~folder:/a b\x1b[31mxy\x07\rq\x1b\x9b1\tt\x1b[201~\x1b[200~\x1b[201~b\x1b[200~é\n\x1b[201~\x1b[A"
    parser = XTermParser()
    tokens = [token for at in range(0, len(sent), size) for token in parser.feed(sent[at : at + size])]
    told = [token.key if isinstance(token, Key) else token.text for token in tokens if isinstance(token, Key | Paste)]
    assert [word for word in told if word] == ["a", "folder:/a b[31mxy\rq1\tt", "b", "é\n", "up"]
    pastes = terminal_keys.Pastes()
    assert pastes.take("\x1b[200~ab\x07") == "\x1b[200~ab"
    assert pastes.take("\x1b") == "", "it may be the begin of its end"
    assert pastes.take("[201~\x07c") == "\x1b[201~\x07c"
    assert pastes.take("\x1b") == "\x1b", "a key"
