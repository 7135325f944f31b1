"""Rules on several ranks, from files written by hand: each fault, and the healthy job beside it."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cvtui.doctor import Diagnosis, Doctor
from cvtui.runlog.history import History
from cvtui.runlog.ranks import RankChecks, RankStarted, RankSteps, WeightSum, rank_file
from cvtui.runlog.tail import append_line
from tests.doctor.second_reader import SHAPES
from tests.runlog.rank_making import times, write_ranks
from tests.tui.written_runs import PLAIN, WrittenRun

OF_RANKS = ("F52", "F53", "F54", "F55")
"""Not in the records of a log, so with no story in test_rules.py."""


def checks(rank: int, **changes: Any) -> RankChecks:
    """Of one rank of a healthy job: the same weights, other batches."""
    drawn = random.Random(rank)
    known: dict[str, Any] = {
        "step": 0,
        "wrapped": "ddp",
        "parameters": 1000,
        "weights": [WeightSum(0, 3.0, 20.0), WeightSum(10, 2.5, 21.0)],
        "inputs": [drawn.gauss(0, 30) for _ in range(10)],
        "labels": [drawn.randint(12, 20) for _ in range(10)],
        "losses": [drawn.uniform(2.0, 2.6) for _ in range(10)],
    }
    return RankChecks(**(known | changes))


def steps(own: float = 0.4, count: int = 30, first: int = 0) -> RankSteps:
    return times(first, [0.0] * count, [own] * count, 1.0)


def found(base: Path, *ranks: Sequence[RankSteps | RankChecks], **started: Any) -> dict[str, Diagnosis]:
    run = WrittenRun(base, ranks={"world_size": len(ranks)}, kind="watch", **started)
    run.step(40)
    run.close()
    write_ranks(run.folder, *ranks)
    return examined(run)


def examined(run: WrittenRun) -> dict[str, Diagnosis]:
    history = History(run.folder)
    history.poll()
    doctor = Doctor(history)
    doctor.update()
    assert not doctor.failed
    diagnoses = {one.id: one for one in doctor.all if one.id in OF_RANKS}
    for name, one in diagnoses.items():
        for place, text in (("sentences", one.sentence), ("evidence", one.evidence)):
            assert any(re.fullmatch(shape.pattern, text) for shape in SHAPES[place][name]), text
    return diagnoses


def test_a_healthy_job_has_none(tmp_path: Path) -> None:
    assert not found(tmp_path, [checks(0), steps()], [checks(1), steps()], [checks(2), steps()])


def test_the_slow_rank(tmp_path: Path) -> None:
    one = found(tmp_path, [checks(0), steps()], [checks(1), steps(0.8)])["F52"]
    # 0.4 of each second, and of own work 0.9 against 0.5
    assert one.sentence.startswith(
        "Rank 1 computes for 90 % of its time (the others at most 50 %); they wait for it 40 %"
    )
    assert one.value == pytest.approx(0.4)
    assert one.step == 29


def test_few_steps_say_nothing_of_who_is_slow(tmp_path: Path) -> None:
    assert not found(tmp_path, [checks(0), steps(count=10)], [checks(1), steps(0.8, count=10)])


def test_weights_that_differ_from_the_start(tmp_path: Path) -> None:
    other = checks(1, weights=[WeightSum(0, -7.0, 20.1), WeightSum(10, -7.0, 20.1)])
    one = found(tmp_path, [checks(0)], [other], [checks(2)])["F54"]
    assert one.sentence == (
        "The weights of rank 1 are not those of rank 0 (before the first step): each trains a model of its own."
    )
    assert (one.severity, one.step) == ("stop", -1)
    assert one.value == pytest.approx(10 / 20.1)


def test_weights_that_drift_apart_without_ddp(tmp_path: Path) -> None:
    looks = [checks(0, wrapped=""), checks(1, wrapped="", weights=[WeightSum(0, 3.0, 20.0), WeightSum(10, 2.6, 21.0)])]
    one = found(tmp_path, *[[look] for look in looks])["F54"]
    assert "(after step 9, equal before)" in one.sentence
    assert "without DistributedDataParallel" in one.sentence
    assert one.severity == "warn"


@pytest.mark.parametrize(
    "other",
    [
        checks(1, weights=[WeightSum(0, 3.0 + 2e-6, 20.0), WeightSum(10, 2.5, 21.0)]),  # the last bits of another GPU
        checks(1, weights=[WeightSum(0, 99.0, 44.0)], parameters=77),  # the next part of a net cut over the ranks
        checks(1, weights=[]),
    ],
)
def test_weights_that_may_differ(tmp_path: Path, other: RankChecks) -> None:
    assert not found(tmp_path, [checks(0)], [other])


def test_the_same_batches_on_two_ranks(tmp_path: Path) -> None:
    one = found(tmp_path, [checks(0)], [checks(1)], [checks(2, inputs=checks(1).inputs)])["F53"]
    assert one.sentence.startswith("Ranks 1 and 2 train on the same images: in each of their first 10 batches")
    assert "DistributedSampler" in one.advice


def test_the_same_batch_at_every_step_is_a_benchmark(tmp_path: Path) -> None:
    assert not found(tmp_path, *[[checks(rank, inputs=[0.0] * 10)] for rank in range(2)])


def test_a_rank_with_more_images(tmp_path: Path) -> None:
    many = msgspec.structs.replace(steps(), images=[32] * 30)
    one = found(tmp_path, [checks(0), steps()], [checks(1), many])["F53"]
    assert one.sentence.startswith("Rank 1 has 32 images a step, rank 0 8:")
    assert "counts 4 times as much" in one.sentence


def test_a_rank_with_other_classes(tmp_path: Path) -> None:
    one = found(tmp_path, *[[checks(rank, labels=[40, 40, 0])] for rank in range(2)], [checks(2, labels=[0, 0, 80])])[
        "F53"
    ]
    assert one.value == pytest.approx(1.0)  # no class in common: V is 1
    assert one.sentence == (
        "Rank 2 sees other classes than the other ranks: 100 % of its first 80 labels are class 2, 0 % of theirs."
    )


def test_a_rank_with_other_losses(tmp_path: Path) -> None:
    one = found(tmp_path, [checks(0)], [checks(1, losses=[9.0 + place / 10 for place in range(10)])])["F53"]
    assert one.sentence.startswith("The first losses of rank 1 lie at 9.45")


def restarted(base: Path, scale: float) -> dict[str, Diagnosis]:
    """Two ranks of 8 images, from step 20 on four; the rate of `scale` from there on."""
    run = WrittenRun(base, recipe=msgspec.structs.replace(PLAIN, schedule="constant"), kind="watch")
    run.step(20)
    run.scale = scale
    run.write(run._started(step=20, ranks={"world_size": 4, "restart": 1}, kind="watch"))
    run.step(20)
    run.close()
    write_ranks(run.folder, [steps(count=20)])
    again = RankStarted(time=2.0, rank=0, world_size=4, host="h", pid=9, device="cpu", step=20, restart=1)
    before = msgspec.structs.replace(again, time=1.0, world_size=2, step=0, restart=0)
    rank_file(run.folder, 0).unlink()
    for record in (before, steps(count=20), again, steps(count=20, first=20)):
        append_line(rank_file(run.folder, 0), msgspec.json.encode(record))
    return examined(run)


def test_a_batch_that_grew_in_a_restart(tmp_path: Path) -> None:
    one = restarted(tmp_path, 1.0)["F55"]
    assert one.sentence.startswith(
        "From step 20 on 4 ranks train in place of 2: a global batch of 32 images in place of 16"
    )
    assert (one.value, one.severity) == (2.0, "note")


def test_a_batch_that_grew_with_its_rate(tmp_path: Path) -> None:
    assert not restarted(tmp_path, 1.4)


def forked(base: Path, **changes: Any) -> dict[str, Diagnosis]:
    WrittenRun(base, "parent").close()
    child = WrittenRun(base, "child", msgspec.structs.replace(PLAIN, **changes), parent={"run": "parent", "step": 0})
    child.step(5)
    child.close()
    return examined(child)


def test_a_batch_that_grew_in_a_fork(tmp_path: Path) -> None:
    one = forked(tmp_path, batch_size=256)["F55"]
    # Adam: by the square root of 4 twice the rate of 2e-3
    assert one.sentence == (
        "The run that this one was forked from had 64 images a step, this one has 256, at the same rate (0.002). "
        "By the square root rule 0.004 fits."
    )


@pytest.mark.parametrize("changes", [{"batch_size": 256, "lr": 4e-3}, {"batch_size": 64}, {"batch_size": 32}])
def test_forks_without_that_fault(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert not forked(tmp_path, **changes)
