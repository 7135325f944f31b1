"""How sure the doctor says it is, and how often it was right: chosen on one half of all runs, shown on the other."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

import cvtui.doctor
from cvtui.doctor.confidence import Seen, Table
from tests.benchmarks.doctor.faults import FAULTS

FILE = Path(cvtui.doctor.__file__).resolve().parent / "confidence.toml"
RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
HEAD = """# How sure findings are: made by `python -m tests.benchmarks.doctor --calibrate`, never by hand.
# By id: of findings above a note that were told first, [how many, of which named a true cause], in one half of the
# injected and healthy runs and in the real programs that limits are chosen on.
# weight: real programs that an id's injected runs count for.

"""
SHOWN = 3
"""Seed of injected faults that nothing is chosen on; of healthy runs it is one half by name."""
WEIGHTS = (1.0, 2.0, 4.0, 8.0, 16.0)
BINS = (0.0, 0.5, 0.7, 0.9, 0.95, 1.0)


class Sighting(NamedTuple):
    """One finding above a note, of one run."""

    fault: str
    place: int
    """0: it was told first."""
    right: bool
    real: bool
    shown: bool
    """Of the half that nothing was chosen on."""
    run: str


def of_injected(verdicts: Iterable[dict[str, Any]]) -> list[Sighting]:
    """Return what was said of injected and healthy runs (`runs` of doctor.json)."""
    found = []
    for verdict in verdicts:
        case = verdict["case"]
        fault = case.get("fault", "")
        truth = {fault, *FAULTS[fault].same} if fault else set()
        said = [one["id"] for one in verdict["said"] if one["severity"] != "note"]
        shown = case["seed"] == SHOWN if fault else sum(case["name"].encode()) % 2 == 1
        found += [Sighting(name, place, name in truth, False, shown, case["name"]) for place, name in enumerate(said)]
    return found


def of_real(outcomes: Iterable[dict[str, Any]]) -> list[Sighting]:
    """Return what was said of real programs, of their repairs and of unusual healthy runs (real.json)."""
    found = []
    for outcome in outcomes:
        program = outcome["program"]
        held, truth = bool(program.get("held")), set(program["truth"])
        found += [
            Sighting(name, place, name in truth, True, held, program["id"])
            for place, (name, *_) in enumerate(outcome["said"])
        ]
    return found


def fitted(sightings: Sequence[Sighting]) -> Table:
    """Return the table of the half that is chosen on; its weight costs least on real programs left out one by one."""
    chosen = [one for one in sightings if not one.shown]
    return min((counted(chosen, weight) for weight in WEIGHTS), key=lambda table: left_out_cost(chosen, table))


def counted(chosen: Sequence[Sighting], weight: float) -> Table:
    """Return the counts."""
    faults = {}
    for name in sorted({one.fault for one in chosen if not one.place}):
        own = [one for one in chosen if one.fault == name and not one.place]
        faults[name] = Seen(_pair(one for one in own if not one.real), _pair(one for one in own if one.real))
    return Table(weight=weight, faults=faults)


def left_out_cost(chosen: Sequence[Sighting], table: Table) -> float:
    """Return the mean −log of the confidence in what was so, over real programs; each is judged by the others."""
    costs = []
    for one in chosen:
        if not one.real or one.place:
            continue
        own = table.faults[one.fault]
        less = msgspec.structs.replace(own, real=(own.real[0] - 1, own.real[1] - one.right))
        others = msgspec.structs.replace(table, faults={**table.faults, one.fault: less})
        sure = others.confidence(one.fault)
        costs.append(-math.log(sure if one.right else 1 - sure))
    return sum(costs) / max(len(costs), 1)


def _pair(own: Iterable[Sighting]) -> tuple[int, int]:
    rows = list(own)
    return len(rows), sum(one.right for one in rows)


def written(table: Table) -> str:
    """Return the text of the file that the doctor reads."""
    lines = [f"weight = {table.weight:g}", ""]
    for name, seen in table.faults.items():
        lines += [f"[faults.{name}]", f"injected = {list(seen.injected)}", f"real = {list(seen.real)}", ""]
    return HEAD + "\n".join(lines)


def reliability(sightings: Sequence[Sighting], table: Table) -> str:
    """Return the table "said so sure, right in so many" of the half that nothing was chosen on, as Markdown."""
    shown = [one for one in sightings if one.shown and not one.place]
    lines = ["| confidence | injected faults: findings | mean confidence | right in | real programs: findings | "
             "mean confidence | right in |", "|" + " --- |" * 7]  # fmt: skip
    for low, high in itertools.pairwise(BINS):
        cells = []
        for real in (False, True):
            own = [(table.confidence(one.fault), one.right) for one in shown if one.real is real]
            own = [pair for pair in own if low <= pair[0] < high or pair[0] == high == 1]
            mean = f"{sum(sure for sure, _ in own) / len(own):.2f}" if own else "–"
            right = f"{sum(right for _, right in own) / len(own):.2f}" if own else "–"
            cells += [f"{len(own):,}", mean, right]
        lines.append(f"| {low:g} to {high:g} | {' | '.join(cells)} |")
    return "\n".join(lines)


def calibrate(folder: Path, real: Path) -> str:
    """Write confidence.toml and the table in RESULTS.md; return that table."""
    runs = json.loads((folder / "doctor.json").read_text(encoding="utf-8"))["runs"]
    outcomes = json.loads((real / "real.json").read_text(encoding="utf-8"))
    sightings = [*of_injected(runs), *of_real(outcomes)]
    table = fitted(sightings)
    FILE.write_text(written(table), encoding="utf-8")
    text = reliability(sightings, table)
    before, mark, rest = RESULTS.read_text(encoding="utf-8").partition("<!-- confidence -->\n")
    if mark:
        after = rest[rest.index("<!-- /confidence -->") :]
        RESULTS.write_text(f"{before}{mark}{text}\n{after}", encoding="utf-8")
    return text
