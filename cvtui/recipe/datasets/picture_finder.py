"""Where the pictures of a table lie: as it says, below its folder by name, or beside a folder of lists."""

from __future__ import annotations

import os
from pathlib import Path

from cvtui.errors import RequestError
from cvtui.recipe.datasets import halves
from cvtui.recipe.datasets.class_names import composed
from cvtui.recipe.datasets.image_files import is_image, names_in

DEPTH = 4
"""Folders below the table's own in which a picture is looked for by its name."""
LISTS = frozenset((
    "annot", "annotation", "annotations", "annots", "csv", "data_splits", "devkit", "imagesets", "info", "label",
    "labels", "list", "lists", "main", "meta", "metadata", "split", "splits", "tables", "txt",
))  # fmt: skip
"""Folders (in small letters) of lists, beside the folder of the pictures: Food-101's meta/, VOC's ImageSets/Main/."""
ARCHIVES = (".zip", ".tar.gz", ".tgz", ".7z", ".rar")


class Finder:
    """Finds the file of a picture: where the table says, or below its folder by name, also without ending."""

    def __init__(self, table: Path, images: str) -> None:
        own = table.parent
        self.bases = [own]
        self.said = bool(images)
        if images:
            place = Path(images).expanduser()
            self.bases = [base for base in (own / place, place) if base.is_dir()][:1]
            if not self.bases:
                raise RequestError(f"data: images={images} is no folder, neither beside {table.name!r} nor here")
        self.beside = False
        """The pictures lie beside the table's folder, not in it."""
        self._below: dict[str, list[str]] | None = None

    def __call__(self, value: str) -> str | None:
        """Return the path of a file, or None. RequestError for a name that two folders have."""
        value = value.replace("\\", "/").strip().removeprefix("file://")
        if not value or "\0" in value or "://" in value:
            return None
        for base in self.bases:
            path = os.path.join(base, os.path.expanduser(value))
            if is_image(value) and os.path.isfile(path):
                return path
        found = self._index().get(_key(value.rsplit("/", 1)[-1]), [])
        if len(found) > 1:
            agree = [_agreement(path, value) for path in found]
            found = [path for path, parts in zip(found, agree, strict=True) if parts == max(agree)]
        if len(found) > 1:
            raise RequestError(f"data: {value!r} is there twice: {found[0]!r} and {found[1]!r}",
                               hint="say which folder: csv:PATH,images=DIR")  # fmt: skip
        return found[0] if found else None

    def archives(self) -> list[str]:
        """Return the archives beside the table, of which one may hold the pictures."""
        return sorted(name for base in self.bases for name in names_in(str(base)) if name.lower().endswith(ARCHIVES))

    def _index(self) -> dict[str, list[str]]:
        """Index the pictures below the table's folder by name and by name without ending, in small letters.

        Where there are none, and that is a folder of lists, those beside it.
        """
        if self._below is None:
            self._below = self._indexed()
            while not (self._below or self.said) and self.bases[0].absolute().name.lower() in LISTS:
                self.bases = [self.bases[0].parent if self.bases[0].name else self.bases[0].absolute().parent]
                self._below = self._indexed()
                self.beside = bool(self._below)
        return self._below

    def _indexed(self) -> dict[str, list[str]]:
        below: dict[str, list[str]] = {}
        for base in self.bases:
            for folder, inside, names in os.walk(base):
                depth = len(Path(folder).relative_to(base).parts)
                inside[:] = sorted(name for name in inside if name[0] != "." and depth < DEPTH and self._wanted(name))
                for name in sorted(names):
                    lower = _key(name)
                    if is_image(lower) and name[0] != ".":
                        path = os.path.join(folder, name)
                        for key in {lower, lower.rsplit(".", 1)[0]}:
                            below.setdefault(key, []).append(path)
        return below

    def _wanted(self, folder: str) -> bool:
        """Return False for a folder of masks, whose files are named as the pictures are, unless `images=` says it."""
        return self.said or not halves.is_of_masks(folder)


def _key(name: str) -> str:
    """Return a name in small letters, as Unicode composes it: a table's may be spelt otherwise than a Mac's file."""
    return name.lower() if name.isascii() else composed(name).lower()


def _agreement(path: str, value: str) -> int:
    """Count how many of the last parts of a path are those that the table says, of a file on another machine too."""
    own, said = ([*_key(one).split("/")] for one in (path.replace(os.sep, "/"), value))
    own[-1], said[-1] = own[-1].rsplit(".", 1)[0], said[-1] if "." not in said[-1] else said[-1].rsplit(".", 1)[0]
    count = 0
    while count < min(len(own), len(said)) and own[-1 - count] == said[-1 - count]:
        count += 1
    return count
