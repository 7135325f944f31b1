"""Small real runs for the tests of this room."""

from __future__ import annotations

from pathlib import Path

from cvtui.runlog.events import (
    CheckpointSaved,
    CommandApplied,
    EpochDone,
    Finding,
    Histogram,
    Layer,
    LayersSampled,
    LayerStats,
    Log,
    PictureSaved,
    RunEnded,
    RunStarted,
    Steps,
)
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.writer import EventWriter

RECIPE = 'data = "digits"\nnet = "fc"\nepochs = 3\n'


def make_folder(base: Path, name: str = "run") -> RunFolder:
    return RunFolder.create(base, name, RECIPE)


def started(**changes: object) -> RunStarted:
    fields: dict = {
        "time": 1000.0,
        "recipe": {"data": "digits", "net": "fc", "epochs": 3},
        "layers": [Layer(name="fc1", expression="fc", output=[10], parameters=650, macs=640, watched=True)],
        "parameters": 650,
        "steps_per_epoch": 20,
        "total_steps": 60,
        "device": "cpu",
        "threads": 1,
        "libraries": {},
        "data": {},
    }
    return RunStarted(**(fields | changes))


def sampled(step: int, mean: float = 0.5) -> LayersSampled:
    stats = LayerStats(
        name="fc1",
        kind="fc",
        mean=mean,
        std=1.0,
        min=-2.0,
        max=2.0,
        zeros=0.0,
        histogram=Histogram(-2.0, 2.0, [1] * 32),
    )
    return LayersSampled(step=step, layers=[stats])


def epoch_done(epoch: int, step: int, val_accuracy: float | None = 0.9) -> EpochDone:
    return EpochDone(
        epoch=epoch,
        step=step,
        time=1000.0 + step,
        train_loss=1.0 / epoch,
        train_accuracy=0.8,
        val_loss=2.0 / epoch,
        val_accuracy=val_accuracy,
        seconds=step * 0.01,
        images_per_second=1000.0,
    )


def write_steps(writer: EventWriter, first: int, end: int, loss: float = 1.0) -> None:
    """Write the steps `first` to `end` - 1 in records of at most 1,000, as the engine writes them."""
    for start in range(first, end, 1000):
        steps = range(start, min(start + 1000, end))
        writer.write(
            Steps(
                first=start,
                loss=[loss + step for step in steps],
                lr=[0.1] * len(steps),
                accuracy=[0.5] * len(steps),
                grad_norm=[2.0] * len(steps),
                seconds=[step * 0.01 for step in steps],
            )
        )


def write_run(folder: RunFolder, *, end: bool = True) -> None:
    """60 steps in 3 epochs, with one record of each type."""
    with EventWriter(folder) as writer:
        writer.write(started())
        for epoch in (1, 2, 3):
            for step in range(epoch * 20 - 20, epoch * 20):
                write_steps(writer, step, step + 1)
                if step % 10 == 0:
                    writer.write(sampled(step, mean=float(step)))
            writer.write(epoch_done(epoch, epoch * 20, val_accuracy=[0.5, 0.9, 0.8][epoch - 1]))
        writer.write(CommandApplied(step=60, time=1.0, command="set_lr", value=0.01, words="rate 0.1 → 0.01"))
        writer.write(Finding(step=60, id="F01", severity="note", sentence="all is well"))
        writer.write(CheckpointSaved(step=60, epoch=3, path="checkpoints/last.pt", reason="last"))
        writer.write(PictureSaved(step=60, name="filters", path="pictures/filters.png"))
        writer.write(Log(time=1.0, text="a line"))
        if end:
            writer.write(RunEnded(time=1060.0, step=60, status="finished"))
