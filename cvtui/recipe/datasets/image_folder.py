"""A folder of images, one subfolder a class: what a listing tells, without opening a single file.

PATH/cats/…  PATH/dogs/…                        split by val_share
PATH/train/cats/…  PATH/val/cats/…              its own split (halves.py: which names mean that)
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from cvtui.errors import RequestError
from cvtui.recipe.choices.losses import LOSSES
from cvtui.recipe.choices.spec import parse_choice
from cvtui.recipe.datasets import class_names, folder_notes, folder_typed, halves
from cvtui.recipe.datasets.asked_folder import Layout, class_folders, label_file, named, packed_source
from cvtui.recipe.datasets.data_facts import DataFacts, parse_size
from cvtui.recipe.datasets.folder_layout import find_layout
from cvtui.recipe.datasets.folder_listing import (
    Asked,
    Files,
    Listing,
    Stamps,
    handed_listing,
    stamp_of,
    write_listing,
)
from cvtui.recipe.datasets.folder_sets import Linked, linked
from cvtui.recipe.datasets.image_files import (
    FoundFiles,
    ending,
    found_files,
    images_below,
    names_in,
    package_for,
    subfolders,
)
from cvtui.recipe.datasets.known_layouts import known_layout
from cvtui.recipe.datasets.label_sets import counts_of
from cvtui.recipe.datasets.label_sets import held_out as sets_held_out
from cvtui.recipe.datasets.labels import held_out, parted
from cvtui.recipe.datasets.other_files import known_set, way_out
from cvtui.recipe.datasets.source import DataSource, State
from cvtui.recipe.recipe import Recipe

FRESH_SECONDS = 5.0
"""So long a listing is believed: a form asks again at every key."""


@dataclass(frozen=True)
class _Gathered:
    """What was found, before it is split."""

    classes: tuple[str, ...]
    train: tuple[tuple[str, ...], ...]
    """Paths of each class."""
    validation: tuple[tuple[str, ...], ...] | None
    """None where the folder has no split of its own."""
    others: int
    notes: tuple[str, ...]
    refused: tuple[str, str] = ("", "")
    """(message, hint) unless the recipe says which classes are meant (`only`)."""
    folders: Stamps = ()
    """Those that were looked into, as they were before that."""


def folder_facts(
    path: Path,
    size: str,
    val_share: float,
    split: Mapping[str, str] | None = None,
    only: str = "",
    several: bool = False,
    seed: int = 0,
) -> DataFacts:
    """Return the facts of a folder. RequestError where it is not there, or holds no classes."""
    found = listing(path, val_share, seed, split=split, only=only, several=several)
    count = len(found.train) + len(found.validation)
    return listing_facts(found, f"folder:{path}", f"{count:,} image files in {len(found.classes)} folders", size)


def listing_facts(found: Listing, name: str, summary: str, size: str) -> DataFacts:
    """Return the facts of listed files. RequestError for a size that is not possible."""
    counts = [
        counts_of((label for _, label in part), found.label_sets, len(found.classes))
        for part in (found.train, found.validation)
    ]
    return DataFacts(
        name=name,
        summary=summary,
        size=(*parse_size(size), 3),
        classes=found.classes,
        train=len(found.train),
        validation=len(found.validation),
        train_counts=counts[0],
        validation_counts=counts[1],
        opened=False,
        label_sets=found.label_sets,
        notes=found.notes,
    )


_divided: dict[tuple[int, float, int, bool], Listing] = {}
"""The last division of what is known (0.2 s of 100,000 files)."""
_known: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[float, _Gathered]] = {}
_handed: list[tuple[float, Asked, Listing]] = []
"""(when, of what, the listing) that this process was started with."""


def listing(
    path: Path,
    val_share: float,
    seed: int = 0,
    *,
    split: Mapping[str, str] | None = None,
    only: str = "",
    several: bool = False,
) -> Listing:
    """List the folder's images. RequestError in one line where that can't be.

    Where it has no split of its own, which ones are for validation follows from their names and the seed, `val_share`
    of each class (at least one). split: what the text says of the halves (folder_typed.py); only: the recipe's classes,
    with which a class that can't be used is no obstacle. several: a real file in several classes is one picture.
    """
    key = (os.path.abspath(path), tuple(sorted((split or {}).items())))
    asked = (*key, val_share, seed, several)
    if (handed := handed_listing(asked)) is not None:
        _handed[:] = [(time.monotonic(), asked, handed)]
    if _handed and _handed[0][1] == asked and time.monotonic() - _handed[0][0] < FRESH_SECONDS:
        return _handed[0][2]
    if key not in _known or time.monotonic() - _known[key][0] >= FRESH_SECONDS:
        try:
            found = _gather(path, split or {})
        except RequestError as error:
            raise known_layout(str(path)) or error from None
        _known.clear()
        _divided.clear()
        _known[key] = (time.monotonic(), found)
    found = _known[key][1]
    if found.refused[0] and not only.strip():
        raise RequestError(found.refused[0], hint=found.refused[1])
    how = (id(found), val_share, seed, several)
    if how not in _divided:
        _divided.clear()
        _divided[how] = _listing_of(found, val_share, seed, several)
    return _divided[how]


def hand_on(recipe: Recipe, *, named: bool = False) -> IO[bytes] | None:
    """Write the listing of a recipe's folder, which was just made, for the process that trains it; None without one.

    named: as of `write_listing`.
    """
    if not recipe.data.startswith("folder:"):
        return None
    split, several = folder_typed.split_of(recipe.data), several_of(recipe)
    key = (os.path.abspath(folder_typed.path_of(recipe.data)), tuple(sorted(split.items())))
    if key not in _known:
        return None
    gathered = _known[key][1]
    how = (id(gathered), recipe.val_share, recipe.seed, several)
    if how not in _divided:
        return None
    return write_listing(_divided[how], (*key, recipe.val_share, recipe.seed, several), gathered.folders, named=named)


def _listing_of(found: _Gathered, val_share: float, seed: int, several: bool) -> Listing:
    """Divide what was found into both parts."""
    shared = linked(found.classes, found.train, found.validation) if several else None
    if shared is not None:
        return _listed_sets(found, shared, val_share, seed)
    if found.validation is not None:
        return Listing(found.classes, _labelled(found.train), _labelled(found.validation), found.others, found.notes)
    files = _labelled(found.train)
    labels, names = [label for _, label in files], [_own_name(path) for path, _ in files]
    train, validation = parted(files, held_out(labels, found.classes, names, val_share, seed))
    return Listing(found.classes, train, validation, found.others, found.notes)


def _listed_sets(found: _Gathered, shared: Linked, val_share: float, seed: int) -> Listing:
    """List pictures that are in several classes."""
    count = sum(map(len, (*found.train, *(found.validation or ()))))
    once = len(shared.train) + len(shared.validation)
    note = f"{count:,} files are {once:,} pictures, some in several classes: accuracy is of a yes or no for each"
    notes, files = (*found.notes, note), shared.train
    if found.validation is not None:
        return Listing(found.classes, files, shared.validation, found.others, notes, shared.sets)
    names, labels = [_own_name(path) for path, _ in files], [label for _, label in files]
    train, validation = parted(files, sets_held_out(labels, shared.sets, names, val_share, seed))
    return Listing(found.classes, train, validation, found.others, notes, shared.sets)


def _labelled(paths: Sequence[Sequence[str]]) -> Files:
    return tuple((path, label) for label, of_class in enumerate(paths) for path in of_class)


def _own_name(path: str) -> str:
    """Return what stays where a folder is moved, or spelt apart by another system."""
    start = path.rfind(os.sep, 0, max(0, path.rfind(os.sep))) + 1
    name = path[start:]
    return name if name.isascii() and os.sep == "/" else class_names.composed(name.replace(os.sep, "/"))


# ------------------------------------------------------------------ one list of classes


def _gather(path: Path, split: Mapping[str, str]) -> _Gathered:
    folder_typed.check_folder(path)
    stamps = [stamp_of(str(path))]
    layout = find_layout(str(path), split)
    stamps += map(stamp_of, (*layout.train, *layout.validation))
    notes = list(layout.notes)
    folders = _classes(layout, "train", notes)
    found = {name: images_below(places) for name, places in folders.items()}
    names = sorted(name for name in found if found[name].images)
    empty = {name: found[name] for name in sorted(found) if not found[name].images}
    _check_two(layout, names, empty)
    refused = layout.refused if layout.refused[0] else folder_notes.unread(empty)
    if not refused[0]:
        notes += folder_notes.without_images(empty)
    passed = FoundFiles()
    for name in names:
        passed.add(found[name])
    held: dict[str, FoundFiles] | None = None
    if layout.validation:
        held, stranger = _validation(layout, names, set(empty), notes)
        refused = stranger if stranger[0] else refused
        for one in held.values():
            passed.add(one)
    elif layout.held is not None:
        stamps.append(stamp_of(layout.held.list))
        passed.add(layout.held.found)
        held = {class_names.class_name(name): FoundFiles(images=some) for name, some in layout.held.images.items()}
    halves_of = _classes(layout, "val", []) if layout.validation and not layout.inside else {}
    notes += folder_notes.same_folders({name: folders[name] for name in names}, halves_of)
    notes += folder_notes.more_notes(layout, names, found, passed)
    return _Gathered(
        tuple(names),
        tuple(tuple(found[name].images) for name in names),
        None if held is None else tuple(tuple(held[name].images) if name in held else () for name in names),
        passed.count(),
        tuple(notes),
        refused,
        tuple(dict((*stamps, *passed.folders, *(stamp for one in empty.values() for stamp in one.folders))).items()),
    )


def _classes(layout: Layout, half: str, notes: list[str]) -> dict[str, list[str]]:
    """Return the folders of each class of a half; names that Unicode calls equal are one class, and that is told."""
    found: dict[str, list[str]] = {}
    for root in layout.train if half == "train" else layout.validation:
        spelt: dict[str, str] = {}
        for name in subfolders(root)[0]:
            if half == "train" and name in layout.no_classes:
                continue
            one = class_names.class_name(name)
            if one in spelt and not layout.inside:
                both = (class_names.with_points(spelt[one], name), class_names.with_points(name, spelt[one]))
                notes.append(f"the folders {' and '.join(sorted(both))} have the same name: they are one class")
            spelt[one] = name
            place = os.path.join(root, name)
            found.setdefault(one, []).extend(_half_of_class(place, half) if layout.inside else [place])
    return found


def _half_of_class(path: str, half: str) -> list[str]:
    """Return the folders of one half in a class that holds its own halves."""
    kids = {kid: halves.role(kid) for kid in class_folders(path)}
    wanted = half if half == "train" else "val" if "val" in kids.values() else "test"
    return [os.path.join(path, kid) for kid, role in kids.items() if role == wanted]


def _validation(
    layout: Layout, names: Sequence[str], empty: set[str], notes: list[str]
) -> tuple[dict[str, FoundFiles], tuple[str, str]]:
    """Return what validation has of each class (by the training's names), and why it can't be used: ("", "") if it can.

    A class that validation lacks is no fault; one that only validation has is.
    """
    where = named([os.path.basename(path) for path in layout.validation])
    folders: dict[str, list[str]] = {}
    refused = ("", "")
    for name, places in _classes(layout, "val", notes).items():
        known = class_names.match(name, names)
        if known is None:
            if name not in empty and not refused[0]:
                refused = _stranger(name, names, layout)
            continue
        if known != name:
            notes.append(class_names.taken(f"{where}/", name, known))
        folders.setdefault(known, []).extend(places)
    held = {name: images_below(places) for name, places in folders.items()}
    if not refused[0] and not any(one.images for one in held.values()):
        passed = FoundFiles()
        for one in held.values():
            passed.add(one)
        what, root = found_files(passed.others), ", ".join(map(repr, layout.validation))
        raise RequestError(f"data: {root} holds no images{'; ' + what if what else ''}", hint=folder_notes.images())
    return held, refused


def _stranger(name: str, names: Sequence[str], layout: Layout) -> tuple[str, str]:
    train, validation = (", ".join(map(repr, half)) for half in (layout.train, layout.validation))
    like = class_names.lookalike(name, names)
    which = class_names.with_points(name, like) if like else repr(name)
    more = f"; it looks like {class_names.with_points(like, name)}" if like else ""
    return (
        f"data: {validation} has the class {which}, which {train} has no images of{more}",
        f"move it away, or `--only {shlex.quote(','.join(names[:8]))}` leaves it out",
    )


def _check_two(layout: Layout, names: Sequence[str], empty: Mapping[str, FoundFiles]) -> None:
    """RequestError for fewer than two classes with images: what was found instead."""
    if len(names) > 1:
        return
    root = ", ".join(map(repr, layout.train))
    passed = FoundFiles()
    for one in empty.values():
        passed.add(one)
    where = layout.train[0]
    there = "0 subfolders with images" if empty else "no subfolders"
    if names:
        there = f"one subfolder with images, {names[0]!r}"
    for place in layout.train:
        passed.others.update(ending(name) for name in names_in(place) if os.path.isfile(os.path.join(place, name)))
    what = found_files(passed.others)
    raise RequestError(
        f"data: {root} has {there}; each class needs one, and two classes are the least{'; ' + what if what else ''}",
        hint=known_set(names_in(where), where) or package_for(passed.others) or label_file(where).rstrip("; ")
        or packed_source(where, passed.others) or way_out(passed.others)
        or folder_typed.packed(where) or ("" if names else folder_notes.images()),
    )  # fmt: skip


def several_of(recipe: Recipe) -> bool:
    """Return True if the recipe's loss takes pictures in several classes: links in two folders may be by chance."""
    return parse_choice(recipe.loss, LOSSES, "loss").spec.several


class ImageFolder(DataSource):
    """`folder:PATH`: images of the user's own."""

    reader = "image_folder"
    prefix = "folder"
    usage = "folder:PATH"
    summary = "your own images, one subfolder a class"
    placeholder = "pictures/flowers"

    def check(self, text: str, label: str) -> str:
        return folder_typed.check_text(text, label)

    def facts(self, recipe: Recipe) -> DataFacts:
        split = folder_typed.split_of(recipe.data)
        place, several = self.folder(recipe.data), several_of(recipe)
        found = folder_facts(place, recipe.size, recipe.val_share, split, recipe.only, several, recipe.seed)
        return replace(found, name=found.name + folder_typed.brackets_of(recipe.data))

    def pictures(self, recipe: Recipe) -> list[str]:
        split = folder_typed.split_of(recipe.data)
        where, several = self.folder(recipe.data), several_of(recipe)
        found = listing(where, recipe.val_share, recipe.seed, split=split, only=recipe.only, several=several)
        return [path for path, _ in found.train]

    def folder(self, text: str) -> Path:
        return folder_typed.path_of(text)

    def moved(self, text: str, folder: Path) -> str:
        return f"folder:{folder}{folder_typed.brackets_of(text)}"

    def where(self, text: str, _data_dir: str) -> tuple[str, State]:
        return str(self.folder(text).absolute()), "ready"
