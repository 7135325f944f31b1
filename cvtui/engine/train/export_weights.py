"""A run's weights as safetensors: plain tensors that other programs can load without trusting the file."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from torch import Tensor

from cvtui.engine.train import checkpoint
from cvtui.errors import RequestError
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import checkpoint_file


def write_safetensors(folder: RunFolder, path: Path, name: str = "") -> tuple[str, int]:
    """Writes the weights of one checkpoint (`checkpoint_file`) to `path`, whole or not at all. Its name and the
    number of tensors. RequestError when it is damaged; OSError when the disk refuses.

    Tensors are contiguous, named as in the state dict; the metadata hold, as JSON, recipe, classes, step, epoch and
    what is done to the pixels (its tensors, of zca, are `preprocess.mean` and `preprocess.matrix`).
    """
    from safetensors.torch import save

    source = checkpoint_file(folder, name)
    try:
        state = checkpoint.load(source)
    except checkpoint.Damaged as error:
        raise RequestError(f"{source.name} is damaged: {error}", hint="--checkpoint NAME takes another") from None
    tensors = {key: value.contiguous() for key, value in checkpoint.judged(state).items()}
    plain = {key: state[key] for key in ("recipe", "classes", "step", "epoch")}
    plain["preprocess"] = {}
    for key, value in state["preprocess"].items():
        if isinstance(value, Tensor):
            tensors[f"preprocess.{key}"] = value.contiguous()
        else:
            plain["preprocess"][key] = value
    metadata = {key: msgspec.json.encode(value).decode() for key, value in plain.items()}
    data = save(tensors, {"format": "pt", **metadata})
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return source.name, len(tensors)
