"""The Calc place's pictures: their numbers are PyTorch's, and every key does what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from cvtui.calc import trace
from cvtui.calc.net.parser import parse
from cvtui.tui.app import CvtuiApp
from cvtui.tui.calc.demo import Demo, demo_of
from cvtui.tui.calc.pictures import VIEWS, View, draw, positions_of
from cvtui.tui.screens.calc import CalcScreen
from cvtui.tui.screens.train import TrainScreen
from tests.tui.places import begun_at
from tests.waiting import wait_until_async

NETS = [
    "conv6f5", "conv4", "conv8f3s2p0", "conv8f7s2p3", "conv4f2s3", "conv4f3d2p2", "conv4f1", "conv4f3x5", "pool",
    "avgpool3s2", "avgpool3s1p1", "sumpool", "pool3s2ceil", "pool2x3",
]  # fmt: skip


def by_pytorch(demo: Demo) -> torch.Tensor:
    x = torch.tensor(demo.image, dtype=torch.float64)[None, None]
    if demo.kind == "conv":
        weight = torch.tensor(demo.filter, dtype=torch.float64)[None, None]
        return F.conv2d(x, weight, stride=demo.stride, padding=demo.padding, dilation=demo.dilation)[0, 0]
    if demo.kind == "max":
        return F.max_pool2d(x, demo.window, demo.stride, demo.padding, ceil_mode=demo.ceil)[0, 0]
    mean = F.avg_pool2d(x, demo.window, demo.stride, demo.padding, ceil_mode=demo.ceil)
    if demo.kind == "sum":
        mean = F.avg_pool2d(x, demo.window, demo.stride, demo.padding, ceil_mode=demo.ceil, divisor_override=1)
    return mean[0, 0]


@pytest.mark.parametrize("net", NETS)
def test_the_sliding_filter_computes_what_pytorch_does(net: str) -> None:
    demo = demo_of(trace(parse(net), (32, 32, 3), 10).rows[0])
    assert demo is not None
    expected = by_pytorch(demo)
    assert tuple(expected.shape) == demo.output
    found = [demo.output_value(place) for place in range(demo.positions)]
    assert found == pytest.approx(expected.flatten().tolist())
    assert max(demo.padded) <= 11
    assert demo.formula(0).count("=") == 1


def test_the_field_is_the_calculators() -> None:
    table = trace(parse("conv8f5p0-pool-conv8f3p0"), (32, 32, 3), 10)
    lines = draw(table.rows[2], View("field", 3), table.input, 60, 30)
    words = "\n".join(line.plain for line in lines)
    assert "unit (6, 3) of conv2 sees 10x10 pixels" in words
    assert "rows 12 to 21, columns 6 to 15 of 32x32" in words


def test_connections_and_matrix_count_right() -> None:
    table = trace(parse("conv1f3p0-fc5"), (9, 9, 1), 10)
    words = "\n".join(line.plain for line in draw(table.rows[0], View("connections", 0), table.input, 80, 40))
    assert "output 0 is joined to 3 of 9 inputs" in words
    assert "21 of 63 possible connections, 3 parameters" in words
    words = "\n".join(line.plain for line in draw(table.rows[1], View("connections", 2), table.input, 80, 40))
    assert "output 2 is joined to 9 of 9 inputs" in words
    assert "45 of 45 possible connections, 45 parameters" in words
    matrix = "\n".join(line.plain for line in draw(table.rows[0], View("matrix", 0), table.input, 80, 40))
    assert "doubly block Toeplitz matrix" in matrix
    assert "4x16" in matrix
    assert "7x9, 67 % zeros; Toeplitz: one parameter along each diagonal" in matrix  # in one dimension, above it
    assert " 1 2 3 · · · · · ·" in matrix
    in_turns = [
        "\n".join(line.plain for line in draw(table.rows[0], View("matrix", n), table.input, 80, 12)) for n in (0, 1)
    ]
    assert "7x9" in in_turns[0]
    assert "4x16" not in in_turns[0]
    assert "4x16" in in_turns[1]


@pytest.mark.parametrize("width", [20, 56, 120])
@pytest.mark.parametrize("view", VIEWS)
def test_every_layer_can_be_drawn_in_any_room(width: int, view: str) -> None:
    net = "conv8f11s4-relu-bn-pool-res(conv16-relu)-cat(conv4f1|conv4)-ln-gap-drop0.5-fc20-tanh-fc"
    table = trace(parse(net), (64, 48, 3), 10)
    for row in table.rows:
        for place in range(min(3, positions_of(row, view))):
            lines = draw(row, View(view, place), table.input, width, 20)
            assert 0 < len(lines) <= 20
            assert all(line.cell_length <= width for line in lines)
    flat = trace(parse("fc8-relu-fc"), (2,), 3)
    assert all(draw(row, View(view, 0), flat.input, width, 20) for row in flat.rows)


async def at_calc(app: CvtuiApp) -> CalcScreen:
    screen = app.screen
    assert isinstance(screen, CalcScreen)
    screen.line("net").input.value = "conv6f5-relu-pool-fc"
    screen.line("input").input.value = "32x32x3"
    await wait_until_async(lambda: screen.picture.row is not None and screen.picture.row.name == "conv1", what="conv1")
    screen.table.focus()
    await wait_until_async(lambda: screen.table.has_focus, what="the table's focus")
    return screen


async def test_stepping_playing_and_turning_pictures(tmp_path: Path) -> None:
    app = begun_at("calc", tmp_path)
    async with app.run_test(size=(160, 45)) as pilot:
        screen = await at_calc(app)
        await wait_until_async(lambda: "place 1 of" in screen.picture.text, what="the first place")
        await pilot.press("right", "right", "right", "left")
        assert "place 3 of" in screen.picture.text
        await pilot.press("space")
        await wait_until_async(lambda: screen.picture.position > 3, what="two beats")
        await pilot.press("space")
        assert not screen.picture.playing
        for view, words in (("field", "sees 5x5"), ("connections", "is joined to"), ("matrix", "Toeplitz")):
            await pilot.press("w")
            assert screen.picture.view == view
            await wait_until_async(lambda words=words: words in screen.picture.text, what=view)  # type: ignore[misc]
        await pilot.press("w", "down", "down")
        await wait_until_async(lambda: "max(" in screen.picture.text, what="the pool's picture")


async def test_at_80_columns_the_picture_takes_the_tables_place_and_gives_it_back(tmp_path: Path) -> None:
    app = begun_at("calc", tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await at_calc(app)
        assert not screen.query_one("#calc-picture").display
        await pilot.press("w")
        await wait_until_async(lambda: screen.query_one("#calc-picture").display, what="the picture")
        await wait_until_async(lambda: "0·" in screen.picture.text, what="its numbers")
        await pilot.press("w", "w", "w", "w")
        await wait_until_async(lambda: screen.query_one("#calc-table").display, what="the table")
        assert not screen.query_one("#calc-picture").display


async def test_enter_sends_the_net_to_the_train_place(tmp_path: Path) -> None:
    app = begun_at("calc", tmp_path)
    async with app.run_test(size=(160, 45)) as pilot:
        await at_calc(app)
        await pilot.press("enter")
        await wait_until_async(lambda: app.current_mode == "train", what="the Train place")
        screen = app.screen
        assert isinstance(screen, TrainScreen)
        view = screen.form_view
        assert view is not None
        await wait_until_async(
            lambda: view.complete and "conv6f5-relu-pool-fc" in view.validation.texts["net"], what="the net in the form"
        )


@pytest.mark.parametrize("text", ["conv6-" * 170_000, "fc*1000000000", "(" * 10_000 + "fc" + ")" * 10_000])
async def test_monstrous_expressions_are_one_line_of_error(tmp_path: Path, text: str) -> None:
    app = begun_at("calc", tmp_path)
    async with app.run_test(size=(160, 45)):
        screen = await at_calc(app)
        screen.line("net").input.value = text
        await wait_until_async(lambda: screen.line("net").error is not None, what="the error")
        assert screen.table.stale
