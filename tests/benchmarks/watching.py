"""What watching costs a whole run: `python -m tests.benchmarks.watching --seed N`.

    --seed N         other nets with every seed (1)
    --count N        of nets (6)
    --rounds N       interleaved pairs of runs, one watched as it comes and one with --watch-every 0 (3)
    --seconds N      of training, about (6)
    --only A,B       of the nets, by number
    --threads N      of every run: a governor's choice would be noise (1)
    --cpu            by CPU time, for a machine that others use
    --against DIR    with --cpu: another checkout, in turn with this one

The nets are those of held.py. Every run is the real command in a process of its own; its seconds are those of its log,
from the first step to the end. With `--cpu` every run is the real trainer in a process of its own, with all its
threads, from its first step to its end; all runs of a net go on at once, a tenth of a second each in turn. Goals: at
most 2 % for every net, and what the run itself says within a fifth of what is measured.
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

GOAL = 0.02
HERE = Path(__file__).resolve().parents[2]


def run(name: str, epochs: int, watch_every: int | None, base: Path, threads: int) -> tuple[float, float]:
    """Return (seconds of training, the share that the run itself says watching took)."""
    from cvtui.runlog.folder import RunFolder
    from cvtui.runlog.history import History
    from tests.benchmarks.contestants import clean_environment

    file = base / "recipe.toml"
    file.write_text(recipe_of(name, epochs, watch_every, threads))
    words = [sys.executable, "-m", "cvtui", str(file), "--no-ui", "--quiet", "--runs", str(base), "--name", "run"]
    subprocess.run(words, check=True, env=clean_environment(), stdout=subprocess.DEVNULL)
    history = History(RunFolder.open(base / "run"))
    history.poll()
    seconds = float(history.steps.seconds[-1])
    assert history.end is not None
    return seconds, history.end.watch_cost or 0.0


def recipe_of(name: str, epochs: int, watch_every: int | None, threads: int) -> str:
    from cvtui.recipe.recipe import Recipe
    from cvtui.recipe.toml import dumps
    from tests.benchmarks.held import case_of

    watched: dict[str, Any] = {} if watch_every is None else {"watch_every": watch_every}
    return dumps(Recipe(**case_of(name).fields, **watched, epochs=epochs, threads=threads))


def cost(name: str, rounds: int, seconds: float, threads: int) -> tuple[float, float]:
    """Return (median over the rounds of watched / unwatched less 1, median of what the runs say)."""

    def once(epochs: int, watch_every: int | None) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as base:
            return run(name, epochs, watch_every, Path(base), threads)

    epochs = 1
    while (took := once(epochs, 0)[0]) < seconds / 2:
        epochs = max(epochs + 1, round(epochs * min(10.0, seconds / max(took, 0.05))))
    shares, told = [], []
    for number in range(rounds):
        pair = {watch: once(epochs, watch) for watch in ((None, 0) if number % 2 else (0, None))}
        shares.append(pair[None][0] / pair[0][0] - 1)
        told.append(pair[None][1])
    return statistics.median(shares), statistics.median(told)


# ---------------------------------------------------------------------- by CPU time


def turn(name: str, epochs: str, watch_every: str) -> None:
    """Train one run in this process, a slice whenever a line comes; print its CPU seconds and what the run says."""
    from cvtui.engine.runtime.allocator import keep_freed_memory
    from cvtui.engine.runtime.fast_start import loading

    keep_freed_memory()
    with loading():
        from cvtui.engine.train.control import Signals
        from cvtui.engine.train.trainer import Trainer
        from cvtui.engine.worker import train_folder
    from cvtui.runlog.folder import RunFolder
    from cvtui.runlog.history import History

    spent, last = 0.0, 0.0

    def wait() -> None:
        nonlocal last
        sys.stdin.readline()
        last = time.process_time()

    def hand_over() -> None:
        nonlocal spent
        spent += time.process_time() - last
        print("next", flush=True)
        wait()

    class Sliced(Trainer):
        def __init__(self, *given: Any) -> None:
            wait()
            super().__init__(*given)
            recorder = self.recorder
            flush = recorder.flush_when_due

            def flush_when_due() -> None:
                before = recorder._flushed
                flush()
                if recorder._flushed != before:
                    hand_over()
                    recorder._flushed = time.perf_counter()

            recorder.flush_when_due = flush_when_due  # type: ignore[method-assign]

    for module in list(sys.modules.values()):  # whichever module of the checkout makes the trainer
        if vars(module).get("Trainer") is Trainer:
            vars(module)["Trainer"] = Sliced
    with tempfile.TemporaryDirectory() as base:
        folder = RunFolder.create(Path(base), "run", recipe_of(name, int(epochs), int(watch_every), 1))
        assert train_folder(folder.path, Signals()) == 0
        spent += time.process_time() - last
        history = History(folder)
        history.poll()
        said = history.end.watch_cost if history.end is not None else None
    print("end", spent, said or 0.0, flush=True)


class Turn:
    """A run in a process of its own, which trains a slice when it is told to."""

    def __init__(self, name: str, epochs: int, watch_every: int, checkout: Path, script: Path = Path(__file__)) -> None:
        words = [sys.executable, str(script), "--turn", name, str(epochs), str(watch_every)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout)}
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
        self._process = subprocess.Popen(words, env=environment, cwd=checkout, text=True, **pipes)
        self.last: str | None = None
        """What it has said at its end; None until it is over."""

    @property
    def result(self) -> tuple[float, float] | None:
        """CPU seconds of the training, and the share that the run says; None until it is over."""
        if self.last is None:
            return None
        seconds, said = self.last.split()
        return float(seconds), float(said)

    def go_on(self) -> None:
        """Train one slice: from one flush of the log to the next."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        told = process.stdout.readline().strip()
        if told != "next":
            assert told.startswith("end "), "a run failed"
            self.last = told.removeprefix("end ")
            process.communicate()


def race(turns: list[Turn]) -> list[tuple[float, float]]:
    """Train all at once, slice by slice in turn: a machine that gets slower does so for all of them."""
    while running := [one for one in turns if one.result is None]:
        for one in running:
            one.go_on()
    return [one.result for one in turns if one.result is not None]


def cpu_cost(name: str, rounds: int, seconds: float, who: dict[str, Path]) -> dict[str, tuple[float, ...]]:
    """Return for each checkout the medians over the rounds.

    CPU time watched / unwatched less 1, what the runs say, and watched / watched of the first checkout less 1.
    """
    epochs = 1
    while (took := race([Turn(name, epochs, 0, HERE)])[0][0]) < seconds / 2:
        epochs = max(epochs + 1, round(epochs * min(10.0, seconds / max(took, 0.05))))
    shares: dict[str, list[tuple[float, ...]]] = {one: [] for one in who}
    first = next(iter(who))
    for number in range(rounds):
        turns = [(one, every) for one in who for every in (0, 10)]
        if number % 2:
            turns.reverse()
        found = dict(zip(turns, race([Turn(name, epochs, every, who[one]) for one, every in turns]), strict=True))
        for one, kept in shares.items():
            watched, said = found[one, 10]
            kept.append((watched / found[one, 0][0] - 1, said, watched / found[first, 10][0] - 1))
    return {one: tuple(map(statistics.median, zip(*kept, strict=True))) for one, kept in shares.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--against", type=Path)
    asked = parser.parse_args()
    from tests.benchmarks.held import case_of

    numbers = [int(word) for word in asked.only.split(",") if word] or list(range(asked.count))
    who = {**({"old": asked.against.resolve()} if asked.against else {}), "cvtui": HERE}
    costs: dict[str, list[float]] = {one: [] for one in (who if asked.cpu else ["cvtui"])}
    for number in numbers:
        name = f"held-{asked.seed}-{number}"
        found: dict[str, tuple[float, ...]] = (
            cpu_cost(name, asked.rounds, asked.seconds, who)
            if asked.cpu
            else {"cvtui": cost(name, asked.rounds, asked.seconds, asked.threads)}
        )
        for one, (share, *_) in found.items():
            costs[one].append(share)
        told = "; ".join(
            f"{one} costs {share:6.1%}, the run says {said:.1%}" for one, (share, said, *_) in found.items()
        )
        if asked.cpu and asked.against:
            told += f"; watched beside watched {found['cvtui'][-1]:+.1%}"
        print(f"{name}: {told}   {case_of(name).what}", flush=True)
    for one, shares in costs.items():
        worst = max(shares)
        goal = f"goal {GOAL:.0%}{', MISSED' * (worst > GOAL)}"
        print(f"{one}: median {statistics.median(shares):.1%}, worst {worst:.1%} ({goal})")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--turn"]:
        del sys.path[0]  # this folder: the modules are those of the checkout
        turn(*sys.argv[2:])
    else:
        main()
