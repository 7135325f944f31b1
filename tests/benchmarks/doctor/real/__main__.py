"""python -m tests.benchmarks.doctor.real: what the doctor says of real programs and of their repairs."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.benchmarks.doctor.real.judging import PROGRAMS, judge_all, table
from tests.benchmarks.doctor.running import default_jobs


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.doctor.real", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("doctor-runs/real"), help="where the runs lie")
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="processes (half of the cores)")
    parser.add_argument("--only", default="", help="47704695,48385830: these programs")
    parser.add_argument("--told", action="store_true", help="with data, labels and classes only")
    parser.add_argument("--sentences", action="store_true", help="also print all that was said")
    options = parser.parse_args()
    names = set(options.only.split(",")) - {""}
    unknown = names - {program.id for program in PROGRAMS}
    if unknown:
        parser.error(f"--only: no program {', '.join(sorted(unknown))}")
    chosen = [program for program in PROGRAMS if not names or program.id in names]
    wanted = [
        (version, told)
        for told in ((True,) if options.told else (True, False))
        for program in chosen
        for version in (program, program.fixed())
    ]
    outcomes = judge_all(wanted, options.folder, options.jobs)
    print(table(outcomes))
    if options.sentences:
        for one in outcomes:
            print(f"\n{one.program.id}{'' if one.told else ' (given nothing)'}: {one.program.why}")
            for fault, severity, sentence in one.said:
                print(f"  {fault} {severity}: {sentence}")


if __name__ == "__main__":
    main()
