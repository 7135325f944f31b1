"""Speed of several ranks on one machine: `python -m tests.benchmarks.ranks [--ranks 2] [--pairs 3] [--epochs 3]`.

Whole runs of a CIFAR-sized net on random 32 x 32 pictures, turn by turn: one process on as many threads as there are
ranks, and that many ranks on gloo with one thread each, at the same batch size of the step. The figure is that of the
epochs after the first, which the log has (images per second). Beside it what the rank files and the exchanges take.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cvtui.engine.observe.rank_times import RankTimes, rank_started
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.ranks import read_ranks

NET = "[(conv32-bn-relu)*2-pool]*3-fc128-relu-fc"


def pictures(path: Path, train: int, validation: int) -> None:
    """Write random pictures of ten classes."""
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for part, count in (("train", train), ("val", validation)):
        arrays[f"{part}_images"] = random.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        arrays[f"{part}_labels"] = np.arange(count) % 10
    np.savez(path, **arrays)


def speed(base: Path, name: str, recipe: Recipe) -> tuple[float, RunFolder]:
    """Train; return the images per second of the epochs after the first."""
    run = RunFolder.create(base, name, dumps(recipe))
    environment = {**os.environ, "OMP_NUM_THREADS": str(recipe.threads), "GOMP_SPINCOUNT": "10000"}
    command = [sys.executable, "-m", "cvtui.engine", str(run.path)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    history = History(run)
    history.poll()
    return statistics.median(epoch.images_per_second for epoch in history.epochs[1:]), run


def file_cost(base: Path, steps: int = 5000) -> float:
    """Return the seconds that a step's times take, hooks and file, on a net that does nothing."""
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    x = torch.zeros(1, 1)

    def block() -> float:
        begun = time.process_time()
        for _ in range(steps):
            model(x).sum().backward()
            optimizer.step()
            if times is not None:
                times.step()
        return time.process_time() - begun

    times: RankTimes | None = None
    plain = min(block() for _ in range(3))
    times = RankTimes(base / "0.jsonl", rank_started(0, 2, torch.device("cpu"), 0, 0))
    times.attach(model, model, [optimizer])
    return max(0.0, min(block() for _ in range(3)) - plain) / steps


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=128)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        base = Path(place)
        pictures(base / "set.npz", 4096, 512)
        common = {"data": f"npz:{base / 'set.npz'}", "net": NET, "batch_size": asked.batch, "epochs": asked.epochs}
        ratios = []
        for number in range(asked.pairs):
            one, _ = speed(base, f"one-{number}", Recipe(**common, threads=asked.ranks))
            many, run = speed(base, f"many-{number}", Recipe(**common, threads=1, nproc=asked.ranks))
            ratios.append(many / one)
            print(f"one process {one:,.0f}, {asked.ranks} ranks {many:,.0f} images/s: {many / one:.2f} x", flush=True)
        step = read_ranks(run)[0].median(lambda one: one.seconds) or float("nan")
        cost = file_cost(base)
        print(f"median {statistics.median(ratios):.2f} x (goal 0.85); rank files {1e6 * cost:.0f} µs a step, "
              f"{cost / step:.2%} of one (goal 1 %)")  # fmt: skip


if __name__ == "__main__":
    main()
