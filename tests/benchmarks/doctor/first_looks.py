"""python -m tests.benchmarks.doctor.first_looks: how sure the doctor was of programs that it had never seen.

What was told first at first sight of the three sets of our own stands in RESULTS.md where it was not right; else it is
what is told now, in real.json of `--real --only first,second,third`. Faulty programs alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
from pathlib import Path
from typing import Any

from cvtui.doctor.confidence import TABLE
from tests.benchmarks.doctor.calibration import BINS, RESULTS


def not_right(text: str) -> dict[str, str]:
    """Return the programs that were not right at first sight: id → what was told first, "" for nothing."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| held-") and len(cells) in (4, 6):  # the third set's table, and that of the first two
            told = re.match(r"[FL]\d\d", cells[2 if len(cells) == 4 else 3])
            found[cells[0]] = told[0] if told else ""
    return found


def first_looks(outcomes: list[dict[str, Any]], missed: dict[str, str]) -> list[tuple[float, bool]]:
    """Return (confidence, whether it was right) of each program of which something was told."""
    programs: dict[str, str] = {}
    for outcome in outcomes:
        program = outcome["program"]
        if program["id"].startswith("held-") and program["truth"] and program["id"] not in programs:
            programs[program["id"]] = outcome["said"][0][0] if outcome["said"] else ""
    told = {name: missed.get(name, now) for name, now in programs.items()}
    return [(TABLE.confidence(fault), name not in missed) for name, fault in told.items() if fault]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("doctor-runs/real"), help="where real.json lies")
    outcomes = json.loads((parser.parse_args().folder / "real.json").read_text(encoding="utf-8"))
    looks = first_looks(outcomes, not_right(RESULTS.read_text(encoding="utf-8")))
    for low, high in itertools.pairwise(BINS):
        own = [pair for pair in looks if low <= pair[0] < high or pair[0] == high == 1]
        if own:
            mean, right = (sum(pair[place] for pair in own) / len(own) for place in (0, 1))
            print(f"{low:g} to {high:g}: {len(own)} findings, said {mean:.2f}, right in {right:.2f}")


if __name__ == "__main__":
    main()
