"""The Calc place: the table follows what is typed, and mistakes are shown where they stand."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from textual import events

from cvtui.calc import Table, trace
from cvtui.calc.module_table import ModuleTable
from cvtui.calc.net.parser import parse
from cvtui.text import binary_size
from cvtui.tui.app import CvtuiApp
from cvtui.tui.calc.layer_summary import summary_lines
from cvtui.tui.screens.calc import CalcScreen
from cvtui.tui.screens.train import TrainScreen
from tests.tui.places import begun_at
from tests.waiting import wait_until_async

pytestmark = pytest.mark.walked


def place(app: CvtuiApp) -> CalcScreen:
    screen = app.screen
    assert isinstance(screen, CalcScreen)
    return screen


@pytest.mark.parametrize("size", [(80, 24), pytest.param((160, 45), marks=pytest.mark.long)])
async def test_the_table_follows_every_keystroke(tmp_path: Path, size: tuple[int, int]) -> None:
    app = begun_at("calc", tmp_path)
    async with app.run_test(size=size) as pilot:
        screen = place(app)
        await wait_until_async(lambda: screen.line("net").input.has_focus, what="the focus")
        await pilot.press("end", "ctrl+u", *"conv10f5")
        screen.line("input").input.value = "32x32x3"
        table = trace(parse("conv10f5"), (32, 32, 3), 10)
        await wait_until_async(lambda: screen.table.table == table, what="the table")
        assert screen.table.table is not None
        assert screen.table.table.parameters == 760  # the lecture: ten 5x5 filters on 32x32x3
        await pilot.press(*"-po")
        await wait_until_async(lambda: screen.table.stale, what="the mistake")
        line = screen.line("net")
        caret = next(text for text in line.render().plain.splitlines() if "^" in text)
        assert caret.index("^") == line.input.content_region.x - line.region.x + 9
        await pilot.press(*"ol")
        await wait_until_async(lambda: "16x16x10" in screen.table.text, what="the pooled size")
        assert not screen.table.stale


async def test_wrong_sizes(tmp_path: Path) -> None:
    app = begun_at("calc", tmp_path)
    async with app.run_test(size=(80, 24)):
        screen = place(app)
        for name, texts in (("input", ("32x", "0x3", "")), ("classes", ("0", "x"))):
            line = screen.line(name)
            right = line.input.value
            for text in texts:
                line.input.value = text
                await wait_until_async(
                    partial(lambda line: line.error is not None, line), what=f"the error of {text!r}"
                )
                assert screen.table.stale
                assert len(line.render().plain.splitlines()) == 2
                line.input.value = right
                await wait_until_async(lambda: not screen.table.stale, what="the table again")


async def test_the_net_goes_to_the_form(tmp_path: Path) -> None:
    app = begun_at("calc", tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until_async(lambda: place(app).line("net").input.has_focus, what="the focus")
        await pilot.press("end", "ctrl+u")
        place(app).line("net").input.post_message(events.Paste("fc32-relu-fc"))
        await wait_until_async(lambda: place(app).line("net").input.value == "fc32-relu-fc", what="the net")
        await pilot.press("ctrl+t")
        await wait_until_async(lambda: app.current_mode == "train", what="the Train place")
        train = app.screen
        assert isinstance(train, TrainScreen)
        form_view = train.form_view
        assert form_view is not None
        await wait_until_async(lambda: form_view.form.texts["net"] == "fc32-relu-fc", what="the net in the form")


@pytest.mark.parametrize("net", ["conv6f5p0", "(conv8f3s2-pool3s2)*2", "res(conv8-bn)-gap-fc", "cat(conv4|conv4f5)-fc"])
def test_a_layer_in_words(net: str) -> None:
    table = trace(parse(net), (33, 33, 3), 10)
    for row in table.rows:
        lines = [line.plain for line in summary_lines(row)]
        assert len(lines) <= 4
        assert row.name in lines[0]
        if row.note:
            assert any(row.note in line for line in lines)
        if row.counting:
            assert any(row.counting in line for line in lines)


async def test_the_layer_under_the_cursor(tmp_path: Path) -> None:
    app = begun_at("calc", tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter")
        await wait_until_async(lambda: place(app).table.has_focus, what="the table's focus")
        await pilot.press("down", "down")
        await wait_until_async(lambda: place(app).table.cursor == 2, what="the third layer")
        name = place(app).table.rows[2].name
        await wait_until_async(lambda: name in str(place(app).query_one("LayerSummary").render()), what="its words")
        await pilot.press("E")
        await wait_until_async(lambda: place(app).line("net").input.has_focus, what="the line's focus")


OWN = """
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes=5):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4 * 30 * 30, num_classes)
        self.conv.weight.requires_grad_(False)

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))
"""


@pytest.mark.torch
@pytest.mark.usefixtures("forks")
async def test_pytorch_code_is_counted_by_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_to_count.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    app = begun_at("calc", tmp_path)
    async with app.run_test(size=(80, 24)):
        screen = place(app)
        before = screen.line("input").input.value
        screen.line("net").input.value = "mine_to_count:"
        await wait_until_async(lambda: screen.line("net").error is not None, what="a target without a name")
        assert (screen.line("input").input.value, screen.line("classes").input.value) == ("", "")
        screen.line("input").input.value = "3x32,"
        await wait_until_async(lambda: screen.line("input").error is not None, what="a wrong size")
        screen.line("net").input.value = "mine_to_count:Net"
        screen.line("input").input.value = "32x32x3"
        await wait_until_async(lambda: screen.code.waiting, what="the count")
        await wait_until_async(lambda: screen.code._process is not None, what="its process")
        first = screen.code._process
        assert first is not None
        screen.line("classes").input.value = "7"  # ends the one before
        await wait_until_async(lambda: first.poll() is not None, what="the end of the first process")
        await wait_until_async(lambda: not screen.table.stale, 60, "the table")
        shown = screen.table.table
        assert isinstance(shown, ModuleTable)
        assert [(row.name, row.output) for row in shown.rows] == [("conv", (30, 30, 4)), ("fc", (7,))]
        assert (shown.parameters, shown.trained) == (4 * 27 + 4 + 3600 * 7 + 7, 4 + 3600 * 7 + 7)
        assert shown.rows[0].receptive_field == ((3, 3), (1, 1), (0, 0))
        subtitle = str(screen.query_one("#calc-head").border_subtitle)
        need = 4 * (shown.parameters + 3 * shown.trained) + 64 * 4 * (3 * 1024 + 3600)  # both layers' inputs
        assert subtitle == f"25,319 parameters, 122,400 MACs; {binary_size(need)} with adamw, batch 64"
        screen.line("net").input.value = "conv8"
        await wait_until_async(lambda: isinstance(screen.table.table, Table), what="an expression again")
        assert screen.line("input").input.value == "32x32x3" != before, "what was typed stays"
        assert screen.line("classes").input.value == "7"
        assert not screen.code.waiting
