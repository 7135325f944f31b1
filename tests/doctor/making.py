"""Runs that never were: their records, as a trainer would have written them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cvtui.doctor import Diagnosis, Doctor
from cvtui.runlog.events import (
    EpochDone,
    Facts,
    LayersSampled,
    LayerStats,
    ModuleFact,
    Record,
    RunEnded,
    RunStarted,
    Steps,
    WeightFact,
)

STEPS = 300
NET = "conv8-relu-pool-fc32-relu-fc"
LAYERS = [("conv1", "conv"), ("relu1", "relu"), ("fc1", "fc"), ("relu2", "relu"), ("fc2", "fc")]


def learning(step: int) -> float:
    """Return the loss of a run that learns: from ln 10 to about 0.2."""
    return 0.2 + (math.log(10) - 0.2) * math.exp(-step / 60)


def facts(**changes: Any) -> Facts:
    """Of a sound data set, net and loop."""
    known: dict[str, Any] = {
        "train": 1000,
        "validation": 200,
        "classes": 10,
        "label_counts": [100] * 10,
        "label_range": [0, 9],
        "batch_size": 64,
        "batch_classes": [10] * 10,
        "batch_sizes": [64] * 10,
        "bad_count": 0,
        "overlap": 0,
        "neighbours_train": 0.9,
        "neighbours_validation": 0.91,
        "neighbours_chance": 0.1,
        "neighbours_count": 200,
        "input_dtype": "float32",
        "input_shape": [1, 8, 8],
        "input_mean": 0.0,
        "input_std": 1.0,
        "input_min": -0.8,
        "input_max": 1.8,
        "validation_mean": 0.01,
        "validation_std": 1.0,
        "modules": modules("Conv2d", "ReLU", "MaxPool2d", "Linear", "ReLU", "Linear"),
        "weights": [WeightFact(name=f"{name}.weight", layer=name, fan_in=64, mean=0.0, std=0.17) for name in "abc"],
        "outputs": 10,
        "rows_sum_to_one": False,
        "first_loss": math.log(10),
        "cross_entropy": math.log(10),
        "doubled": 2.29,
        "optimizer": "sgd",
        "momentum": 0.9,
        "weight_decay": 0.0,
        "parameters": 6,
        "foreign": 0,
        "training_mode": True,
        "validation_mode": False,
    }
    return Facts(**(known | changes))


def modules(*kinds: str, **options: float) -> list[ModuleFact]:
    """One module of each kind, in order; the options go to all of them."""
    return [ModuleFact(name=f"{kind.lower()}{place}", kind=kind, options=options) for place, kind in enumerate(kinds)]


def started(own: bool = True, **recipe: Any) -> RunStarted:
    """own: recorded by cvtui.watch, without a recipe."""
    fields: dict[str, Any] = {"data": "your own", "net": "Net", "optimizer": "sgd", "lr": 0.05}
    if not own:
        fields = {"data": "digits", "net": NET, "optimizer": "momentum", "lr": 0.05, "momentum": 0.9, "batch_size": 64}
        fields |= {"loss": "cross-entropy", "init": "he", "weight_decay": 0.0, "warmup": "0"}
    return RunStarted(
        time=0.0,
        recipe=fields | recipe,
        layers=[],
        parameters=1000,
        steps_per_epoch=30,
        total_steps=STEPS,
        device="cpu",
        threads=1,
        libraries={},
        data={"classes": [str(n) for n in range(10)], "train": 1000, "validation": 200, "input": [8, 8, 1]},
    )


def sample(step: int, answers: float | None = 2.2, **changes: Any) -> LayersSampled:
    """Make a sample of all layers.

    `update_ratio=…` changes it in each layer that has one, `fc1={…}` one layer's numbers.
    """
    rows = []
    for name, kind in LAYERS:
        numbers: dict[str, Any] = {"mean": 0.0, "std": 1.0, "min": -3.0, "max": 3.0, "zeros": 0.0}
        if kind == "relu":
            numbers |= {"zeros": 0.5, "dead": 0.0}
        else:
            numbers |= {"update_ratio": 5e-3, "grad_norm": 0.5, "weight_norm": 3.0, "grad_zeros": 0.0}
        numbers |= {key: value for key, value in changes.items() if key in numbers}
        own = changes.get(name, {})
        rows.append(
            LayerStats(
                name=name, kind=own.get("kind", kind), **(numbers | {k: v for k, v in own.items() if k != "kind"})
            )
        )
    return LayersSampled(step=step, layers=rows, answers=answers)


def epoch(number: int, train: float, val: float, train_loss: float = 0.5, val_loss: float = 0.6) -> EpochDone:
    return EpochDone(
        epoch=number,
        step=30 * number,
        time=0.0,
        train_loss=train_loss,
        train_accuracy=train,
        val_loss=val_loss,
        val_accuracy=val,
        seconds=1.0,
        images_per_second=1.0,
    )


def story(
    *,
    run: RunStarted | None = None,
    known: Facts | None = None,
    loss: Callable[[int], float | None] = learning,
    grad: Callable[[int], float | None] = lambda step: 1.0 + 0.3 * math.sin(step),
    rate: Callable[[int], float] = lambda _: 0.05,
    accuracy: Callable[[int], float] = lambda _: 0.6,
    look: Callable[[int], LayersSampled] = sample,
    epochs: tuple[EpochDone, ...] | None = None,
    steps: int = STEPS,
    ended: bool = True,
) -> list[Record]:
    """Make the records of a run of so many steps; what is not given is that of a healthy run."""
    records: list[Record] = [run or started(), known or facts()]
    due = list(epochs if epochs is not None else tuple(epoch(n, 0.8, 0.79) for n in range(1, 11)))
    for first in range(0, steps, 10):
        records.append(look(first))
        places = range(first, min(first + 10, steps))
        records.append(
            Steps(
                first=first,
                loss=[loss(step) for step in places],
                lr=[rate(step) for step in places],
                accuracy=[accuracy(step) for step in places],
                grad_norm=[grad(step) for step in places],
            )
        )
        while due and due[0].step <= first + 10:
            records.append(due.pop(0))
    if ended:
        records.append(RunEnded(time=1.0, step=steps, status="finished"))
    return records


def attended(records: list[Record]) -> Doctor:
    """Return a doctor who has read the records."""
    doctor = Doctor()
    for record in records:
        doctor.take(record)
    doctor.update()
    assert doctor.failed == {}
    return doctor


def found(records: list[Record]) -> dict[str, Diagnosis]:
    """Everything that the doctor found, by id."""
    return {one.id: one for one in attended(records).all}
