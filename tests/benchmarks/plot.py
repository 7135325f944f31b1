"""What a redraw of the plot costs: `python -m tests.benchmarks.plot [rounds]`.

Budgets: 10 ms for three curves of 100,000 points in a pane of 120 x 30, and for a pane at 1,000,000 points; a cost that
follows the pane and not the run. Each round appends points, hands the lines over and paints the widget through
Textual's compositor to the bytes for the terminal; medians of interleaved rounds.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from textual.app import App, ComposeResult

from cvtui.tui.plot.line_plot import Line, LinePlot

CASES = [(1, 1_000), (1, 100_000), (1, 1_000_000), (1, 10_000_000), (3, 1_000), (3, 100_000), (3, 1_000_000)]
GROWTH = 1_000
"""Points that come between two redraws."""


class Stage(App[None]):
    """One plot on the whole screen."""

    def compose(self) -> ComposeResult:
        yield LinePlot()


def series(count: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    noise = np.random.default_rng(number)
    x = np.arange(count, dtype=np.float64)
    return x, np.exp(-3 * x / count + noise.normal(0, 0.3, count)) + 0.05 * number


class Case:
    """A plot whose lines grow by GROWTH points a round."""

    def __init__(self, lines: int, points: int, rounds: int) -> None:
        self.lines, self.points, self.shown = lines, points, points
        self.data = [series(points + GROWTH * (rounds + 8), number) for number in range(lines)]
        self.opened = 0.0
        self.handed: list[float] = []
        self.painted: list[float] = []
        self.bytes = 0

    def given(self) -> list[Line]:
        return [Line(f"run {number}", x[: self.shown], y[: self.shown]) for number, (x, y) in enumerate(self.data)]


def paint(app: App[None], plot: LinePlot) -> int:
    """All of the screen, through the compositor, to text; its bytes."""
    plot.refresh()
    compositor = app.screen._compositor
    compositor._dirty_regions.clear()
    update = compositor.render_full_update()
    return len(update.render_segments(app.console).encode())


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1e3


def first_paint(app: Stage, plot: LinePlot, case: Case) -> None:
    plot.set_lines(case.given())
    paint(app, plot)


def repaint(app: Stage, plot: LinePlot, case: Case) -> None:
    case.bytes = paint(app, plot)


async def measure(rounds: int, size: tuple[int, int]) -> list[Case]:
    cases = [Case(*case, rounds) for case in CASES]
    stages = []
    for case in cases:
        app = Stage()
        context = app.run_test(size=size)
        pilot = await context.__aenter__()
        await pilot.pause()
        plot = app.query_one(LinePlot)
        case.opened = timed(partial(first_paint, app, plot, case))
        stages.append((case, app, plot, context))
    for _ in range(rounds):
        for case, app, plot, _context in stages:
            case.shown += GROWTH
            case.handed.append(timed(partial(lambda plot, case: plot.set_lines(case.given()), plot, case)))
            case.painted.append(timed(partial(repaint, app, plot, case)))
    for *_, context in reversed(stages):
        await context.__aexit__(None, None, None)
    return cases


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    for size in ((120, 30), (240, 70)):
        print(f"pane {size[0]} x {size[1]}, {rounds} rounds, {GROWTH:,} new points a round; ms, medians")
        print("curves      points   first picture   hand over    paint      sum   worst sum   kB")
        for case in asyncio.run(measure(rounds, size)):
            sums = [one + other for one, other in zip(case.handed, case.painted, strict=True)]
            print(
                f"{case.lines:6} {case.points:11,} {case.opened:15.1f} {statistics.median(case.handed):11.2f} "
                f"{statistics.median(case.painted):8.2f} {statistics.median(sums):8.2f} {max(sums):11.2f} "
                f"{case.bytes / 1e3:4.1f}"
            )


if __name__ == "__main__":
    main()
