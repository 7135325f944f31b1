"""Predict image files with a trained model: `python -m cvtui.engine --predict` (see runlog/predictions.py)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO

import msgspec
import numpy as np
from torch import Tensor

from cvtui.engine.infer.files import Batch, FileReader
from cvtui.engine.infer.opened import open_model
from cvtui.engine.infer.trained import TrainedModel
from cvtui.engine.runtime.stdout_records import tell_records
from cvtui.metrics.calibration import probabilities
from cvtui.runlog.predictions import Ask, Loaded, Predicted, Told, Unread
from cvtui.text import encodable, rounded_share

PIECE = 1 << 16


def answer_stdin() -> int:
    """Answer what stdin asks, on stdout; return the exit code: 0, or 2 with the reason on stderr."""

    def records(_: IO[bytes]) -> Iterator[Told]:
        first, rest = _first_line(sys.stdin.buffer)
        ask = msgspec.json.decode(first, type=Ask)
        model = open_model(Path(ask.model), ask.checkpoint, ask.device)
        yield loaded(model)
        yield from answers(model, ask, _names(sys.stdin.buffer, rest))

    return tell_records(records)


def _first_line(file: IO[bytes]) -> tuple[bytes, bytes]:
    data = b""
    while b"\n" not in data and (piece := os.read(file.fileno(), PIECE)):
        data += piece
    line, _, rest = data.partition(b"\n")
    return line, rest


def _names(file: IO[bytes], rest: bytes) -> Iterator[str]:
    """Yield paths as they come, each up to its zero byte."""
    while True:
        *names, rest = rest.split(b"\0")
        yield from map(os.fsdecode, names)
        piece = os.read(file.fileno(), PIECE)
        if not piece:
            return
        rest += piece


def loaded(model: TrainedModel) -> Loaded:
    return Loaded(
        checkpoint=model.checkpoint, classes=list(model.classes), size=list(model.size), step=model.step,
        epoch=model.epoch, ema=model.ema, temperature=model.temperature, notes=list(model.notes),
        several=model.several,
    )  # fmt: skip


def answers(model: TrainedModel, ask: Ask, paths: Iterator[str]) -> Iterator[Predicted | Unread]:
    """Yield one answer for each image, in their order."""
    reader = FileReader(model)
    if ask.one_by_one:
        for number, path in enumerate(paths):
            for batch in reader.batches([path], 1):
                yield from _answers(model, ask.top, batch, [path], number)
        return
    seen: dict[int, str] = {}
    for batch in reader.batches(_noted(paths, seen), model.batch_size):
        numbers = sorted(chain(batch.numbers, (number for number, _ in batch.unread)))
        names = [seen.pop(number) for number in numbers]
        yield from _answers(model, ask.top, batch, names, numbers[0])


def _noted(paths: Iterator[str], seen: dict[int, str]) -> Iterator[str]:
    """Remember the paths that are under way, and no more of them."""
    for number, path in enumerate(paths):
        seen[number] = path
        yield path


def _answers(model: TrainedModel, top: int, batch: Batch, names: list[str], first: int) -> list[Predicted | Unread]:
    """Return the answers of a batch; `first`: number of its first image, where the batch counts from 0."""
    shift = first - min(chain(batch.numbers, (number for number, _ in batch.unread)))
    found: list[Predicted | Unread] = [
        Unread(image=encodable(names[number + shift - first]), number=number + shift, why=why)
        for number, why in batch.unread
    ]
    if batch.pixels is not None:
        logits = model.logits(batch.pixels)
        for number, row, members in zip(batch.numbers, likeliest(model, logits, top), sets(model, logits), strict=True):
            name = encodable(names[number + shift - first])
            found.append(Predicted(image=name, number=number + shift, top=row, classes=members))
    return sorted(found, key=lambda one: one.number)


def likeliest(model: TrainedModel, logits: Tensor, top: int) -> list[list[tuple[str, float | None]]]:
    """Return the likeliest classes of each image, with their probabilities."""
    values = logits.float().cpu().numpy()
    shares = probabilities(values, model.temperature, yes_no=model.yes_no)
    order = np.argsort(-values, axis=1, kind="stable")[:, : max(1, top)]
    return [
        [(model.classes[place], rounded_share(float(row[place]), 9)) for place in places]
        for row, places in zip(shares, order.tolist(), strict=True)
    ]


def sets(model: TrainedModel, logits: Tensor) -> list[list[str] | None]:
    """Return the classes that each image is in, in their order; None where it is in one."""
    if not model.several:
        return [None] * len(logits)
    return [[model.classes[place] for place in row.nonzero().flatten().tolist()] for row in logits > 0]
