"""docs/doctor.md, made from the doctor's catalogue and from the last benchmark's results."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from cvtui.doctor.catalogue import FAULTS, Fault

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "doctor.md"
RESULTS = HERE.parent / "benchmarks" / "doctor" / "RESULTS.md"
"""Not part of the source archive."""
KINDS = {"exact": "E", "static": "S", "heuristic": "H"}
_ROW = re.compile(r"\| (F\d\d) \|" + r" ([^|]*) \|" * 9)
_SUMS = re.compile(r"^(?:Of [\d,]+ runs with .*|False alarms: .*|The cure improves .*)$", re.MULTILINE)


class Measured(NamedTuple):
    """One row of the benchmark's table, its cells as they are written there."""

    named_first: str
    in_time: str
    cure: str


def measured(results: str) -> dict[str, Measured]:
    """Id -> what the benchmark measured of it."""
    rows = (found.groups() for found in _ROW.finditer(results))
    return {cells[0]: Measured(cells[4], cells[7], cells[8]) for cells in rows}


def false_alarms(results: str) -> list[str]:
    """Return the ids that healthy runs were warned of, one a run and id."""
    told = results.partition("\nFalse alarms: ")[2]
    lines = [line for line in told.split("\n\n")[0].splitlines() if line.startswith("- ")]
    return [name for line in lines for name in re.findall(r"'([FL]\d\d)': ", line)]


def page() -> str:
    """Return the page with its tables made anew."""
    text = PAGE.read_text(encoding="utf-8")
    results = RESULTS.read_text(encoding="utf-8")
    for name, new in (("table", table() + "\n"), ("confidence", _between(results, "confidence"))):
        text = text.replace(f"<!-- {name} -->\n{_between(text, name)}", f"<!-- {name} -->\n{new}")
    return text


def _between(text: str, name: str) -> str:
    """Return what stands between two marks of a page."""
    return text.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0]


def table() -> str:
    """Return what stands between the page's marks: the benchmark's sums, and a row per fault."""
    results = RESULTS.read_text(encoding="utf-8")
    known, alarms = measured(results), false_alarms(results)
    lines = [
        *(f"- {sentence}" for sentence in _SUMS.findall(results)),
        "",
        "| id | fault | kind | says | sign | what to do | named first | in time | the cure helps | false alarms |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for fault in sorted(FAULTS.values(), key=lambda fault: fault.id):
        lines.append(_line(fault, known.get(fault.id, Measured("–", "–", "–")), alarms.count(fault.id)))
    return "\n".join(lines)


def _line(fault: Fault, row: Measured, alarms: int) -> str:
    cells = (fault.id, fault.name, KINDS[fault.kind], fault.severity, fault.what, fault.advice, *row, str(alarms))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
