"""Speed of cvtui beside what people would use: `python -m tests.benchmarks`.

    --rounds N       rounds, in which everybody has one turn (7)
    --starts N       everybody is started anew so often, and the rounds are shared among the starts (1)
    --cases A,B      of digits, mlp, cifar, resnet18, busy, four (all)
    --who A,B        of plain, dataloader, lightning, fastai, cvtui, screen, bf16 (these), uncaptured, unwatched
    --quick          3 rounds of short turns of digits and cifar
    --device cuda    (cpu)
    --threads N      everybody on so many (0: as each has it by itself)
    --out FILE       the table as Markdown, too

The same net, data, optimiser and batch for everybody; turns are interleaved, so that whatever else happens on the
machine meets all of them, and what counts is the median of the rounds. (One process of the plain loop may be half as
quick again as the next, as its memory happens to lie: hence `--starts`.) `cvtui` is the engine with everything watched,
`screen` the same with `cvtui attach` in a pseudo-terminal, `bf16` with `--precision bfloat16`, `uncaptured` with
`--graph off`, `unwatched` with `--watch-every 0`. `busy`: plain loop and
cvtui beside one and two spinning processes; `four`: four runs of cvtui at once.

The peers come with `pip install 'cvtui[bench]'`; one that is missing is a row that says so.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks.cases import CASES, Case
from tests.benchmarks.contestants import Contestant, Engine, Missing, Peer, Spinners
from tests.benchmarks.machine import facts

TITLES = {
    "plain": "plain PyTorch loop, tensors in memory",
    "dataloader": "the usual DataLoader loop",
    "lightning": "Lightning, progress bar",
    "fastai": "fastai, ActivationStats(every=10)",
    "cvtui": "cvtui, everything watched",
    "screen": "cvtui, everything watched, a screen attached",
    "bf16": "cvtui, everything watched, `--precision bfloat16`",
    "uncaptured": "cvtui, everything watched, `--graph off`",
    "unwatched": "cvtui, `--watch-every 0`",
}
ENGINES: dict[str, dict[str, Any]] = {
    "cvtui": {},
    "screen": {},
    "bf16": {"precision": "bfloat16"},
    "uncaptured": {"graph": "off"},
    "unwatched": {"watch_every": 0},
}
"""What a run of ours changes in the recipe."""
USUAL = [name for name in TITLES if name not in ("uncaptured", "unwatched")]
BUSY_CASES = ("digits", "cifar")
SECONDS = {"digits": 2.0, "mlp": 2.0, "cifar": 3.0, "resnet18": 8.0}
"""Of a turn."""


class Race:
    """One case: everybody's steps a second, round by round."""

    def __init__(self, case: Case, who: list[str], device: str, base: Path, threads: int) -> None:
        self.case = case
        self.missing: dict[str, str] = {}
        self.found: dict[str, list[float]] = {}
        self.threads: dict[str, str] = {}
        """What each thread tuner last said."""
        self._in: dict[str, Contestant] = {}
        for name in who:
            try:
                self._in[name] = self._make(name, device, base, threads)
                self.found[name] = []
            except Missing as error:
                self.missing[name] = str(error)

    def _make(self, name: str, device: str, base: Path, threads: int) -> Contestant:
        if name in ENGINES:
            fields = {"threads": threads, **ENGINES[name]}
            return Engine(f"{self.case.name} {name}", self.case, device, base, name == "screen", fields)
        return Peer(name, self.case, device, threads)

    def join(self, other: Race) -> None:
        """Take in the contestants of another start of this case."""
        self._in |= other._in
        self.found |= other.found
        self.missing |= other.missing

    def warm_up(self, seconds: float) -> None:
        for one in self._in.values():
            one.turn(seconds)

    def round(self, seconds: float, tell: Callable[[str], None]) -> None:
        for name, one in self._in.items():
            self.found[name].append(one.turn(seconds))
        tell(" ".join(f"{name} {found[-1]:.1f}" for name, found in self.found.items()))

    def close(self) -> None:
        for name, one in self._in.items():
            if isinstance(one, Engine):
                self.threads[name] = one.threads()
            one.close()

    def median(self, name: str) -> float:
        return statistics.median(self.found[name])

    def ratio(self, name: str, to: str = "plain") -> float:
        """Median of the rounds' ratios: within a round the machine was most alike."""
        pairs = zip(self.found[name], self.found[to], strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)


def tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def race(case: Case, who: list[str], rounds: int, device: str, quick: bool, threads: int, starts: int = 1) -> Race:
    tell(f"{case.name}: {case.what}")
    shares = [len(range(number, rounds, starts)) for number in range(starts)]
    found, *others = (_one_start(case, who, share, device, quick, threads) for share in shares)
    for other in others:
        for name, speeds in other.found.items():
            found.found[name] += speeds
        found.threads |= other.threads
    return found


def _one_start(case: Case, who: list[str], rounds: int, device: str, quick: bool, threads: int) -> Race:
    with tempfile.TemporaryDirectory() as base:
        found = Race(case, who, device, Path(base), threads)
        seconds = SECONDS.get(case.name, 2.0) / (2 if quick else 1)
        try:
            found.warm_up(max(3.0, 2 * seconds))
            for number in range(rounds):
                found.round(seconds, partial(lambda number, words: tell(f"  {number + 1}: {words}"), number))
        finally:
            found.close()
    return found


def busy(case: Case, rounds: int, device: str, quick: bool) -> dict[str, list[list[float]]]:
    """Measure steps a second of plain loop and cvtui: [round][busy processes 0, 1, 2]."""
    tell(f"{case.name} beside busy processes")
    found: dict[str, list[list[float]]] = {}
    seconds = 2.0 if quick else 4.0
    with tempfile.TemporaryDirectory() as base:
        entrants: list[Contestant] = [
            Peer("plain", case, device), Engine("cvtui", case, device, Path(base)),
        ]  # fmt: skip
        spinners = Spinners(2)
        try:
            for one in entrants:
                one.turn(4.0)
            for number in range(rounds):
                for one in entrants:
                    row = []
                    for count in range(3):
                        spinners.on(count)
                        time.sleep(0.05)
                        row.append(one.turn(seconds))
                    spinners.off()
                    found.setdefault(one.name, []).append(row)
                    tell(f"  {number + 1}: {one.name} " + ", ".join(f"{speed:.1f}" for speed in row))
        finally:
            spinners.close()
            for one in entrants:
                one.close()
    return found


def four(case: Case, rounds: int, device: str, quick: bool) -> list[float]:
    """Measure four runs at once: their steps a second together, over those of one alone, by round."""
    tell(f"{case.name}, four at once")
    seconds = 2.0 if quick else 4.0
    found = []
    with tempfile.TemporaryDirectory() as base:
        runs = [Engine(f"run {number}", case, device, Path(base)) for number in range(4)]
        try:
            for number in range(rounds + 1):
                alone = statistics.mean(one.turn(seconds / 2) for one in runs)
                for one in runs:
                    one.begin()
                time.sleep(2 * seconds)
                together = sum(one.end() for one in runs)
                tell(f"  {number}: one alone {alone:.1f}, four together {together:.1f}")
                found.append(together / alone)
        finally:
            for one in runs:
                one.close()
    return found[1:]


def table_of(races: list[Race]) -> list[str]:
    """Markdown: a row for everybody, a column for every case: steps a second, and how many times the plain loop."""
    lines = [
        f"| steps a second | {' | '.join(found.case.name for found in races)} |",
        "| --- |" + " ---: |" * len(races),
    ]
    for name, title in TITLES.items():
        cells = []
        for found in races:
            if name in found.missing:
                cells.append("not installed")
            elif found.found.get(name):
                speed = f"{found.median(name):.3g}" if found.median(name) < 100 else f"{found.median(name):,.0f}"
                cells.append(f"{speed} ({found.ratio(name):.2f} x)" if "plain" in found.found else speed)
            else:
                cells.append("")
        if any(cells):
            lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def judged(races: list[Race]) -> list[str]:
    """Each goal and what came of it."""
    lines = []
    for found in races:
        for mine in ENGINES:
            if mine not in found.found:
                continue
            goals = [("plain", 1.2)] + ([("lightning", 2.5), ("fastai", 2.0)] if found.case.small else [])
            words = []
            for to, goal in goals:
                if to in found.found:
                    ratio = found.ratio(mine, to)
                    words.append(f"{ratio:.2f} x {to} (goal {goal}{'' if ratio >= goal else ', MISSED'})")
            threads = found.threads.get(mine) or "1 thread"
            lines.append(f"- {found.case.name}, {TITLES[mine]}: {', '.join(words)}; {threads}")
    return lines


def busy_table(found: dict[str, dict[str, list[list[float]]]]) -> list[str]:
    lines = ["| share of the quiet speed | one busy process | two |", "| --- | ---: | ---: |"]
    for case, rows in found.items():
        for name, rounds in rows.items():
            shares = [statistics.median(row[count] / row[0] for row in rounds) for count in (1, 2)]
            lines.append(f"| {case}, {name} | {shares[0]:.3g} | {shares[1]:.3g} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--starts", type=int, default=1)
    parser.add_argument("--cases", default="")
    parser.add_argument("--who", default=",".join(USUAL))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    rounds = asked.rounds or (3 if asked.quick else 7)
    names = (asked.cases or ("digits,cifar" if asked.quick else ",".join([*CASES, "busy", "four"]))).split(",")
    lines = [f"- {line}" for line in facts(asked.device)]
    fixed = f", everybody on {asked.threads} threads" if asked.threads else ""
    starts = f" in {asked.starts} starts" if asked.starts > 1 else ""
    lines.append(f"- medians of {rounds} interleaved rounds{starts}{fixed}")
    races = [
        race(CASES[name], asked.who.split(","), rounds, asked.device, asked.quick, asked.threads, asked.starts)
        for name in names
        if name in CASES
    ]
    if races:
        lines += ["", *table_of(races), "", *judged(races)]
    if "busy" in names:
        crowded = {name: busy(CASES[name], rounds, asked.device, asked.quick) for name in BUSY_CASES}
        lines += ["", *busy_table(crowded)]
    if "four" in names:
        lines += ["", "| four runs at once, together | of one alone |", "| --- | ---: |"]
        for name in BUSY_CASES:
            share = statistics.median(four(CASES[name], rounds, asked.device, asked.quick))
            lines.append(f"| {name} | {share:.2f} x |")
    text = "\n".join(lines)
    print(text)
    if asked.out is not None:
        asked.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
