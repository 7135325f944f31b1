"""How large the pictures of a set are in their files, before they are brought to the recipe's `size`."""

from __future__ import annotations

import warnings
from statistics import median

from cvtui.recipe.datasets.catalog import source_of
from cvtui.recipe.recipe import Recipe

SAMPLE = 16
"""Files whose headers are read, at even distances: some milliseconds."""
_known: dict[tuple[str, ...], int | None] = {}


def own_side(recipe: Recipe) -> int | None:
    """Return the median of the shorter sides, in pixels; None where pictures have no files of their own.

    RequestError where the set is not there.
    """
    paths = source_of(recipe.data).pictures(recipe)
    some = tuple(paths[number * len(paths) // SAMPLE] for number in range(SAMPLE)) if len(paths) > SAMPLE else (*paths,)
    if some not in _known:
        _known.clear()
        _known[some] = _median(some)
    return _known[some]


def _median(paths: tuple[str, ...]) -> int | None:
    from PIL import Image

    sides = []
    for path in paths:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(path) as picture:
                    sides.append(min(picture.size))
        except Exception:  # Pillow's readers raise nearly anything on bytes that lie; the run names the file
            continue
    return round(median(sides)) if sides else None
