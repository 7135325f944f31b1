"""Layout of a folder of images: which folders hold the classes, to train on and to validate on."""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from cvtui.errors import RequestError, nearest
from cvtui.recipe.datasets import halves
from cvtui.recipe.datasets.image_files import holds_images, images_in, is_image, names_in, subfolders

PLAIN = frozenset(("train", "training", "val", "valid", "validation"))
"""Names (in small letters) of halves that need no words."""
LABEL_FILES = {".csv": "csv", ".tsv": "csv", ".npz": "npz", ".parquet": "parquet", ".tar": "wds"}
"""Endings of files that other data sources read."""
SHARED = 0.5
"""Of the subfolders of the folder with most: when others hold so many of the same names, these may be the classes."""


@dataclass(frozen=True)
class Layout:
    """Folders whose subfolders are the classes."""

    train: tuple[str, ...]
    validation: tuple[str, ...] = ()
    """Empty: a part of what is trained on."""
    inside: bool = False
    """Each class holds its own halves: PATH/cat/train, PATH/cat/val."""
    notes: tuple[str, ...] = ()
    no_classes: frozenset[str] = frozenset()
    """Subfolders that are none."""
    refused: tuple[str, str] = ("", "")
    """(message, hint) unless the recipe says which classes are meant (`only`)."""


@dataclass
class _Folder:
    """The folder that was asked for, and what its subfolders hold."""

    path: str
    holding: list[str] = field(default_factory=list)
    """Subfolders with images, at any depth."""
    empty: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self, **split: str) -> str:
        """Return how this folder is typed with these halves, ready for a shell."""
        more = ", ".join(f"{key}={value}" for key, value in split.items())
        return shlex.quote(f"folder:{self.path}({more})")

    def refusal(self, what: str, hint: str = "") -> RequestError:
        return RequestError(f"data: {self.path!r}: {what}", hint=hint)


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
    names, left_out = subfolders(path)
    root = _Folder(path, holding=[name for name in names if holds_images(os.path.join(path, name))])
    root.empty = [name for name in names if name not in root.holding]
    if left_out:
        root.notes.append(f"no classes: {named(left_out)}")
    found = _halves(root) or _one_folder(root) or _halves_inside(root) or _half_beside_classes(root)
    if found is None:
        _masks(root)
        _same_subfolders(root)
        found = Layout((path,), notes=_nested(root))
    return replace(found, notes=(*root.notes, *found.notes))


def named(names: Sequence[str], most: int = 5) -> str:
    """Name some folders, and count the others."""
    shown = ", ".join(name if name.isprintable() else ascii(name) for name in names[:most])
    return shown + (f" and {len(names) - most:,} more" if len(names) > most else "")


@lru_cache(4096)
def class_folders(path: str) -> Sequence[str]:
    """Return the subfolders that hold images, as they were when the layout was last looked for.

    Each of the questions below asks of every class anew: 100 folders of 500 files took 0.13 s, so 0.07.
    """
    return [name for name in subfolders(path)[0] if holds_images(os.path.join(path, name))]


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


# ------------------------------------------------------------------ halves, by their names


def _unwrapped(path: str, top: str) -> tuple[str, Sequence[str]]:
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


def _halves(root: _Folder) -> Layout | None:
    """Find halves by their names; None where the names say nothing, or belong to classes (`bullet_train`)."""
    roles = {name: halves.role(name) for name in [*root.holding, *root.empty]}
    trains = [name for name in root.holding if roles[name] == "train"]
    if not trains:
        return None
    sides = {name: _unwrapped(os.path.join(root.path, name), root.path) for name in root.holding if roles[name]}
    rests = {halves.rest(name) for name in trains}
    classes = {kid for name in trains for kid in sides[name][1]}
    others = [
        name
        for name in roles
        if roles[name] not in ("train", None)
        and (halves.rest(name) in rests or (name in sides and classes & set(sides[name][1])))
    ]
    strangers = [name for name in root.holding if name not in trains and name not in others]
    with_classes = [name for name in trains if len(sides[name][1]) > 1]
    if not with_classes:
        if others and not strangers:
            _flat(root, sides[trains[0]][0], [*trains, *(name for name in others if name in root.holding)])
            return Layout((sides[trains[0]][0],), tuple(sides[name][0] for name in others[:1] if name in sides))
        return None
    if not others:
        return _train_alone(root, with_classes, sides, strangers)
    train = _the_one(root, with_classes, ("train", "training"), "to train on", others)
    labelled = [name for name in others if name in sides and sides[name][1]]
    return _two_halves(root, train, labelled, others, strangers, sides)


def _two_halves(
    root: _Folder,
    train: str,
    labelled: list[str],
    others: list[str],
    strangers: list[str],
    sides: Mapping[str, tuple[str, Sequence[str]]],
) -> Layout:
    by_role = {role: [name for name in labelled if halves.role(name) == role] for role in ("val", "test")}
    if not any(by_role.values()):
        _no_validation(root, train, others)
    held = by_role["val"] or by_role["test"]
    exact = ("val", "validation", "valid") if by_role["val"] else ("test",)
    validation = _the_one(root, held, exact, "to validate on", others, train) if held else ""
    told = {train, validation}
    notes = []
    if not validation:
        notes.append(f"{train}/ is trained on, and a part of it validates (val_share)")
    elif halves.role(validation) == "test":
        notes.append(f"{train}/ is trained on, {validation}/ validates: there is no folder for validation")
    elif {train.lower(), validation.lower()} - PLAIN or set(root.holding) - told:
        notes.append(f"{train}/ is trained on, {validation}/ validates")
    for name in others:
        if name in told or name in root.empty:
            continue
        if name in labelled and halves.role(name) == "test":
            notes.append(f"{name}/ is not used: it is left for evaluating the finished run")
        elif name in labelled:
            notes.append(f"{name}/ is not used")
        else:
            notes.append(f"{name}/ is not used: its images lie in no class folders, so they have no labels")
    spare = [name for name in [*class_of_role(root, "train"), *strangers] if name not in told]
    notes += [f"{name}/ is not used: it is no half that is known here" for name in spare]
    return Layout((sides[train][0],), (sides[validation][0],) if validation else (), notes=tuple(notes))


def class_of_role(root: _Folder, role: str) -> list[str]:
    return [name for name in root.holding if halves.role(name) == role]


def _no_validation(root: _Folder, train: str, others: list[str]) -> None:
    """Refuse an empty folder for validation, or one without class folders; a test set may be unlabelled."""
    alone = shlex.quote(f"folder:{os.path.join(root.path, train)}")
    way_out = f"{alone} trains on it alone, and validates on a part of it"
    for name in others:
        if name in root.empty and halves.role(name) in ("val", "test"):
            raise RequestError(f"data: {os.path.join(root.path, name)!r} holds no images", hint=way_out)
        if halves.role(name) == "val":
            raise RequestError(
                f"data: {os.path.join(root.path, name)!r} holds images, but no class folders as "
                f"{os.path.join(root.path, train)!r} does",
                hint=way_out,
            )


def _the_one(
    root: _Folder, names: list[str], exact: Sequence[str], what: str, others: list[str], train: str = ""
) -> str:
    """Return the only one, or the one with the plainest name. RequestError with the line to type."""
    for word in exact:
        plain = [name for name in names if name.lower() == word]
        if len(plain) == 1:
            return plain[0]
    if len(names) == 1:
        return names[0]
    if train:
        line = root.text(train=train, val=names[0])
    else:
        held = [name for name in others if name in root.holding]
        line = root.text(train="+".join(names), **({"val": held[0]} if held else {}))
    raise root.refusal(f"{named(names)} may each be the folder {what}", f"say which: {line}")


def _train_alone(
    root: _Folder, with_classes: list[str], sides: Mapping[str, tuple[str, Sequence[str]]], strangers: list[str]
) -> Layout | None:
    """Take a folder to train on as the whole set, where there is no other; ask where it may be a class."""
    if len(with_classes) > 1 or len(strangers) > 1:
        return None
    train = with_classes[0]
    if not strangers:
        note = () if train.lower() in PLAIN else (f"{train}/ is trained on, and a part of it validates (val_share)",)
        return Layout((sides[train][0],), notes=note)
    if class_folders(os.path.join(root.path, strangers[0])):
        return None
    raise root.refusal(
        f"{train!r} holds class folders ({named(sides[train][1])}), {strangers[0]!r} only images: "
        f"is {train!r} the set?",
        f"yes: {shlex.quote('folder:' + os.path.join(root.path, train))}; "
        f"no, both are classes: {root.text(split='none')}",
    )


def _flat(root: _Folder, train: str, names_of_halves: list[str]) -> None:
    """Refuse halves whose images lie in no class folders."""
    names = images_in(train)
    if not names:
        return
    raise root.refusal(
        f"{named(names_of_halves)}: images, but no class folders; each class needs one{by_file_names(train, names)}",
        f"{label_file(root.path) or label_file(train)}if they are the classes: {root.text(split='none')}",
    )


def label_file(path: str) -> str:
    """Name a file in a folder that may hold the labels, as it is typed; "" without."""
    for name in sorted(names_in(path)):
        for suffix, prefix in LABEL_FILES.items():
            if name.lower().endswith(suffix):
                return f"where {name} holds the labels: {shlex.quote(f'{prefix}:{os.path.join(path, name)}')}; "
    return ""


def by_file_names(path: str, names: Sequence[str]) -> str:
    """Say how to sort images into folders where their names begin with their class (cat.0.jpg); else ""."""
    found = Counter(match[1] for name in names if (match := re.match(r"([A-Za-z]+)[._-]?\d", name)))
    kinds = sorted(found)
    if not 2 <= len(kinds) <= 20 or min(found.values()) < 2 or found.total() < 0.9 * len(names):
        return ""
    loop = f"cd {shlex.quote(path)} && for c in {' '.join(kinds)}; do mkdir $c && mv $c[._0-9-]* $c/; done"
    return f". Their names begin with {named(kinds)}: `{loop}` sorts them"


# ------------------------------------------------------------------ halves, by what they hold


def _one_folder(root: _Folder) -> Layout | None:
    """Refuse a folder around the set, a class of it, or a heap of images, with what may be meant."""
    loose = images_in(root.path)
    if len(root.holding) == 1:
        inner = os.path.join(root.path, root.holding[0])
        while len(below := class_folders(inner)) == 1 and not images_in(inner):
            inner = os.path.join(inner, below[0])
        if len(below) > 1:
            raise RequestError(
                f"data: {root.path!r} holds one folder with images, {root.holding[0]!r}; two classes are the least: "
                f"did you mean {shlex.quote('folder:' + inner)}?"
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
            f"did you mean {meant}, with the classes {named(kin)}?"
            if meant
            else f"{label_file(root.path)}folder:PATH holds a folder a class",
        )
    return None


def _halves_inside(root: _Folder) -> Layout | None:
    """Find halves within each class: PATH/cat/train, PATH/cat/val."""
    roles = [{halves.role(kid) for kid in class_folders(os.path.join(root.path, name))} for name in root.holding]
    held = [there for there in roles if there & {"val", "test"}]
    if len(roles) < 2 or any("train" not in there for there in roles) or len(held) < len(roles) / 2:
        return None
    return Layout((root.path,), (root.path,), inside=True, notes=("each class holds its own halves: they are used",))


def _half_beside_classes(root: _Folder) -> Layout | None:
    """Find a half, or the set once more, beside the classes: PATH/cat, PATH/dog, PATH/test."""
    kids = {name: set(_unwrapped(os.path.join(root.path, name), root.path)[1]) for name in root.holding}
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
    notes += [f"{name}/ is not used: it holds the same classes once more" for name in again if name != held]
    notes += [f"{name}/ is not used: its images may have no labels" for name in flat]
    place = (_unwrapped(os.path.join(root.path, held), root.path)[0],) if held else ()
    return Layout((root.path,), place, notes=tuple(notes), no_classes=frozenset(again + flat))


def _masks(root: _Folder) -> None:
    """Refuse pictures beside their masks or annotations: folders that say what a file is, not which class."""
    if masks := halves.answers(root.holding):
        others = [name for name in root.holding if name not in masks]
        names = images_in(os.path.join(root.path, others[0]))
        raise root.refusal(
            f"{named(masks)} beside {named(others)}: these are no classes by their names; each class needs a folder"
            f"{by_file_names(os.path.join(root.path, others[0]), names)}",
            f"{label_file(root.path)}if they are the classes: {root.text(split='none')}",
        )
    below = {kid for name in root.holding for kid in class_folders(os.path.join(root.path, name))}
    if masks := halves.answers(sorted(below)):
        raise root.refusal(
            f"the folders of {named(root.holding)} hold {named(masks)} beside {named(sorted(below - {*masks}))}: the "
            f"pictures in {named(masks)} would be trained on too",
            f"move them elsewhere; if they are to be trained on: {root.text(split='none')}",
        )


def _same_subfolders(root: _Folder) -> None:
    """Ask where the "classes" hold the same subfolders: these may be the classes, and the folders halves of the set."""
    if len(root.holding) < 2:
        return
    kids = [set(_unwrapped(os.path.join(root.path, name), root.path)[1]) for name in root.holding]
    counts = Counter(kid for below in kids for kid in below)
    same = sorted(kid for kid, count in counts.items() if count >= max(2, 0.8 * len(kids)))
    if len(same) < 2 or len(same) < SHARED * max(map(len, kids)) or not all(below & set(same) for below in kids):
        return
    folders = {
        name: os.path.relpath(_unwrapped(os.path.join(root.path, name), root.path)[0], root.path)
        for name in root.holding
    }
    first = min(root.holding, key=lambda name: {"train": 0, None: 1, "val": 2}.get(halves.role(name), 3))
    others = [name for name in root.holding if name != first]
    train, val = ([first], others[:1]) if len(others) == 1 else ([first, *others[:-1]], others[-1:])
    line = root.text(train="+".join(folders[name] for name in train), val=folders[val[0]])
    raise root.refusal(
        f"{named(root.holding)} hold the same subfolders ({named(same)}): are these the classes, or are those?",
        f"{named(same, 2)}: {line}; {named(root.holding, 2)}: {root.text(split='none')}",
    )


def _nested(root: _Folder) -> tuple[str, ...]:
    """Tell of a folder that may be the whole set, beside others that hold images themselves."""
    kids = {name: class_folders(os.path.join(root.path, name)) for name in root.holding}
    deep = [name for name, below in kids.items() if len(below) > 1 and not images_in(os.path.join(root.path, name))]
    if len(deep) != 1 or any(kids[name] for name in root.holding if name not in deep):
        return ()
    path = shlex.quote(f"folder:{os.path.join(root.path, deep[0])}")
    return (f"{deep[0]} holds the subfolders {named(kids[deep[0]])}: if these are the classes, the set is {path}",)
