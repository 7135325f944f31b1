"""A sampled step beside a plain one: `python -m tests.benchmarks.sampled_step --nets default,held-201-0`.

    --nets A,B       `default`, `resnet18`, or nets of held.py (default)
    --every N        each Nth step is sampled (4)
    --seconds S      CPU seconds of each turn (4)
    --rounds N       turns of every net, each in a process of its own (3)
    --against DIR    another checkout, in turn with this one

The real trainer with the recorder, its log and the doctor, on one thread. A step goes from one `LayerWatch.begin` to
the next, without flushes of the log, and is told in CPU time of the training's thread. Each sampled step is divided by
the mean of the plain ones around it (not by the one after it, whose caches the sample has filled); the median of
a turn's ratios, and the mean of the turns with its standard error. `after` is that of the step after, `record` what its
record takes at the next flush of the log. The goal is 1.15 times.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

GOAL = 1.15
HERE = Path(__file__).resolve().parents[2]
WARM_UP = 40
"""Steps that do not count."""


class _Over(Exception):
    """The turn's seconds are over."""


class Steps:
    """CPU time of each step, less that of flushes; raises _Over when they add up to the turn's."""

    def __init__(self, seconds: float) -> None:
        self.times: list[tuple[bool, float]] = []
        """(sampled, seconds)"""
        self.out, self.records, self.count = 0.0, 0.0, 0
        self._seconds = seconds
        self._begun = self._since = time.thread_time()

    def without(self, what: Callable[..., Any]) -> Callable[..., Any]:
        """Return `what`, whose time counts in no step."""

        def called(*given: Any, **named: Any) -> Any:
            begun = time.thread_time()
            try:
                return what(*given, **named)
            finally:
                self.out += time.thread_time() - begun

        return called

    def next(self, sampled: bool) -> None:
        now = time.thread_time()
        self.times.append((sampled, now - self._begun - self.out))
        if now - self._since > self._seconds and len(self.times) > 2 * WARM_UP:
            raise _Over
        self._begun, self.out = time.thread_time(), 0.0


def fields_of(name: str) -> dict[str, Any]:
    """Return the fields of a net's recipe."""
    if name == "resnet18":
        return {"data": "tests.benchmarks.sets:patterns_32x3", "net": "torchvision:resnet18", "batch_size": 32}
    if name == "default":
        return {}
    from tests.benchmarks.held import case_of

    return case_of(name).fields


def turn(name: str, seconds: str, every: str) -> None:
    """Train in this process; print medians of the ratios and milliseconds of a plain step and of a record."""
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

    recipe = Recipe(**fields_of(name), epochs=100_000, device="cpu", threads=1, watch_every=int(every))
    with tempfile.TemporaryDirectory() as base:
        folder = RunFolder.create(Path(base), "run", dumps(recipe))
        writer = LiveDoctorWriter(folder)
        training = prepare(check(recipe))
        writer.write(run_record(training))
        trainer = Trainer(training, folder, writer, Signals())
        steps, recorder, watch = Steps(float(seconds)), trainer.recorder, trainer.watch
        own: Any = trainer
        replaced: Any = recorder
        looked: Any = watch
        looked.budget.allows_sample = lambda: True
        begin, write_samples = watch.begin, recorder._write_samples

        def begun(step: int) -> None:
            steps.next(sampled[0])
            begin(step)
            sampled[0] = watch.is_looking

        def written(end: int) -> None:
            waiting, before = len(watch._pending), time.thread_time()
            write_samples(end)
            if len(steps.times) > WARM_UP:
                steps.records += time.thread_time() - before
                steps.count += waiting

        sampled = [watch.is_looking]
        looked.begin, replaced._write_samples = begun, written
        replaced.flush = steps.without(recorder.flush)
        for part in ("evaluate", "record_epoch"):
            setattr(own, part, steps.without(getattr(trainer, part)))
        try:
            trainer.run()
        except _Over:
            print(*numbers(steps.times[WARM_UP:]), 1000 * steps.records / max(1, steps.count), flush=True)
            os._exit(0)


def numbers(times: list[tuple[bool, float]]) -> list[float]:
    """Return the median ratios of a sampled step and of the one after it, and milliseconds of a plain step."""
    plain = [not one and not times[number - 1][0] for number, (one, _) in enumerate(times)]
    usual = statistics.median(seconds for (_, seconds), is_plain in zip(times, plain, strict=True) if is_plain)
    ratios, after = [], []
    for number, (one, seconds) in enumerate(times[:-4]):
        if one and number >= 4:
            around = [times[at][1] for at in range(number - 3, number + 5) if plain[at] and times[at][1] < 2 * usual]
            if around:
                ratios.append(seconds / statistics.fmean(around))
                after.append(times[number + 1][1] / statistics.fmean(around))
    return [statistics.median(ratios), statistics.median(after), 1000 * usual]


def measure(name: str, seconds: float, every: int, checkout: Path) -> list[float]:
    words = [sys.executable, str(Path(__file__)), "--turn", name, str(seconds), str(every)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout)}
    told = subprocess.run(words, env=environment, check=True, capture_output=True, text=True, cwd=checkout).stdout
    return list(map(float, told.split()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", default="default")
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", type=Path)
    asked = parser.parse_args()
    who = {**({"old": asked.against.resolve()} if asked.against else {}), "cvtui": HERE}
    for name in asked.nets.split(","):
        found: dict[str, list[list[float]]] = {one: [] for one in who}
        for _ in range(asked.rounds):
            for one, checkout in who.items():
                found[one].append(measure(name, asked.seconds, asked.every, checkout))
        for one, rows in found.items():
            ratio, after, plain, record = (list(column) for column in zip(*rows, strict=True))
            error = statistics.stdev(ratio) / len(ratio) ** 0.5 if len(ratio) > 1 else float("nan")
            missed = ", MISSED" * (statistics.fmean(ratio) > GOAL)
            print(f"{name}, {one}: {statistics.fmean(ratio):.3f} ± {error:.3f} x (goal {GOAL}{missed}), ", end="")
            print(f"after {statistics.fmean(after):.3f}; a plain step {statistics.fmean(plain):.2f} ms, ", end="")
            print(f"a record {statistics.fmean(record):.2f} ms", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--turn"]:
        del sys.path[0]  # this folder: the modules are those of the checkout
        turn(*sys.argv[2:])
    else:
        main()
