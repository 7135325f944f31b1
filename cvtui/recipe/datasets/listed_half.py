"""A half whose images lie flat and whose classes stand in a list: Tiny ImageNet's val/, ImageNet's, Places365's."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cvtui import door
from cvtui.recipe.datasets.image_files import FoundFiles, ending, images_below, names_in

MOST_BYTES = 1 << 26
ENDINGS = (".txt", ".csv", ".tsv")
NAMES = re.compile("val|label|annot|truth|class|synset|solution", re.IGNORECASE)
"""In the name of such a list."""
ABOVE = 3
"""Folders above the half that it is looked for in: ILSVRC/Data/CLS-LOC/val has it in the uppermost."""
LEAST = 0.9
"""Share of the images that a list has to name."""


class ListedHalf(NamedTuple):
    """Images of a half, and the classes that a list gives them."""

    images: dict[str, list[str]]
    """Class -> paths."""
    list: str
    """Path of the list."""
    found: FoundFiles
    """What lies below the half."""


def listed_half(half: str, classes: Sequence[str]) -> ListedHalf | None:
    """Find a list that gives (almost) every image below `half` one of these classes; None without one."""
    found = images_below([half])
    if not found.images:
        return None
    for path in _lists(half):
        words = _words(path)
        images = _by_name(words, found.images, set(classes)) or _by_order(words, found.images, set(classes))
        if images is not None:
            if os.path.dirname(path) in (half, *map(os.path.dirname, found.images)):
                found.others[ending(path)] -= 1  # it is used
            return ListedHalf(images, path, found)
    return None


def _lists(half: str) -> Iterator[str]:
    """Yield files that may be the list, those of the half itself first."""
    folder = half
    for above in range(ABOVE + 1):
        for name in sorted(names_in(folder)):
            path = os.path.join(folder, name)
            if name.lower().endswith(ENDINGS) and (not above or NAMES.search(name)) and os.path.isfile(path):
                yield path
        folder = os.path.dirname(os.path.abspath(folder))


def _words(path: str) -> list[list[str]]:
    """Return the words of each line of a list."""
    try:
        text = door.read_input(path, MOST_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return []
    return [re.split(r"[\s,;]+", line.strip()) for line in text.splitlines() if line.strip()]


def _by_name(words: Sequence[list[str]], images: Sequence[str], classes: set[str]) -> dict[str, list[str]] | None:
    """Read lines that name an image (with or without its ending, first) and then its class."""
    of: dict[str, str] = {}
    numbers = all(name.isdecimal() for name in classes)  # further columns may be of sides and corners
    for line in words:
        name = next((word for word in line[1 : 2 if numbers else None] if word in classes), None)
        if name is not None:
            of.setdefault(_stem(line[0]), name)
    found: dict[str, list[str]] = {}
    for path in images:
        if (name := of.get(_stem(path))) is not None:
            found.setdefault(name, []).append(path)
    return found if sum(map(len, found.values())) >= LEAST * len(images) else None


def _by_order(words: Sequence[list[str]], images: Sequence[str], classes: set[str]) -> dict[str, list[str]] | None:
    """Read lines of a class alone, in the order of the images' names."""
    if len(words) != len(images) or any(len(line) != 1 or line[0] not in classes for line in words):
        return None
    if all(name.isdecimal() for name in classes):  # of numbers it is not sure what they count
        return None
    found: dict[str, list[str]] = {}
    for path, (name,) in zip(sorted(images, key=_stem), words, strict=True):
        found.setdefault(name, []).append(path)
    return found


def _stem(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
