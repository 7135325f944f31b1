"""Read `npz:PATH`: images and labels of one NumPy file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvtui.engine.data.depth import Depth, ValueRange, unit_of
from cvtui.engine.data.images import Images, OnProgress, Split
from cvtui.engine.data.names import NamePair, Names
from cvtui.engine.data.resizing import AT_ONCE, like, resized
from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import source_of
from cvtui.recipe.datasets.data_facts import parse_size
from cvtui.recipe.datasets.file_source import Signature
from cvtui.recipe.datasets.npz_file import NpzFile, channels_first, read_array
from cvtui.recipe.recipe import Recipe

ALPHA = (
    "4 channels are taken for RGBA: the fourth, how opaque a pixel is, lays the others on white, so 3 are trained on "
    "(four bands of something else: leave one out, or add a fifth)"
)


def read(recipe: Recipe, _: OnProgress | None = None) -> Split:
    """Read the recipe's file. RequestError where it is none of the layouts."""
    source = source_of(recipe.data)
    assert isinstance(source, NpzFile)
    fields = recipe.size.lower(), recipe.val_share, recipe.seed, recipe.bits, bool(recipe.only.strip())
    return _read(recipe.data, source.signature(recipe.data), *fields)


@lru_cache(maxsize=2)
def _read(text: str, _: Signature, size: str, val_share: float, seed: int, bits: int, only: bool) -> Split:
    source = source_of(text)
    assert isinstance(source, NpzFile)
    found = source.arrays(text, val_share, seed, only=only)
    arrays = [_numbers(read_array(found.path, name), found.path) for name in found.images]
    scaled, depth, notes = _on_one_scale(arrays, bits, found.path)
    notes += (ALPHA,) if any(one.shape[-1] == 4 for one in scaled) else ()
    shape = parse_size(size) if size else None
    held = {name: _finished(one, shape) for name, one in zip(found.images, scaled, strict=True)}
    first, last = found.images[0], found.images[-1]
    parts = []
    for name, places, labels in (
        (first, found.train, found.train_labels),
        (last, found.validation, found.validation_labels),
    ):
        whole = places == list(range(len(held[name])))
        pixels = held[name] if whole else held[name][torch.tensor(places)]
        parts.append(Images(pixels, torch.tensor(labels, dtype=torch.int64)))
    inside = ("", "") if first == last else (f":{first}", f":{last}")
    names = (Names((f"{found.path}{more}[", "]"), places)
             for more, places in zip(inside, (found.train, found.validation), strict=True))  # fmt: skip
    return Split(parts[0], parts[1], (*found.notes, *notes), found.classes, NamePair(*names), (), found.label_sets,
                 depth=depth)  # fmt: skip


def _numbers(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """N x H x W x C of numbers: True is 255. RequestError for anything else."""
    array = array[..., None] if array.ndim == 3 else array
    array = array.transpose(0, 2, 3, 1) if channels_first(array.shape[1:]) else array
    if array.dtype.kind not in "buif":
        raise RequestError(f"data: the images of {str(path)!r} are {array.dtype}, not numbers")
    return array.astype(np.uint8) * np.uint8(255) if array.dtype == np.bool_ else array


def _on_one_scale(
    arrays: Sequence[NDArray[Any]], bits: int, path: Path
) -> tuple[list[NDArray[Any]], Depth | None, tuple[str, ...]]:
    """Bring training and validation to one scale; return them, the scale, and what is to be told. RequestError.

    Bytes stay bytes; other whole numbers have the set's one `Depth`; floats are bytes where all lie in 0..1, else
    float32 as they are.
    """
    floats = [array for array in arrays if array.dtype.kind == "f"]
    if floats and all(bool(((array >= 0) & (array <= 1)).all()) for array in floats):
        arrays = [(one * 255).round().astype(np.uint8) if one.dtype.kind == "f" else one for one in arrays]
    elif len(floats) == len(arrays):
        return [array.astype(np.float32) for array in arrays], None, ()
    elif floats:
        raise RequestError(f"data: of {str(path)!r} some images are floats beyond 0..1, the others whole numbers",
                           hint="save both parts as one kind of numbers")  # fmt: skip
    ranges = [ValueRange.of(array) for array in arrays if array.dtype != np.uint8]
    known = [one for one in ranges if one is not None]
    if len(known) < len(ranges):
        raise RequestError(f"data: the images of {str(path)!r} hold values beyond 32 bits")
    if not known:
        return list(arrays), None, ()
    found = ValueRange.union(known)
    depth = Depth.fitting(found, bits)
    notes = () if depth.exact and not bits else (depth.note(found, bits),)
    return [_scaled(array, depth) for array in arrays], depth, notes


def _scaled(array: NDArray[Any], depth: Depth) -> NDArray[Any]:
    """Scale some images at a time: floats of all would take eight times the memory of bytes."""
    scaled = depth.widened if array.dtype == np.uint8 else depth.scaled
    return np.concatenate([scaled(array[start : start + AT_ONCE]) for start in range(0, len(array), AT_ONCE)])


def _finished(array: NDArray[Any], shape: tuple[int, int] | None) -> Tensor:
    """Lay transparent images on white; bring all to the size that is asked for."""
    pixels = torch.from_numpy(np.ascontiguousarray(array))
    if pixels.shape[-1] == 4:  # RGBA
        white = unit_of(pixels.dtype)
        share = pixels[..., 3:].float() / white
        pixels = like(pixels, pixels[..., :3].float() * share + white * (1 - share))
    return pixels if shape is None else resized(pixels, shape)
