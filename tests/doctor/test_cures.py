"""A cure is offered only where the benchmark shows that it helps, and by how much is said."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cvtui.cli.output.findings import finding_lines
from cvtui.doctor import Doctor, catalogue
from cvtui.doctor.catalogue import OFFERED
from cvtui.doctor.cures import CURES, Tried, key, tried
from cvtui.runlog.events import Record, WeightFact
from tests.benchmarks.doctor import cures
from tests.benchmarks.doctor.cases import Case
from tests.benchmarks.doctor.judging import Verdict
from tests.doctor.making import facts, learning, modules, sample, started, story


def roots(records: list[Record], every_cure: bool = False) -> list[tuple[str, dict[str, object], str]]:
    doctor = Doctor(every_cure=every_cure)
    for record in records:
        doctor.take(record)
    return [(one.id, one.cure, one.tried) for one in doctor.update()]


def too_high(lr: float = 2.0, got_over: bool = False) -> list[Record]:
    return story(
        run=started(own=False, lr=lr),
        loss=lambda step: learning(step) if got_over and step > 40 else 2.3 + 0.5 * step,
        rate=lambda _: lr,
        look=lambda step: sample(step, update_ratio=0.005 if got_over and step > 40 else 0.4),
    )


def test_the_file_is_of_the_catalogue_and_its_numbers_can_be() -> None:
    assert set(CURES) <= set(catalogue)
    for ways in CURES.values():
        for one in ways.values():
            assert 0 <= one.better <= one.runs
            assert -1 <= one.worst <= one.gain <= 1


def test_the_limits_are_what_decides() -> None:
    assert Tried(runs=12, better=12, gain=0.4, worst=0.1).helps
    assert not Tried(runs=12, better=5, gain=-0.01, worst=-0.2).helps, "batch norm's larger batch, as it was measured"
    assert not Tried(runs=12, better=12, gain=OFFERED["gain"] / 2, worst=0.0).helps
    assert not Tried(runs=2, better=2, gain=0.4, worst=0.1).helps


def test_a_cure_that_helps_is_offered_with_how_much() -> None:
    (name, cure, words), *_ = roots(too_high())
    known = tried("F01", cure)
    assert known is not None
    assert (name, words) == ("F01", known.words)
    doctor = Doctor()
    for record in too_high():
        doctor.take(record)
    told = "".join(str(getattr(line, "renderable", line)) for line in finding_lines(doctor.update()[0]))
    assert words in told


def test_a_larger_batch_for_batch_norm_is_no_cure() -> None:
    records = story(
        run=started(own=False, batch_size=2),
        known=facts(batch_size=2, batch_sizes=[2] * 10, modules=modules("Conv2d", "BatchNorm2d", "ReLU", "Linear")),
    )
    assert [(name, cure) for name, cure, _ in roots(records) if name == "F22"] == [("F22", {})]
    assert next(cure for name, cure, _ in roots(records, every_cure=True) if name == "F22"), "the benchmark tries it"


@pytest.mark.parametrize(
    ("frozen", "count", "thaws", "told"),
    [(["1.weight", "1.bias"], 2, 0, False), (["0.weight"], 3, 0, False), (["0.weight"], 1, 0, True),
     (["1.weight", "1.bias"], 2, 5, True)],
)  # fmt: skip
def test_batch_norm_that_keeps_its_statistics_takes_no_means_of_a_batch(
    frozen: list[str], count: int, thaws: int, told: bool
) -> None:
    layers = [
        msgspec.structs.replace(one, name=str(place)) for place, one in enumerate(modules("Conv2d", "BatchNorm2d"))
    ]
    for size, train in ((2, 1437), (4 * 359, 1437)):
        records = story(
            run=started(own=False, batch_size=size, unfreeze_at=thaws),
            known=facts(batch_size=size, train=train, modules=layers, frozen=frozen, frozen_count=count),
        )
        assert ("F22" in [name for name, _, _ in roots(records)]) == told


@pytest.mark.parametrize("freeze", ["", "all-but-head"])
def test_other_first_weights_are_no_cure_of_layers_that_are_not_trained(freeze: str) -> None:
    run = started(own=False, init="normal(0.01)", net="[fc50-relu]*6-fc", freeze=freeze)
    spread = {f"relu{place}": 0.1**place for place in range(1, 7)}
    run = msgspec.structs.replace(run, prediction={"activation_std": spread})
    cures = {name: bool(cure) for name, cure, _ in roots(story(run=run, loss=lambda _: 2.3)) if name == "L02"}
    assert cures == {"L02": not freeze}


def test_what_is_past_needs_no_cure() -> None:
    found = roots(too_high(got_over=True), every_cure=True)
    assert [cure for name, cure, _ in found if name in ("F01", "F31")] == [{}]


def test_what_the_recipe_says_already_is_no_cure() -> None:
    same = [WeightFact(name=f"{name}.weight", layer=name, fan_in=64, mean=0.0, std=0.0) for name in "abc"]
    ill = facts(weights=same)
    stuck: dict[str, Any] = {"known": ill, "loss": lambda _: 2.3, "accuracy": lambda _: 0.1, "epochs": ()}
    told = {init: roots(story(run=started(own=False, init=init), **stuck)) for init in ("zeros", "he")}
    assert [cure for name, cure, _ in told["zeros"] if name == "F08"] == [{"init": "he"}]
    assert [cure for name, cure, _ in told["he"] if name == "F08"] == [{}]


def test_one_rate_has_one_key() -> None:
    assert key({"lr": 0.1, "scale_lr": 0}) == key({"lr": 1.0}) == "lr"
    assert key({"warmup": "20", "lr": 0.1}) == "lr+warmup"


def test_the_benchmark_counts_gains_by_diagnosis_and_fields() -> None:
    case = Case(name="a", fault="F31", kind="recipe", strength="", net="mlp", data="digits", seed=1)

    def verdict(by: str, before: float, after: float) -> Verdict:
        return Verdict(case=case, steps=1, said=[], accuracy=before, cure={"lr": 0.1}, cured_by=by, cured=after)

    found = cures.summary([verdict("F01", 0.1, 0.9), verdict("F01", 0.5, 0.4), verdict("F31", 0.2, 0.2)])
    assert found == {
        "F01": {"lr": {"runs": 2, "better": 1, "gain": 0.35, "worst": -0.1}},
        "F31": {"lr": {"runs": 1, "better": 0, "gain": 0.0, "worst": 0.0}},
    }
