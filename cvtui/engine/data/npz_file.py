"""Read `npz:PATH`: images and labels of one NumPy file."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvtui.engine.data.images import Images, OnProgress, Split
from cvtui.engine.data.names import NamePair, Names
from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import source_of
from cvtui.recipe.datasets.file_source import Signature
from cvtui.recipe.datasets.image_folder import parse_size
from cvtui.recipe.datasets.npz_file import NpzFile, channels_first, read_array
from cvtui.recipe.recipe import Recipe

AT_ONCE = 256
"""Images that are resized together."""


def read(recipe: Recipe, _: OnProgress | None = None) -> Split:
    """Read the recipe's file. RequestError where it is none of the layouts."""
    source = source_of(recipe.data)
    assert isinstance(source, NpzFile)
    return _read(recipe.data, source.signature(recipe.data), recipe.size.lower(), recipe.val_share, recipe.seed)


@lru_cache(maxsize=2)
def _read(text: str, _: Signature, size: str, val_share: float, seed: int) -> Split:
    source = source_of(text)
    assert isinstance(source, NpzFile)
    found = source.arrays(text, val_share, seed)
    held = {name: _pixels(read_array(found.path, name), found.path, size) for name in found.images}
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
    return Split(parts[0], parts[1], found.notes, found.classes, NamePair(*names))


def _pixels(array: NDArray[Any], path: Path, size: str) -> Tensor:
    """N x H x W x C: uint8, or float32 of values that are no such bytes."""
    array = array[..., None] if array.ndim == 3 else array
    array = array.transpose(0, 2, 3, 1) if channels_first(array.shape[1:]) else array
    if array.dtype.kind not in "buif":
        raise RequestError(f"data: the images of {str(path)!r} are {array.dtype}, not numbers")
    pixels = torch.from_numpy(np.ascontiguousarray(_bytes(array)))
    if pixels.shape[-1] == 4:  # RGBA, on white
        top = 255.0 if pixels.dtype == torch.uint8 else 1.0
        share = pixels[..., 3:].float() / top
        mixed = pixels[..., :3].float() * share + top * (1 - share)
        pixels = mixed.round().to(torch.uint8) if pixels.dtype == torch.uint8 else mixed
    return _resized(pixels, parse_size(size)) if size else pixels


def _bytes(array: NDArray[Any]) -> NDArray[Any]:
    """Bytes as they are; whole numbers 0..255 and floats 0..1 as bytes; 16 bits and other floats as float32."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    low, high = float(array.min()), float(array.max())
    if array.dtype.kind in "ui" and low >= 0:
        if high <= 255:
            return array.astype(np.uint8)
        return np.asarray(array / (2 ** int(high).bit_length() - 1), dtype=np.float32)  # of 12 bits, 16 …
    if low >= 0 and high <= 1 and array.dtype.kind == "f":
        return np.asarray((array * 255).round(), dtype=np.uint8)
    return array.astype(np.float32)


def _resized(pixels: Tensor, shape: tuple[int, int]) -> Tensor:
    """Scale to cover the shape and cut to the middle, as files are."""
    high, wide = pixels.shape[1:3]
    if (high, wide) == shape:
        return pixels
    scale = max(shape[0] / high, shape[1] / wide)
    across = (max(shape[0], round(high * scale)), max(shape[1], round(wide * scale)))
    top, left = (across[0] - shape[0]) // 2, (across[1] - shape[1]) // 2
    pieces = []
    for some in torch.split(pixels, AT_ONCE):
        scaled = torch.nn.functional.interpolate(
            some.permute(0, 3, 1, 2).float(), size=across, mode="bilinear", antialias=True, align_corners=False
        )[:, :, top : top + shape[0], left : left + shape[1]].permute(0, 2, 3, 1)
        pieces.append(scaled.round().clamp(0, 255).to(torch.uint8) if some.dtype == torch.uint8 else scaled)
    return torch.cat(pieces).contiguous()
