"""Load a dataset returned by a user's function: `package.module:callable`, read once and kept."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cvtui.calc.table import size_text
from cvtui.engine.data.decode import to_rgb
from cvtui.engine.data.images import Images, OnProgress, Split
from cvtui.engine.runtime.seeds import SELECTION, generator
from cvtui.errors import RequestError, nearest
from cvtui.recipe.datasets.image_folder import parse_size
from cvtui.recipe.recipe import Recipe
from cvtui.text import error_line


def read(recipe: Recipe, _: OnProgress | None = None) -> Split:
    """Read what the recipe's callable returns. RequestError as in `read_callable`."""
    return read_callable(recipe.data, recipe.size.lower(), recipe.val_share, recipe.seed)


@lru_cache(maxsize=2)
def read_callable(text: str, size: str, val_share: float, seed: int) -> Split:
    """Call it and read every item. RequestError, naming module and attribute, for whatever is wrong with it.

    It returns a Dataset, or a pair of them (training, validation); an item is a pair of an image (a PIL image, or a
    tensor or array C x H x W or H x W of uint8, or of floats 0..1) and a label (a whole number from 0). Images of
    different sizes are brought to the recipe's `size`; those of one size keep theirs where none is given. Tensors of
    one dimension are points.
    """
    function = _find(text)
    try:
        given = function()
    except Exception as error:
        raise RequestError(f"data: {text} raised {error_line(error)}") from error
    pair = given if isinstance(given, tuple | list) and len(given) == 2 else (given, None)
    train, names = _part(pair[0], text, size)
    if pair[1] is not None:
        validation, more = _part(pair[1], text, size)
        if train.pixels.shape[1:] != validation.pixels.shape[1:]:
            shapes = " and ".join(size_text(part.pixels.shape[1:]) for part in (train, validation))
            raise RequestError(f"data: {text}: training and validation differ: {shapes}; --size makes them equal")
        split = Split(train, validation)
        names = names or more
    else:
        split = _divided(train, val_share, seed)
    classes = max(int(part.labels.max()) + 1 for part in split[:2])
    if classes < 2:
        raise RequestError(f"data: {text} has labels of one class only")
    return split._replace(classes=names if len(names) >= classes else tuple(map(str, range(classes))))


def _find(text: str) -> Callable[[], Any]:
    module, _, name = text.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m` does
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        where = "" if missing != module.partition(".")[0] else " here (modules are looked for in the working directory)"
        raise RequestError(f"data: there is no module {missing!r}{where}") from None
    except Exception as error:
        raise RequestError(f"data: importing {module!r} raised {error_line(error)}") from error
    function = getattr(found, name, None)
    if not callable(function):
        names = [key for key, value in vars(found).items() if callable(value) and not key.startswith("_")]
        what = "nothing called" if function is None else "no function"
        raise RequestError(f"data: {module} has {what} {name!r}{nearest(name, names)}")
    return function  # type: ignore[no-any-return]


def _part(source: Any, text: str, size: str) -> tuple[Images, tuple[str, ...]]:
    """All items of a Dataset."""
    try:
        count = len(source)
        items = [source[number] for number in range(count)]
    except Exception as error:
        what = f"a {type(source).__name__}, no Dataset ({error_line(error)})"
        raise RequestError(f"data: {text} gave {what}") from error
    if not items:
        raise RequestError(f"data: {text} gave a Dataset without items")
    images, labels = [], []
    for number, item in enumerate(items):
        if not isinstance(item, tuple | list) or len(item) < 2:
            raise RequestError(f"data: {text}: item {number} is a {type(item).__name__}, not a pair of image and label")
        images.append(_image(item[0], text, number))
        try:
            labels.append(int(item[1]))
        except (TypeError, ValueError):
            raise RequestError(f"data: {text}: the label of item {number} is {item[1]!r}, not a whole number") from None
    if min(labels) < 0:
        raise RequestError(f"data: {text}: labels count from 0; there is a label {min(labels)}")
    names = getattr(source, "classes", ())
    known = tuple(map(str, names)) if isinstance(names, Sequence) else ()
    return Images(_stacked(images, text, size), torch.tensor(labels)), known


def _image(value: Any, text: str, number: int) -> Tensor:
    """uint8 H x W x C, or float32 of one dimension (a point) or of values beyond 0..1."""
    if hasattr(value, "convert") and hasattr(value, "mode"):  # a PIL image
        grey = value.mode in ("L", "1")
        array = np.asarray(value.convert("L") if grey else to_rgb(value))
        return torch.from_numpy(np.array(array[..., None] if grey else array))
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise RequestError(f"data: {text}: the image of item {number} is a {type(value).__name__}") from None
    if tensor.dim() == 1:
        return tensor.float()
    if tensor.dim() == 2:
        tensor = tensor[None]
    if tensor.dim() != 3:
        raise RequestError(f"data: {text}: the image of item {number} has {tensor.dim()} dimensions, not C x H x W")
    if tensor.shape[0] not in (1, 3) and tensor.shape[-1] in (1, 3):
        tensor = tensor.permute(2, 0, 1)  # H x W x C
    tensor = tensor.permute(1, 2, 0)
    if tensor.dtype == torch.uint8:
        return tensor
    tensor = tensor.float()
    low, high = float(tensor.min()), float(tensor.max())
    return (tensor * 255).round().to(torch.uint8) if low >= 0.0 and high <= 1.0 else tensor


def _stacked(images: list[Tensor], text: str, size: str) -> Tensor:
    """N x H x W x C of one kind of number and one size."""
    if any(image.dtype != torch.uint8 for image in images):
        images = [image / 255.0 if image.dtype == torch.uint8 else image for image in images]
    if images[0].dim() == 3 and (size or len({image.shape for image in images}) > 1):
        images = [_resized(image, parse_size(size)) for image in images]
    try:
        return torch.stack(images).contiguous()
    except RuntimeError:
        shapes = sorted({size_text(image.shape) for image in images})
        raise RequestError(f"data: {text}: its images differ: {', '.join(shapes[:4])}") from None


def _resized(image: Tensor, shape: tuple[int, int]) -> Tensor:
    scaled = torch.nn.functional.interpolate(
        image.permute(2, 0, 1)[None].float(), size=shape, mode="bilinear", antialias=True, align_corners=False
    )[0].permute(1, 2, 0)
    return scaled.round().clamp(0, 255).to(torch.uint8) if image.dtype == torch.uint8 else scaled


def _divided(images: Images, share: float, seed: int) -> Split:
    """`share` of each class for validation, drawn from the seed."""
    random = generator(seed, SELECTION, 1)
    held = []
    for label in torch.unique(images.labels).tolist():
        places = (images.labels == label).nonzero().flatten()
        count = min(len(places) - 1, max(1, round(len(places) * share)))
        held.append(places[torch.randperm(len(places), generator=random)[:count]])
    if not sum(map(len, held)):
        raise RequestError(
            "data: one image a class leaves none for validation: give more, or a pair (training, validation)"
        )
    mask = torch.zeros(images.size, dtype=torch.bool)
    mask[torch.cat(held)] = True
    return Split(images.batch((~mask).nonzero().flatten()), images.batch(mask.nonzero().flatten()))


def tell_facts(text: str, size: str, val_share: float) -> int:
    """`python -m cvtui.engine --facts`: one JSON line on stdout, the facts or the error; the exit code."""
    stdout = sys.stdout
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the callable prints is no fact
            split = read_callable(text, size, val_share, 0)
        train, validation = split[:2]
        classes = split.classes
        shape = list(train.pixels.shape[1:])  # type: ignore[attr-defined]
        found: dict[str, Any] = {
            "size": shape,
            "classes": classes,
            "train": train.size,
            "validation": validation.size,
            "train_counts": torch.bincount(train.labels, minlength=len(classes)).tolist(),
            "validation_counts": torch.bincount(validation.labels, minlength=len(classes)).tolist(),
        }
    except RequestError as error:
        found = {"error": error.message, "hint": error.hint}
    print(json.dumps(found), file=stdout, flush=True)
    return 0
