"""Layout of a folder of images: which folders hold the classes, to train on and to validate on."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from cvtui.errors import RequestError, nearest
from cvtui.recipe.datasets import halves
from cvtui.recipe.datasets.asked_folder import (
    AskedFolder,
    Layout,
    by_file_names,
    class_folders,
    label_file,
    named,
    unwrapped,
)
from cvtui.recipe.datasets.image_files import images_in, is_image, names_in, subfolders
from cvtui.recipe.datasets.named_halves import named_halves

SHARED = 0.5
"""Of the subfolders of the folder with most: when others hold so many of the same names, these may be the classes."""


def find_layout(path: str, split: Mapping[str, str]) -> Layout:
    """Find out which folders below `path` hold the classes. RequestError, with the line to type, where that is unclear.

    split: what the user says: {"train": "a", "val": "b"} (names below `path`, several joined by +), {"split": "none"}
    (each subfolder is a class) or {}.
    """
    class_folders.cache_clear()
    if split.get("split") == "none":
        return Layout((path,))
    if split:
        return _as_told(path, split)
    root = AskedFolder.read(path)
    found = named_halves(root) or _one_folder(root) or _whole_sets(root) or _halves_inside(root)
    found = found or _half_beside_classes(root)
    if found is None:
        _masks(root)
        _same_subfolders(root)
        _flat_half(root)
        found = Layout((path,), notes=_nested(root))
    elif len(found.train) == 1 and found.train[0] != path:
        train = AskedFolder.read(found.train[0])
        alone = not found.validation and found.held is None
        if alone and (inner := _half_beside_classes(train)) is not None:  # train/cat, train/dog, train/val
            found = replace(inner, notes=(*found.notes, *inner.notes))
        else:
            found = replace(found, notes=(*found.notes, *_nested(train)))
    return replace(found, notes=(*root.notes, *found.notes))


# ------------------------------------------------------------------ what the user says


def _as_told(path: str, split: Mapping[str, str]) -> Layout:
    sides = {}
    for key in ("train", "val"):
        folders = []
        for name in _several(path, split.get(key, "")):
            folder = os.path.join(path, name)
            if not os.path.isdir(folder):
                raise RequestError(
                    f"data: {key}={name}: {path!r} has no such folder{nearest(name, subfolders(path)[0])}"
                )
            folders.append(folder)
        sides[key] = tuple(folders)
    if not sides["train"]:
        raise RequestError("data: val= without train=", hint="as in folder:PATH(train=A, val=B)")
    return Layout(sides["train"], sides["val"])


def _several(path: str, text: str) -> list[str]:
    whole = [text] if text else []
    return whole if os.path.isdir(os.path.join(path, text)) else [name for name in text.split("+") if name]


# ------------------------------------------------------------------ what the folders hold


def _one_folder(root: AskedFolder) -> Layout | None:
    """Refuse a folder around the set, a class of it, or a heap of images, with what may be meant."""
    loose = images_in(root.path)
    if len(root.holding) == 1:
        inner = os.path.join(root.path, root.holding[0])
        while len(below := class_folders(inner)) == 1 and not images_in(inner):
            inner = os.path.join(inner, below[0])
        if len(below) > 1:
            raise RequestError(
                f"data: {root.path!r} holds one folder with images, {root.holding[0]!r}; two classes are the least: "
                f"did you mean {shlex.quote('folder:' + inner)}?",
                hint=label_file(root.path).rstrip("; "),
            )
    if not root.holding and loose:
        above = os.path.dirname(os.path.abspath(root.path))
        kin = [name for name in subfolders(above)[0] if any(map(is_image, names_in(os.path.join(above, name))))]
        around = os.path.dirname(above)
        if halves.role(os.path.basename(above)) and sum(map(bool, map(halves.role, subfolders(around)[0]))) > 1:
            above = around  # a class of a half
        meant = shlex.quote("folder:" + above) if len(kin) > 1 else ""
        raise root.refusal(
            f"{len(loose):,} image{'s' if len(loose) != 1 else ''}, but no subfolders with images; each class needs one"
            f"{by_file_names(root.path, loose)}",
            label_file(root.path)
            + (
                f"did you mean {meant}, with the classes {named(kin)}?"
                if meant
                else "folder:PATH holds a folder a class"
            ),
        )
    return None


def _whole_sets(root: AskedFolder) -> Layout | None:
    """Refuse folders with halves of their own that hold the same class folders: fold_1/train/cat, fold_1/val/cat."""
    sets, classes = {}, set()
    for name in root.holding:
        place = os.path.join(root.path, name)
        while len(below := class_folders(place)) == 1 and not images_in(place):
            place = os.path.join(place, below[0])
        sides: dict[str | None, set[str]] = {}
        for kid in below:
            sides.setdefault(halves.role(kid), set()).update(unwrapped(os.path.join(place, kid), place)[1])
        both = sides.get("train", set()) & (sides.get("val", set()) | sides.get("test", set()))
        if len(both) > 1:
            sets[name] = place
            classes |= both
    if sets:
        hold = "hold halves of their own: whole sets" if len(sets) > 1 else "holds halves of its own: a whole set"
        raise root.refusal(
            f"{named(list(sets))} {hold}, with the classes {named(sorted(classes))}",
            f"did you mean {shlex.quote('folder:' + next(iter(sets.values())))}? If {named(root.holding, 3)} are the "
            f"classes: {root.text(split='none')}",
        )
    return None


def _halves_inside(root: AskedFolder) -> Layout | None:
    """Find halves within each class: PATH/cat/train, PATH/cat/val."""
    roles = [{halves.role(kid) for kid in class_folders(os.path.join(root.path, name))} for name in root.holding]
    held = [there for there in roles if there & {"val", "test"}]
    if len(roles) < 2 or any("train" not in there for there in roles) or len(held) < len(roles) / 2:
        return None
    return Layout((root.path,), (root.path,), inside=True, notes=("each class holds its own halves: they are used",))


def _half_beside_classes(root: AskedFolder) -> Layout | None:
    """Find a half, or the set once more, beside the classes: PATH/cat, PATH/dog, PATH/test."""
    kids = {name: set(unwrapped(os.path.join(root.path, name), root.path)[1]) for name in root.holding}
    roles = {name: halves.role(name) for name in root.holding if not halves.rest(name)}
    again = [name for name in root.holding if len(kids[name] & set(root.holding)) > 1]
    flat = [name for name, role in roles.items() if role in ("test", "other") and not kids[name]]
    classes = [name for name in root.holding if name not in again + flat]
    if len(classes) < 2 or not (again or flat):
        return None
    if not again:
        message = f"data: {root.path!r}: is {flat[0]!r} a class like {named(classes)}? Its images may have no labels"
        hint = f"no: --only {shlex.quote(','.join(classes))}; yes: {root.text(split='none')}"
        return Layout((root.path,), refused=(message, hint))
    held = next((name for role in ("val", "test") for name in again if roles.get(name) == role), "")
    notes = [f"{named(classes)} are trained on, {held}/ validates"] if held else []
    notes += [f"{name}/ is not used: it holds the same classes again" for name in again if name != held]
    notes += [f"{name}/ is not used: its images may have no labels" for name in flat]
    place = (unwrapped(os.path.join(root.path, held), root.path)[0],) if held else ()
    return Layout((root.path,), place, notes=tuple(notes), no_classes=frozenset(again + flat))


def _masks(root: AskedFolder) -> None:
    """Refuse pictures beside their masks or annotations: folders that say what a file is, not which class."""
    if masks := halves.answers(root.holding):
        others = [name for name in root.holding if name not in masks]
        place = os.path.join(root.path, others[0])
        names = images_in(place)
        meant = f"did you mean {shlex.quote('folder:' + place)}? " if len(class_folders(place)) > 1 else ""
        raise root.refusal(
            f"{named(masks)} beside {named(others)}: these are no classes by their names; each class needs a folder"
            f"{by_file_names(os.path.join(root.path, others[0]), names)}",
            f"{label_file(root.path)}{meant}if they are the classes: {root.text(split='none')}",
        )
    below = {kid for name in root.holding for kid in class_folders(os.path.join(root.path, name))}
    if masks := halves.answers(sorted(below)):
        raise root.refusal(
            f"the folders of {named(root.holding)} hold {named(masks)} beside {named(sorted(below - {*masks}))}: the "
            f"pictures in {named(masks)} would be trained on too",
            f"move them elsewhere; if they are to be trained on: {root.text(split='none')}",
        )


def _same_subfolders(root: AskedFolder) -> None:
    """Ask where the "classes" hold the same subfolders: these may be the classes, and the folders halves of the set."""
    if len(root.holding) < 2:
        return
    places = [os.path.join(root.path, name) for name in root.holding]
    kids = [set(unwrapped(place, root.path)[1] or class_folders(place)) for place in places]
    counts = Counter(kid for below in kids for kid in below)
    same = sorted(kid for kid, count in counts.items() if count >= max(2, 0.8 * len(kids)))
    shared = len(same) > 1 and len(same) >= SHARED * max(map(len, kids)) and all(below & set(same) for below in kids)
    if not shared:  # train/{1,2,3} beside query/{1} and gallery/{1,2}
        trains = [below for name, below in zip(root.holding, kids, strict=True) if halves.role(name) == "train"]
        if len(trains) != 1 or len(trains[0]) < 2 or not all(below and below <= trains[0] for below in kids):
            return
        same = sorted(trains[0])
    deep = {name: unwrapped(place, root.path) for name, place in zip(root.holding, places, strict=True)}
    folders = {name: os.path.relpath(place, root.path) if below else name for name, (place, below) in deep.items()}
    first = min(root.holding, key=lambda name: {"train": 0, None: 1, "val": 2}.get(halves.role(name), 3))
    others = [name for name in root.holding if name != first]
    held = [name for role in ("val", "test") for name in others if halves.role(name) == role]  # a test set is left
    val = held[:1] or others[-1:]
    train = [first, *(name for name in others if name not in (*held, *val))]
    line = root.text(train="+".join(folders[name] for name in train), val=folders[val[0]])
    alone = ""
    if not any(halves.role(name) for name in root.holding):  # last: at 80x24 a long path pushes it out of sight
        alone = f"; {first} alone: {shlex.quote(f'folder:{os.path.join(root.path, folders[first])}')}"
    raise root.refusal(
        f"{named(root.holding)} hold the same subfolders ({named(same)}): are these the classes, or are those?",
        f"{named(same, 2)}: {line}; {named(root.holding, 2)}: {root.text(split='none')}{alone}",
    )


def _flat_half(root: AskedFolder) -> None:
    """Refuse a half by its name whose images lie in no class folders, beside folders that hold some: data, val_256."""
    flat = [name for name in root.holding
            if halves.role(name) in ("val", "test") and not class_folders(os.path.join(root.path, name))]  # fmt: skip
    others = [name for name in root.holding if name not in flat]
    if flat and len(others) == 1 and len(class_folders(os.path.join(root.path, others[0]))) > 1:
        raise root.refusal(
            f"{named(flat)}: its images lie in no class folders, as those of {others[0]} do",
            f"{shlex.quote(f'folder:{os.path.join(root.path, others[0])}')} trains on that alone; if they are the "
            f"classes: {root.text(split='none')}",
        )


def _nested(root: AskedFolder) -> tuple[str, ...]:
    """Tell of a folder that may be the whole set, beside others that hold images themselves."""
    kids = {name: class_folders(os.path.join(root.path, name)) for name in root.holding}
    deep = [name for name, below in kids.items() if len(below) > 1 and not images_in(os.path.join(root.path, name))]
    bare = all(below and not images_in(os.path.join(root.path, name)) for name, below in kids.items())
    if deep and bare and len(kids) > 1:
        inner = list(dict.fromkeys(kid for below in kids.values() for kid in below))
        return (f"{named(list(kids), 3)} are the classes; the subfolders in them ({named(inner)}) are taken together",)
    if len(deep) != 1 or any(kids[name] for name in root.holding if name not in deep):
        return ()
    path = shlex.quote(f"folder:{os.path.join(root.path, deep[0])}")
    return (f"{deep[0]} holds the subfolders {named(kids[deep[0]])}: if these are the classes, the set is {path}",)
