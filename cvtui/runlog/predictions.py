"""Predictions of a trained model, as its process tells them: one JSON line each.

It reads on stdin a line of `Ask`, then the paths of images, each ended by a zero byte (a file's name may hold anything
else), and tells `Loaded`, then one `Predicted` or `Unread` an image, in their order.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from cvtui.own_python import own_module
from cvtui.runlog.worker_process import worker_environment, worker_threads


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Which model is meant, and how it is asked."""

    model: str
    """A run's folder, a checkpoint's file, or an exported file."""
    checkpoint: str = ""
    """Name, or path, of a checkpoint; empty: the best."""
    device: str = ""
    """Empty: the recipe's."""
    top: int = 5
    one_by_one: bool = False
    """Answer each image as it comes; else in batches of the run's own evaluation."""


class Loaded(msgspec.Struct, tag_field="type", tag="loaded", frozen=True, kw_only=True):
    """The model that was read."""

    checkpoint: str
    """The file's name."""
    classes: list[str]
    size: list[int]
    """[H, W, C] of the images."""
    step: int = 0
    epoch: int = 0
    ema: bool = False
    """The weights are the running mean."""
    several: bool = False
    """Pictures are in any number of classes."""
    temperature: float = 1.0
    """Of the calibration, by which the probabilities were softened; 1 without one."""
    notes: list[str] = []


class Predicted(msgspec.Struct, tag_field="type", tag="predicted", frozen=True, kw_only=True):
    """What the model says of an image."""

    image: str
    number: int
    """Of the image, in the order in which they were asked for."""
    top: list[tuple[str, float | None]]
    """Classes with their probabilities, the likeliest first; null where the model gives no number."""
    classes: list[str] | None = None
    """Where pictures are in several classes: those with a probability above 1/2."""


class Unread(msgspec.Struct, tag_field="type", tag="unread", frozen=True, kw_only=True):
    """An image that can't be read, and why."""

    image: str
    number: int
    why: str


Told = Loaded | Predicted | Unread
decode = msgspec.json.Decoder(Told).decode
"""A line of the process's stdout. msgspec.MsgspecError for anything else."""
EXPORTED = (".safetensors", ".onnx")
"""Endings of the exported files that predict."""


def predict_command(threads: int = 0) -> tuple[list[str], dict[str, str]]:
    """Return command and environment of the process that predicts."""
    return own_module("cvtui.engine", "--predict"), worker_environment(worker_threads(threads))


def request(ask: Ask, paths: Iterable[str | Path] = ()) -> bytes:
    """Return what the process reads on stdin."""
    return msgspec.json.encode(ask) + b"\n" + b"".join(os.fsencode(path) + b"\0" for path in paths)
