"""Weights to begin with: read from a file or a run, unwrapped, put into a model; what did not fit is told by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cvtui.engine.nn.weights_library import IMAGENET, WeightsTransform, default_weights, pixels_of
from cvtui.engine.train.weights_files import pixels_beside
from cvtui.engine.train.weights_reading import read_file
from cvtui.errors import RequestError
from cvtui.recipe.net_target import is_target, parse_target
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.weights_file import find_weights

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
    tensors, preprocess = read_file(path)
    if not tensors:
        raise RequestError(f"weights: {recipe.weights!r} holds no state dict (names and tensors)")
    pixels = None
    if preprocess is None:
        pixels = pixels_beside(path) or (IMAGENET if target is None else pixels_of(target))
    return Weights(recipe.weights, tensors, pixels, preprocess)


# ------------------------------------------------------------------ into the model


def put_weights(model: nn.Module, weights: Weights, classes: int) -> list[str]:
    """Copy what fits into the model, by name and shape; return what was taken, left out and missing, a line each.

    A first conv of three channels is summed for images of one. RequestError where nothing fits.
    """
    own = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}  # (no extra state)
    given, renamed = _renamed(weights.tensors, own)
    first = _first_conv(model)
    lines, taken, other = [], [], []
    for name, value in own.items():
        if name not in given:
            continue
        new = given[name]
        if name == first and new.dim() == 4 and (new.shape[1], value.shape[1]) == (3, 1):
            new = new.sum(1, keepdim=True)
            lines.append(f"{name}: summed over its 3 channels, for images of one")
        if new.shape == value.shape and _number_kind(new) == _number_kind(value):
            with torch.no_grad():
                value.copy_(new)
            taken.append(name)
        else:
            other.append(name)
    if not any(own[name].dim() for name in taken):
        raise RequestError(
            f"weights: {weights.source} has nothing that fits the net: it holds {_few(weights.tensors)}; the net has "
            f"{_few(own)}" + (" (same names, other shapes or kinds of numbers)" if other else "")
        )
    memory = {own[name].data_ptr() for name in taken if own[name].numel()}
    # of weights that layers share safetensors' save_model, and so the hub's files, have one name alone
    tied = {name for name, value in own.items() if name not in given and value.data_ptr() in memory}
    lines.insert(
        0, f"weights: {len(taken) + len(tied):,} of the net's {len(own):,} tensors are from {weights.source}{renamed}"
    )
    if unsound := [name for name in taken if own[name].isnan().any()]:
        lines.append(f"NaN in {weights.source} ({len(unsound):,}): {_few(unsound)}")
    rest = {name: value for name, value in own.items() if name not in tied}
    return [*lines, *_told_rest(given, rest, other, classes)]


def _told_rest(given: Mapping[str, Tensor], own: Mapping[str, Tensor], other: list[str], classes: int) -> list[str]:
    """Say what was left out (`other` fits by name alone) and what is missing, a line each."""
    lines = []
    head = [name for name in other if _is_head(given[name], own[name], classes)]
    if head:
        lines.append(f"head left out ({given[head[0]].shape[0]:,} outputs, {classes:,} classes): {_few(head)}")
    if wrong := [name for name in other if name not in head]:
        pairs = [(name, given[name], own[name]) for name in wrong]
        shown = [f"{name} {_unlike(new, old)}, the net's is {_unlike(old, new)}" for name, new, old in pairs]
        lines.append(f"left out, of another shape or kind of numbers ({len(wrong):,}): {_few(shown)}")
    if missing := [name for name in own if name not in given]:
        lines.append(f"missing, begin as drawn ({len(missing):,}): {_few(missing)}")
    if unused := [name for name in given if name not in own]:
        lines.append(f"not in this net ({len(unused):,}): {_few(unused)}")
    return lines


def _renamed(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], str]:
    """Take prefixes off, as long as more names fit the model's; say which, where it is not a usual one."""
    best, now = tensors, tensors
    for _ in range(len(PREFIXES)):
        shorter = [{name.removeprefix(prefix): value for name, value in now.items()} for prefix in PREFIXES]
        now = max(shorter, key=lambda names: (len(names.keys() & own.keys()), names.keys() != now.keys()))
        if len(now.keys() & own.keys()) > len(best.keys() & own.keys()):
            best = now
    least = max(2 * len(best.keys() & own.keys()) + 1, min(len(tensors), len(own)))  # twice what must fit
    (off, count), (below, inside) = _prefix(tensors, own), _prefix(own, tensors)
    if 2 * count >= least and count >= inside:
        return {
            **{name: value for name, value in tensors.items() if not name.startswith(off)},
            **{name.removeprefix(off): value for name, value in tensors.items() if name.startswith(off)},
        }, f" (names without {off!r})"
    if 2 * inside >= least:
        return {f"{below}{name}": value for name, value in tensors.items()}, f" (as {below}*)"
    return best, ""


def _prefix(longer: Iterable[str], shorter: Mapping[str, Tensor]) -> tuple[str, int]:
    """Return the prefix without which most names of `longer` are among `shorter`, and how many are."""
    count: Counter[str] = Counter()
    for name in longer:
        parts = name.split(".")
        for cut in range(1, len(parts)):
            if ".".join(parts[cut:]) in shorter:
                count[".".join(parts[:cut]) + "."] += 1
    return max(count.items(), key=lambda one: one[1], default=("", 0))


def _number_kind(tensor: Tensor) -> tuple[bool, bool]:
    return tensor.is_floating_point(), tensor.is_complex()


def _unlike(tensor: Tensor, other: Tensor) -> str:
    """Write in what a tensor is unlike the other: its shape, else its kind of numbers."""
    return _shape(tensor) if tensor.shape != other.shape else str(tensor.dtype).removeprefix("torch.")


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
