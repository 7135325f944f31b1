"""The table: per fault how often it is named, how soon, and what the cure gains; and the false alarms."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from cvtui.doctor.catalogue import FAULTS as CATALOGUE
from tests.benchmarks.doctor.faults import FAULTS
from tests.benchmarks.doctor.judging import Verdict

SOON = {"exact": 5, "static": 5, "heuristic": 200}
"""Steps until which a fault is to be named."""
SHORT = {"exact": "E", "static": "S", "heuristic": "H"}


def is_reported(verdict: Verdict) -> bool:
    """Odd seeds."""
    return verdict.case.seed % 2 == 1


def row_of(fault_id: str, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Numbers of one fault."""
    entry, count = CATALOGUE[fault_id], len(verdicts)
    named = [
        verdict.named_at - verdict.case.begins for verdict in verdicts if verdict.first and verdict.named_at is not None
    ]
    cured = [verdict for verdict in verdicts if verdict.cured is not None]
    wrong = Counter(verdict.said[0].id if verdict.said else "nothing" for verdict in verdicts if not verdict.first)
    return {
        "id": fault_id,
        "name": entry.name,
        "kind": entry.kind,
        "runs": count,
        "first": sum(verdict.first for verdict in verdicts) / max(count, 1),
        "own_name": sum(bool(v.said) and v.said[0].id == fault_id for v in verdicts) / max(count, 1),
        "among_three": sum(verdict.among_three for verdict in verdicts) / max(count, 1),
        "soon": sum(step <= SOON[entry.kind] for step in named) / max(count, 1),
        "steps": statistics.median(named) if named else None,
        "cured_runs": len(cured),
        "better": sum((v.cured or 0) > (v.accuracy or 0) + 0.005 for v in cured),
        "gain": statistics.median((v.cured or 0) - (v.accuracy or 0) for v in cured) if cured else None,
        "instead": dict(wrong.most_common()),
        "same": FAULTS[fault_id].same,
        "known": FAULTS[fault_id].known,
    }


def summary(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Everything that the report says, as data. verdicts: of the seeds that are reported."""
    rows = []
    for fault_id in FAULTS:
        own = [verdict for verdict in verdicts if verdict.case.fault == fault_id]
        if own:
            rows.append(row_of(fault_id, own))
    healthy = [verdict for verdict in verdicts if not verdict.case.fault]
    alarmed = [verdict for verdict in healthy if verdict.alarms]
    cured = [verdict for verdict in verdicts if verdict.cured is not None]
    return {
        "faults": rows,
        "healthy": len(healthy),
        "false_alarms": [
            {"run": v.case.name, "what": v.case.strength, "net": v.case.net, "data": v.case.data, "alarms": v.alarms}
            for v in alarmed
        ],
        "cured_runs": len(cured),
        "better": sum((v.cured or 0) > (v.accuracy or 0) + 0.005 for v in cured),
    }


def markdown(found: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    lines = [
        "| id | fault | kind | runs | named first | in the first three | steps | in time | the cure helps | misses |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found["faults"]:
        cure = f"{row['better']}/{row['cured_runs']} ({row['gain']:+.2f})" if row["cured_runs"] else "–"
        steps = f"{row['steps']:.0f}" if row["steps"] is not None else "–"
        misses = ", ".join(f"{name} {count}" for name, count in row["instead"].items())
        if misses and row["known"]:
            misses = f"{misses}: {row['known']}"
        lines.append(
            f"| {row['id']} | {row['name']} | {SHORT[row['kind']]} | {row['runs']} | {_share(row['first'])} "
            f"| {_share(row['among_three'])} | {steps} | {_share(row['soon'])} | {cure} | {misses} |"
        )
    alarms = found["false_alarms"]
    for words, kinds in (("exact and static", ("exact", "static")), ("heuristic", ("heuristic",))):
        rows = [row for row in found["faults"] if row["kind"] in kinds]
        if count := sum(row["runs"] for row in rows):
            shares = [sum(row[key] * row["runs"] for row in rows) / count for key in ("first", "among_three", "soon")]
            lines += ["", f"Of {count:,} runs with {words} faults {_percent(shares[0])} are named first, "]
            lines[-1] += f"{_percent(shares[1])} among the first three, {_percent(shares[2])} first and in time."
    lines += ["", f"False alarms: {len(alarms)} of {found['healthy']} healthy runs."]
    lines += [f"- {one['run']} ({one['what']}, {one['data']}): {one['alarms']}" for one in alarms]
    if found["cured_runs"]:
        lines += ["", f"The cure improves the validation accuracy of {found['better']} of {found['cured_runs']} runs."]
    return "\n".join(lines) + "\n"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _share(share: float) -> str:
    return f"{share:.2f}".rstrip("0").rstrip(".") if share < 1 else "1"


def same_table() -> str:
    """Return the table of diagnoses that are taken as the fault's name, with the reason."""
    lines = ["| fault | also right | because |", "|---|---|---|"]
    lines += [f"| {name} | {other} | {why} |" for name, fault in FAULTS.items() for other, why in fault.same.items()]
    return "\n".join(lines) + "\n"
