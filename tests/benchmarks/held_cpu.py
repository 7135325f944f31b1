"""The nets of held.py by CPU time on one thread, for a machine that others use: `python -m tests.benchmarks.held_cpu`.

    --seed N         other nets with every seed (1)
    --count N        how many (12)
    --only A,B       of the nets, by number
    --seconds S      CPU seconds of each turn (1.5)
    --rounds N       turns of everybody, in turn (3)
    --watch-every N  0: what is left without watching (10)
    --against DIR    another checkout, in turn with this one

Told as times the plain loop of held.py; the medians of the rounds. It says nothing about threads, nor about what a
screen takes; the race does (`python -m tests.benchmarks.held`).
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

HERE = Path(__file__).resolve().parents[2]
WARM_UP = 10
"""Steps that do not count."""


class _Over(Exception):
    """The turn's seconds are over."""


class StepClock:
    """CPU seconds of each step; raises _Over when they add up to the turn's."""

    def __init__(self, seconds: float) -> None:
        self.times: list[float] = []
        self._seconds = seconds
        self._last: float | None = None

    def begin(self) -> None:
        """Leave out what came since the last step."""
        self._last = None

    def step(self) -> None:
        now = time.process_time()
        if self._last is not None:
            self.times.append(now - self._last)
        self._last = now
        if len(self.times) > 2 * WARM_UP and sum(self.times) > self._seconds:
            raise _Over


def train_plain(name: str, clock: StepClock) -> None:
    from tests.benchmarks import peers
    from tests.benchmarks.held import case_of

    peers.plain(case_of(name), clock, "cpu")  # type: ignore[arg-type]  # of its gate it calls `step` alone


def train_cvtui(name: str, clock: StepClock, every: int) -> None:
    """Train as the engine does: recorder, guard, log and watching count, evaluation and checkpoints do not."""
    from cvtui.engine.runtime.allocator import keep_freed_memory
    from cvtui.engine.runtime.fast_start import loading

    keep_freed_memory()
    with loading():
        from cvtui.engine.observe.live_doctor import LiveDoctorWriter
        from cvtui.engine.train.control import Signals
        from cvtui.engine.train.preparation import prepare
        from cvtui.engine.train.trainer import Trainer
        from cvtui.engine.worker import run_record
    from cvtui.recipe.recipe import Recipe
    from cvtui.recipe.toml import dumps
    from cvtui.recipe.validation import check
    from cvtui.runlog.folder import RunFolder
    from tests.benchmarks.held import case_of

    recipe = Recipe(**case_of(name).fields, epochs=100_000, device="cpu", threads=1, watch_every=every)
    with tempfile.TemporaryDirectory() as base:
        folder = RunFolder.create(Path(base), "run", dumps(recipe))
        writer = LiveDoctorWriter(folder)
        training = prepare(check(recipe))
        writer.write(run_record(training))
        trainer = Trainer(training, folder, writer, Signals())
        flush, record = trainer.recorder.flush_when_due, trainer.record_epoch
        trainer.recorder.flush_when_due = lambda: (flush(), clock.step())[0]  # type: ignore[method-assign,func-returns-value]
        trainer.record_epoch = lambda evaluation: (record(evaluation), clock.begin())[0]  # type: ignore[method-assign,func-returns-value]
        trainer.run()


def milliseconds(name: str, who: str, seconds: float, every: int, checkout: Path) -> float:
    """Measure the mean CPU milliseconds of a step in a process of its own."""
    words = [sys.executable, str(Path(__file__)), "--turn", name, who, str(seconds), str(every)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout)}
    told = subprocess.run(words, env=environment, check=True, capture_output=True, text=True, cwd=checkout).stdout
    return float(told.split()[-1])


def turn(name: str, who: str, seconds: str, every: str) -> None:
    clock = StepClock(float(seconds))
    try:
        train_plain(name, clock) if who == "plain" else train_cvtui(name, clock, int(every))
    except _Over:
        print(1e3 * statistics.mean(clock.times[WARM_UP:]), flush=True)
        os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--watch-every", type=int, default=10)
    parser.add_argument("--against", type=Path)
    asked = parser.parse_args()
    from tests.benchmarks.held import case_of, report

    who = {"plain": HERE, **({"old": asked.against.resolve()} if asked.against else {}), "cvtui": HERE}
    ratios: dict[str, list[float]] = {name: [] for name in who if name != "plain"}
    numbers = [int(word) for word in asked.only.split(",") if word] or list(range(asked.count))
    for number in numbers:
        net = f"held-{asked.seed}-{number}"
        found: dict[str, list[float]] = {name: [] for name in who}
        for _ in range(asked.rounds):
            for name, checkout in who.items():
                found[name].append(milliseconds(net, name, asked.seconds, asked.watch_every, checkout))
        middle = {name: statistics.median(times) for name, times in found.items()}
        for name, kept in ratios.items():
            kept.append(middle["plain"] / middle[name])
        told = ", ".join(f"{name} {middle[name]:.2f} ms ({kept[-1]:.2f} x)" for name, kept in ratios.items())
        print(f"- {number}: {case_of(net).what}: plain {middle['plain']:.2f} ms, {told}", flush=True)
    print("\n".join(report(ratios)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--turn"]:
        del sys.path[0]  # this folder: the modules are those of the checkout
        turn(*sys.argv[2:])
    else:
        main()
