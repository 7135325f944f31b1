"""A folder of images, one subfolder a class: what a listing tells, without opening a single file.

PATH/cats/…  PATH/dogs/…                        split by val_share
PATH/train/cats/…  PATH/val/cats/…              its own split (`validation`, `valid` and `test` mean `val` too)
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cvtui.errors import RequestError
from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.datasets.source import DataSource, State
from cvtui.recipe.recipe import Recipe

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
DEFAULT_SIDE = 64
TRAIN_NAMES, VALIDATION_NAMES = ("train", "training"), ("val", "validation", "valid", "test")
FRESH_SECONDS = 5.0
"""So long a listing is believed: a form asks again at every key."""


@dataclass(frozen=True)
class Listing:
    """The files of a folder, not opened."""

    classes: tuple[str, ...]
    train: tuple[tuple[str, int], ...]
    """(path, number of the class)."""
    validation: tuple[tuple[str, int], ...]
    others: int
    """Files that are no images by their names, and links, which are not followed."""
    notes: tuple[str, ...] = ()
    """What else is told of it."""


def parse_size(text: str) -> tuple[int, int]:
    """`64` -> (64, 64), `48x96` -> (48, 96): height and width. "" is 64."""
    high, _, wide = (text.lower() or str(DEFAULT_SIDE)).partition("x")
    return int(high), int(wide or high)


def folder_facts(path: Path, size: str, val_share: float) -> DataFacts:
    """Return the facts of a folder. RequestError where it is not there, or holds no classes."""
    found = listing(path, val_share)
    high, wide = parse_size(size)
    if not high or not wide:
        raise RequestError(f"size: {size!r} is not possible; allowed: a side in pixels such as 64, or 48x96")
    return DataFacts(
        name=f"folder:{path}",
        summary=f"{len(found.train) + len(found.validation):,} image files in {len(found.classes)} folders",
        size=(high, wide, 3),
        classes=found.classes,
        train=len(found.train),
        validation=len(found.validation),
        train_counts=_counts(found.train, len(found.classes)),
        validation_counts=_counts(found.validation, len(found.classes)),
        opened=False,
    )


def _counts(files: Sequence[tuple[str, int]], classes: int) -> tuple[int, ...]:
    counts = [0] * classes
    for _, label in files:
        counts[label] += 1
    return tuple(counts)


_known: dict[tuple[str, float, int], tuple[float, Listing]] = {}


def listing(path: Path, val_share: float, seed: int = 0) -> Listing:
    """List the folder's images. RequestError in one line where that can't be.

    Where it has no split of its own, which ones are for validation follows from their names and the seed, `val_share`
    of each class (at least one).
    """
    key = (str(path), val_share, seed)
    if key in _known and time.monotonic() - _known[key][0] < FRESH_SECONDS:
        return _known[key][1]
    found = _list(path, val_share, seed)
    _known.clear()
    _known[key] = (time.monotonic(), found)
    return found


def _list(path: Path, val_share: float, seed: int) -> Listing:
    if not path.is_dir():
        what = "is a file, not a folder" if path.exists() else "does not exist"
        raise RequestError(f"data: the folder {str(path)!r} {what}", hint="folder:PATH holds one subfolder a class")
    below = _subfolders(path)
    train = next((name for name in TRAIN_NAMES if name in below), None)
    validation = next((name for name in VALIDATION_NAMES if name in below), None)
    if train is not None and validation is not None:
        return _own_split(path / train, path / validation)
    root = path / train if train is not None and len(below) == 1 else path
    names = _subfolders(root)
    files, others = _files_of(root, names)
    names, files = _with_images(root, names, files)
    train_files: list[tuple[str, int]] = []
    held_out: list[tuple[str, int]] = []
    for label, paths in enumerate(files):
        if len(paths) < 2:
            raise RequestError(f"data: the class {names[label]!r} has one image; two are the least (one to validate)")
        count = min(len(paths) - 1, max(1, round(len(paths) * val_share)))
        ranked = sorted(paths, key=lambda file: _rank(file, seed))
        held_out += [(file, label) for file in sorted(ranked[:count])]
        train_files += [(file, label) for file in sorted(ranked[count:])]
    return Listing(tuple(names), tuple(train_files), tuple(held_out), others)


def _rank(file: str, seed: int) -> bytes:
    """Rank a file in an order that has nothing to do with its name's."""
    import hashlib

    name = "/".join(file.split(os.sep)[-2:])
    return hashlib.blake2b(f"{seed}:{name}".encode("utf-8", "surrogateescape"), digest_size=8).digest()


def _own_split(train: Path, validation: Path) -> Listing:
    names = _subfolders(train)
    files, others = _files_of(train, names)
    names, files = _with_images(train, names, files)
    strangers = [name for name in _subfolders(validation) if name not in names]
    if strangers:
        raise RequestError(
            f"data: {str(validation)!r} has the class {strangers[0]!r}, which {str(train)!r} has no images of"
        )
    held, more = _files_of(validation, names)
    if not any(held):
        raise RequestError(f"data: {str(validation)!r} holds no images", hint=f"images are {', '.join(SUFFIXES)}")
    return Listing(
        tuple(names),
        tuple((file, label) for label, paths in enumerate(files) for file in paths),
        tuple((file, label) for label, paths in enumerate(held) for file in paths),
        others + more,
    )


def _with_images(root: Path, names: list[str], files: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Keep the classes that have images; RequestError for fewer than two."""
    kept = [(name, paths) for name, paths in zip(names, files, strict=True) if paths]
    if len(kept) < 2:
        there = f"{len(kept)} subfolder{'s' if len(kept) != 1 else ''} with images" if names else "no subfolders"
        raise RequestError(
            f"data: {str(root)!r} has {there}; each class needs one, and two classes are the least",
            hint=f"images are {', '.join(SUFFIXES)}",
        )
    return [name for name, _ in kept], [paths for _, paths in kept]


def _subfolders(path: Path) -> list[str]:
    """Sorted by name; hidden ones and links are left out."""
    try:
        with os.scandir(path) as entries:
            shown = (entry for entry in entries if not entry.name.startswith("."))
            return sorted(entry.name for entry in shown if entry.is_dir(follow_symlinks=False))
    except OSError as error:
        raise RequestError(f"data: {str(path)!r} can't be read: {error.strerror}") from None


def _is_regular(path: str) -> bool:
    """No link, and no pipe, which would make its reader wait for ever."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _files_of(root: Path, names: list[str]) -> tuple[list[list[str]], int]:
    """List the image files below each class's folder (at any depth), sorted; and count the other files."""
    found: list[list[str]] = []
    others = 0
    for name in names:
        paths = []
        for folder, below, files in os.walk(root / name, followlinks=False):
            below[:] = [part for part in below if not part.startswith(".")]
            for file in files:
                path = os.path.join(folder, file)
                if file.lower().endswith(SUFFIXES) and not file.startswith(".") and _is_regular(path):
                    paths.append(path)
                else:
                    others += 1
        found.append(sorted(paths))
    return found, others


class ImageFolder(DataSource):
    """`folder:PATH`: images of the user's own."""

    reader = "image_folder"
    prefix = "folder"
    usage = "folder:PATH"
    summary = "your own images, one subfolder a class"
    placeholder = "pictures/flowers"

    def check(self, text: str, label: str) -> str:
        path = text.strip().partition(":")[2]
        if not path:
            raise RequestError(f"{label}: 'folder:' needs a path, as in folder:pictures/flowers")
        return "folder:" + path

    def facts(self, recipe: Recipe) -> DataFacts:
        return folder_facts(self.folder(recipe.data), recipe.size, recipe.val_share)

    def folder(self, text: str) -> Path:
        path = Path(text.strip().partition(":")[2])
        try:
            return path.expanduser()
        except RuntimeError:  # ~name, of a user whom this machine does not know
            return path

    def where(self, text: str, _data_dir: str) -> tuple[str, State]:
        return str(self.folder(text).absolute()), "ready"
