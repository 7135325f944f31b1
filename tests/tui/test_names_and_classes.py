"""Names that are longer than their place, letters of two cells, and more classes than a matrix has room for."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from cvtui.runlog.predictions import Predicted
from cvtui.text import cut_middle
from cvtui.tui.app import CvtuiApp
from cvtui.tui.detail.predict_view import bars
from cvtui.tui.detail.text_pages import confusion
from cvtui.tui.detail.tile_view import caption_rows
from cvtui.tui.panes.header import RunHeader
from cvtui.tui.screens.runs import RunsScreen
from cvtui.tui.screens.themes import DARK
from tests.tui.live_host import LiveHost
from tests.tui.written_runs import WrittenRun
from tests.waiting import wait_until_async

LONG = "digits-a-long-name-that-somebody-gave-to-tell-it-from-all-others-of-the-week-seed"


@pytest.mark.parametrize("width", range(1, 12))
def test_names_are_cut_in_their_middle(width: int) -> None:
    assert len(cut_middle("abcdefghij", width)) == min(width, 10)
    if 3 <= width < 10:
        cut = cut_middle("abcdefghij", width)
        assert cut[0] == "a"
        assert cut[-1] == "j"


async def test_runs_whose_names_differ_at_their_end_are_told_apart(tmp_path: Path) -> None:
    for end in ("-7", "-8"):
        run = WrittenRun(tmp_path, LONG + end)
        run.step(2)
        run.end()
    app = CvtuiApp(runs=tmp_path, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        await wait_until_async(lambda: isinstance(app.screen, RunsScreen) and len(app.screen.table.rows) == 2)
        assert isinstance(app.screen, RunsScreen)
        names = [line.split()[1] for line in app.screen.table.text.splitlines()[1:3]]
        assert sorted(name[-2:] for name in names) == ["-7", "-8"]
        await pilot.press("w")
        await wait_until_async(lambda: "-7" in app.screen.query_one("RunCurves").text, what="the curves")  # type: ignore[attr-defined]
        assert "-8" in app.screen.query_one("RunCurves").text  # type: ignore[attr-defined]


async def test_the_header_says_the_name_and_why_it_ended(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path, "nan-at-0")
    run.step(12)
    run.end("diverged", "the loss is not finite at step 0")
    app = LiveHost(run.folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        first = app.live.query_one(RunHeader).text.splitlines()[0]
        assert "nan-at-0" in first
        assert "the loss is not finite" in first
        assert "epoch 1/15" in first


def lines_of(matrix: list[list[int]], names: list[str], width: int, lines: int) -> list[str]:
    return confusion(matrix, names, width, lines, DARK).plain.split("\n")


def test_wide_letters_leave_the_columns_of_the_matrix_straight() -> None:
    names = ["猫咪" * 8, "🐕 dog", "cat", "a"]
    lines = lines_of([[7, 1, 0, 0], [0, 8, 0, 0], [1, 0, 6, 1], [0, 0, 0, 8]], names, 76, 20)
    rows = [line for line in lines[2:] if line.endswith("right")]
    assert len(rows) == 4
    assert len({cell_len(row) for row in rows}) == 1


def test_wide_letters_leave_the_columns_of_a_prediction_and_of_captions_straight() -> None:
    names = ["猫の写真と長い名前のクラス", "犬", "dog"]
    top: list[tuple[str, float | None]] = [(name, 0.3) for name in names]
    shown = [line.plain for line in bars(Predicted(image="犬.png", number=0, top=top), 40, 3)]
    assert {cell_len(line) for line in shown} == {cell_len(shown[0])}
    assert cell_len(shown[0]) <= 40
    rows = caption_rows(names, 2, 12)
    assert {cell_len(row) for row in rows} == {36}
    assert [cell_len(rows[0].partition(name)[0]) for name in ("犬", "dog")] == [12, 24]


@pytest.mark.parametrize(("width", "lines"), [(74, 20), (154, 41)])
def test_of_a_thousand_classes_the_confusions_are_listed(width: int, lines: int) -> None:
    matrix = [[0] * 1000 for _ in range(1000)]
    for number, row in enumerate(matrix):
        row[number] = 4
    matrix[123][877] = 3
    matrix[500][2] = 1
    names = [f"class {number:04d} {'x' * 49}" for number in range(1000)]
    drawn = lines_of(matrix, names, width, lines)
    assert len(drawn) <= lines
    assert all(cell_len(line) <= width for line in drawn)
    assert drawn[0].startswith("1,000 classes: too many for a matrix here")
    assert drawn[1].startswith("class 0123")
    assert "taken for class 0877" in drawn[1]
    assert drawn[1].endswith("3 of 7 (43 %)")
    assert "taken for class 0002" in drawn[2]
    weak = drawn.index("Classes with the lowest accuracy:")
    assert drawn[weak + 1].startswith("class 0123")
    assert drawn[weak + 1].endswith("57 %")
    small = lines_of([[3, 1], [0, 4]], ["cat", "dog"], width, lines)
    assert small[2].split() == ["cat", "3", "1", "75", "%", "right"]
