"""Long run of a tiny net, the trainer and a screen's reader beside it.

`python tests/benchmarks/soak.py`: an hour's worth of steps.

    --steps N       1,000,000 by default

Prints the memory of both processes from the first tenth on (promised: ± 5 %, what the history itself must hold apart:
36 bytes a step), and whether the log is complete and in order. Exit code 1 where it is not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.recipe.validation import check
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.worker_process import launch

RECIPE = Recipe(net="gap-fc", batch_size=1, threads=1, device="cpu", optimizer="sgd", lr=1e-3, watch_every=1000)
STEP_BYTES = sum(kind.itemsize for kind in map(np.dtype, ("f8", "f8", "f4", "f4", "f8")))


def resident(pid: int | str) -> float:
    """MB of memory that the process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def spread(values: list[float]) -> float:
    """(largest − smallest) / 2 over their middle."""
    return (max(values) - min(values)) / (max(values) + min(values))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=1_000_000)
    asked = parser.parse_args().steps
    per_epoch = check(RECIPE).steps_per_epoch
    epochs = -(-asked // per_epoch)
    with tempfile.TemporaryDirectory() as base:
        recipe = Recipe(**{**{name: getattr(RECIPE, name) for name in RECIPE.__struct_fields__}, "epochs": epochs})
        folder = RunFolder.create(Path(base), "soak", dumps(recipe))
        begun = time.monotonic()
        worker = launch(folder, detached=False)
        history = History(folder)
        trainer: list[float] = []
        reader: list[float] = []
        while worker.poll() is None:
            time.sleep(0.25)
            history.poll()
            if history.steps_done > asked // 10 and worker.poll() is None:
                trainer.append(resident(worker.pid))
                reader.append(resident("self") - history.steps_done * STEP_BYTES / 1e6)
        history.poll()
        seconds = time.monotonic() - begun
        log = folder.events.stat().st_size
    total = per_epoch * epochs
    whole = {
        "finished": history.state() == "finished",
        "steps": len(history.steps) == total == history.steps_done,
        "losses": not np.isnan(history.steps.loss).any(),
        "in order": bool((np.diff(history.steps.seconds) >= 0).all()),
        "epochs": [epoch.epoch for epoch in history.epochs] == list(range(1, epochs + 1)),
        "skipped none": history.skipped == 0,
    }
    print(f"{total:,} steps in {seconds:,.0f} s ({total / seconds:,.0f} a second); log {log / 1e6:.1f} MB")
    print(f"trainer {trainer[0]:.0f} MB → {trainer[-1]:.0f} MB (± {spread(trainer):.1%})")
    print("        " + " ".join(f"{trainer[len(trainer) * tenth // 10]:.0f}" for tenth in range(10)))
    print(f"reader  {reader[0]:.0f} MB → {reader[-1]:.0f} MB (± {spread(reader):.1%}) beyond the steps themselves")
    print(", ".join(f"{name}: {'yes' if good else 'NO'}" for name, good in whole.items()))
    return 0 if all(whole.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
