"""Halves of a set of images that are found by the names of its folders."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence

from cvtui.errors import RequestError
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
from cvtui.recipe.datasets.image_files import images_in
from cvtui.recipe.datasets.listed_half import listed_half

PLAIN = frozenset(("train", "training", "val", "valid", "validation"))
"""Names (in small letters) of halves that need no words."""


def named_halves(root: AskedFolder) -> Layout | None:
    """Find halves by their names; None where the names say nothing, or belong to classes (`bullet_train`)."""
    roles = {name: halves.role(name) for name in [*root.holding, *root.empty]}
    trains = [name for name in root.holding if roles[name] == "train"]
    if not trains:
        return None
    sides = {name: unwrapped(os.path.join(root.path, name), root.path) for name in root.holding if roles[name]}
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
    root: AskedFolder,
    train: str,
    labelled: list[str],
    others: list[str],
    strangers: list[str],
    sides: Mapping[str, tuple[str, Sequence[str]]],
) -> Layout:
    by_role = {role: [name for name in labelled if halves.role(name) == role] for role in ("val", "test")}
    if not any(by_role.values()):
        if (listed := _by_list(root, train, others, sides)) is not None:
            return listed
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


def _by_list(
    root: AskedFolder, train: str, others: list[str], sides: Mapping[str, tuple[str, Sequence[str]]]
) -> Layout | None:
    """Take a folder for validation without class folders, where a list says the classes of its images."""
    for name in others:
        if halves.role(name) == "val" and name in root.holding:
            held = listed_half(os.path.join(root.path, name), sides[train][1])
            if held is not None:
                note = (f"{name}/ validates, with the classes of {os.path.relpath(held.list, root.path)} "
                        f"({sum(map(len, held.images.values())):,} of {len(held.found.images):,} images)")  # fmt: skip
                return Layout((sides[train][0],), held=held, notes=(note,))
    return None


def class_of_role(root: AskedFolder, role: str) -> list[str]:
    return [name for name in root.holding if halves.role(name) == role]


def _no_validation(root: AskedFolder, train: str, others: list[str]) -> None:
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
    root: AskedFolder, names: list[str], exact: Sequence[str], what: str, others: list[str], train: str = ""
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
    root: AskedFolder, with_classes: list[str], sides: Mapping[str, tuple[str, Sequence[str]]], strangers: list[str]
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


def _flat(root: AskedFolder, train: str, names_of_halves: list[str]) -> None:
    """Refuse halves whose images lie in no class folders."""
    names = images_in(train)
    if not names:
        return
    raise root.refusal(
        f"{named(names_of_halves)}: images, but no class folders; each class needs one{by_file_names(train, names)}",
        f"{label_file(root.path) or label_file(train)}if they are the classes: {root.text(split='none')}",
    )
