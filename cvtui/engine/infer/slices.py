"""Slices of the images: accuracy by folder, by size and by brightness, each with its interval."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cvtui import door
from cvtui.metrics.counts import wilson
from cvtui.recipe.datasets.class_names import class_name
from cvtui.recipe.datasets.packed import Packed
from cvtui.runlog.evaluation import Slice
from cvtui.text import whole_range

MOST_FOLDERS = 30
MOST_SIZES = 4
"""Different sizes that are named one by one; more are cut into quarters."""


def all_slices(
    names: Sequence[str], files: bool, truth: Sequence[str], right: NDArray[np.bool_], brightness: NDArray[np.float32]
) -> list[Slice]:
    """Return the slices that say something: a set in one folder, of one size, has none of these."""
    found: list[Slice] = []
    if files:
        found += by_folder([inner_folder(name, label) for name, label in zip(names, truth, strict=True)], right)
    if files or any(isinstance(name, Packed) for name in names[:1]):
        found += by_size([size_of(name) for name in names], right)
    return found + by_brightness(brightness, right)


def _slice(by: str, name: str, right: NDArray[np.bool_]) -> Slice:
    hits, images = int(right.sum()), len(right)
    return Slice(by=by, name=name, images=images, accuracy=hits / images, interval=wilson(hits, images))


def inner_folder(path: str, truth: str) -> str:
    """Return the folders below that of the class: `day` of PATH/brick/day/1.png; "" for none."""
    parts = path.split(os.sep)[:-1]
    places = [place for place, part in enumerate(parts) if class_name(part) == truth]
    return os.sep.join(parts[places[-1] + 1 :]) if places else parts[-1] if parts else ""


def by_folder(folders: Sequence[str], right: NDArray[np.bool_]) -> list[Slice]:
    """Return a slice for each folder below the classes, the least accurate first."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(folders):
        groups[name].append(place)
    if len(groups) < 2:
        return []
    found = [_slice("folder", name or "(the class folder itself)", right[places]) for name, places in groups.items()]
    return sorted(found, key=lambda one: (one.accuracy, one.name))[:MOST_FOLDERS]


def size_of(path: str) -> tuple[int, int] | None:
    """Return width and height of a picture by its header alone; None where it can't be read."""
    from PIL import Image

    try:
        if isinstance(path, Packed):
            with Image.open(path.opened()) as opened:
                return opened.size
        with door.opened_input(path) as file, Image.open(file) as opened:
            return opened.size
    except Exception:  # Pillow's readers raise nearly anything on bytes that lie
        return None


def by_size(sizes: Sequence[tuple[int, int] | None], right: NDArray[np.bool_]) -> list[Slice]:
    """Return a slice for each size in the file, or of many sizes for each quarter by area."""
    known = [place for place, size in enumerate(sizes) if size is not None]
    distinct = sorted({size for size in sizes if size is not None}, key=lambda size: (size[0] * size[1], size))
    if len(distinct) < 2:
        return []
    if len(distinct) <= MOST_SIZES:
        return [
            _slice("size", f"{size[0]}x{size[1]}", right[[place for place in known if sizes[place] == size]])
            for size in distinct
        ]
    areas = np.array([size[0] * size[1] for size in sizes if size is not None], np.float64)
    return _quarters("size", areas, right[known], lambda low, high: f"{low:,.0f} to {high:,.0f} pixels")


def by_brightness(brightness: NDArray[np.float32], right: NDArray[np.bool_]) -> list[Slice]:
    """Return a slice for each quarter of the images by the mean of their pixels; none of normalized floats."""
    if len(brightness) and not (brightness.min() >= 0 and brightness.max() <= 1):
        return []
    return _quarters(
        "brightness",
        brightness,
        right,
        lambda low, high: f"{whole_range(round(100 * low), round(100 * high))} % of white",
    )


def _quarters(
    by: str, values: NDArray[np.floating], right: NDArray[np.bool_], words: Callable[[float, float], str]
) -> list[Slice]:
    if not len(values) or values.min() == values.max():
        return []
    edges = np.quantile(values, (0.25, 0.5, 0.75))
    number = np.searchsorted(edges, values, side="left")
    found = []
    for quarter in range(4):
        places = np.flatnonzero(number == quarter)
        if len(places):
            found.append(_slice(by, words(float(values[places].min()), float(values[places].max())), right[places]))
    return found
