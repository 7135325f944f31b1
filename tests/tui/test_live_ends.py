"""The live view of runs that ended badly, that have no record yet, or that another program wrote."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cvtui.runlog.folder import RunFolder
from cvtui.tui.panes.styled_lines import StyledLines
from tests.tui.live_host import LiveHost
from tests.tui.written_runs import WrittenRun
from tests.waiting import wait_until_async

pytestmark = pytest.mark.walked


SIZES = [(80, 24), pytest.param((160, 45), marks=pytest.mark.long)]


async def test_a_lost_run_shows_its_last_words_and_the_way_out(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path)
    run.step(30)
    run.folder.log.write_text("Traceback (most recent call last):\n\x1b[31mMemoryError: [b]no[/b] room\x1b[0m\n\n")
    app = LiveHost(run.folder, bar=True)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        assert app.live.header.text.startswith("✗ lost")
        log = app.live.pane("log").query_one(StyledLines).text
        assert "│ MemoryError: [b]no[/b] room" in log
        assert "What to do: the process ended without an error message" in log
        assert "\x1b" not in log


async def test_the_log_of_a_run_that_failed_comes_to_the_front(growing: WrittenRun) -> None:
    app = LiveHost(growing.folder, bar=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert app.on_screen() == {"loss"}
        growing.end("failed", "out of memory")
        await wait_until_async(lambda: app.on_screen() == {"log"}, what="the log")
        await wait_until_async(lambda: app.focused is app.live.pane("log").query_one(StyledLines), what="the keys")


async def test_a_lost_run_that_comes_back_forgets_its_last_words(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path)
    run.step(30)
    app = LiveHost(run.folder, bar=True)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        log = app.live.pane("log").query_one(StyledLines)
        assert "What to do" in log.text
        with run.folder.lock():
            run.done = 23
            run.write(run._started(step=23))
            run.step(5)
            await wait_until_async(lambda: "● running" in app.live.header.text, what="the resumed run")
            assert "What to do" not in log.text
            assert log.text.count("epoch  1") == 1
            assert "resumed at step 23" in log.text


@pytest.mark.parametrize("size", SIZES)
async def test_a_diverged_run_says_why(tmp_path: Path, size: tuple[int, int]) -> None:
    run = WrittenRun(tmp_path)
    run.step(30)
    run.step(3, loss=math.nan)
    run.end("diverged", "the loss is NaN since step 30")
    app = LiveHost(run.folder, bar=True)
    async with app.run_test(size=size) as pilot:
        app.live.show_pane("log")
        await pilot.pause()
        assert app.live.header.text.startswith("✗ diverged")
        assert "NaN" in app.live.header.text
        assert "--lr /10`" in app.live.pane("log").query_one(StyledLines).text


async def test_a_folder_without_a_record_yet_is_starting(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "young", "")
    app = LiveHost(folder, bar=True)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        assert app.live.header.text.startswith("◌ starting  young")
        for _ in range(6):
            await pilot.press("tab")
        await pilot.press("a", "y", "m", "l")
        await pilot.pause()
        assert len(app.screen_stack) == 1  # there is no rate to change yet


async def test_a_run_of_another_program_is_shown(tmp_path: Path) -> None:
    """What `recipe`, `data` and `prediction` hold is the writer's business; nothing is taken for granted."""
    run = WrittenRun(tmp_path)
    run.write(run._started(recipe={}, data={}, prediction={}, layers=[], steps_per_epoch=0, total_steps=0))
    run.step(30)
    app = LiveHost(run.folder, bar=True)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("a", "a", "a", "y", "m")
        await pilot.pause()
        assert "step 30" in app.live.header.text
