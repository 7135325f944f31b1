"""A run's numbers as CSV: steps.csv, epochs.csv, layers.csv, and scalars.csv of a loop with numbers of its own."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import msgspec
import numpy as np

from cvtui.export.whole_file import written
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.nonfinite import nonfinite_steps, word
from cvtui.runlog.own_scalars import Scalars, cells_of
from cvtui.runlog.record_limits import BROKEN
from cvtui.runlog.tail import Tail

STEP_COLUMNS = ("loss", "accuracy", "lr", "grad_norm", "seconds")
EPOCH_COLUMNS = (
    "epoch", "step", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds", "images_per_second",
)  # fmt: skip
LAYER_COLUMNS = (
    "name", "kind", "mean", "std", "min", "max", "zeros", "saturated", "dead", "grad_norm", "weight_norm",
    "update_ratio",
)  # fmt: skip

_SCALARS = b'{"type":"scalars",'
_scalars = msgspec.json.Decoder(Scalars)


def write_csv(history: History, folder: Path) -> list[Path]:
    """Write the three tables, and the loop's own scalars where there are some; return their paths.

    Empty cells are values that are missing; what is there and not finite is `nan`, `inf` or `-inf`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "steps.csv", folder / "epochs.csv", folder / "layers.csv"]
    series, told = history.steps, nonfinite_steps(history.folder)
    with _table(paths[0]) as file:
        writer = csv.writer(file)
        writer.writerow(("step", *STEP_COLUMNS))
        columns = [(series.column(name), told.get(name, {})) for name in STEP_COLUMNS]
        for index, step in enumerate(map(int, series.step)):
            writer.writerow((step, *(_cell(float(column[index]), word(said.get(step))) for column, said in columns)))
    with _table(paths[1]) as file:
        writer = csv.writer(file)
        writer.writerow(EPOCH_COLUMNS)
        for epoch in history.epochs:
            writer.writerow([_cell(getattr(epoch, name), epoch.not_finite.get(name, "")) for name in EPOCH_COLUMNS])
    with _table(paths[2]) as file:
        writer = csv.writer(file)
        writer.writerow(("step", *LAYER_COLUMNS))
        for step in history.layer_steps:
            sample = history.layers_at(int(step))
            for layer in sample.layers if sample is not None else ():
                cells = (_cell(getattr(layer, name), layer.not_finite.get(name, "")) for name in LAYER_COLUMNS)
                writer.writerow((int(step), *cells))
    if history.scalars.names:
        paths.append(folder / "scalars.csv")
        _write_scalars(history.folder, paths[-1])
    return paths


@contextmanager
def _table(path: Path) -> Iterator[TextIO]:
    with written(path) as place, place.open("w", newline="", encoding="utf-8") as file:
        yield file


def _write_scalars(run: RunFolder, path: Path) -> None:
    """Write all values in the order of the log, which holds more of a long run than a reader does."""
    with _table(path) as file:
        writer = csv.writer(file)
        writer.writerow(("name", "step", "value"))
        for _, line in Tail(run.events).lines():
            if not line.startswith(_SCALARS):
                continue
            try:
                record = _scalars.decode(line)
            except BROKEN:
                continue
            writer.writerows(cells_of(record))


def _cell(value: float | int | str | None, said: str) -> float | int | str:
    """`said`: what the log says of a value that is not finite."""
    missing = value is None or (isinstance(value, float) and not np.isfinite(value))
    return said if value is None or missing else value
