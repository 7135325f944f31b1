"""Where the CPU time of watching goes: `python -m tests.benchmarks.watching_parts --net held-57-1 [--rounds N]`.

Each round trains three runs of a held net at once, a slice each in turn: watched, unwatched, and unwatched once more,
which tells how far such a measurement is off. Of each part of a run (a plain step, a sampled one, those after it, a
flush, an evaluation, an epoch's end) the CPU time of the training thread; means over the rounds, standard errors.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[2]
FIRST = 20
"""Steps that are slow because a training has just begun."""
WAYS = {"watched": 10, "unwatched": 0, "again": 0}


def turn(name: str, epochs: str, watch_every: str) -> None:
    """Train one run in this process, a slice whenever a line comes; print the seconds of its parts."""
    from tests.benchmarks.watching import Turns, recipe_of

    turns = Turns()  # before any module keeps the clock
    from cvtui.engine.runtime.allocator import keep_freed_memory
    from cvtui.engine.runtime.fast_start import loading

    keep_freed_memory()
    with loading():
        from cvtui.engine.train.control import Signals
        from cvtui.engine.train.trainer import Trainer
        from cvtui.engine.worker import train_folder
    from cvtui.runlog.folder import RunFolder

    clock, parts, trainers = time.thread_time, defaultdict[str, list[float]](list), []
    steps: list[tuple[str, float]] = []
    charges: dict[str, float] = defaultdict(float)

    class Timed(Trainer):
        def __init__(self, *given: Any) -> None:
            turns.wait()
            parts["whole run"].append(-clock())
            parts["other threads"].append(clock() - time.process_time())
            super().__init__(*given)
            trainers.append(self)
            recorder, self.since, self.ended = self.recorder, 1 << 30, clock()
            step, flush, due = recorder.step, recorder.flush, recorder.flush_when_due

            def timed(part: str, what: Callable[..., Any]) -> Callable[..., Any]:
                def called(*given: Any, **named: Any) -> Any:
                    begun = clock()
                    try:
                        return what(*given, **named)
                    finally:
                        self.ended = clock()
                        parts[part].append(self.ended - begun)

                return called

            def charged(part: str, what: Callable[..., Any]) -> Callable[..., Any]:
                def called(*given: Any) -> Any:
                    before = self.watch.budget.samples
                    try:
                        return what(*given)
                    finally:
                        charges[part] += self.watch.budget.samples - before

                return called

            def timed_step(*given: Any, **named: Any) -> None:
                sampled = recorder.watch.is_looking
                self.since = 0 if sampled else self.since + 1
                step(*given, **named)
                now = clock()
                part = "sampled" if sampled else "after" if self.since == 1 else "plain"
                steps.append((part, now - self.ended))
                self.ended = now

            def flush_in_turn() -> None:
                due()
                turns.hand_over()
                self.ended = clock()

            own: Any = self
            replaced: Any = recorder
            watch: Any = self.watch
            watch.end, watch.take = charged("steps", watch.end), charged("records", watch.take)
            replaced._write_samples = charged("flush", recorder._write_samples)
            replaced.step, replaced.flush, replaced.flush_when_due = timed_step, timed("flush", flush), flush_in_turn
            own.evaluate, own.record_epoch = timed("evaluate", self.evaluate), timed("epoch", self.record_epoch)

    for module in list(sys.modules.values()):
        if vars(module).get("Trainer") is Trainer:
            vars(module)["Trainer"] = Timed
    with tempfile.TemporaryDirectory() as base:
        folder = RunFolder.create(Path(base), "run", recipe_of(name, int(epochs), int(watch_every), 1))
        assert train_folder(folder.path, Signals()) == 0
    budget = trainers[0].watch.budget
    parts["whole run"].append(clock())
    parts["other threads"].append(time.process_time() - clock())
    told = {"samples": budget.samples, "pictures": budget.pictures, **charges}
    print("end", json.dumps({"parts": parts, "steps": steps, "told": told}), flush=True)


def differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    """Return what each part of a run took beyond the same of another, in milliseconds; a plain step's in percent."""
    parts, usual = one["parts"], statistics.median(seconds for _, seconds in other["steps"])
    # The first steps of a training are slow, watched or not: each is compared with the same one of the other run.
    plain = [min(seconds, 20 * usual) for _, seconds in other["steps"]]
    mean = statistics.fmean(min(seconds, 2 * usual) for seconds in plain)
    beyond = defaultdict[str, float](float)
    for number, ((part, seconds), of_other) in enumerate(zip(one["steps"], plain, strict=True)):
        beyond[part] += min(seconds, 20 * usual) - (of_other if number < FIRST else mean)
    own = statistics.median(seconds for part, seconds in one["steps"] if part == "plain")
    found = {"plain step (median, %)": 100 * (own / usual - 1)}
    for part in ("sampled", "after"):
        found[f"{part} (ms)"] = 1000 * beyond[part]
    for part in ("flush", "evaluate", "epoch", "whole run", "other threads"):
        found[f"{part} (ms)"] = 1000 * (sum(parts.get(part, [])) - sum(other["parts"].get(part, [])))
    return found


def main() -> None:
    from tests.benchmarks.watching import Turn, words_of

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default="held-57-1")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=6)
    asked = parser.parse_args()
    rows: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS if way != "unwatched"}
    told = defaultdict[str, list[float]](list)
    for number in range(asked.rounds):
        ways = list(WAYS)[number % 3 :] + list(WAYS)[: number % 3]
        turns = {way: Turn(words_of(asked.net, asked.epochs, WAYS[way], __file__), HERE) for way in ways}
        while running := [one for one in turns.values() if one.last is None]:
            for one in running:
                one.go_on()
        found = {way: json.loads(one.last or "") for way, one in turns.items()}
        for way, kept in rows.items():
            kept.append(differences(found[way], found["unwatched"]))
        for part, seconds in found["watched"]["told"].items():
            told[part].append(1000 * seconds)
    for way, kept in rows.items():
        for part in kept[0]:
            print(f"{way:<10}{part:<26}", _mean([row[part] for row in kept]))
    for part, values in told.items():
        print(f"charged for {part:<24}", _mean(values), "ms")


def _mean(values: list[float]) -> str:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{statistics.fmean(values):8.2f} ± {error:.2f}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--turn"]:
        del sys.path[0]  # this folder: the modules are those of the checkout
        turn(*sys.argv[2:])
    else:
        main()
