"""Other people's programs of the doctor's benchmark: each is what it says, builds, and trains."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import msgspec
import pytest
import torch

from cvtui.doctor.catalogue import FAULTS
from tests.benchmarks.doctor.held import programs as own
from tests.benchmarks.doctor.real import parts, spoils
from tests.benchmarks.doctor.real.all_loops import LOOPS, loop_of
from tests.benchmarks.doctor.real.judging import HEALTHY, PROGRAMS, Outcome
from tests.benchmarks.doctor.real.loops import train
from tests.benchmarks.doctor.real.program import Program
from tests.benchmarks.doctor.real.reporting import by_kind, counts

NAMED_LATER = {"F51", "F63", "F69"}
"""Kinds that the truth of real programs names before the catalogue has them."""
ALL = [*PROGRAMS, *HEALTHY]


def test_each_program_is_named_once_and_its_truth_is_a_known_kind():
    assert [name for name, count in Counter(program.id for program in ALL).items() if count > 1] == []
    known = set(FAULTS) | NAMED_LATER
    assert {fault for program in ALL for fault in (*program.truth, *program.symptoms)} <= known
    assert all(program.truth and program.why and program.source for program in PROGRAMS)
    assert not any(set(program.truth) & set(program.symptoms) for program in PROGRAMS)


def test_programs_of_our_own_are_sets_with_known_truths():
    """Each tells what is wrong with it in its first line."""
    everyone = [*own.PROGRAMS, *own.HEALTHY]
    assert len({program.id for program in everyone} | {program.id for program in ALL}) == len(everyone) + len(ALL)
    assert {fault for program in own.PROGRAMS for fault in program.truth} <= set(FAULTS) | NAMED_LATER
    sizes = {name: [sum(own.set_of(one) == name for one in part) for part in (own.PROGRAMS, own.HEALTHY)]
             for name in own.SETS}  # fmt: skip
    assert sizes == {"first": [67, 34], "second": [25, 10], "third": [55, 17], "fourth": [53, 16], "fifth": [45, 7],
                     "sixth": [41, 7], "seventh": [29, 4], "eighth": [32, 3], "ninth": [32, 0]}  # fmt: skip
    assert sum(own.set_of(one) == "hands" for one in own.HEALTHY) == 41
    threads = [program.source for program in everyone if own.set_of(program) == "fifth"]
    assert len(set(threads)) == len(threads) == 52
    assert not {program.source for program in PROGRAMS} & set(threads)
    assert all(program.title.endswith(".") and program.why for program in own.PROGRAMS)
    assert all(loop_of(program).faulty and not loop_of(program.fixed()).faulty for program in own.PROGRAMS)  # type: ignore[attr-defined]


def test_half_of_the_programs_are_kept_back_and_each_repair_changes_something():
    held = sum(program.held for program in PROGRAMS)
    assert len(PROGRAMS) >= 55
    assert abs(2 * held - len(PROGRAMS)) <= 3
    assert len(HEALTHY) >= 40
    for program in PROGRAMS:
        fixed = program.fixed()
        assert any(
            getattr(program, name) != getattr(fixed, name)
            for name in ("net", "data", "loss", "optimizer", "batch", "spoil", "loop")
        ), program.id


def test_what_programs_name_exists_and_everything_is_named():
    versions = [*ALL, *[program.fixed() for program in PROGRAMS]]
    assert {program.loss for program in versions} == set(parts.LOSSES)
    assert {program.loop for program in versions} == set(LOOPS)
    assert {program.spoil for program in versions} == {"", *spoils.NETS, *spoils.DATA}


@pytest.mark.long
@pytest.mark.parametrize(
    "programs",
    [
        pytest.param(PROGRAMS, id="faulty"),
        pytest.param(HEALTHY, id="healthy"),
        pytest.param([program.fixed() for program in PROGRAMS], id="repaired"),
        pytest.param([*own.PROGRAMS, *own.HEALTHY], id="our own"),
        pytest.param([program.fixed() for program in own.PROGRAMS], id="our own, repaired"),
    ],
)
def test_each_program_trains_two_steps(programs: list[Program], tmp_path: Path):
    for program in programs:
        # (our own know their batch: ten images and ten classes are what is wrong with one)
        batch = min(program.batch, 8) if program.net else program.batch
        short = msgspec.structs.replace(program, steps=2, batch=batch)
        accuracy = train(loop_of(short), tmp_path, program.id, told=False)
        assert 0 <= accuracy <= 1, program.id
        assert (tmp_path / program.id).is_dir()


def test_mirrored_pairs_and_rare_classes_are_what_they_say():
    images, labels, _, _ = parts.pictures((1, 16, 16), 2, mirrored=True, noise=0.0)
    first, second = images[labels == 0].mean(0), images[labels == 1].mean(0)
    assert torch.corrcoef(torch.stack([first.flip(-1).flatten(), second.flatten()]))[0, 1] > 0.98
    _, labels, _, _ = parts.rare()
    assert math.isclose((labels == 1).float().mean().item(), 0.01, rel_tol=0.05)


def test_the_report_counts_what_was_said_by_kind():
    """Two of F40: one right, one taken for F10; F10 is said three times, once of a repaired one, and right once."""
    plain = next(program for program in PROGRAMS if program.truth == ("F40",))
    f10 = msgspec.structs.replace(plain, truth=("F10",), held=True)
    outcomes = [
        _said(plain, "F40"),
        _said(plain, "F10"),
        _said(f10, "F10"),
        _said(plain.fixed(), "F10"),
        _said(f10.fixed(), ""),
    ]
    lines = by_kind(outcomes).splitlines()
    assert "| F10 | 1 | 1 | 3 | 0.33 |  |" in lines
    assert "| F40 | 2 | 1 | 1 | 1.00 | F10 1 |" in lines
    lines = counts(outcomes).splitlines()
    assert "| for limits | 2 | 1 | 1 | 0 | 0 | 0.50 | 1 | 0 |" in lines
    assert "| kept back | 1 | 1 | 0 | 0 | 0 | 1.00 | 1 | 1 |" in lines


def _said(program: Program, fault: str) -> Outcome:
    said = [(fault, "warn", "words")] if fault else []
    return Outcome(program=program, told=True, said=said, accuracy=0.5)
