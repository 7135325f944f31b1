"""Time to open a long run: `python tests/benchmarks/history_open.py [steps]`.

The budget: 1,000,000 steps in 1 s.

Two logs: as a fast small net writes it (records of 1,000 steps), and as a net at 300 steps a second does (30 steps a
record, so many more lines), each with layer statistics at every 100th step and an epoch every 1,000. Beside each: the
least that any reader must do, `msgspec` decoding every line.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import msgspec

from cvtui.runlog.events import EpochDone, Histogram, LayersSampled, LayerStats, Steps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.run_summary import summary as summarise
from cvtui.runlog.writer import EventWriter


def write(folder: RunFolder, steps: int, record: int) -> None:
    """Write the log of a run of ten layers."""
    layers = [
        LayerStats(
            name=f"conv{n}", kind="conv", mean=0.123456789, std=1.23456789, min=-4.567890, max=5.678901, zeros=0.0,
            histogram=Histogram(-4.5, 5.6, [500 + n] * 32), grad_norm=0.0123456, weight_norm=12.3456, update_ratio=1e-3,
        )
        for n in range(10)
    ]  # fmt: skip
    with EventWriter(folder) as writer:
        for first in range(0, steps, record):
            count = min(record, steps - first)
            numbers: list[float | None] = [1.0 / (1 + first + i) + 0.123456 for i in range(count)]
            writer.write(
                Steps(
                    first=first, loss=numbers, lr=[0.001] * count, accuracy=[0.984375] * count,
                    grad_norm=numbers, seconds=[(first + i) * 0.0031 for i in range(count)],
                )
            )  # fmt: skip
            done = first + count
            if done // 100 > first // 100:
                for step in range(first // 100 * 100 + 100, done + 1, 100):
                    writer.write(LayersSampled(step=step, layers=layers))
            if done // 1000 > first // 1000:
                writer.write(
                    EpochDone(
                        epoch=done // 1000, step=done, time=0.0, train_loss=0.1, train_accuracy=0.9, val_loss=0.2,
                        val_accuracy=0.95, seconds=done * 0.003, images_per_second=1e4,
                    )
                )  # fmt: skip


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    for record in (1000, 30):
        with tempfile.TemporaryDirectory() as base:
            folder = RunFolder.create(Path(base), "long", "")
            write(folder, steps, record)
            size = folder.events.stat().st_size / 1e6
            begin = time.perf_counter()
            for line in folder.events.read_bytes().splitlines():
                msgspec.json.decode(line)
            least = time.perf_counter() - begin
            begin = time.perf_counter()
            history = History(folder)
            history.poll()
            opened = time.perf_counter() - begin
            begin = time.perf_counter()
            assert history.latest_layers is not None
            layers = time.perf_counter() - begin
            begin = time.perf_counter()
            history.poll()
            again = time.perf_counter() - begin
            begin = time.perf_counter()
            summarise(folder)
            line_of_list = time.perf_counter() - begin
            assert history.steps_done == steps
            assert history.skipped == 0
            print(
                f"{steps:,} steps, {record} a record, {size:.0f} MB: opened in {opened:.2f} s "
                f"({opened / least:.2f} x decoding every line), summary {line_of_list:.2f} s, "
                f"layers at a step {layers * 1e3:.1f} ms, a poll of nothing {again * 1e6:.0f} µs"
            )


if __name__ == "__main__":
    main()
