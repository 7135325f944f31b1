"""Which program wrote a table: told by the names of its columns and of its file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple


class Kind(NamedTuple):
    """One program's table."""

    words: str
    file: str
    """Pattern of the file's name."""
    columns: frozenset[str]
    """Columns that are all there."""


ULTRALYTICS = "Ultralytics' results.csv"
CLEARML = "a ClearML offline run"
FASTAI = "fastai's CSVLogger"
VALIDATION = {ULTRALYTICS: "metrics/", FASTAI: "accuracy"}
"""Beginnings of columns that are of the validation without saying so."""


def _kind(words: str, file: str, *columns: str) -> Kind:
    return Kind(words, file, frozenset(columns))


KINDS = (
    _kind("Lightning's metrics.csv", r"metrics\.csv", "epoch", "step"),
    _kind(ULTRALYTICS, r"results\.csv", "epoch", "train/loss"),
    _kind(ULTRALYTICS, r"results\.csv", "epoch", "train/box_loss"),
    _kind(ULTRALYTICS, r"results\.csv", "metrics/accuracy_top1"),
    _kind(ULTRALYTICS, r"results\.csv", "metrics/mAP50(B)"),
    _kind("timm's summary.csv", r"summary\.csv", "epoch", "train_loss", "eval_loss"),
    _kind(FASTAI, r".*", "epoch", "train_loss", "valid_loss", "time"),
    _kind("detectron2's metrics.json", r"metrics\.json", "iteration", "total_loss"),
    _kind("mmengine's scalars", r"scalars\.json|\d{8}_\d{6}\.json", "step", "data_time"),
    _kind("MMCV's log", r".*\.log\.json", "iter", "epoch"),
    _kind("skorch's history", r".*", "epoch", "train_loss", "dur"),
)


def kind_of(file: str, columns: Iterable[str], otherwise: str) -> str:
    """Return the words for the program that writes such columns to a file of that name."""
    names = set(columns)
    return next((one.words for one in KINDS if one.columns <= names and re.fullmatch(one.file, file)), otherwise)
