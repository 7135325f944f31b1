"""Start-up time of the commands, and what a run takes beside its training: `python -m tests.benchmarks.start`.

    --rounds N       interleaved rounds in which everybody has one turn (7)
    --against DIR    another checkout, measured in turn with this one: "old" beside "new"
    --only A,B       of the rows, by a part of their names
    --cpu            CPU time decides the ratios (for a machine that others use, too)

Goals: `cvtui --no-ui` at most 0.6 x of the old one beside it; `cvtui calc` at most 1.5 x importing click and rich's
tables. Medians of time on the wall and of CPU time; the first round compiles and does not count. A run's row is
followed by what it took beside the seconds that its log calls training. first_frame.py measures the screen.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parents[2]
NET = "[(conv32-relu)*2-pool]*3-(fc128-relu)-fc"
GOAL = 0.6
RUN = ["-m", "cvtui", "--no-ui", "--quiet", "--runs", "runs"]
COMMANDS: dict[str, list[str]] = {
    "python": ["-c", "pass"],
    "import click, rich": ["-c", "import click, rich.table, rich.console"],
    "import torch": ["-c", "import torch"],
    "cvtui --help": ["-m", "cvtui", "--help"],
    "cvtui calc": ["-m", "cvtui", "calc", NET],
    "cvtui --no-ui, 1 epoch": [*RUN, "--epochs", "1"],
    "cvtui --no-ui": RUN,
}
SHARED = ("python", "import click, rich", "import torch")
"""The same for every checkout."""
YARDSTICKS = {"cvtui calc": "import click, rich", "cvtui --help": "import click, rich"}


class Turn(NamedTuple):
    """Seconds of one command."""

    wall: float
    cpu: float
    beside: float = 0.0
    """On the wall, beside those that a run's log calls training."""


def turn(words: list[str], checkout: Path) -> Turn:
    """Run `python WORDS` once, with the cvtui of a checkout."""
    with tempfile.TemporaryDirectory() as folder:
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, *words]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(command, cwd=folder, env=environment(checkout), check=True, **quiet)  # type: ignore[call-overload]
        wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        logs = list(Path(folder).glob("runs/*/events.jsonl"))
        trained = training_seconds(logs[0]) if logs else wall
    return Turn(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall - trained)


def training_seconds(log: Path) -> float:
    """Read the seconds of the last epoch's record: the training's own clock."""
    records = [json.loads(line) for line in log.read_bytes().splitlines()]
    return float([record["seconds"] for record in records if record["type"] == "epoch"][-1])


def environment(checkout: Path) -> dict[str, str]:
    """As installed: compiled modules are kept, apart for each checkout."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    places = os.pathsep.join(filter(None, [str(checkout), os.environ.get("PYTHONPATH", "")]))
    cache = Path(tempfile.gettempdir()) / "cvtui-benchmark-pycache"
    return {**kept, "TERM": "xterm-256color", "PYTHONPYCACHEPREFIX": str(cache), "PYTHONPATH": places}


def measure(names: list[str], checkouts: dict[str, Path], rounds: int) -> dict[tuple[str, str], Turn]:
    """Medians by (command, checkout), taken in turn."""
    turns: dict[tuple[str, str], list[Turn]] = {}
    for number in range(rounds + 1):
        for name in names:
            for which, checkout in checkouts.items():
                if name in SHARED and which != "new":
                    continue
                found = turn(COMMANDS[name], checkout)
                if number:
                    turns.setdefault((name, which), []).append(found)
    return {
        key: Turn(*(statistics.median(column) for column in zip(*found, strict=True))) for key, found in turns.items()
    }


def report(found: dict[tuple[str, str], Turn], by_cpu: bool) -> list[str]:
    """One line a command and checkout, with its ratios."""
    lines = []
    for (name, which), now in found.items():
        words = f"{name:<23} {which:<4} {now.wall:6.2f} s, CPU {now.cpu:6.2f} s"
        if name in COMMANDS and COMMANDS[name][: len(RUN)] == RUN:
            words += f", beside training {now.beside:5.2f} s"
        old = found.get((name, "old"))
        if old is not None and which == "new":
            ratio = now.cpu / old.cpu if by_cpu else now.wall / old.wall
            missed = ", MISSED" if name == "cvtui --no-ui" and ratio > GOAL else ""
            words += f"   {ratio:.2f} x old{f' (goal {GOAL}{missed})' if name == 'cvtui --no-ui' else ''}"
            if COMMANDS[name][: len(RUN)] == RUN:
                words += f", beside training {now.beside / old.beside:.2f} x"
        yard = found.get((YARDSTICKS.get(name, ""), "new"))
        if yard is not None:
            words += f"   {now.wall / yard.wall:.2f} x {YARDSTICKS[name]}"
        lines.append(words)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--cpu", action="store_true")
    asked = parser.parse_args()
    names = [name for name in COMMANDS if any(part in name for part in asked.only.split(","))]
    checkouts = {"old": asked.against.resolve(), "new": HERE} if asked.against else {"new": HERE}
    print("\n".join(report(measure(names, checkouts, asked.rounds), asked.cpu)))


if __name__ == "__main__":
    main()
