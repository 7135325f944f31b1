"""The questions of the live view."""

from __future__ import annotations

from typing import Any

import pytest
from textual.app import App
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from cvtui.errors import RequestError
from cvtui.recipe.learning_rate import parse_rate
from cvtui.runlog.events import EpochDone
from cvtui.tui.train.modals import LeaveModal, RateModal, StopModal, WhyModal

pytestmark = pytest.mark.walked


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.001", 0.001), (" 1e-3 ", 0.001), ("/10", 0.001), ("÷ 4", 0.0025), ("*2", 0.02), ("x0.5", 0.005), ("0", 0.0)],
)
def test_what_can_be_typed_as_a_rate(text: str, value: float) -> None:
    assert parse_rate(text, 0.01, may_be_0=True) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "fast", "-1", "/0", "*-2", "1e999", "--1", "1e", "/", "nan", "inf", "1 2"])
def test_what_can_not(text: str) -> None:
    with pytest.raises(RequestError, match=r"\w"):
        parse_rate(text, 0.01, may_be_0=True)


class Asking(App[None]):
    def __init__(self, modal: ModalScreen[Any]) -> None:
        super().__init__()
        self.modal = modal
        self.answers: list[Any] = []

    def on_mount(self) -> None:
        self.push_screen(self.modal, self.answers.append)


@pytest.mark.parametrize("size", [(80, 24), pytest.param((160, 45), marks=pytest.mark.long), (40, 12)])
@pytest.mark.parametrize(
    ("keys", "answer"),
    [("/10", 0.001), ("0.5", 0.5), ("*2", 0.02)],
)
async def test_a_new_rate(keys: str, answer: float, size: tuple[int, int]) -> None:
    app = Asking(RateModal(0.01, 0.02))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        app.screen.query_one(Input).value = keys
        await pilot.press("enter")
        await pilot.pause()
        assert app.answers == [pytest.approx(answer)]


async def test_a_wrong_rate_is_not_taken_and_says_why() -> None:
    app = Asking(RateModal(0.01, None))
    async with app.run_test() as pilot:
        await pilot.press(*"-3", "enter")
        said = app.screen.query_one("#said", Static)
        assert "0 or above" in str(said.content)
        assert app.answers == []
        await pilot.press("backspace", "backspace", *"/2")
        assert str(said.content) == "0.01 → 0.005"
        await pilot.press("escape")
        await pilot.pause()
        assert app.answers == [None]


@pytest.mark.parametrize(("button", "answer"), [("#take", 0.005), ("#cancel", None)])
async def test_the_rate_by_mouse(button: str, answer: float | None) -> None:
    app = Asking(RateModal(0.01, None))
    async with app.run_test() as pilot:
        await pilot.press(*"/2")
        await pilot.click(button)
        await pilot.pause()
        assert app.answers == [answer]


@pytest.mark.parametrize(("key", "answer"), [("y", True), ("n", False), ("escape", False), ("enter", False)])
async def test_stop(key: str, answer: bool) -> None:
    app = Asking(StopModal())
    async with app.run_test() as pilot:
        await pilot.press(key)
        await pilot.pause()
        assert app.answers == [answer]


async def test_stopping_a_custom_loop_does_not_promise_to_save_it() -> None:
    """Its stop writes no checkpoint: tests/engine/test_watch.py."""
    assert "not saved" in StopModal(custom_loop=True)._text
    assert "saved first" in StopModal()._text
    app = Asking(LeaveModal("a-run", custom_loop=True))
    async with app.run_test():
        assert str(app.screen.query_one("#stop", Button).label) == "Stop unsaved (x)"


@pytest.mark.parametrize(("key", "answer"), [("q", "keep"), ("x", "stop"), ("escape", "stay"), ("enter", "keep")])
async def test_leave(key: str, answer: str) -> None:
    app = Asking(LeaveModal("a-run"))
    async with app.run_test() as pilot:
        await pilot.press(key)
        await pilot.pause()
        assert app.answers == [answer]


@pytest.mark.parametrize("answer", ["keep", "stop", "stay"])
async def test_leave_by_mouse(answer: str) -> None:
    app = Asking(LeaveModal("a-run"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.click(f"#{answer}")
        await pilot.pause()
        assert app.answers == [answer]


EPOCH = EpochDone(
    epoch=3, step=30, time=0.0, train_loss=0.5, train_accuracy=None, val_loss=0.4, val_accuracy=None,
    seconds=1.0, images_per_second=1.0, best=False,
)  # fmt: skip


@pytest.mark.parametrize("key", ["escape", "v", "q", "enter"])
async def test_why(key: str) -> None:
    app = Asking(WhyModal(EPOCH))
    async with app.run_test(size=(80, 24)) as pilot:
        words = " ".join(str(part.content) for part in app.screen.query(Static))
        assert "Epoch 3 of this run: training 0.500 (mean over the epoch), validation 0.400 (after it)" in words
        assert "epoch's middle" in words
        await pilot.press(key)
        await pilot.pause()
        assert app.answers == [None]
