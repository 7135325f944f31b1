"""Another host's run on the screen: listed, opened, steered, and its broken line told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image
from textual.widgets import Static

from cvtui.recipe.recipe import Recipe
from cvtui.runlog import lock, other_hosts
from cvtui.runlog.commands import CommandReader
from cvtui.runlog.events import PictureSaved
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.hosts.mirror import open_mirror
from cvtui.tui.app import CvtuiApp
from cvtui.tui.detail.pictures_view import PicturesView
from cvtui.tui.screens.runs import RunsScreen
from cvtui.tui.screens.train import TrainScreen
from tests.runlog.hosts.far_host import StandIn
from tests.tui.written_runs import WrittenRun, finished_run
from tests.waiting import wait_until_async


def picture_file(folder: RunFolder, name: str) -> Path:
    folder.pictures.mkdir(exist_ok=True)
    return folder.pictures / name


async def test_another_hosts_run_on_the_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far = StandIn(tmp_path / "far")
    monkeypatch.setenv("PATH", f"{far.bin}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run = WrittenRun(far.home / "runs" / "sweep", "there", Recipe(epochs=3))
    run.step(10)
    held = lock.take(run.folder.lock_file, 0)
    finished_run(tmp_path / "here", "mine")
    mirror = open_mirror("ssh://far/~/runs")
    mirror.start()
    app = CvtuiApp(runs=tmp_path / "here", places=[mirror.folder], prewarm=False)
    try:
        async with app.run_test(size=(160, 45)) as pilot:
            await pilot.press("4")
            screen = app.screen
            assert isinstance(screen, RunsScreen)

            def listed() -> bool:
                screen.refresh_runs()
                states = {row.name: row.state for row in screen.table.rows}
                return states == {"there": "running", "mine": "finished"}

            await wait_until_async(listed, what="both runs")
            line = next(line for line in screen.table.text.splitlines() if " there " in line)
            assert "far:~/runs/sweep" in line
            screen.table.cursor = next(n for n, row in enumerate(screen.table.rows) if row.name == "there")
            await pilot.press("o")
            assert not (mirror.folder / "sweep" / "there" / "pinned").exists()
            await pilot.press("enter")
            train = app.screen
            assert isinstance(train, TrainScreen)
            await wait_until_async(lambda: train.view is not None and train.view.view.alive, what="the run")
            view = train.view
            assert view is not None
            run.step(7)
            await wait_until_async(lambda: view.history.steps_done == 17, what="its new steps")
            await pilot.press("space")
            reader = CommandReader(run.folder.commands)
            await wait_until_async(lambda: [command.command for command in reader.poll()] == ["pause"], what="pause")
            Image.new("RGB", (4, 4), (250, 120, 10)).save(picture_file(run.folder, "filters-000017.png"))
            run.write(PictureSaved(step=17, name="filters", path="pictures/filters-000017.png", note="four"))
            run.step(1)
            await wait_until_async(lambda: view.history.pictures, what="the record of a picture")
            await pilot.press("i")
            pictures = app.screen
            assert isinstance(pictures, PicturesView)
            pictures.page = "filters"
            note = pictures.query_one("#note", Static)
            await wait_until_async(lambda: str(note.content) == "four", what="the picture")
            await pilot.press("escape")
            far.down.touch()
            far.kill()
            await wait_until_async(lambda: "far: " in view.header.text, what="the broken line")
            assert view.view.state == "running"
            await pilot.press("4")
            screen.refresh_runs()
            assert "far: " in str(screen.query_one("#runs").border_subtitle)
    finally:
        other_hosts.close_all()
        held.release()
        run.close()
