"""A run as TensorBoard events, through the tensorboard package (an optional extra)."""

from __future__ import annotations

import math
import threading
from pathlib import Path

from cvtui.errors import RequestError
from cvtui.runlog.history import History
from cvtui.runlog.nonfinite import WORDS, nonfinite_steps

TAGS = {"loss": "loss/train", "accuracy": "accuracy/train", "lr": "lr", "grad_norm": "grad_norm"}


def write_tensorboard(history: History, folder: Path) -> int:
    """Write scalars of every step and epoch, with their wall time; return how many.

    NaN and infinities stay; what is missing is left out. RequestError without tensorboard.
    """
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError:
        raise RequestError(
            "--tensorboard: the package tensorboard is not installed", hint="pip install 'cvtui[tensorboard]'"
        ) from None

    folder.mkdir(parents=True, exist_ok=True)
    writer = EventFileWriter(str(folder))
    began = history.run.time if history.run is not None else 0.0
    count = 0

    def add(tag: str, value: float | None, step: int, wall: float) -> None:
        nonlocal count
        if value is None:
            return
        writer.add_event(
            Event(wall_time=wall, step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)]))
        )
        count += 1

    try:
        steps, told = history.steps, nonfinite_steps(history.folder)
        for name, tag in TAGS.items():
            column = steps.column(name)
            said = told.get(name, {})
            for index, step in enumerate(map(int, steps.step)):
                value = float(column[index])
                seconds = float(steps.seconds[index])
                wall = began + (seconds if math.isfinite(seconds) else 0.0)
                add(tag, value if math.isfinite(value) else said.get(step), step, wall)
        for epoch in history.epochs:
            loss = epoch.val_loss if epoch.val_loss is not None else WORDS.get(epoch.not_finite.get("val_loss", ""))
            add("loss/validation", loss, epoch.step, epoch.time)
            add("accuracy/validation", epoch.val_accuracy, epoch.step, epoch.time)
    finally:
        hook, threading.excepthook = threading.excepthook, lambda _: None  # its thread's error is raised here as well
        try:
            writer.close()
        finally:
            threading.excepthook = hook
    return count
