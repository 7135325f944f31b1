"""Data in files of labels or of pictures: `PREFIX:PATH,option=value`, listed without decoding a picture."""

from __future__ import annotations

import glob
import math
import os
import re
import shlex
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from cvtui.errors import RequestError, nearest
from cvtui.recipe.datasets import class_names, label_sets
from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.datasets.folder_listing import Files, Listing
from cvtui.recipe.datasets.image_files import ending, names_in
from cvtui.recipe.datasets.image_folder import listing_facts
from cvtui.recipe.datasets.known_layouts import known_layout
from cvtui.recipe.datasets.labels import classes_of, halves_of, held_out, part_of_name, parted, two_spellings
from cvtui.recipe.datasets.other_files import way_out
from cvtui.recipe.datasets.source import DataSource, State
from cvtui.recipe.recipe import Recipe
from cvtui.text import encodable

Signature = tuple[tuple[str, int, int], ...]
"""(path, size, time of the last change) of each file."""


class Asked(NamedTuple):
    """What a data text asks for."""

    path: Path
    """`~` resolved; may be a pattern."""
    options: dict[str, str]


class Row(NamedTuple):
    """A picture that a file names or holds."""

    name: str
    """Its path (or a `Packed` name)."""
    label: str
    part: str = ""
    """train, validation or test; "": not said."""


class Rows(NamedTuple):
    """The pictures of a file, and what is told of them."""

    rows: list[Row]
    notes: Sequence[str] = ()
    names: Mapping[str, str] = MappingProxyType({})
    """{label: the name of its class}, where they are known."""
    summary: str = ""
    classes: Sequence[str] = ()
    """Of pictures in several classes, where the file names them all."""


class FileSource(DataSource):
    """A source that is written `PREFIX:PATH`, with options behind commas."""

    options: ClassVar[tuple[str, ...]] = ()
    what: ClassVar[str] = "file"

    def check(self, text: str, label: str) -> str:
        path, options = self._split_text(text)
        if not path:
            raise RequestError(f"{label}: '{self.prefix}:' needs a path, as in {self.prefix}:{self.placeholder}")
        for name, value in options:
            if name not in self.options:
                allowed = f"it takes {', '.join(self.options)}" if self.options else "it takes none"
                raise RequestError(f"{label}: {self.prefix}: has no option {name!r}; {allowed}"
                                   f"{nearest(name, self.options)}")  # fmt: skip
            if not value:
                raise RequestError(f"{label}: the option {name!r} of {self.prefix}: is empty")
        return self._written(path, options)

    def _split_text(self, text: str) -> tuple[str, list[tuple[str, str]]]:
        """Split a text into its path and its options; a comma without `name=` behind it belongs to the path."""
        rest = text.strip().partition(":")[2].strip()
        if os.path.exists(os.path.expanduser(rest)):  # a comma and `=` in its name
            return rest, []
        path, *parts = re.split(r",(?=\s*[A-Za-z_]+=)", rest)
        options = [part.partition("=") for part in parts]
        return path.strip(), [(name.strip().lower(), value.strip()) for name, _, value in options]

    def _written(self, path: str, options: Sequence[tuple[str, str]]) -> str:
        return f"{self.prefix}:{path}" + "".join(f",{name}={value}" for name, value in options)

    def asked(self, text: str) -> Asked:
        path, options = self._split_text(text)
        try:
            return Asked(Path(path).expanduser(), dict(options))
        except RuntimeError:  # ~name, of a user whom this machine does not know
            return Asked(Path(path), dict(options))

    def place(self, text: str) -> Path:
        return self.asked(text).path

    def moved(self, text: str, place: Path) -> str:
        return self._written(str(place), self._split_text(text)[1])

    def is_there(self, place: Path) -> bool:
        return bool(files_of(place, self.endings))

    def where(self, text: str, _data_dir: str) -> tuple[str, State]:
        return str(self.place(text).absolute()), "ready"

    def files(self, text: str) -> list[Path]:
        """Return the files that the text names. RequestError where there are none."""
        path = self.place(text)
        found = files_of(path, self.endings)
        if found:
            return found
        if path.exists() and (known := known_layout(str(path))) is not None:
            raise known
        if path.is_dir():
            inside = [ending(name) for name in names_in(str(path))]
            raise RequestError(f"data: {str(path)!r} holds no {_or(self.endings)} file",
                               hint=way_out(inside) or "a folder of pictures is written folder:PATH")  # fmt: skip
        what = "does not exist" if not path.exists() else f"is no {_or(self.endings)} file"
        gone = [text for text in braced(str(path)) if not glob.has_magic(text) and not os.path.exists(text)]
        if len(gone) > 1 or gone != [str(path)] != []:
            what += f": there is no {gone[0]!r}" if gone else ""
        hint = way_out([ending(path.name)]) or f"{self.usage}, from {os.getcwd()!r} on"
        raise RequestError(f"data: {str(path)!r} {what}", hint=hint)

    def signature(self, text: str) -> Signature:
        """Return what tells whether the files have changed. RequestError where there are none."""
        found = []
        for path in self.files(text):
            try:
                status = os.stat(path)
            except OSError as error:
                raise RequestError(f"data: {str(path)!r} can't be read: {error.strerror}") from None
            found.append((str(path), status.st_size, status.st_mtime_ns))
        return tuple(found)


class ListedSource(FileSource):
    """A file source of pictures that are decoded one by one, as those of a folder are."""

    held: ClassVar[bool] = False
    """Its encoded pictures are held in memory (`with_bytes`)."""

    fresh: ClassVar[float] = math.inf
    """So many seconds a listing is believed while the file itself stays as it is."""

    def rows(self, text: str) -> Rows:
        """Return every picture with its label. RequestError in one line where that can't be."""
        raise NotImplementedError

    def listing(self, text: str, val_share: float, seed: int, *, only: bool = False) -> Listing:
        """List the pictures with their classes and parts. RequestError in one line where that can't be.

        only: the recipe names the classes that are meant: one that only validation has is no obstacle.
        """
        rows = self._rows(text)
        key = (text, val_share, seed, only)
        if _divided.get("key") != key or _divided.get("rows") is not rows:
            found = divided(rows, f"{self.what} {self.place(text).name!r}", val_share, seed, only)
            _divided.update(key=key, rows=rows, listing=found)
        listing: Listing = _divided["listing"]
        return listing

    def _rows(self, text: str) -> Rows:
        """Return the rows of a text: a form asks again at every key."""
        key = (text, self.signature(text))
        if key not in _known or time.monotonic() - _known[key][0] > self.fresh:
            found = self.rows(text)
            _known.clear()
            _known[key] = (time.monotonic(), found)
        return _known[key][1]

    def facts(self, recipe: Recipe) -> DataFacts:
        found = self.listing(recipe.data, recipe.val_share, recipe.seed, only=bool(recipe.only.strip()))
        summary = self._rows(recipe.data).summary or f"of {self.what} {self.place(recipe.data).name!r}"
        count = len(found.train) + len(found.validation)
        return listing_facts(found, recipe.data, f"{count:,} pictures {summary}", recipe.size)

    def with_bytes(self, _text: str, found: Listing, /) -> Listing:
        """Return the listing with pictures that can be opened, where the names alone don't tell how."""
        return found


_known: dict[tuple[str, Signature], tuple[float, Rows]] = {}
"""The last file that was listed, and when."""
_divided: dict[str, Any] = {}
"""And its last division: key, rows and listing."""


def divided(found: Rows, what: str, val_share: float, seed: int, only: bool = False) -> Listing:
    """Divide the pictures into both parts: as the file says, else `val_share` of each class. RequestError.

    only: as in `ListedSource.listing`.
    """
    rows, notes, own = _used(found, what)
    if any(label_sets.is_set(row.label) for row in rows):
        return _divided_sets(found, rows, own, (what, val_share, seed), notes)
    notes += two_spellings(row.label for row in rows)
    if own:
        classes, train, validating = _own_halves(found, rows, what, only, notes)
    else:
        classes, labels = classes_of([row.label for row in rows], what)
        places = held_out(labels, classes, [os.path.basename(row.name) for row in rows], val_share, seed)
        train, validating = parted([(row.name, label) for row, label in zip(rows, labels, strict=True)], places)
    classes = tuple(encodable(found.names.get(name, name)) for name in classes)
    check_names(classes, what)
    return Listing(classes, train, validating, 0, (*notes, *class_names.alike(classes)))


def _used(found: Rows, what: str) -> tuple[list[Row], list[str], bool]:
    """Return the rows of the parts that are used, what is told, and whether the file has a split of its own."""
    rows, notes = found.rows, list(found.notes)
    parts = Counter(row.part for row in rows)
    own = bool(parts["train"]) and bool(parts["validation"] or parts["test"])
    if own:
        validation = "validation" if parts["validation"] else "test"
        if validation == "test":
            notes.append(f"the test part is used for validation: {what} has no other")
        left = {part: count for part, count in parts.items() if part not in ("train", validation)}
        notes += [f"not used: {count:,} pictures of {f'the {part} part' if part else 'no part'}"
                  for part, count in left.items()]  # fmt: skip
        rows = [row for row in rows if row.part in ("train", validation)]
    return rows, notes, own


def _own_halves(
    found: Rows, rows: Sequence[Row], what: str, only: bool, notes: list[str]
) -> tuple[tuple[str, ...], Files, Files]:
    """Return the classes of the training part, and both parts by them."""
    train, held = ([row for row in rows if (row.part == "train") == half] for half in (True, False))
    both = halves_of([row.label for row in train], [row.label for row in held], what)
    named = [[found.names.get(name, name) for name in names] for names in (both.strange, both.classes)]
    check_strangers(named[0], what, named[1], only)
    notes += both.notes
    pairs = [
        tuple((row.name, label) for row, label in zip(half, labels, strict=True) if label >= 0)
        for half, labels in ((train, both.train), (held, both.held))
    ]
    return both.classes, pairs[0], pairs[1]


def check_names(classes: Sequence[str], what: str) -> None:
    """RequestError where two classes have one name."""
    if len(set(classes)) < len(classes):
        twice = next(name for name in classes if classes.count(name) > 1)
        raise RequestError(f"data: {what} names two classes {class_names.shown(twice)}")


def check_strangers(strange: Sequence[str], what: str, classes: Sequence[str], only: bool) -> None:
    """RequestError for classes that only validation has, unless the recipe says which classes are meant."""
    if strange and not only:
        like = class_names.lookalike(strange[0], classes)
        which = class_names.with_points(strange[0], like) if like else class_names.shown(strange[0])
        raise RequestError(
            f"data: {what}: the class {which} has no images to train on",
            hint=f"`--only {shlex.quote(','.join(classes[:8]))}` leaves it out",
        )


def _divided_sets(found: Rows, rows: list[Row], own: bool, how: tuple[str, float, int], notes: list[str]) -> Listing:
    """Divide pictures that are in several classes."""
    what, share, seed = how
    classes, sets, labels = label_sets.numbered([row.label for row in rows], found.classes, what)
    held = {place for place, row in enumerate(rows) if row.part != "train"}
    if not own:
        names = [os.path.basename(row.name) for row in rows]
        held = label_sets.held_out(labels, sets, names, share, seed)
    train, validating = parted([(row.name, label) for row, label in zip(rows, labels, strict=True)], held)
    return Listing(classes, train, validating, 0, tuple(notes), sets)


def _or(words: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


MOST_BRACES = 100_000


def files_of(path: Path, endings: Sequence[str]) -> list[Path]:
    """Return the files that a path names, in order: itself, those below a folder, a pattern's (`*`, `{000..003}`)."""
    if path.is_file():
        return [path] if not endings or path.name.lower().endswith(tuple(endings)) else []
    if path.is_dir():
        below = (Path(folder, name) for folder, _, names in os.walk(path) for name in names if name[0] != ".")
        return sorted(file for file in below if file.name.lower().endswith(tuple(endings)) and file.is_file())
    found: dict[Path, None] = {}  # patterns within a pattern may name a file twice
    for text in braced(str(path)):
        found |= dict.fromkeys(sorted(map(Path, glob.glob(text))) if glob.has_magic(text) else [Path(text)])
    return list(found) if found and all(file.is_file() for file in found) else []


def braced(text: str) -> list[str]:
    """Expand `a-{000..003}.tar` and `{train,val}.tar`, as shells and WebDataset do."""
    found = re.search(r"\{([^{}]*)\}", text)
    if found is None:
        return [text]
    inside = re.fullmatch(r"(\d+)\.\.(\d+)", found[1])
    if inside is not None:
        low, high = int(inside[1]), int(inside[2])
        wide = max(len(inside[1]), len(inside[2])) if "0" in (inside[1][0], inside[2][0]) else 0
        words = [str(number).zfill(wide) for number in range(low, min(high, low + MOST_BRACES) + 1)]
    elif "," in found[1]:
        words = found[1].split(",")
    else:
        return [text]
    return [more for word in words for more in braced(text[: found.start()] + word + text[found.end() :])]


def part_of_file(path: Path) -> str:
    """Return the part that a file's name, or its folder's, tells: `train-00000-of-00004.parquet`; else ""."""
    return part_of_name(path.stem) or part_of_name(path.parent.name)
