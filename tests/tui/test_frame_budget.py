"""The screen's share of a core, kept by drawing less often; on clocks that are told what time it is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from cvtui.tui.train import frame_budget
from cvtui.tui.train.frame_budget import CPU_SHARE, CROWDED_SECONDS, FREE_SECONDS, SLOWEST_SECONDS, FrameBudget

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
