"""Waits of a person on a real terminal of 160x45: `python -m tests.benchmarks.waits [rounds]`.

- from ctrl+r in the form, its engine warm, to the first point on the loss curve (budget 1 s);
- from `cvtui attach` typed in a shell to the full picture of a run of 1,000,000 steps and 10 layers (budget: 1 s from
  the moment when the program is there; so its start is told apart, by an attach to a run of 1,000 steps);
- the memory of the screen that shows it (budget 200 MB).
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from tests.benchmarks.large_run import Long
from tests.benchmarks.machine import facts
from tests.cli.terminal import Terminal
from tests.waiting import wait_until

SIZE = (160, 45)
POINT = re.compile(r"training +[0-9.]+[0-9]")
"""The legend of the loss curve, with the last value in it."""


def start(base: Path) -> float:
    with Terminal("--runs", "started", cwd=base, size=SIZE, NO_COLOR=None, COLORTERM="truecolor") as terminal:
        terminal.shows("std: one real batch", 60.0)  # the engine has answered: it is warm
        before, begun = terminal.pieces, time.perf_counter()
        terminal.type("\x12")
        terminal.shows(POINT, 60.0, before)
        seconds = time.perf_counter() - begun
    stop_all(base / "started")
    return seconds


def stop_all(runs: Path) -> None:
    """Stop all runs: a training outlives its terminal, beside what is measured next."""
    for folder in map(RunFolder, runs.iterdir()):
        if folder.alive():
            folder.send(Command(command="stop", time=time.time()))
            wait_until(lambda: not folder.alive(), 60.0, "the end of the run")  # noqa: B023


def attach(base: Path, name: str) -> tuple[float, float]:
    """(seconds to the full picture, MB that the screen holds then)."""
    begun = time.perf_counter()
    with Terminal("attach", name, "--runs", ".", cwd=base, size=SIZE, NO_COLOR=None, COLORTERM="truecolor") as terminal:
        terminal.shows(POINT, 60.0)
        seconds = time.perf_counter() - begun
        status = Path(f"/proc/{terminal.process.pid}/status").read_text(encoding="ascii")
    return seconds, int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print("\n".join(f"- {line}" for line in facts("cpu")))
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        Long.written(base, 1_000_000, 10), Long.written(base, 1_000, 10)
        begun, short, long, memory = [], [], [], 0.0
        for _ in range(rounds):
            begun.append(start(base))
            short.append(attach(base, "long-1000-10")[0])
            seconds, held = attach(base, "long-1000000-10")
            long.append(seconds)
            memory = max(memory, held)
    for what, found in (
        ("from ctrl+r to the first point", begun),
        ("`cvtui attach`, 1,000 steps", short),
        ("`cvtui attach`, 1,000,000 steps", long),
        ("… more than 1,000 steps take", [one - other for one, other in zip(long, short, strict=True)]),
    ):
        print(f"{what:<34} {statistics.median(found):.2f} s (worst {max(found):.2f})")
    print(f"memory of the screen, at most      {memory:.0f} MB")


if __name__ == "__main__":
    main()
