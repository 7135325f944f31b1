"""Read a model that `cvtui export` wrote: safetensors (through its recipe's net) or ONNX (through onnxruntime)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor

from cvtui import door
from cvtui.engine.data.depth import Depth
from cvtui.engine.data.preprocess import Preprocess
from cvtui.engine.infer.trained import TrainedModel, with_weights
from cvtui.engine.infer.views import as_logits
from cvtui.errors import RequestError
from cvtui.recipe.datasets.image_folder import several_of
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.model_input import input_size, unit_of_old
from cvtui.runlog.model_metadata import ModelMetadata, decode, told_left
from cvtui.text import error_line

BATCH = 64
"""Images at once of an ONNX model, whose work is not counted."""
TENSORS = ("mean", "matrix")
"""Of the preprocessing zca: in safetensors they are tensors beside the weights."""


def open_exported(path: Path, device: str = "") -> TrainedModel:
    """Read the file by its ending. RequestError."""
    return _onnx(path) if path.suffix.lower() == ".onnx" else _safetensors(path, device)


def _safetensors(path: Path, device: str) -> TrainedModel:
    from safetensors.torch import load

    try:
        with door.opened_input(path) as file:
            data = file.read()
        tensors = load(data)
        entries = json_header(data)
    except OSError as error:
        raise RequestError(f"{str(path)!r} can't be read: {error.strerror}") from None
    except Exception as error:
        raise RequestError(f"{str(path)!r} is no whole safetensors file ({error_line(error)})") from None
    weights = {name: value for name, value in tensors.items() if not name.startswith("preprocess.")}
    about, recipe = _metadata(path, entries)
    preprocess = dict(about.preprocess)
    for name in TENSORS:
        if f"preprocess.{name}" in tensors:
            preprocess[name] = tensors[f"preprocess.{name}"]
    made = with_weights(recipe, tuple(about.size), tuple(about.classes), weights, preprocess, device, path.name)
    made.notes = (*made.notes, *filter(None, [told_left(about)]))
    return _with_facts(made, about)


def json_header(data: bytes) -> dict[str, str]:
    """Return the metadata of a safetensors file: 8 bytes of length, then JSON."""
    header = msgspec.json.decode(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return dict(header.get("__metadata__", {}))


def _metadata(path: Path, entries: dict[str, str]) -> tuple[ModelMetadata, Recipe]:
    """Decode the entries; what older versions left out follows from the recipe. RequestError."""
    try:
        recipe = msgspec.json.decode(entries["recipe"], type=Recipe)
    except (KeyError, msgspec.MsgspecError):
        raise RequestError(
            f"{str(path)!r} was not written by cvtui: its metadata have no recipe",
            hint="cvtui export RUN --safetensors FILE writes one",
        ) from None
    if "size" not in entries:
        entries = {**entries, "size": _json(list(input_size(recipe)))}
    if "unit" not in entries:
        entries = {**entries, "unit": _json(unit_of_old(recipe, None))}
    if "mean" not in entries:  # they say nothing that scale and shift don't
        entries = {**entries, "mean": "[]", "std": "[]"}
    activation = "sigmoid" if several_of(recipe) else "softmax"
    entries = {"cvtui": _json(""), "net": _json(recipe.net), "activation": _json(activation), **entries}
    try:
        return decode(entries), recipe
    except RequestError as error:
        raise RequestError(f"{str(path)!r}: {error.message}") from None


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _with_facts(made: TrainedModel, about: ModelMetadata) -> TrainedModel:
    made.unit, made.temperature, made.ema = about.unit, about.temperature, about.ema
    made.step, made.epoch = about.step, about.epoch
    made.yes_no, made.several = about.activation == "sigmoid", about.several
    made.depth = about.depth and Depth(*about.depth)
    return made


def _onnx(path: Path) -> TrainedModel:
    """Read an ONNX file: its metadata, and a session that computes it on the CPU."""
    try:
        import onnxruntime
    except ImportError:
        raise RequestError(
            f"{str(path)!r}: an ONNX model is computed by onnxruntime, which is not installed",
            hint="pip install 'cvtui[onnx]'",
        ) from None
    if not path.is_file():
        raise RequestError(f"{str(path)!r} does not exist")
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        entries = dict(session.get_modelmeta().custom_metadata_map)
    except Exception as error:
        raise RequestError(f"{str(path)!r} can't be read by onnxruntime ({error_line(error)})") from None
    if "classes" not in entries or "preprocess" not in entries:
        raise RequestError(
            f"{str(path)!r} was not written by cvtui: its metadata don't say its classes and preprocessing",
            hint="cvtui export RUN --onnx FILE writes one",
        )
    try:
        about = decode(entries)
        preprocess = Preprocess.of_state(_with_tensors(about.preprocess))
    except RequestError as error:
        raise RequestError(f"{str(path)!r}: {error.message}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError(f"{str(path)!r}: its preprocessing can't be read ({error})") from None
    if preprocess.name == "zca" and preprocess.zca is None and not about.with_preprocess:
        raise RequestError(f"{str(path)!r}: its metadata lack the matrix of zca",
                           hint="cvtui export RUN --onnx FILE --with-preprocess puts it into the graph")  # fmt: skip
    taken = session.get_inputs()[0]

    def logits(pixels: Tensor) -> Tensor:
        if about.with_preprocess:
            given = pixels.numpy() if "uint8" in taken.type else pixels.float().numpy()
            shares = torch.from_numpy(np.asarray(session.run(None, {taken.name: given})[0]))
            return as_logits(shares, yes_no=about.activation == "sigmoid")
        given = preprocess(pixels).float().contiguous().numpy()
        return torch.from_numpy(np.asarray(session.run(None, {taken.name: given})[0]))

    made = TrainedModel(
        logits=logits, classes=tuple(about.classes), size=tuple(about.size), unit=about.unit, depth=None,
        batch_size=BATCH, checkpoint=path.name,
    )  # fmt: skip
    made = _with_facts(made, about)
    made.temperature = 1.0 if about.with_preprocess else about.temperature
    return made


def _with_tensors(state: dict[str, Any]) -> dict[str, Any]:
    """Turn the lists of zca's mean and matrix into tensors."""
    return {name: torch.tensor(value) if name in TENSORS else value for name, value in state.items()}
