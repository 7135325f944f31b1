"""A fork that slows its parent: found by the steps of both, told once, with an action that pauses the parent."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvtui.runlog.commands import CommandReader
from cvtui.runlog.events import Steps
from cvtui.runlog.history import History
from cvtui.tui.app import CvtuiApp
from cvtui.tui.train.parent_speed import ParentSpeed
from tests.tui.written_runs import WrittenRun
from tests.waiting import wait_until_async


class Pace:
    """Steps of a written run at a pace of the test's."""

    def __init__(self, run: WrittenRun) -> None:
        self.run, self.step, self.seconds = run, 0, 0.0

    def go(self, steps: int, each: float) -> None:
        times = [self.seconds + each * number for number in range(1, steps + 1)]
        self.run.write(Steps(first=self.step, loss=[1.0] * steps, rate=0.1, seconds=[*times]))
        self.step, self.seconds = self.step + steps, times[-1]


@pytest.mark.parametrize(("beside", "told"), [(0.25, True), (0.11, False)])
def test_a_parent_at_half_its_speed_is_found(tmp_path: Path, beside: float, told: bool) -> None:
    parent, child = WrittenRun(tmp_path, "parent"), WrittenRun(tmp_path, "child")
    pace, history = Pace(parent), History(parent.folder)
    with parent.folder.lock():
        pace.go(100, 0.1)
        history.poll()
        speed = ParentSpeed(history, child.folder)
        assert speed.look() is None
        pace.go(10, 0.1)
        Pace(child).go(1, 0.1)
        assert speed.look() is None
        pace.go(40, beside)
        found = speed.look()
        assert (found is not None) is told
        if found is not None:
            assert found.sentence == "parent trains at 40 % of its speed beside this fork (10 → 4 steps/s)"
            assert speed.over
    parent.close()
    child.close()


def test_a_parent_that_is_paused_or_over_is_left_alone(tmp_path: Path) -> None:
    parent, child = WrittenRun(tmp_path, "parent"), WrittenRun(tmp_path, "child")
    Pace(parent).go(100, 0.1)
    history = History(parent.folder)
    history.poll()
    speed = ParentSpeed(history, child.folder)
    assert speed.look() is None
    assert speed.over, "its process is gone"
    parent.close()
    child.close()


@pytest.mark.parametrize("way", ["mouse", "palette"])
async def test_the_notice_pauses_the_parent(tmp_path: Path, way: str) -> None:
    parent = WrittenRun(tmp_path, "pa[b]rent" if way == "palette" else "parent")
    app = CvtuiApp(runs=tmp_path, prewarm=False)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.pause()
        app.offer_pause(parent.folder, f"{parent.folder.name} trains at 40 % of its speed")
        await wait_until_async(lambda: list(app.screen.query("Toast")), what="the notice")
        await wait_until_async(lambda: "Pause it" in app.screen.query_one("Toast").render_line(2).text, what="its text")
        if way == "mouse":
            assert await pilot.click("Toast", offset=place_of(app, "Pause it"))
        else:
            commands = {one.title: one for one in app.get_system_commands(app.screen)}
            commands[f"Pause {parent.folder.name}"].callback()
        await wait_until_async(lambda: parent.folder.commands.exists(), what="the command")
        assert [one.command for one in CommandReader(parent.folder.commands).poll()] == ["pause"]
        assert not [one.title for one in app.get_system_commands(app.screen) if one.title.startswith("Pause ")]
    parent.close()


def place_of(app: CvtuiApp, words: str) -> tuple[int, int]:
    """Return where words stand in the notice, from its corner: border and padding are three cells and one row."""
    toast = app.screen.query_one("Toast")
    rows = [toast.render_line(y).text for y in range(toast.size.height)]
    (y,) = (y for y, row in enumerate(rows) if words in row)
    return rows[y].index(words) + 3, y + 1
