"""python -m tests.benchmarks.doctor: injects every fault, trains healthy runs, and says how right the doctor is.

Runs stay in --folder, so that judging again after a change of the rules trains nothing (--examine-only).
--real, as the first option: other people's faulty programs instead, their repairs, and unusual healthy runs (real/).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import msgspec

from tests.benchmarks.doctor import calibration, cures, faults, healthy, table
from tests.benchmarks.doctor.cases import Case
from tests.benchmarks.doctor.judging import Verdict, judge_all
from tests.benchmarks.doctor.real import __main__ as real
from tests.benchmarks.doctor.running import default_jobs, train_all


def main() -> None:
    options = _options()
    if options.calibrate:
        print(calibration.calibrate(options.folder, options.folder / "real"))
        return
    wanted = _cases(options)
    if not options.examine_only:
        print(f"{len(wanted):,} runs, {options.jobs} at a time")
        train_all(wanted, options.folder, options.jobs)
    verdicts = judge_all(wanted, options.folder, options.jobs)
    reported = verdicts if options.all_seeds or options.quick else [v for v in verdicts if table.is_reported(v)]
    if options.even:
        reported = [v for v in verdicts if not table.is_reported(v)]
    if not options.no_cures:
        _try_cures(reported, options)
    if options.cures:
        _write_cures(reported, options)
    found = table.summary(reported)
    text = table.markdown(found)
    print(text)
    (options.folder / "table.md").write_text(text + "\n" + table.same_table(), encoding="utf-8")
    data = {"summary": found, "runs": [json.loads(msgspec.json.encode(verdict)) for verdict in verdicts]}
    (options.json or options.folder / "doctor.json").write_text(json.dumps(data, indent=1), encoding="utf-8")
    if options.misses:
        _tell_misses(reported)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.doctor", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("doctor-runs"), help="where the runs lie (doctor-runs)")
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="processes (half of the cores)")
    parser.add_argument("--fault", default="", help="F01,F04: these only; healthy: the healthy runs only")
    parser.add_argument("--quick", action="store_true", help="one case of each fault, and 20 healthy runs")
    parser.add_argument("--examine-only", action="store_true", help="train nothing (cures neither)")
    parser.add_argument("--no-cures", action="store_true", help="do not try the cures")
    parser.add_argument("--cures", action="store_true", help="write which cures help into cvtui/doctor/cures.toml")
    parser.add_argument(
        "--calibrate", action="store_true", help="write confidences, by the results of --real and of all that lie there"
    )
    parser.add_argument("--even", action="store_true", help="report the seeds that limits are chosen on")
    parser.add_argument("--all-seeds", action="store_true", help="report all seeds")
    parser.add_argument("--misses", action="store_true", help="say of each run that was not named what was said")
    parser.add_argument("--json", type=Path, help="where the data go (FOLDER/doctor.json)")
    options = parser.parse_args()
    if options.cures and (options.fault or options.quick or options.no_cures):
        parser.error("--cures writes down what helps, and needs the whole benchmark for it")
    return options


def _cases(options: argparse.Namespace) -> list[Case]:
    wanted = {word.strip() for word in options.fault.split(",") if word.strip()}
    if options.quick:
        found = faults.quick(wanted - {"healthy"} or None) if wanted != {"healthy"} else []
        return found + (healthy.quick() if not wanted or "healthy" in wanted else [])
    found = list(faults.cases(wanted=wanted or None)) if wanted != {"healthy"} else []
    return found + (list(healthy.cases()) if not wanted or "healthy" in wanted else [])


def _try_cures(verdicts: list[Verdict], options: argparse.Namespace) -> None:
    """Run each case with a named fault in its recipe once more, cured."""
    pairs = [pair for pair in cures.pairs(verdicts) if not _is_state(pair[0].case.fault)]
    if not options.examine_only:
        train_all([case for _, case in pairs], options.folder, options.jobs)
    cured = {v.case.name: v for v in judge_all([case for _, case in pairs], options.folder, options.jobs)}
    for verdict, case in pairs:
        if case.name in cured:
            verdict.cured = cured[case.name].accuracy or 0.0


def _is_state(fault: str) -> bool:
    return fault in faults.FAULTS and faults.FAULTS[fault].state


def _write_cures(verdicts: list[Verdict], options: argparse.Namespace) -> None:
    """cures.toml: from the table's own runs, and from those that are made for their cures alone."""
    more = cures.extra()
    if not options.examine_only:
        train_all(more, options.folder, options.jobs)
    others = judge_all(more, options.folder, options.jobs)
    _try_cures(others, options)
    cures.write([*verdicts, *others])


def _tell_misses(verdicts: list[Verdict]) -> None:
    for verdict in verdicts:
        case = verdict.case
        if case.fault and not verdict.first:
            words = [f"{said.id}@{said.step} {said.sentence}" for said in verdict.said[:3]] or ["nothing"]
            print(f"{case.name} ({case.strength}), accuracy {verdict.accuracy}:")
            print("".join(f"    {line}\n" for line in words), end="")
        elif not case.fault and verdict.alarms:
            print(f"{case.name} ({case.strength}): {verdict.alarms}")
            print("".join(f"    {said.id}@{said.step} {said.sentence}\n" for said in verdict.said), end="")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--real"]:
        real.main(sys.argv[2:])
    else:
        main()
