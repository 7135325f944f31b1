"""Export a run's weights as safetensors, which other programs can load without trusting the file."""

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
    """Write the weights of one checkpoint (see `checkpoint_file`); return its name and the number of tensors.

    Whole or not at all. RequestError when the checkpoint is damaged; OSError when the disk refuses. Tensors are
    contiguous, named as in the state dict; the metadata hold, as JSON, recipe, classes, step, epoch and the
    preprocessing (its tensors, of zca, are `preprocess.mean` and `preprocess.matrix`).
    """
    from safetensors.torch import save

    source = checkpoint_file(folder, name)
    try:
        state = checkpoint.load(source)
    except checkpoint.Damaged as error:
        raise RequestError(f"{source.name} is damaged: {error}", hint="--checkpoint NAME takes another") from None
    tensors = {key: value.contiguous() for key, value in checkpoint.eval_weights(state).items()}
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
