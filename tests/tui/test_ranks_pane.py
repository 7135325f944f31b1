"""The Ranks pane: there for a run of several processes alone, the slow one named, read on while it grows."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cvtui.runlog.folder import RunFolder
from cvtui.runlog.ranks import NONE_SLOW, rank_file
from cvtui.runlog.tail import append_line
from cvtui.tui.app import CvtuiApp
from cvtui.tui.train import LiveView
from tests.runlog.rank_making import times, write_ranks
from tests.tui.live_host import LiveHost
from tests.tui.written_runs import WrittenRun
from tests.waiting import wait_until_async


def job(base: Path) -> RunFolder:
    """Write a run of two ranks, of which the second waits half of its time for data."""
    run = WrittenRun(base, ranks={"world_size": 2, "host": "h"})
    run.step(3)
    run.close()
    quick, slow = times(0, [None, 0.0, 0.0], [0.4] * 3, 1.0), times(0, [None, 0.5, 0.5], [0.4] * 3, 1.0)
    write_ranks(run.folder, [quick], [slow])
    return run.folder


@pytest.mark.parametrize("size", [(80, 24), pytest.param((160, 45), marks=pytest.mark.long)])
async def test_each_rank_is_shown_and_the_slow_one_named(tmp_path: Path, size: tuple[int, int]) -> None:
    folder = job(tmp_path)
    app = LiveHost(folder, bar=True)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        app.live.show_pane("ranks")
        await wait_until_async(lambda: "ranks" in app.on_screen(), what="the pane")
        sentence, heading, first, second, *_ = app.text("ranks").split("\n")
        assert sentence.startswith(
            "▲ rank 1 waits 50 % of its time for data (the others at most 0 %); they wait for it"
        )
        assert heading.split() == ["rank", "median", "worst", "data", "work", "others", "rest"]
        # by hand: 0.4 of passes and 0.1 of update of each second are work; the rest of the passes waits for the other
        # (the first of three steps, whose wait for data is not known, is left out)
        assert first.split() == ["0", "1,000.0", "ms", "1,000.0", "ms", "0", "%", "50", "%", "50", "%", "0", "%"]
        assert second.split() == ["▲", "1", "1,000.0", "ms", "1,000.0", "ms", "50", "%", "50", "%", "0", "%", "0", "%"]
        assert "process 11" in app.text("ranks")
        assert app.subtitle("ranks") == "3 steps · all: cvtui ranks"
        more = times(3, [0.0] * 60, [0.4] * 60, 1.0)
        for rank in (0, 1):
            append_line(rank_file(folder, rank), msgspec.json.encode(more))
        await wait_until_async(lambda: NONE_SLOW in app.text("ranks"), what="steps in which none is slow")
        await pilot.press("shift+tab")
        assert app.live.grid.current == "prediction"


async def test_the_palette_finds_it_where_there_are_ranks(tmp_path: Path, finished: RunFolder) -> None:
    for folder, found in ((job(tmp_path), True), (finished, False)):
        app = CvtuiApp(runs=folder.path.parent, attach=folder.path, prewarm=False)
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_until_async(lambda: list(app.screen.query(LiveView)), what="the run")  # noqa: B023
            view = app.screen.query_one(LiveView)
            await wait_until_async(lambda: view.history.run is not None, what="its record")  # noqa: B023
            commands = {one.title: one for one in app.get_system_commands(app.screen)}
            assert ("Ranks" in commands) is found
            assert ("ranks" in {name for slot in view.grid.slots() for name in slot.panes}) is found
            if found:
                commands["Ranks"].callback()
                await pilot.pause()
                assert view.grid.current == "ranks"
