"""Export a run's weights as safetensors, which other programs can load without trusting the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from torch import Tensor, contiguous_format

from cvtui._version import __version__
from cvtui.engine.train import checkpoint
from cvtui.errors import RequestError
from cvtui.export.whole_file import written
from cvtui.recipe.datasets.image_folder import several_of
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import checkpoint_file
from cvtui.runlog.model_input import input_size, unit_of_old
from cvtui.runlog.model_metadata import ModelMetadata, encode, mean_and_std, temperature_of


class Written(NamedTuple):
    """What a safetensors file holds."""

    about: ModelMetadata
    weights: dict[str, Tensor]
    """Without the tensors of the preprocessing."""
    tensors: int
    """How many, those of the preprocessing included."""


def write_safetensors(folder: RunFolder, path: Path, name: str = "") -> Written:
    """Write the weights of one checkpoint (see `checkpoint_file`).

    Whole or not at all. RequestError when the checkpoint is damaged; OSError when the disk refuses. Tensors are
    contiguous, named as in the state dict; the metadata are those of every exported model (tensors of the
    preprocessing, of zca, are `preprocess.mean` and `preprocess.matrix`).
    """
    from safetensors.torch import save

    source = checkpoint_file(folder, name)
    try:
        state = checkpoint.load(source)
    except checkpoint.Damaged as error:
        raise RequestError(f"{source.name} is damaged: {error}", hint="--checkpoint NAME takes another") from None
    every = checkpoint.eval_weights(state)
    weights: dict[str, Tensor] = {}
    memory: set[int] = set()
    for key, value in every.items():
        if isinstance(value, Tensor):  # weights that layers share are refused by safetensors: each name gets its own
            shared = value.untyped_storage().data_ptr() in memory
            memory.add(value.untyped_storage().data_ptr())
            weights[key] = value.clone(memory_format=contiguous_format) if shared else value.contiguous()
    left = [*(key for key in every if key not in weights), *state.get("held", {})]
    tensors, about = dict(weights), msgspec.structs.replace(_metadata(folder, source.name, state), left=left)
    for key, value in state["preprocess"].items():
        if isinstance(value, Tensor):
            tensors[f"preprocess.{key}"] = value.contiguous()
    data = save(tensors, {"format": "pt", **encode(about)})
    with written(path) as file:
        file.write_bytes(data)
    return Written(about, weights, len(tensors))


def activation_of(recipe: Recipe) -> str:
    """Return what makes probabilities of the logits of a recipe's net."""
    return "sigmoid" if several_of(recipe) else "softmax"


def _metadata(folder: RunFolder, name: str, state: Mapping[str, Any]) -> ModelMetadata:
    """Return what the file says beside its tensors. RequestError for a run whose images have no known size."""
    recipe = msgspec.convert(state["recipe"], Recipe)
    unit = float(state["unit"]) if "unit" in state else unit_of_old(recipe, folder)
    plain = {key: value for key, value in state["preprocess"].items() if not isinstance(value, Tensor)}
    mean, std = mean_and_std(plain["scale"], plain["shift"], unit)
    return ModelMetadata(
        cvtui=__version__, net=recipe.net, classes=list(state["classes"]), size=list(input_size(recipe, folder)),
        unit=unit, preprocess=plain, mean=mean, std=std, temperature=temperature_of(folder, name, int(state["step"])),
        checkpoint=name, step=int(state["step"]), epoch=int(state["epoch"]), ema=bool(state.get("ema")),
        recipe=dict(state["recipe"]), activation=activation_of(recipe), several=checkpoint.is_several(state),
        depth=state.get("depth") and tuple(state["depth"]),
    )  # fmt: skip
