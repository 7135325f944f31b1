"""Faults injected on purpose are named, first and in time; healthy runs raise no alarm.

One short run of each fault and five healthy ones here; the others of the benchmark (tests/benchmarks/doctor) on
demand.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cvtui.doctor.catalogue import FAULTS as CATALOGUE
from tests.benchmarks.doctor import faults, healthy, running
from tests.benchmarks.doctor.cases import Case
from tests.benchmarks.doctor.held import programs as own
from tests.benchmarks.doctor.judging import Verdict, judge
from tests.benchmarks.doctor.real.judging import PROGRAMS
from tests.benchmarks.doctor.table import SOON

MISSED: dict[str, str] = {}
"""Quick cases that are known to be missed, with the reason."""
NEEDED = 0.8
"""Share of a fault's runs to be named first, where they are all tried (the table has the exact numbers)."""


def verdict_of(case: Case, folder: Path) -> Verdict:
    assert not running.train(case, folder)
    return judge(case, folder)


@pytest.mark.parametrize("case", faults.quick(), ids=lambda case: case.fault)
def test_a_fault_is_named_first_and_in_time(case: Case, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if case.fault in MISSED:
        request.applymarker(pytest.mark.xfail(reason=MISSED[case.fault]))
    verdict = verdict_of(case, tmp_path)

    assert verdict.first, [(said.id, said.step, said.sentence) for said in verdict.said]
    assert verdict.named_at is not None
    assert verdict.named_at - case.begins <= SOON[CATALOGUE[case.fault].kind]


HEALTHY = [
    pytest.param(case, id=case.strength.replace(" ", "-"), marks=[pytest.mark.long] if number % 4 else [])
    for number, case in enumerate(healthy.quick())
]


@pytest.mark.parametrize("case", HEALTHY)
def test_a_healthy_run_raises_no_alarm(case: Case, tmp_path: Path) -> None:
    assert not verdict_of(case, tmp_path).alarms


OF_REAL_PROGRAMS = {f"F{number}" for number in range(38, 51)} | {"F56"}
"""Faults that real programs have (tests/benchmarks/doctor/real) and that are not injected."""
OF_OUR_PROGRAMS = {"F57", "F58", "F59", "F60", "F61", "F62", "F64", "F65", "F66", "F67", "F68", "F70"}
"""Faults that only programs of our own have (tests/benchmarks/doctor/held)."""
OF_SEVERAL_RANKS = {"F52", "F53", "F54", "F55"}
"""Faults of a job of several processes: tests/doctor/test_rank_rules.py, and with torchrun test_watch_ranks.py."""


def test_every_fault_of_the_catalogue_is_injected_in_three_strengths_nets_and_seeds_on_two_sets() -> None:
    every = list(faults.cases())
    for fault_id in CATALOGUE:
        cases = [case for case in every if case.fault == fault_id]
        if fault_id.startswith("L") or fault_id in OF_REAL_PROGRAMS | OF_OUR_PROGRAMS | OF_SEVERAL_RANKS:
            continue
        assert len({case.strength for case in cases}) == 3, fault_id
        assert len({case.net for case in cases}) == 3
        assert len({case.data for case in cases}) >= 2
        assert len({case.seed for case in cases}) == 3
        assert len(cases) == 3 * 3 * 2 * 3
    assert len({case.name for case in every}) == len(every)
    real = {fault_id for program in PROGRAMS for fault_id in program.truth}
    assert real >= OF_REAL_PROGRAMS
    assert {fault_id for program in own.PROGRAMS for fault_id in program.truth} >= OF_OUR_PROGRAMS


def test_there_are_healthy_runs_of_all_kinds() -> None:
    every = list(healthy.cases())
    recipes = [case.recipe for case in every if case.kind == "recipe"]

    assert len(every) >= 240
    assert {16, 64, 512} <= {recipe["batch_size"] for recipe in recipes}
    assert {"sgd", "momentum", "adam", "adamw"} <= {recipe["optimizer"] for recipe in recipes}
    assert len({recipe["net"] for recipe in recipes}) >= 20
    assert len({case.name for case in every}) == len(every)


@pytest.mark.long
@pytest.mark.parametrize("fault_id", faults.FAULTS)
def test_the_other_strengths_and_nets(fault_id: str, tmp_path: Path) -> None:
    """On digits, at one odd seed."""
    own = [case for case in faults.cases((1,), {fault_id}) if case.data == "digits"]
    named = [verdict_of(case, tmp_path).first for case in own]

    assert sum(named) >= NEEDED * len(named)


@pytest.mark.long
def test_hardly_any_of_the_healthy_runs_raises_an_alarm(tmp_path: Path) -> None:
    every = [msgspec.structs.replace(case, name=f"long-{case.name}") for case in healthy.cases((5,))]
    alarmed = [case.name for case in every if verdict_of(case, tmp_path).alarms]

    assert len(alarmed) <= len(every) / 60
