"""The folder that a user named, and what is asked of it and its subfolders to find the layout."""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cvtui import door
from cvtui.errors import RequestError
from cvtui.recipe.datasets import halves
from cvtui.recipe.datasets.image_files import holds_images, images_in, is_image, names_in, subfolders
from cvtui.recipe.datasets.json_table import names_images
from cvtui.recipe.datasets.listed_half import ListedHalf

LABEL_FILES = {
    ".csv": "csv", ".tsv": "csv", ".jsonl": "csv", ".json": "csv", ".txt": "csv", ".npz": "npz", ".parquet": "parquet",
    ".arrow": "parquet", ".tar": "wds",
}  # fmt: skip
"""Endings of files that other data sources read."""


@dataclass(frozen=True)
class Layout:
    """Folders whose subfolders are the classes."""

    train: tuple[str, ...]
    validation: tuple[str, ...] = ()
    """Empty: a part of what is trained on."""
    inside: bool = False
    """Each class holds its own halves: PATH/cat/train, PATH/cat/val."""
    notes: tuple[str, ...] = ()
    held: ListedHalf | None = None
    """Images that validate, where they lie in no class folders and a list says their classes."""
    no_classes: frozenset[str] = frozenset()
    """Subfolders that are none."""
    refused: tuple[str, str] = ("", "")
    """(message, hint) unless the recipe says which classes are meant (`only`)."""


@dataclass
class AskedFolder:
    """The folder that was asked for, and what its subfolders hold."""

    path: str
    holding: list[str] = field(default_factory=list)
    """Subfolders with images, at any depth."""
    empty: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: str) -> AskedFolder:
        """Look at its subfolders."""
        names, left_out = subfolders(path)
        holding = [name for name in names if holds_images(os.path.join(path, name))]
        empty = [name for name in names if name not in holding]
        return cls(path, holding, empty, [f"no classes: {named(left_out)}"] if left_out else [])

    def text(self, **split: str) -> str:
        """Return how this folder is typed with these halves, ready for a shell."""
        more = ", ".join(f"{key}={value}" for key, value in split.items())
        return shlex.quote(f"folder:{self.path}({more})")

    def refusal(self, what: str, hint: str = "") -> RequestError:
        return RequestError(f"data: {self.path!r}: {what}", hint=hint)


def named(names: Sequence[str], most: int = 5) -> str:
    """Name some folders, and count the others."""
    shown = ", ".join(name if name.isprintable() else ascii(name) for name in names[:most])
    return shown + (f" and {len(names) - most:,} more" if len(names) > most else "")


@lru_cache(4096)
def class_folders(path: str) -> Sequence[str]:
    """Return the subfolders that hold images, as they were when the layout was last looked for.

    Each question about the layout asks of every class anew: 100 folders of 500 files took 0.13 s, so 0.07.
    """
    return [name for name in subfolders(path)[0] if holds_images(os.path.join(path, name))]


def unwrapped(path: str, top: str) -> tuple[str, Sequence[str]]:
    """Go down through folders of one folder that say nothing (`seg_train/seg_train`); return it and its classes."""
    for _ in range(4):
        below = class_folders(path)
        says_nothing = len(below) == 1 and (
            below[0] in (os.path.basename(path), os.path.basename(top))
            or halves.role(below[0]) is not None
            or not halves.rest(below[0])
        )
        if not says_nothing or images_in(path):
            return path, below
        path = os.path.join(path, below[0])
    return path, class_folders(path)


def label_file(path: str) -> str:
    """Name a file in a folder that may hold the labels, as it is typed; "" without.

    Of a folder whose parts have a table each, and of one whose pictures' folder has it, that one is named.
    """
    own = _label_files(path)
    if own:
        return own[0]
    below = {name: _label_files(os.path.join(path, name)) for name in sorted(names_in(path)) if name[0] != "."}
    held = [name for name, files in below.items() if files]
    if len([name for name in held if halves.role(name) in ("train", "val", "test")]) > 1:
        tables = ", ".join(below[name][0].partition(" holds")[0].removeprefix("where ") for name in held[:1])
        prefix = LABEL_FILES.get(os.path.splitext(tables)[1].lower(), "csv")
        return f"where the tables such as {held[0]}/{tables} hold the labels: {shlex.quote(f'{prefix}:{path}')}; "
    return below[held[0]][0] if held else ""


def packed_source(path: str, endings: Mapping[str, int]) -> str:
    """Name the source that reads files of these endings, at any depth below a folder; "" for none."""
    prefix = next((LABEL_FILES[end] for end in (".parquet", ".arrow", ".tar") if endings.get(end)), "")
    return shlex.quote(f"{prefix}:{path}") + " reads it" if prefix else ""


def _label_files(path: str) -> list[str]:
    """Name the files in a folder that may hold labels, likeliest first."""
    found = []
    for name in names_in(path):
        end = os.path.splitext(name)[1].lower()
        prefix = LABEL_FILES.get(end, "")
        if end == ".txt" and not _lists_images(os.path.join(path, name)):
            continue
        if end == ".json" and not names_images(os.path.join(path, name)):
            continue
        if prefix:
            place = os.path.join(path, name)
            usual = re.search("train|label|annot|metadata|class", name, re.IGNORECASE) is not None
            unlikely = re.search("submission|test|readme", name, re.IGNORECASE) is not None
            line = f"where {name} holds the labels: {shlex.quote(f'{prefix}:{place}')}; "
            found.append((unlikely, not usual, name, line))
    return [line for *_, line in sorted(found)]


def _lists_images(path: str) -> bool:
    """Return True for a text whose first line has the name of an image and says more."""
    try:
        with door.opened_input(path) as file:
            line = file.read(1000).decode("utf-8", "replace").partition("\n")[0]
    except OSError:
        return False
    first = re.split(r"[\s,;]+", line.strip())
    return len(first) > 1 and any(map(is_image, first))


def by_file_names(path: str, names: Sequence[str]) -> str:
    """Say how to sort images into folders where their names begin with their class (cat.0.jpg); else ""."""
    found = Counter(match[1] for name in names if (match := _NAME.match(name)))
    kinds = sorted(found)
    if not 2 <= len(kinds) <= 200 or min(found.values()) < 2 or found.total() < 0.9 * len(names):
        return ""
    loop = f"cd {shlex.quote(path)} && for c in {' '.join(kinds)}; do mkdir $c && mv $c[._0-9-]* $c/; done"
    return f". Their names begin with {named(kinds)}: `{loop}` sorts them"


_NAME = re.compile(r"([A-Za-z]+(?:_[A-Za-z]+)*)[._-]?\d")
"""A picture's name that begins with its class: cat.0.jpg, american_bulldog_12.jpg."""
