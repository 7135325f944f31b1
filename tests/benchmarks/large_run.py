"""What a long run costs the screen: `python -m tests.benchmarks.large_run [rounds]`.

Budgets: a run of 1,000,000 steps and three curves opens in 1 s to the full picture; one of 200,000 steps and 60 layers
too, and then stays at 10 frames a second while it grows; on a live run the screen takes at most a tenth of a core.

Each round opens the whole live view (160 x 45: loss, accuracy, rate, layers, prediction and log) in Textual's
driverless terminal, so what is timed is reading, working out, layout and painting, but no terminal. Then the run grows
by 30 steps ten times a second, with a layer sample every 100 and an epoch every 1,000. A frame is a poll, a drawing and
a painting of the whole screen: with every pane drawn anew, and as the view does it (a curve waits up to a second while
less than half a dot is new). `live` is what the view does by itself, within its limit on the share of a core.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from textual.app import App, ComposeResult

from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.events import EpochDone, Histogram, Layer, LayersSampled, LayerStats, RunStarted, Steps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.writer import EventWriter
from cvtui.tui.panes.curve_pane import CurvePane
from cvtui.tui.train import LiveView

SIZE = (160, 45)
RECORD = 30
"""Steps a record: those of 100 ms at 300 steps a second."""
PER_EPOCH = 1_000
LIVE_SECONDS = 5.0


class Long:
    """A run of that many steps, with statistics of `layers` layers at every 100th of them."""

    def __init__(self, folder: RunFolder, layers: int, done: int = 0) -> None:
        self.folder, self.layers, self.done = folder, layers, done
        self.writer = EventWriter(folder)
        names = [f"conv{n}" for n in range(1, layers + 1)]
        self.stats = [
            LayerStats(
                name=name, kind="conv", mean=0.0123456, std=1.234567, min=-4.567890, max=5.678901, zeros=0.0,
                saturated=None, dead=0.01,
                histogram=Histogram(low=-4.5, high=5.6, counts=[500 + n % 37 for n in range(32)]),
                grad_norm=0.0123456, weight_norm=12.3456, update_ratio=1e-3,
            )
            for name in names
        ]  # fmt: skip
        self.names = names

    @classmethod
    def written(cls, base: Path, steps: int, layers: int) -> Long:
        recipe = Recipe(batch_size=64)
        run = cls(RunFolder.create(base, f"long-{steps}-{layers}", dumps(recipe)), layers)
        run.begin(recipe, steps)
        run.grow(steps)
        return run

    def begin(self, recipe: Recipe, steps: int) -> None:
        self.writer.write(
            RunStarted(
                time=time.time(), recipe=msgspec.to_builtins(recipe),
                layers=[
                    Layer(
                        name=name, expression="conv32", output=[32, 32, 32], parameters=1000, macs=1000, watched=True
                    )
                    for name in self.names
                ],
                parameters=1000, steps_per_epoch=PER_EPOCH, total_steps=2 * steps, device="cpu", threads=1,
                libraries={}, data={"classes": list("0123456789"), "train": 64 * PER_EPOCH},
            )
        )  # fmt: skip

    def grow(self, steps: int) -> None:
        """Numbers with as many digits as the engine writes."""
        last = self.done + steps
        while self.done < last:
            first, count = self.done, min(RECORD, last - self.done)
            losses = [1.0 / (1 + (first + i) / 1e4) + 0.1 * ((first + i) * 7919 % 101) / 101 for i in range(count)]
            norms: list[float | None] = [float(f"{loss:.6g}") for loss in losses]
            self.writer.write(
                Steps(
                    first=first, loss=[float(f"{loss:.9g}") for loss in losses], lr=[0.001] * count,
                    accuracy=[0.984375] * count, grad_norm=norms,
                    seconds=[round((first + i) / 300, 5) for i in range(count)],
                )
            )  # fmt: skip
            self.done += count
            if self.done // 100 > first // 100:
                self.writer.write(LayersSampled(step=self.done // 100 * 100, layers=self.stats))
            if self.done // PER_EPOCH > first // PER_EPOCH:
                self.epoch()

    def epoch(self) -> None:
        number = self.done // PER_EPOCH
        self.writer.write(
            EpochDone(
                epoch=number, step=number * PER_EPOCH, time=time.time(), train_loss=0.5, train_accuracy=0.9,
                val_loss=0.6 + 1 / number, val_accuracy=0.9 - 0.5 / number, seconds=self.done / 300,
                images_per_second=19200.0, best=True,
            )
        )  # fmt: skip


class Screen(App[None]):
    def __init__(self, folder: RunFolder) -> None:
        super().__init__()
        self.folder = folder

    def compose(self) -> ComposeResult:
        yield from ()

    async def open(self) -> LiveView:
        view = LiveView(self.folder)
        await self.mount(view)
        return view


def paint(app: App[None]) -> None:
    """Draw the whole screen through the compositor to the bytes for a terminal."""
    update = app.screen._compositor.render_full_update()
    update.render_segments(app.console).encode()


async def opened(folder: RunFolder) -> tuple[float, float]:
    """(seconds from nothing to the full picture, seconds of reading alone)."""
    app = Screen(folder)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        begin = time.perf_counter()
        view = await app.open()
        while view.history.behind():
            await asyncio.sleep(0)
        await pilot._wait_for_screen()
        paint(app)
        whole = time.perf_counter() - begin
        from cvtui.runlog.history import History

        begin = time.perf_counter()
        History(folder).poll()
        return whole, time.perf_counter() - begin


async def frames(run: Long) -> tuple[float, float]:
    """Median ms of a frame in which every pane is drawn and painted, and of one as the view does it."""
    app = Screen(run.folder)
    async with app.run_test(size=SIZE) as pilot:
        view = await app.open()
        await pilot.pause()
        view._timer.pause()
        costs: tuple[list[float], list[float]] = ([], [])
        for number in range(60):
            run.grow(RECORD)
            if number % 2:
                for pane in view.grid.visible_panes():
                    if isinstance(pane, CurvePane):
                        pane._drawn_at = 0.0
            begin = time.perf_counter()
            view.poll()
            paint(app)
            costs[number % 2].append(time.perf_counter() - begin)
        return statistics.median(costs[1]) * 1e3, statistics.median(costs[0]) * 1e3


async def live(run: Long) -> tuple[float, float]:
    """(frames drawn a second, share of a core), while another process lets the run grow at 300 steps a second."""
    app = Screen(run.folder)
    async with app.run_test(size=SIZE) as pilot:
        view = await app.open()
        await pilot.pause()
        drawn = 0
        draw, draw_next = view.draw, view.draw_next

        def counted() -> None:
            nonlocal drawn
            drawn += 1
            draw()

        def counted_next() -> None:
            nonlocal drawn
            drawn += 1
            draw_next()

        view.draw = counted  # type: ignore[method-assign]
        view.draw_next = counted_next  # type: ignore[method-assign]
        writer = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.benchmarks.large_run",
                "grow",
                run.folder.path,
                str(run.layers),
                str(run.done),
            ]
        )
        try:
            await asyncio.sleep(2.0)
            drawn, begin, cpu = 0, time.perf_counter(), time.process_time()
            await asyncio.sleep(LIVE_SECONDS)
            wall = time.perf_counter() - begin
            return drawn / wall, (time.process_time() - cpu) / wall
        finally:
            writer.kill()
            writer.wait()


def grow(path: str, layers: str, done: str) -> None:
    """Write a record every 100 ms, in a process of its own."""
    run = Long(RunFolder.open(Path(path)), int(layers), int(done))
    while True:
        run.grow(RECORD)
        time.sleep(RECORD / 300)


def main() -> None:
    if sys.argv[1:2] == ["grow"]:
        grow(*sys.argv[2:5])
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as base:
        os.environ["XDG_CONFIG_HOME"] = base
        runs = [Long.written(Path(base), 1_000_000, 10), Long.written(Path(base), 200_000, 60)]
        asyncio.run(opened(Long.written(Path(base), 1_000, 3).folder))  # imports
        times: list[list[tuple[float, float]]] = [[], []]
        for _ in range(rounds):
            for run, found in zip(runs, times, strict=True):
                found.append(asyncio.run(opened(run.folder)))
        for run, found, layers in zip(runs, times, (10, 60), strict=True):
            size = run.folder.events.stat().st_size / 1e6
            whole, reading = (statistics.median(column) for column in zip(*found, strict=True))
            print(
                f"{run.done:,} steps, {layers} layers, {size:.0f} MB: full picture after {whole:.2f} s "
                f"(worst {max(one for one, _ in found):.2f}), {reading:.2f} s of it reading"
            )
        for run, layers in zip(runs, (10, 60), strict=True):
            with run.folder.lock():
                (full, usual), (rate, share) = asyncio.run(frames(run)), asyncio.run(live(run))
            print(
                f"{run.done:,} steps, {layers} layers, growing: a frame of all panes {full:.1f} ms, as the view "
                f"does it {usual:.1f} ms; live {rate:.1f} frames a second at {100 * share:.1f} % of a core"
            )


if __name__ == "__main__":
    main()
