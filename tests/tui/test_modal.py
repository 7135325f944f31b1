"""A window shows what Textual's own shows, and what lies below it stays alive."""

from __future__ import annotations

from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.screen import ModalScreen
from textual.widgets import Static

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
