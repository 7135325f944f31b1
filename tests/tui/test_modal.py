"""A window shows what Textual's own shows, and what lies below it stays alive."""

from __future__ import annotations

from typing import Any

import pytest
from textual import events, on
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widgets import Input, Static

from cvtui.tui.widgets.key_bar import KeyBar
from cvtui.tui.widgets.modal import Modal
from tests.waiting import wait_until_async

CSS = """
Static { color: $primary; } .box { width: 20; height: 3; background: $panel; }
Ours, Theirs { align: center middle; background: $background 60%; }
"""


class Ours(Modal[None]):
    def compose(self) -> ComposeResult:
        yield Static("a window", classes="box")


class Theirs(ModalScreen[None]):
    BINDINGS = Modal.BINDINGS

    def compose(self) -> ComposeResult:
        yield Static("a window", classes="box")
        yield KeyBar()


class Below(App[None]):
    CSS = CSS

    def compose(self) -> ComposeResult:
        yield Static("below [b]it[/] [@click=app.bell]link[/]")
        yield Static("second line", id="second")


def drawn(app: App[None]) -> list[list[tuple[Any, ...]]]:
    """Each cell of what the terminal gets: its sign, colours and looks; of a space only what can be seen of it."""
    update: Any = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens, simplify=True)
    lines = []
    for line in update.strips:
        cells: list[tuple[Any, ...]] = []
        for text, style, _ in (segment for strip in line for segment in strip):
            seen = (style.bgcolor, style.underline, style.reverse)
            cells += [(sign, *seen, *(() if sign == " " else (style.color, style.bold))) for sign in text]
        lines.append(cells)
    return lines


def text_of(line: list[tuple[Any, ...]]) -> str:
    return "".join(sign for sign, *_ in line)


@pytest.mark.parametrize("no_color", [False, True])
async def test_a_window_is_drawn_as_textual_draws_it(monkeypatch: pytest.MonkeyPatch, no_color: bool) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    pictures = []
    for window in (Ours, Theirs):
        app = Below()
        async with app.run_test(size=(60, 12)) as pilot:
            await app.push_screen(window())
            await pilot.pause()
            pictures.append(drawn(app))
    ours, theirs = pictures
    assert ours == theirs
    assert text_of(ours[0]).startswith("below it link ")


async def test_what_changes_below_is_seen_and_so_is_another_size() -> None:
    app = Below()
    async with app.run_test(size=(60, 12)) as pilot:
        await app.push_screen(Ours())
        await pilot.pause()
        app.screen_stack[0].query_one("#second", Static).update("changed")
        await wait_until_async(lambda: "changed" in text_of(drawn(app)[1]), what="the change")
        await pilot.resize_terminal(70, 9)
        await wait_until_async(lambda: [len(line) for line in drawn(app)] == [70] * 9, what="the new size")
        assert "changed" in text_of(drawn(app)[1])


class Asking(Modal[str]):
    BINDINGS = [Binding("y", "dismiss('yes')", "Yes")]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.begun = 0

    def compose(self) -> ComposeResult:
        yield Input(id="line")

    @on(Input.Submitted)
    def begin(self) -> None:
        """Begin what must begin once, such as a training."""
        self.begun += 1
        self.dismiss("begun")


def typed(app: App[None], *keys: str) -> None:
    """Put keys into the app's queue at once, as a terminal does with what was typed while it worked."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


async def test_a_second_enter_neither_begins_twice_nor_closes_what_lies_below() -> None:
    app = Below()
    answers: list[str | None] = []
    async with app.run_test() as pilot:
        below, asking = Ours(), Asking()
        await app.push_screen(below)
        await app.push_screen(asking, answers.append)
        await pilot.pause()
        typed(app, "enter", "enter", "enter")
        await wait_until_async(lambda: not asking.is_running, what="the window's end")
        assert (asking.begun, answers) == (1, ["begun"])
        assert app.screen is below


async def test_an_answer_that_comes_when_another_place_is_in_front_closes_nothing_there() -> None:
    app = Below()
    async with app.run_test() as pilot:
        asking = Asking()
        await app.push_screen(asking)
        await pilot.pause()
        app.add_mode("other", Ours)
        await app.switch_mode("other")
        asking.begin()
        await pilot.pause()
        assert isinstance(app.screen, Ours)
        assert asking in app.get_screen_stack("_default")


async def test_a_window_that_knows_its_new_size_already_is_drawn_whole_at_its_old_one() -> None:
    """Textual asks for that between two resizes; lines that were missing ended the program."""
    app = Below()
    async with app.run_test(size=(100, 40)) as pilot:
        window = Ours()
        await app.push_screen(window)
        await pilot.pause()
        for below in (None, [Strip.blank(80)] * 24):
            app._size, window._below = Size(80, 24), below
            for crop in (Region(0, 0, 100, 40), Region(0, 30, 100, 10)):
                assert [line.cell_length for line in window.render_lines(crop)] == [100] * crop.height
