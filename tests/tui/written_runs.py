"""Run folders written by hand for the tests of the screen: the same records as the engine's, with made-up numbers."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import msgspec

from cvtui.calc import Row, expression
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.recipe.validation import check
from cvtui.runlog.events import (
    CheckpointSaved,
    CommandApplied,
    EpochDone,
    Histogram,
    Layer,
    LayersSampled,
    LayerStats,
    Log,
    RunEnded,
    RunStarted,
    Steps,
)
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.writer import EventWriter

START = 1_790_000_000.0
SECONDS_A_STEP = 0.01
PLAIN = Recipe(
    epochs=15,
    net="[(conv32-relu)*2-pool]*2-(fc128-relu)-fc",
    optimizer="adam",
    lr=2e-3,
    weight_decay=0.0,
    batch_size=64,
)
"""All that the tests count on is written out: they are not about what the default recipe is."""


class WrittenRun:
    """Run written step by step, so that a test can let it grow; `total` steps of `recipe`."""

    def __init__(self, base: Path, name: str = "digits-cnn", recipe: Recipe = PLAIN, **started: Any) -> None:
        self.folder = RunFolder.create(base, name, dumps(recipe))
        self.checked = check(recipe)
        self.recipe = self.checked.recipe
        self.per_epoch = self.checked.steps_per_epoch
        self.total = self.checked.total_steps
        self.done = 0
        self.scale = 1.0
        self._random = random.Random(1)
        self._writer = EventWriter(self.folder)
        rows = [row for row in self.checked.table.rows if isinstance(row, Row) and row.kind != "softmax"]
        self.layers = [
            Layer(
                name=row.name,
                expression=expression(row.node),
                output=list(row.output),
                parameters=row.parameters,
                macs=row.macs,
                watched=row.kind in ("conv", "fc", "relu", "tanh", "sigmoid"),
            )
            for row in rows
        ]
        self.write(self._started(**started))

    def _started(self, **changes: Any) -> RunStarted:
        classes = self.checked.data.classes
        fields: dict[str, Any] = {
            "time": START,
            "recipe": msgspec.to_builtins(self.recipe),
            "layers": self.layers,
            "parameters": self.checked.table.parameters,
            "steps_per_epoch": self.per_epoch,
            "total_steps": self.total,
            "device": "cpu",
            "threads": 3,
            "libraries": {"python": "3.11.0", "torch": "2.10.0"},
            "data": {
                "classes": list(classes),
                "train": self.checked.data.train,
                "validation": self.checked.data.validation,
                "input": list(self.checked.data.size),
            },
            "prediction": {
                "first_loss": math.log(len(classes)),
                "activation_std": {layer.name: 1.1 for layer in self.layers if layer.watched},
                "memory": 8_400_000,
            },
        }
        return RunStarted(**(fields | changes))

    def write(self, record: Any) -> None:
        self._writer.write(record)

    def loss_at(self, step: int) -> float:
        share = step / 60
        return 2.3 * math.exp(-share) + 0.04 + self._random.gauss(0, 0.12) * math.exp(-share / 2) ** 2 + 0.02

    def step(self, count: int = 1, loss: float | None = None) -> None:
        """`count` more steps, with layer statistics and epochs where they are due."""
        for _ in range(count):
            step = self.done
            value = abs(self.loss_at(step)) if loss is None else loss
            right = min(1.0, max(0.1, round((1 - value / 2.6) * 64) / 64)) if math.isfinite(value) else None
            self.write(
                Steps(
                    first=step,
                    loss=[value],
                    lr=[self.checked.schedule.lr_at(step) * self.scale],
                    accuracy=[right],
                    grad_norm=[value],
                    seconds=[(step + 1) * SECONDS_A_STEP],
                )
            )
            if step % 10 == 0:
                self.sample()
            self.done += 1
            if self.done % self.per_epoch == 0:
                self.epoch()

    def sample(self) -> None:
        self.write(
            LayersSampled(
                step=self.done,
                layers=[self._stats(number, layer) for number, layer in enumerate(self.layers) if layer.watched],
                watch_cost=0.018,
            )
        )

    def _stats(self, number: int, layer: Layer) -> LayerStats:
        kind = layer.name.rstrip("0123456789")
        std = 1.0 + 0.2 * math.sin(number) + self.done / 1000
        bell = [round(1000 * math.exp(-(((i - 16) / (4 + number % 3)) ** 2))) for i in range(32)]
        rectified = kind == "relu"
        weights = kind in ("conv", "fc")
        return LayerStats(
            name=layer.name,
            kind=kind,
            mean=0.4 * std if rectified else -0.02 * number,
            std=std,
            min=0.0 if rectified else -4.1,
            max=4.3 + number,
            zeros=0.5 + 0.02 * number if rectified else 0.0,
            dead=min(1.0, 0.05 * number) if rectified else None,
            histogram=Histogram(0.0, 4.3, [5000, *bell[17:], *[0] * 16]) if rectified else Histogram(-4.1, 4.3, bell),
            grad_norm=0.3 / (number + 1) if weights else None,
            weight_norm=10.0 if weights else None,
            update_ratio=1.3e-3 / (number + 1) if weights else None,
        )

    def epoch(self) -> None:
        number = self.done // self.per_epoch
        loss = 2.2 * math.exp(-number / 2.2) + 0.05
        self.write(
            EpochDone(
                epoch=number,
                step=self.done,
                time=START + self.done * SECONDS_A_STEP,
                train_loss=loss * 1.25,
                train_accuracy=1 - loss / 3,
                val_loss=loss,
                val_accuracy=1 - loss / 4,
                seconds=self.done * SECONDS_A_STEP,
                images_per_second=6400.0,
                best=True,
            )
        )
        for reason in ("last", "best"):
            self.write(
                CheckpointSaved(
                    step=self.done,
                    epoch=number,
                    path=f"checkpoints/{reason}.pt",
                    reason=reason,
                    val_accuracy=1 - loss / 4,
                )
            )

    def command(self, name: str, words: str, value: float | None = None) -> None:
        when = START + self.done * SECONDS_A_STEP
        self.write(CommandApplied(step=self.done, time=when, command=name, value=value, words=words))
        if name == "set_lr" and value is not None:
            self.scale = value / self.checked.schedule.lr_at(self.done)

    def log(self, text: str, level: str = "info") -> None:
        when = START + self.done * SECONDS_A_STEP
        self.write(Log(time=when, text=text, level=level))  # type: ignore[arg-type]

    def end(self, status: str = "finished", reason: str = "") -> None:
        when = START + self.done * SECONDS_A_STEP
        self.write(RunEnded(time=when, step=self.done, status=status, reason=reason))  # type: ignore[arg-type]
        self.close()

    def close(self) -> None:
        self._writer.close()


def finished_run(base: Path, name: str = "finished") -> RunFolder:
    """All 15 epochs on digits, with a pause and a change of rate on the way."""
    run = WrittenRun(base, name)
    run.log("digits: 1,437 training and 360 validation images")
    run.step(100)
    run.command("pause", "paused")
    run.command("resume", "resumed")
    run.step(60)
    run.command("set_lr", "rate 0.00116 → 0.000581", 0.000581)
    run.step(run.total - run.done)
    run.end()
    return run.folder
