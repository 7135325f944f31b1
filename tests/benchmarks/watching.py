"""What watching costs a whole run: `python -m tests.benchmarks.watching --seed N`.

    --seed N         other nets with every seed (1)
    --count N        of nets (6)
    --rounds N       of runs (4)
    --seconds N      of training, about (6)
    --only A,B       of the nets, by number
    --against DIR    another checkout, in turn with this one

The nets are those of held.py. Each round trains three runs at once, on one thread, a tenth of a second each in turn: as
it comes, with `--watch-every 0`, and so once more, which tells how far such a measurement is off. (Whole runs one after
the other differ by 5 % and more on a shared machine, whatever is watched.) Every run is the real trainer in a process
of its own, with all its threads, from its first step to its end; between its turns its clock stands still. Told are CPU
time and the clock of the wall in a run's own turns: means of the rounds, with their standard errors. Goals: at most 2 %
for every net, and what the run itself says within a fifth of what is measured.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

GOAL = 0.02
HERE = Path(__file__).resolve().parents[2]
SLICE = 0.1
"""Seconds of a turn."""
WAYS = {"watched": 10, "unwatched": 0, "again": 0}
"""The runs of a round, with their `--watch-every`."""


def recipe_of(name: str, epochs: int, watch_every: int, threads: int) -> str:
    from cvtui.recipe.recipe import Recipe
    from cvtui.recipe.toml import dumps
    from tests.benchmarks.held import case_of

    return dumps(Recipe(**case_of(name).fields, watch_every=watch_every, epochs=epochs, threads=threads))


class Turns:
    """Turns of this run, each begun by a line on stdin. Between them the clock that its modules read stands still.

    Without that, what is due by the clock (flushes, the doctor's looks) came three times as often as in a run alone.
    """

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self._clock = time.perf_counter
        self._apart = 0.0
        self._begun = self._clock(), time.process_time()
        time.perf_counter = lambda: self._clock() - self._apart

    def wait(self) -> None:
        """Wait for a turn."""
        before = self._clock()
        sys.stdin.readline()
        now = self._clock()
        self._apart += now - before
        self._begun = now, time.process_time()

    def count(self) -> None:
        """Count what this turn took so far."""
        now = self._clock(), time.process_time()
        self.wall += now[0] - self._begun[0]
        self.cpu += now[1] - self._begun[1]
        self._begun = now

    def hand_over(self) -> None:
        """Let the others have theirs, if this one has had its time."""
        if self._clock() - self._begun[0] >= SLICE:
            self.count()
            print("next", flush=True)
            self.wait()


def turn(name: str, epochs: str, watch_every: str) -> None:
    """Train one run in this process, a slice whenever a line comes; print its seconds and what the run says."""
    turns = Turns()  # before any module keeps the clock
    from cvtui.engine.runtime.allocator import keep_freed_memory
    from cvtui.engine.runtime.fast_start import loading

    keep_freed_memory()
    with loading():
        from cvtui.engine.train.control import Signals
        from cvtui.engine.train.trainer import Trainer
        from cvtui.engine.worker import train_folder
    from cvtui.runlog.folder import RunFolder
    from cvtui.runlog.history import History

    class Sliced(Trainer):
        def __init__(self, *given: Any) -> None:
            turns.wait()
            super().__init__(*given)
            recorder: Any = self.recorder
            flush = recorder.flush_when_due

            def flush_in_turn() -> None:
                flush()
                turns.hand_over()

            recorder.flush_when_due = flush_in_turn

    for module in list(sys.modules.values()):  # whichever module of the checkout makes the trainer
        if vars(module).get("Trainer") is Trainer:
            vars(module)["Trainer"] = Sliced
    with tempfile.TemporaryDirectory() as base:
        folder = RunFolder.create(Path(base), "run", recipe_of(name, int(epochs), int(watch_every), 1))
        assert train_folder(folder.path, Signals()) == 0
        turns.count()
        history = History(folder)
        history.poll()
        said = history.end.watch_cost if history.end is not None else None
    print("end", turns.wall, turns.cpu, said or 0.0, flush=True)


class Turn:
    """A run in a process of its own, which trains a slice when it is told to."""

    def __init__(self, words: list[str], checkout: Path) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout)}
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
        self._process = subprocess.Popen(words, env=environment, cwd=checkout, text=True, **pipes)
        self.last: str | None = None
        """What it has said at its end; None until it is over."""

    @property
    def numbers(self) -> tuple[float, float, float]:
        """Seconds of the training by the clock and of the CPU, and the share that the run says watching took."""
        assert self.last is not None
        wall, cpu, said = map(float, self.last.split())
        return wall, cpu, said

    def go_on(self) -> None:
        """Train one slice."""
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


def words_of(name: str, epochs: int, watch_every: int, script: str = __file__) -> list[str]:
    """Return the command line of a run of a held net."""
    return [sys.executable, script, "--turn", name, str(epochs), str(watch_every)]


def race(turns: list[Turn]) -> None:
    """Train all at once, slice by slice in turn: a machine that gets slower does so for all of them.

    Who comes behind whom is drawn anew each time.
    """
    order = random.Random(0)
    while running := [one for one in turns if one.last is None]:
        for one in order.sample(running, len(running)):
            one.go_on()


def epochs_of(name: str, seconds: float) -> int:
    """Return how many epochs take about so long."""
    epochs, took = 1, 0.0
    while True:
        one = Turn(words_of(name, epochs, 0), HERE)
        race([one])
        took = one.numbers[1]
        if took >= seconds / 2:
            return max(1, round(epochs * seconds / took))
        epochs = max(epochs + 1, round(epochs * min(10.0, seconds / max(took, 0.05))))


def cost(name: str, rounds: int, seconds: float, who: dict[str, Path]) -> dict[str, list[list[float]]]:
    """Return for each checkout a row a round.

    By the clock and by CPU time: watched / unwatched less 1, and unwatched / unwatched; then what the run says, and the
    CPU time watched / watched of the first checkout less 1.
    """
    epochs = epochs_of(name, seconds)
    found: dict[str, list[list[float]]] = {one: [] for one in who}
    for number in range(rounds):
        places = [(one, way) for one in who for way in WAYS]
        places = places[number % 3 :] + places[: number % 3]
        turns = {(one, way): Turn(words_of(name, epochs, WAYS[way]), who[one]) for one, way in places}
        race(list(turns.values()))
        first = turns[next(iter(who)), "watched"].numbers[1]
        for one, rows in found.items():
            watched, unwatched, again = (turns[one, way].numbers for way in WAYS)
            row: list[float] = []
            for clock in (0, 1):
                row += [2 * watched[clock] / (unwatched[clock] + again[clock]) - 1, again[clock] / unwatched[clock] - 1]
            rows.append([*row, watched[2], watched[1] / first - 1])
    return found


def mean(rows: list[list[float]], column: int) -> str:
    """Return the mean of a column in percent, with its standard error."""
    values = [100 * row[column] for row in rows]
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{statistics.fmean(values):+.1f} ± {error:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--against", type=Path)
    asked = parser.parse_args()
    from tests.benchmarks.held import case_of

    numbers = [int(word) for word in asked.only.split(",") if word] or list(range(asked.count))
    who = {**({"old": asked.against.resolve()} if asked.against else {}), "cvtui": HERE}
    costs: dict[str, list[float]] = {one: [] for one in who}
    print(f"load {os.getloadavg()[0]:.1f}; {asked.rounds} rounds; percent by the clock, and of CPU time")
    for number in numbers:
        name = f"held-{asked.seed}-{number}"
        print(f"{name}: {case_of(name).what}")
        for one, rows in cost(name, asked.rounds, asked.seconds, who).items():
            costs[one].append(statistics.fmean(row[0] for row in rows))
            told = f"  {one}: watching {mean(rows, 0)}, {mean(rows, 2)}"
            told += f"; unwatched twice {mean(rows, 1)}, {mean(rows, 3)}"
            told += f"; the run says {100 * statistics.fmean(row[4] for row in rows):.1f}"
            told += f"; watched beside watched {mean(rows, 5)}" if one != next(iter(who)) else ""
            print(told, flush=True)
    for one, shares in costs.items():
        worst = max(shares)
        goal = f"goal {GOAL:.0%}{', MISSED' * (worst > GOAL)}"
        print(f"{one}: by the clock median {statistics.median(shares):.1%}, worst {worst:.1%} ({goal})")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--turn"]:
        del sys.path[0]  # this folder: the modules are those of the checkout
        turn(*sys.argv[2:])
    else:
        main()
