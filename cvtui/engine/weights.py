"""A run's weights as safetensors: plain tensors that other programs can load without trusting the file."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from torch import Tensor

from cvtui.engine import checkpoint
from cvtui.errors import RequestError, nearest
from cvtui.runlog.folder import RunFolder


def pick(folder: RunFolder, name: str = "") -> Path:
    """The checkpoint of that name (`last`, `epoch-0010.pt`), by default the best, else the last. RequestError."""
    there = sorted(path.name for path in folder.checkpoints.glob("*.pt"))
    if not there:
        raise RequestError(f"{folder.name!r} has no checkpoint", hint="one is saved after each epoch")
    wanted = [name.removesuffix(".pt") + ".pt"] if name else ["best.pt", "last.pt", there[-1]]
    for word in wanted:
        if word in there:
            return folder.checkpoints / word
    raise RequestError(
        f"--checkpoint: {name!r} is not there; {folder.name!r} has {', '.join(there)}{nearest(name, there)}"
    )


def write_safetensors(folder: RunFolder, path: Path, name: str = "") -> tuple[str, int]:
    """Writes the weights of one checkpoint (see `pick`) to `path`, whole or not at all. The checkpoint's name and the
    number of tensors. RequestError when it is damaged; OSError when the disk refuses.

    Tensors are contiguous, named as in the state dict; the metadata hold, as JSON, recipe, classes, step, epoch and
    what is done to the pixels (its tensors, of zca, are `preprocess.mean` and `preprocess.matrix`).
    """
    from safetensors.torch import save

    source = pick(folder, name)
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
