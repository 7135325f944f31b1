"""The best rate against the bracket of the range test: `python -m tests.benchmarks.lr_find`.

Three nets x SGD with momentum and Adam, on digits. "Best" is the rate of a factor-3 grid with the lowest validation
loss after three epochs at a constant rate (the median over the seeds of its logarithm). Beside the bracket stand the
single numbers that other tools take from the same curve: the steepest place in lr (Lightning), in log lr (fastai's
`steep`), fastai's `valley`, and a tenth of the rate where the loss is lowest.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path
from statistics import median

import numpy as np

from cvtui.compare.lr_range_rule import _smooth, _valley, bracket
from cvtui.compare.lr_search import DECADES, HIGHEST, STEPS
from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.recipe.validation import check
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History

NETS = {
    "MLP": "fc64-relu-fc",
    "CNN": "(conv16-relu)*2-pool-(conv32-relu)*2-pool-fc",
    "CNN with batch norm": "(conv16-bn-relu)*2-pool-(conv32-bn-relu)*2-pool-fc",
}
OPTIMIZERS = ("momentum", "adam")
GRID = [10.0 ** (exponent / 2) for exponent in range(-9, 2)]
"""3.2e-5 to 3.2: a factor of 3.16 apart."""
EPOCHS = 3


def trained(base: Path, **changes: object) -> History:
    fixed = {"batch_size": 64, "threads": 1, "device": "cpu", "watch_every": 0, "weight_decay": 0.0}
    recipe = Recipe(**{**fixed, **changes})  # type: ignore[arg-type]
    folder = RunFolder.fresh(base, "run", dumps(recipe))
    train_folder(folder.path, Signals())
    history = History(folder)
    history.poll()
    return history


def best_of_grid(base: Path, net: str, optimizer: str, seed: int) -> float:
    """Return the rate of the grid with the lowest last validation loss."""
    losses = []
    for rate in GRID:
        run = trained(base, net=net, optimizer=optimizer, lr=rate, seed=seed, epochs=EPOCHS, schedule="constant")
        loss = run.epochs[-1].val_loss if len(run.epochs) == EPOCHS else None
        losses.append(loss if loss is not None else math.inf)
    return GRID[int(np.argmin(losses))]


def range_test(base: Path, net: str, optimizer: str, seed: int) -> History:
    recipe = Recipe(net=net, batch_size=64)
    epochs = math.ceil(STEPS / check(recipe).steps_per_epoch)
    return trained(
        base, net=net, optimizer=optimizer, lr=HIGHEST, seed=seed, epochs=epochs, schedule=f"range-test({DECADES})"
    )


def single_numbers(rates: np.ndarray, loss: np.ndarray) -> dict[str, float]:
    """Return the rate that each other rule would pick."""
    known = np.isfinite(loss)
    end = len(loss) if known.all() else int(np.argmin(known))
    rates, curve = rates[:end].astype(float), _smooth(loss[:end].astype(float))
    lowest = int(curve.argmin())
    until = slice(0, max(3, lowest + 1))
    return {
        "steepest in lr": float(rates[np.gradient(curve[until], rates[until]).argmin()]),
        "steepest in log lr": float(rates[np.gradient(curve[until], np.log(rates[until])).argmin()]),
        "valley": _valley(rates, curve),
        "lowest / 10": float(rates[lowest]) / 10,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="The first seed.")
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.seeds)
    held, off = 0, dict[str, list[float]]()
    print("| net | optimizer | best of the grid | bracket | holds it | guess / best |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, net in NETS.items():
        for optimizer in OPTIMIZERS:
            with tempfile.TemporaryDirectory() as folder:
                base = Path(folder)
                best = math.exp(median(math.log(best_of_grid(base, net, optimizer, seed)) for seed in seeds))
                tests = [range_test(base, net, optimizer, seed) for seed in seeds]
            found = [bracket(test.steps.lr, test.steps.loss) for test in tests]
            low, high = (math.exp(median(math.log(getattr(one, end)) for one in found)) for end in ("low", "high"))
            guess = math.exp(median(math.log(one.pick) for one in found))
            holds = low <= best <= high
            held += holds
            for test in tests:
                for rule, rate in single_numbers(test.steps.lr, test.steps.loss).items():
                    off.setdefault(rule, []).append(abs(math.log10(rate / best)))
            off.setdefault("cvtui's guess", []).append(abs(math.log10(guess / best)))
            print(
                f"| {name} | {optimizer} | {best:.2g} | {low:.2g} to {high:.2g} | {'yes' if holds else 'NO'} "
                f"| {guess / best:.2g} |", flush=True,
            )  # fmt: skip
    print(f"\nThe bracket holds the best rate in {held} of {len(NETS) * len(OPTIMIZERS)} settings.")
    print("Mean distance of a single number from the best, in decades:", end=" ")
    print(", ".join(f"{rule} {sum(values) / len(values):.1f}" for rule, values in off.items()))
    return 0 if held == len(NETS) * len(OPTIMIZERS) else 1


if __name__ == "__main__":
    raise SystemExit(main())
