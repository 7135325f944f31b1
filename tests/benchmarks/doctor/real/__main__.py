"""python -m tests.benchmarks.doctor.real: what the doctor says of real programs and of their repairs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from tests.benchmarks.doctor.held import programs as own
from tests.benchmarks.doctor.real.judging import HEALTHY, PROGRAMS, Outcome, judge_all
from tests.benchmarks.doctor.real.reporting import report
from tests.benchmarks.doctor.running import default_jobs


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.doctor --real", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("doctor-runs/real"), help="where the runs lie")
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="processes (half of the cores)")
    parser.add_argument("--only", default="", help="47704695: this one; limits, held, healthy, first … ninth, hands")
    parser.add_argument("--bare", action="store_true", help="with nothing given only")
    parser.add_argument("--faulty", action="store_true", help="without repairs and healthy runs")
    parser.add_argument("--told", action="store_true", help="with data, labels and classes only")
    parser.add_argument("--run", action="store_true", help="as scripts that know nothing of cvtui, under `cvtui run`")
    parser.add_argument("--examine-only", action="store_true", help="train nothing: judge the runs that lie there")
    parser.add_argument("--sentences", action="store_true", help="also print all that was said")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    names = set(options.only.split(",")) - {""}
    known = {program.id for program in [*PROGRAMS, *HEALTHY, *own.PROGRAMS, *own.HEALTHY]}
    known |= {"limits", "held", "healthy"} | {own.set_of(program) for program in [*own.PROGRAMS, *own.HEALTHY]}
    if names - known:
        parser.error(f"--only: no program {', '.join(sorted(names - known))}")
    versions = [
        version
        for program in PROGRAMS
        if not names or {program.id, "held" if program.held else "limits"} & names
        for version in (program, program.fixed())
    ] + [program for program in HEALTHY if not names or {program.id, "healthy"} & names]
    ours = [one for one in [*own.PROGRAMS, *own.HEALTHY] if {one.id, own.set_of(one)} & names]
    versions += [version for one in ours for version in ((one, one.fixed()) if one.truth else (one,))]
    if options.faulty:
        versions = [one for one in versions if one.truth]
    givens = (True,) if options.told else (False,) if options.bare else (True, False)
    pairs = [(version, told) for told in givens for version in versions]
    if options.run:
        pairs = [(version, False) for version in versions]
    outcomes = judge_all(pairs, options.folder, options.jobs, options.examine_only, options.run)
    (options.folder / ("script.json" if options.run else "real.json")).write_bytes(msgspec.json.encode(outcomes))
    print(report(outcomes))
    if options.sentences:
        tell(outcomes)


def tell(outcomes: list[Outcome]) -> None:
    """Print every sentence of the doctor."""
    for one in outcomes:
        if one.said:
            print(f"\n{one.program.id}{'' if one.told else ' (given nothing)'}: {one.program.why}")
        for fault, severity, sentence in one.said:
            print(f"  {fault} {severity}: {sentence}")


if __name__ == "__main__":
    main()
