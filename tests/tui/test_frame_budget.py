"""The screen's share of a core, kept by drawing less often; on clocks that are told what time it is."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from cvtui.runlog.worker_process import usable_cores
from cvtui.tui.train import frame_budget
from cvtui.tui.train.frame_budget import CPU_SHARE, CROWDED_SECONDS, FREE_SECONDS, SLOWEST_SECONDS, FrameBudget
from tests.tui.live_host import LiveHost
from tests.tui.written_runs import WrittenRun
from tests.waiting import wait_until_async

TICK = 0.1


class Screen:
    """Ticks ten times a second; a frame costs `cost` seconds of a core."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.cpu = 0.0
        clocks = SimpleNamespace(monotonic=lambda: self.now, process_time=lambda: self.cpu)
        monkeypatch.setattr(frame_budget, "time", clocks)
        self.budget = FrameBudget()

    def run(self, seconds: float, cost: float, interval: float = 0.0) -> list[float]:
        """When frames were drawn."""
        frames = []
        for _ in range(round(seconds / TICK)):
            self.now += TICK
            self.budget.earn()
            if self.budget.may_draw(interval):
                self.budget.begin_frame()
                self.cpu += cost
                frames.append(self.now)
        return frames


@pytest.mark.parametrize(("cost", "frames"), [(0.005, 10.0), (0.02, 5.0), (0.05, 2.0)])
def test_frames_are_as_many_as_a_tenth_of_a_core_allows(
    monkeypatch: pytest.MonkeyPatch, cost: float, frames: float
) -> None:
    screen = Screen(monkeypatch)
    screen.run(5.0, cost)
    before = screen.cpu
    assert len(screen.run(60.0, cost)) / 60 == pytest.approx(frames, abs=0.2)
    assert (screen.cpu - before) / 60 <= CPU_SHARE + 0.005


def test_the_first_points_of_a_run_are_drawn_at_once_whatever_its_opening_took(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    screen.cpu += 0.5  # panes are imported, and all of them drawn
    assert len(screen.run(FREE_SECONDS - TICK, 0.02)) == round(FREE_SECONDS / TICK) - 1


def test_a_frame_comes_every_second_also_where_it_costs_more_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    screen.run(5.0, 0.3)
    assert len(screen.run(20.0, 0.3)) == pytest.approx(20 / SLOWEST_SECONDS, abs=1)


def test_frames_are_further_apart_where_a_training_has_every_core(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch)
    assert len(screen.run(20.0, 0.001, CROWDED_SECONDS)) / 20 == pytest.approx(5.0, abs=0.1)


@pytest.mark.parametrize("taken", [True, False])
async def test_frames_come_further_apart_while_the_training_takes_every_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    """By a clock that goes on at each tick: on a busy machine ticks themselves come late."""
    now = 0.0
    frames: list[float] = []
    monkeypatch.setattr(frame_budget, "time", SimpleNamespace(monotonic=lambda: now, process_time=lambda: 0.0))
    run = WrittenRun(tmp_path, "crowded", threads=usable_cores() if taken else usable_cores() - 1)
    run.step(10)
    app = LiveHost(run.folder, bar=True)
    with run.folder.lock():
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_until_async(lambda: app.live.view.state == "running", what="a running run")
            begin, earn = app.live._budget.begin_frame, app.live._budget.earn

            def tick() -> None:
                nonlocal now
                now += TICK
                earn()

            def counted() -> None:
                frames.append(now)
                begin()

            app.live._budget.earn, app.live._budget.begin_frame = tick, counted  # type: ignore[method-assign]

            def grown() -> bool:
                run.step()
                return len(frames) >= 8

            await wait_until_async(grown, what="eight frames")
            await pilot.pause()
    run.close()
    gaps = [after - before for before, after in pairwise(frames)]
    assert min(gaps) >= CROWDED_SECONDS if taken else min(gaps) < CROWDED_SECONDS
