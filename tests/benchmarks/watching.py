"""What watching costs a whole run: `python -m tests.benchmarks.watching --seed N`.

    --seed N         other nets with every seed (1)
    --count N        of nets (6)
    --rounds N       interleaved pairs of runs, one watched as it comes and one with --watch-every 0 (3)
    --seconds N      of training, about (6)
    --only A,B       of the nets, by number

The nets are those of held.py. Every run is the real command in a process of its own; its seconds are those of its log,
from the first step to the end. Goal: at most 2 % for every net.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.benchmarks.cases import Case
from tests.benchmarks.contestants import clean_environment
from tests.benchmarks.held import case_of

GOAL = 0.02


def run(case: Case, epochs: int, watch_every: int | None, base: Path, threads: int) -> tuple[float, float]:
    """Return (seconds of training, the share that the run itself says watching took)."""
    watched: dict[str, Any] = {} if watch_every is None else {"watch_every": watch_every}
    recipe = Recipe(**case.fields, **watched, epochs=epochs, threads=threads)
    file = base / "recipe.toml"
    file.write_text(dumps(recipe))
    words = [sys.executable, "-m", "cvtui", str(file), "--no-ui", "--quiet", "--runs", str(base), "--name", "run"]
    subprocess.run(words, check=True, env=clean_environment(), stdout=subprocess.DEVNULL)
    history = History(RunFolder.open(base / "run"))
    history.poll()
    seconds = float(history.steps.seconds[-1])
    assert history.end is not None
    return seconds, history.end.watch_cost or 0.0


def cost(case: Case, rounds: int, seconds: float, threads: int) -> tuple[float, float]:
    """Return (median over the rounds of watched / unwatched less 1, median of what the runs say)."""

    def once(epochs: int, watch_every: int | None) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as base:
            return run(case, epochs, watch_every, Path(base), threads)

    epochs = 1
    while (took := once(epochs, 0)[0]) < seconds / 2:
        epochs = max(epochs + 1, round(epochs * min(10.0, seconds / max(took, 0.05))))
    shares, told = [], []
    for number in range(rounds):
        pair = {watch: once(epochs, watch) for watch in ((None, 0) if number % 2 else (0, None))}
        shares.append(pair[None][0] / pair[0][0] - 1)
        told.append(pair[None][1])
    return statistics.median(shares), statistics.median(told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--threads", type=int, default=1, help="of every run: a governor's choice would be noise (1)")
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    numbers = [int(word) for word in asked.only.split(",") if word] or list(range(asked.count))
    found = []
    for number in numbers:
        case = case_of(f"held-{asked.seed}-{number}")
        share, told = cost(case, asked.rounds, asked.seconds, asked.threads)
        found.append(share)
        print(f"{case.name}: watching costs {share:6.1%}, the run says {told:.1%}   {case.what}", flush=True)
    worst = max(found)
    print(f"median {statistics.median(found):.1%}, worst {worst:.1%} (goal {GOAL:.0%}{', MISSED' * (worst > GOAL)})")


if __name__ == "__main__":
    main()
