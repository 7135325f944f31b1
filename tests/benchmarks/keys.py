"""Time from a key press to its effect while a training uses all cores.

`python -m tests.benchmarks.keys [presses]`

A real run of the CIFAR-sized net, a real `cvtui attach` on it in a pseudo-terminal of 160x45. Keys are typed at moments
that have nothing to do with the screen's own, and what is timed is the way to the bytes that only they bring: the arrow
to the left (all panes show another moment: the header says `end: live`) and `v` (a window opens). Budget: 50 ms at the
99th percentile. Beside it the same with the training paused.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.worker_process import launch
from tests.benchmarks.cases import CASES
from tests.benchmarks.machine import facts
from tests.cli.terminal import Terminal
from tests.waiting import wait_until

PRESSES = 100
KEYS = {"left": ("\x1b[D", "end: live", "\x1b[F"), "v": ("v", "Why can validation", "\x1b")}
"""Name: what is typed, what only it brings, and what leads back."""
BETWEEN = (0.3, 0.6)
"""Seconds; at random, so that all moments of the screen's own rounds are met."""
PACES: tuple[tuple[str, Literal["pause", "resume"]], ...] = (
    ("training on all cores", "resume"),
    ("training paused", "pause"),
)


def latency(terminal: Terminal, typed: str, brings: str) -> float:
    """Seconds from the key to the last byte of what it brings."""
    before = terminal.pieces
    begun = time.perf_counter()
    terminal.type(typed)
    terminal.shows(brings, 10.0, before)
    return time.perf_counter() - begun


def measure(terminal: Terminal, presses: int, chance: random.Random) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in KEYS}
    for _ in range(presses):
        for name, (typed, brings, back) in KEYS.items():
            time.sleep(chance.uniform(*BETWEEN))
            found[name].append(latency(terminal, typed, brings))
            time.sleep(chance.uniform(*BETWEEN))
            terminal.type(back)
    return found


def row(title: str, seconds: list[float]) -> str:
    ordered = sorted(seconds)
    shares = [1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.9, 0.99)]
    return f"| {title} | {shares[0]:.0f} | {shares[1]:.0f} | {shares[2]:.0f} | {1e3 * ordered[-1]:.0f} |"


def main() -> None:
    presses = int(sys.argv[1]) if len(sys.argv) > 1 else PRESSES
    chance = random.Random(0)
    print("\n".join(f"- {line}" for line in facts("cpu")))
    print(
        f"- {presses} presses a key\n\n| ms from key to effect | median | 90 % | 99 % | worst |\n"
        + "| --- |"
        + " ---: |" * 4
    )
    with tempfile.TemporaryDirectory() as base:
        recipe = Recipe(**CASES["cifar"].fields, epochs=100_000, device="cpu")
        folder = RunFolder.create(Path(base) / "runs", "run", dumps(recipe))
        worker = launch(folder, detached=True)
        history = History(folder)
        wait_until(lambda: history.poll() and history.steps_done > 100, 120, "the run")
        try:
            with Terminal(
                "attach", "run", cwd=Path(base), size=(160, 45), NO_COLOR=None, COLORTERM="truecolor"
            ) as terminal:
                terminal.shows("Loss")
                time.sleep(5)  # the curves have room, the first pictures are there
                for title, command in PACES:
                    folder.send(Command(command=command, time=time.time()))
                    time.sleep(1)
                    found = measure(terminal, presses, chance)
                    for name, seconds in found.items():
                        print(row(f"{title}, `{name}`", seconds), flush=True)
                    print(row(f"{title}, all", [second for one in found.values() for second in one]), flush=True)
                terminal.type("\x11")
        finally:
            folder.send(Command(command="stop", time=time.time()))
            worker.wait(30)


if __name__ == "__main__":
    main()
