"""Weights to begin with: read from a file or a run, unwrapped, put into a model; what did not fit is told by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import torch
from torch import Tensor, nn

from cvtui import door
from cvtui.engine.nn.weights_library import IMAGENET, WeightsTransform, default_weights, pixels_of
from cvtui.engine.train import checkpoint
from cvtui.errors import RequestError
from cvtui.recipe.net_target import is_target, parse_target
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.weights_file import find_weights
from cvtui.text import error_line

WRAPPERS = ("model_ema", "state_dict_ema", "ema", "state_dict", "model_state_dict", "model")
"""Where training scripts keep the weights inside what they save, the running mean first."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and Lightning put before every name."""
MOST_NAMES = 6
"""In one line of the log."""


class Weights(NamedTuple):
    """A state dict, and how the images were prepared that it was trained on."""

    source: str
    tensors: dict[str, Tensor]
    pixels: WeightsTransform | None
    """Mean and deviation; None where `preprocess` is there."""
    preprocess: dict[str, Any] | None = None
    """State of a Preprocess, of a run of ours."""


def read_weights(recipe: Recipe) -> Weights:
    """Read the weights that a recipe begins with. RequestError, in one line, where that fails."""
    target = parse_target(recipe.net) if is_target(recipe.net) else None
    if recipe.weights == "default":
        assert target is not None  # checked before
        return Weights(f"{target.library}'s own", *default_weights(target))
    path = find_weights(recipe.weights)
    if path.suffix == ".safetensors":
        tensors, preprocess = _safetensors(path)
    else:
        tensors, preprocess = _pickled(path)
    if not tensors:
        raise RequestError(f"weights: {recipe.weights!r} holds no state dict (names and tensors)")
    pixels = None if preprocess else IMAGENET if target is None else pixels_of(target)
    return Weights(recipe.weights, tensors, pixels, preprocess)


def _safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
            told = (file.metadata() or {}).get("preprocess")
    except Exception as error:
        raise RequestError(f"weights: {str(path)!r} is no whole safetensors file ({error_line(error)})") from None
    preprocess = None
    if told is not None:
        try:
            preprocess = _preprocess(msgspec.json.decode(told))
        except msgspec.MsgspecError:
            preprocess = None
        for key in ("mean", "matrix"):
            value = tensors.pop(f"preprocess.{key}", None)
            if preprocess is not None and value is not None:
                preprocess[key] = value
    return tensors, preprocess


def _pickled(path: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Read a file of torch.save: tensors and plain values only, so no code in it runs."""
    try:
        of_run = path.parent.name == "checkpoints" and door.is_file(path.parent.parent / "events.jsonl")
        # In a run folder, which a stranger may have made, a link is not followed.
        with door.opened(path) if of_run else door.opened_input(path) as file:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise RequestError(f"weights: {str(path)!r} can't be read ({checkpoint.reason(error)})") from None
    preprocess = _preprocess(state.get("preprocess")) if isinstance(state, Mapping) else None
    return unwrapped(state), preprocess


def _preprocess(state: Any) -> dict[str, Any] | None:
    if isinstance(state, Mapping) and {"scale", "shift"} <= state.keys():
        return dict(state)
    return None


def unwrapped(state: Any) -> dict[str, Tensor]:
    """Return the state dict inside of what a script has saved; empty where there is none."""
    if not isinstance(state, Mapping):
        return {}
    for name in WRAPPERS:
        if isinstance(inner := state.get(name), Mapping) and (found := unwrapped(inner)):
            return found
    return {str(name): value for name, value in state.items() if isinstance(value, Tensor)}


# ------------------------------------------------------------------ into the model


def put_weights(model: nn.Module, weights: Weights, classes: int) -> list[str]:
    """Copy what fits into the model, by name and shape; return what was taken, left out and missing, a line each.

    A first conv of three channels is summed for images of one. RequestError where nothing fits.
    """
    own = model.state_dict()
    given = _renamed(weights.tensors, own)
    first = _first_conv(model)
    lines, taken, other = [], [], []
    for name, value in own.items():
        if name not in given:
            continue
        new = given[name]
        if name == first and new.dim() == 4 and (new.shape[1], value.shape[1]) == (3, 1):
            new = new.sum(1, keepdim=True)
            lines.append(f"{name}: summed over its 3 channels, for images of one")
        if new.shape == value.shape:
            with torch.no_grad():
                value.copy_(new)
            taken.append(name)
        else:
            other.append(name)
    if not any(own[name].dim() for name in taken):
        raise RequestError(
            f"weights: {weights.source} has nothing that fits the net: it holds {_few(weights.tensors)}; the net has "
            f"{_few(own)}" + (" (same names, other shapes)" if other else "")
        )
    lines.insert(0, f"weights: {len(taken):,} of the net's {len(own):,} tensors are from {weights.source}")
    head = [name for name in other if _is_head(given[name], own[name], classes)]
    if head:
        lines.append(f"head left out ({given[head[0]].shape[0]:,} outputs, {classes:,} classes): {_few(head)}")
    if wrong := [name for name in other if name not in head]:
        shown = [f"{name} {_shape(given[name])}, the net's is {_shape(own[name])}" for name in wrong]
        lines.append(f"left out, of another shape ({len(wrong):,}): {_few(shown)}")
    if missing := [name for name in own if name not in given]:
        lines.append(f"missing, begin as drawn ({len(missing):,}): {_few(missing)}")
    if unused := [name for name in given if name not in own]:
        lines.append(f"not in this net ({len(unused):,}): {_few(unused)}")
    return lines


def _renamed(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Take prefixes off, as long as more names fit the model's."""
    best, now = tensors, tensors
    for _ in range(len(PREFIXES)):
        shorter = [{name.removeprefix(prefix): value for name, value in now.items()} for prefix in PREFIXES]
        now = max(shorter, key=lambda names: (len(names.keys() & own.keys()), names.keys() != now.keys()))
        if len(now.keys() & own.keys()) > len(best.keys() & own.keys()):
            best = now
    return best


def _first_conv(model: nn.Module) -> str:
    return next((f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Conv2d)), "")


def _is_head(given: Tensor, own: Tensor, classes: int) -> bool:
    return given.dim() == own.dim() > 0 and own.shape[0] == classes and given.shape[1:] == own.shape[1:]


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"


def _few(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - MOST_NAMES:,} more" if len(every) > MOST_NAMES else ""
    return ", ".join(every[:MOST_NAMES]) + more
