"""Labelled image files to evaluate a finished run on: a folder's or a list's, whole or one half. Nothing is opened."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvtui.errors import RequestError, nearest
from cvtui.recipe.datasets import class_names, folder_typed, halves
from cvtui.recipe.datasets.asked_folder import class_folders
from cvtui.recipe.datasets.catalog import find_source
from cvtui.recipe.datasets.file_source import ListedSource
from cvtui.recipe.datasets.folder_layout import find_layout
from cvtui.recipe.datasets.folder_listing import Listing
from cvtui.recipe.datasets.image_files import FoundFiles, found_files, images_below, subfolders
from cvtui.recipe.datasets.labels import classes_of

WORDS = {"val": "validation", "test": "test"}
NAMED = 5


@dataclass(frozen=True)
class Labelled:
    """Image files with their classes."""

    files: tuple[tuple[str, int], ...]
    """(path, number of the run's class)."""
    where: str
    """What they are, in words."""
    notes: tuple[str, ...] = ()


def data_text(text: str) -> str:
    """Return what a user gave for --data as a data text: a folder's path alone means `folder:PATH`."""
    if find_source(text) is None and folder_typed.path_of(f"folder:{text}").is_dir():
        return f"folder:{text.strip()}"
    return text


def labelled_files(text: str, split: str, classes: Sequence[str], only: bool = False) -> Labelled | None:
    """List the image files of a data text; None for a source that holds no files.

    split: val, test, or "" (all; of a set with halves those for validation). classes: of the run; only: it left out
    classes of its data, which are left out here too. RequestError for a class that it does not know.
    """
    source = find_source(text)
    if isinstance(source, ListedSource):
        return _listed(source, text, split, classes, only)
    if source is None or source.reader != "image_folder":
        return None
    root = folder_typed.path_of(text)
    folder_typed.check_folder(root)
    found, where = _listed_half(str(root), text, split) or _in_folders(str(root), text, split)
    passed = FoundFiles()
    files: list[tuple[str, int]] = []
    left: Counter[str] = Counter()
    for name, below in found.items():
        passed.add(below)
        number = _number(name, classes, only, where)
        if number is None:
            left[name] += len(below.images)
        else:
            files += [(path, number) for path in below.images]
    if not files:
        what = found_files(passed.others)
        raise RequestError(f"data: {where} holds no images of the run's classes{'; ' + what if what else ''}")
    notes = [passed.passed_over()] if passed.passed_over() else []
    notes += [f"{count:,} images of {name!r} are left out: the run was trained without it (only)"
              for name, count in left.items() if count]  # fmt: skip
    return Labelled(tuple(sorted(files, key=lambda one: one[1])), where, tuple(notes))


def _number(name: str, classes: Sequence[str], only: bool, where: str) -> int | None:
    known = class_names.match(class_names.class_name(name), classes)
    if known is not None:
        return list(classes).index(known)
    if only:
        return None
    shown = ", ".join(classes[:20]) + (" …" if len(classes) > 20 else "")
    raise RequestError(
        f"data: {where} has the class {class_names.shown(name)}, which the run does not know"
        f"{nearest(name, tuple(classes))}; its classes: {shown}",
        hint="rename its folder, or move it away",
    )


# ------------------------------------------------------------------ folders


def _listed_half(root: str, text: str, split: str) -> tuple[dict[str, FoundFiles], str] | None:
    """Return the images of a half for validation whose classes stand in a list; None where there is none."""
    flat = [name for name in subfolders(root)[0]
            if halves.role(name) == "val" and not class_folders(os.path.join(root, name))[1:]]  # fmt: skip
    if split == "test" or not flat or folder_typed.split_of(text):
        return None
    try:
        held = find_layout(root, {}).held
    except RequestError:
        return None
    if held is None:
        return None
    return {
        name: FoundFiles(images=paths) for name, paths in held.images.items()
    }, f"{root!r}, classes of {held.list!r}"


def _in_folders(root: str, text: str, split: str) -> tuple[dict[str, FoundFiles], str]:
    found, where = _folders(root, text, split)
    return {name: images_below(places) for name, places in found.items()}, where


def _folders(root: str, text: str, split: str) -> tuple[dict[str, list[str]], str]:
    """Return the folders of each class, and where they lie, in words."""
    typed = folder_typed.split_of(text)
    wanted = split or "val"
    if "split" not in typed:
        told = typed.get("val", "") if wanted == "val" else ""
        if place := (told and os.path.join(root, told)) or _half(root, wanted) or (not split and _half(root, "test")):
            return _by_class([place]), repr(place)
        if inside := _halves_inside(root, wanted):
            return inside, f"{WORDS[wanted]} in each class of {root!r}"
    if split:
        raise RequestError(
            f"--split {split}: {root!r} has no {WORDS[split]} folder",
            hint=f"PATH/{split}/CLASS/… is one; --data PATH takes another folder" if split == "test"
            else "without --split all of its images are evaluated",
        )  # fmt: skip
    return _by_class([root]), repr(root)


def _half(root: str, role: str) -> str:
    """Return the folder of a half that holds class folders; of several the one with the plainest name."""
    found = [name for name in subfolders(root)[0] if halves.role(name) == role]
    found.sort(key=lambda name: (name.lower() not in ("test", "val", "validation"), name))
    for name in found:
        place = os.path.join(root, name)
        below = class_folders(place)
        if below == [name]:  # unpacked into itself: seg_test/seg_test
            place, below = os.path.join(place, name), class_folders(os.path.join(place, name))
        if below:
            return place
    return ""


def _halves_inside(root: str, role: str) -> dict[str, list[str]]:
    """Return PATH/CLASS/test of each class, where the classes hold their own halves."""
    found = {}
    for name in subfolders(root)[0]:
        kids = [kid for kid in class_folders(os.path.join(root, name)) if halves.role(kid) == role]
        if kids:
            found[name] = [os.path.join(root, name, kid) for kid in kids]
    return found


def _by_class(roots: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for root in roots:
        for name in subfolders(root)[0]:
            found.setdefault(name, []).append(os.path.join(root, name))
    return found


# ------------------------------------------------------------------ lists


def _listed(source: ListedSource, text: str, split: str, classes: Sequence[str], only: bool) -> Labelled:
    rows = source.rows(text)
    parts = Counter(row.part for row in rows.rows)
    wanted = WORDS[split] if split else "validation" if parts["validation"] else "test" if parts["test"] else ""
    name = Path(source.place(text)).name
    if split and not parts[wanted]:
        raise RequestError(f"--split {split}: {name!r} has no {wanted} part")
    where = f"{name}, {wanted}" if wanted else name
    kept = [row for row in rows.rows if not wanted or row.part == wanted]
    found, labels = classes_of([row.label for row in rows.rows], f"{source.what} {name!r}")
    by_row: Mapping[int, int] = dict(zip(map(id, rows.rows), labels, strict=True))
    numbers = {place: _number(rows.names.get(label, label), classes, only, where) for place, label in enumerate(found)}
    pairs = [(row.name, number) for row in kept if (number := numbers[by_row[id(row)]]) is not None]
    opened = source.with_bytes(text, Listing(tuple(classes), (), tuple(pairs), 0))
    return Labelled(opened.validation, where, tuple(rows.notes))
