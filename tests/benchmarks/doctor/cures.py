"""Cures that help, and by how much: the first diagnosis's change of the recipe, tried on runs of the benchmark.

    python -m tests.benchmarks.doctor --cures       # after a run: tries them, and writes cvtui/doctor/cures.toml

The doctor offers no other cure than those that help there (limits: table `cures` of catalogue.toml).
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cvtui.doctor.cures import key
from tests.benchmarks.doctor.cases import Case
from tests.benchmarks.doctor.faults import BASE, EPOCHS
from tests.benchmarks.doctor.judging import Verdict
from tests.benchmarks.doctor.nets import EXPRESSIONS

MOST = 12
"""Runs of a fault whose cure is tried."""
BETTER = 0.005
"""A run is better by more than this."""
FILE = Path(__file__).parents[3] / "cvtui" / "doctor" / "cures.toml"
HEAD = """# Which cures help: made by `python -m tests.benchmarks.doctor --cures`, never by hand.
# Of so many runs with the diagnosis, so many ended better (by more than 0.005) with its change of these fields of the
# recipe; gain is the median change of the validation accuracy, worst the least.
"""


def extra() -> list[Case]:
    """Faults that the table's runs put into loops only, put into recipes, for the sake of their cures."""
    plans: list[tuple[str, str, dict[str, Any]]] = []
    for net in ("mlp", "cnn", "bn"):
        plans += [("F33", net, {"clip": clip}) for clip in (1e-3, 3e-3)]
        plans += [("F07", net, {"lr": 0.3, "schedule": "cosine"}), ("L03", net, {"preprocess": "scale"})]
    plans += [("F04", "cnn", {"lr": lr}) for lr in (0.15, 0.2, 0.3)] + [("F04", "deep-cnn", {"lr": 0.15})]
    plans += [("F05", net, {"init": f"normal({size})"}) for net in ("tanh-mlp", "tanh-cnn") for size in (0.5, 1.0)]
    plans += [("L01", "", {"init": "xavier", "net": f"(fc48-relu)*{depth}-fc"}) for depth in (6, 8, 10, 12)]
    return [_case(*plan, data) for plan in plans for data in ("digits", "shapes")]


def _case(fault: str, net: str, fields: dict[str, Any], data: str, seed: int = 1) -> Case:
    words = "-".join(f"{name}{value}" for name, value in fields.items() if name != "net")
    expression = EXPRESSIONS[net][data] if net else ("avgpool2-" if data == "shapes" else "") + fields["net"]
    recipe = BASE | {"data": data, "seed": seed, "epochs": EPOCHS[data]} | fields | {"net": expression}
    mark = hashlib.md5(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:6]
    name = f"cure-{fault}-{net or 'deep'}-{data}-{seed}-{mark}"
    return Case(name=name, fault=fault, kind="recipe", strength=words, net=net, data=data, seed=seed, recipe=recipe)


def pairs(verdicts: Sequence[Verdict]) -> list[tuple[Verdict, Case]]:
    """Pair each run made ill by its recipe with its case cured.

    Of those that the doctor names first or offers a cure for: at most MOST for each injected fault and each kind of
    cure.
    """
    found: list[tuple[Verdict, Case]] = []
    tried: dict[tuple[str, str], int] = {}
    for verdict in sorted(verdicts, key=lambda v: hashlib.md5(v.case.name.encode()).hexdigest()):
        case, cure = verdict.case, verdict.cure
        place = (case.fault, f"{verdict.cured_by} {key(cure)}")
        if not case.fault or case.kind != "recipe" or not cure or tried.get(place, 0) >= MOST:
            continue
        tried[place] = tried.get(place, 0) + 1
        mark = hashlib.md5(json.dumps(cure, sort_keys=True).encode()).hexdigest()[:6]
        cured = msgspec.structs.replace(case, name=f"cured-{case.name}-{mark}", recipe={**case.recipe, **cure})
        found.append((verdict, cured))
    return found


def summary(verdicts: Iterable[Verdict]) -> dict[str, dict[str, dict[str, float]]]:
    """Sum up cures: diagnosis -> fields of its cure -> runs, better, gain, worst."""
    gains: dict[tuple[str, str], list[float]] = {}
    for verdict in verdicts:
        if verdict.cured is not None:
            gain = verdict.cured - (verdict.accuracy or 0.0)
            gains.setdefault((verdict.cured_by, key(verdict.cure)), []).append(gain)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for (name, fields), own in sorted(gains.items()):
        better = sum(gain > BETTER for gain in own)
        numbers = {"runs": len(own), "better": better, "gain": statistics.median(own), "worst": min(own)}
        found.setdefault(name, {})[fields] = {word: round(number, 3) for word, number in numbers.items()}
    return found


def write(verdicts: Iterable[Verdict], file: Path = FILE) -> None:
    """Write the file that the doctor reads."""
    lines = [HEAD]
    for name, cures in summary(verdicts).items():
        lines.append(f"[{name}]")
        for fields, numbers in cures.items():
            words = ", ".join(f"{word} = {number:g}" for word, number in numbers.items())
            lines.append(f'"{fields}" = {{ {words} }}')
        lines.append("")
    file.write_text("\n".join(lines), encoding="utf-8")
