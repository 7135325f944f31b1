"""Metadata of an exported model: what a program must know to use it, as strings of JSON.

The same in safetensors (`metadata`), ONNX (`metadata_props`), .pt2 and TorchScript (the extra file `cvtui.json`): one
entry a field of `ModelMetadata`, its value as JSON. docs/export.md says what each means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cvtui import door
from cvtui.errors import RequestError
from cvtui.runlog.folder import RunFolder

CALIBRATION = "calibration.json"
"""In a run folder: {"temperature", "checkpoint"}."""
EXTRA_FILE = "cvtui.json"


class ModelMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What an exported model takes, does and gives."""

    cvtui: str
    """Version that wrote it."""
    net: str
    classes: list[str]
    """In the order of the outputs."""
    size: list[int]
    """[H, W, C] of an image; [features] of points."""
    unit: float
    """Value of a white pixel before preprocessing: 255 (uint8), 65535 (uint16) or 1 (float32)."""
    preprocess: dict[str, Any]
    """{"name", "scale", "shift"}: x · scale + shift per channel, then what `name` says (see Preprocess.state)."""
    mean: list[float]
    """Per channel, of pixels in 0..1: (x / unit − mean) / std is the same as scale and shift."""
    std: list[float]
    with_preprocess: bool = False
    """The file takes pixels N x H x W x C and gives probabilities, else preprocessed N x C x H x W and logits."""
    temperature: float = 1.0
    """Probabilities are softmax(logits / temperature), or its sigmoid."""
    activation: str = "softmax"
    """What makes probabilities of logits: softmax (one class an image) or sigmoid (a yes or no for each class)."""
    several: bool = False
    """Images are in any number of classes: those with a probability above 1/2."""
    depth: tuple[float, float, bool] | None = None
    """Of image files with more than 8 bits a value: (black, white, kept as bytes); null: none was trained on."""
    checkpoint: str = ""
    step: int = 0
    epoch: int = 0
    ema: bool = False
    """The weights are the running mean."""
    recipe: dict[str, Any] = {}
    left: list[str] = []
    """Names of what the net's code keeps beside tensors, which are no part of the file (safetensors alone)."""


def encode(about: ModelMetadata) -> dict[str, str]:
    """Return the entries for the file."""
    return {key: msgspec.json.encode(value).decode() for key, value in msgspec.to_builtins(about).items()}


def told_left(about: ModelMetadata) -> str:
    """Say in a line what the net's code keeps and the file does not hold; "" where nothing."""
    if not about.left:
        return ""
    names = ", ".join(about.left[:4]) + (f" and {len(about.left) - 4:,} more" if len(about.left) > 4 else "")
    return f"not in the file, since no state dict holds it: {names}; answers without it may be others than the run's"


def decode(entries: Mapping[str, str]) -> ModelMetadata:
    """Read the entries of a file. RequestError where they are not ours."""
    found = {}
    for field in ModelMetadata.__struct_fields__:
        if field in entries:
            try:
                found[field] = msgspec.json.decode(entries[field])
            except msgspec.DecodeError:
                raise RequestError(f"its metadata {field!r} is not JSON") from None
    try:
        return msgspec.convert(found, ModelMetadata)
    except msgspec.ValidationError as error:
        raise RequestError(f"it has no metadata of cvtui ({error})") from None


def mean_and_std(scale: list[float], shift: list[float], unit: float) -> tuple[list[float], list[float]]:
    """Return mean and std of 0..1 pixels that do the same as x · scale + shift; x is 0..unit."""
    return [-b / (a * unit) for a, b in zip(scale, shift, strict=True)], [1 / (a * unit) for a in scale]


def temperature_of(folder: RunFolder, checkpoint: str, step: int | None = None) -> float:
    """Return the temperature that this checkpoint was calibrated with; 1 without.

    step: of the checkpoint, where it is known: best.pt may have become another since.
    """
    try:
        found = msgspec.json.decode(door.read(folder.path / CALIBRATION))
        same = found["checkpoint"] == checkpoint and (step is None or found.get("step", step) == step)
        temperature = float(found["temperature"])
    except (OSError, msgspec.MsgspecError, ValueError, KeyError, TypeError):
        return 1.0
    return temperature if same and 0 < temperature < float("inf") else 1.0
