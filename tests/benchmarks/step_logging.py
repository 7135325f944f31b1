"""What a step's logging costs in the training process: `python tests/benchmarks/step_logging.py`. Budget: 20 µs a step.

Beside it: one `json.dumps` and one write a step, as a simple logger does it.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from cvtui.runlog import CommandReader, EventWriter, RunFolder

STEPS = 200_000


def main() -> None:
    with tempfile.TemporaryDirectory() as base:
        folder = RunFolder.create(Path(base), "run", "")
        reader = CommandReader(folder)
        begin = time.perf_counter()
        with EventWriter(folder) as writer:
            for step in range(STEPS):
                writer.step(step, loss=1 / (step + 1), lr=0.1, accuracy=0.5, grad_norm=2.345, seconds=step * 0.003)
        ours = (time.perf_counter() - begin) / STEPS * 1e6
        begin = time.perf_counter()
        with open(folder.path / "simple.jsonl", "w", buffering=1) as file:
            for step in range(STEPS):
                record = {"step": step, "loss": 1 / (step + 1), "lr": 0.1, "accuracy": 0.5, "grad_norm": 2.345}
                file.write(json.dumps(record) + "\n")
        simple = (time.perf_counter() - begin) / STEPS * 1e6
        begin = time.perf_counter()
        for _ in range(10_000):
            reader.poll()
        poll = (time.perf_counter() - begin) / 10_000 * 1e6
        print(f"a step: {ours:.2f} µs (a line of json a step: {simple:.2f} µs); asking for commands: {poll:.2f} µs")


if __name__ == "__main__":
    main()
