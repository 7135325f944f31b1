"""Which arrays of a NumPy file are images and which labels, and of which part: by their names, else by their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cvtui.errors import RequestError
from cvtui.recipe.datasets import halves

Shapes = Mapping[str, tuple[int, ...]]
IMAGES = frozenset((
    "images", "image", "imgs", "img", "x", "xs", "data", "features", "pixels", "pictures", "photos", "inputs",
    "samples",
))  # fmt: skip
LABELS = frozenset(("labels", "label", "lbls", "lbl", "labs", "y", "ys", "targets", "target"))
ORDER = {"val": 0, "test": 1}
"""Parts that validate, the first that is there."""


class Pairs(NamedTuple):
    """Names of the arrays that are used: one pair, or those of training and of validation."""

    images: tuple[str, ...]
    labels: tuple[str, ...]
    notes: list[str]


class _Named(NamedTuple):
    kind: str
    """images, labels or ""."""
    part: str
    rest: tuple[str, ...]


def find_pairs(path: Path, shapes: Shapes, asked: Mapping[str, str]) -> Pairs:
    """Find images and labels. RequestError, with what is there, where that is unclear.

    asked: names of arrays that the user says: images, labels.
    """
    for key, name in asked.items():
        if name not in shapes:
            raise RequestError(f"data: {key}={name}: {path.name!r} has no such array; it has {_there(shapes)}")
    said = {name: _parsed(name) for name in shapes}
    if not asked and (parts := _parts(path, said, shapes)) is not None:
        return parts
    found, notes = {}, []
    for kind in ("images", "labels"):
        name = asked.get(kind) or _one(said, kind)
        if not name and (name := _by_shape(shapes, kind)):
            notes.append(f"{kind} are the array {name!r}, by its shape")
        if not name:
            raise _unclear(path, shapes)
        found[kind] = name
    return Pairs((found["images"],), (found["labels"],), notes)


def _unclear(path: Path, shapes: Shapes) -> RequestError:
    first, *others = [*shapes, "ARRAY"]
    line = f"npz:{path},images={first},labels={others[-1]}"
    return RequestError(
        f"data: {path.name!r} has no images and labels by a name that is known; it has {_there(shapes)}",
        hint=f"say which: {line}",
    )


def _there(shapes: Shapes) -> str:
    return ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in list(shapes.items())[:8])


def _parsed(name: str) -> _Named:
    """Return what a name says: `X_train` -> images of train; `fine_labels` -> labels, and "fine"."""
    if name in ("arr_0", "arr_1"):
        return _Named("images" if name == "arr_0" else "labels", "", ())
    kind, part, rest = "", "", []
    for word in halves.words(name):
        role = halves.role_of_word(word)
        if role in ("train", "val", "test"):
            part = role
            kind = kind or {"x": "images", "y": "labels"}.get(word[0] if word[1:2] != "" else "", "")
        elif word in LABELS:
            kind = "labels"
        elif word in IMAGES:
            kind = kind or "images"
        else:
            rest.append(word)
    return _Named(kind, part, tuple(rest))


def _parts(path: Path, said: Mapping[str, _Named], shapes: Shapes) -> Pairs | None:
    """Return the pairs of training and validation, where there are both."""
    pairs = {}
    for part in ("train", "val", "test"):
        both = [_plain([name for name, one in said.items() if (one.kind, one.part) == (kind, part)], said)
                for kind in ("images", "labels")]  # fmt: skip
        pairs[part] = (both[0], both[1])
    held = next((part for part in ORDER if all(pairs[part])), "")
    if not all(pairs["train"]) or not held:
        return None
    notes = []
    if held == "test":
        notes.append(f"{pairs['test'][0]} is used for validation: {path.name} has no other")
    elif left := pairs["test"][0]:
        notes.append(f"not used: {shapes[left][0]:,} images of {left}")
    (train, train_labels), (validation, validation_labels) = pairs["train"], pairs[held]
    return Pairs((train, validation), (train_labels, validation_labels), notes)


def _plain(names: list[str], said: Mapping[str, _Named]) -> str:
    """Return the only one, or the only one that says nothing more; "" where that is unclear."""
    plain = [name for name in names if not said[name].rest]
    return names[0] if len(names) == 1 else plain[0] if len(plain) == 1 else ""


def _one(said: Mapping[str, _Named], kind: str) -> str:
    """Return the array of a file without parts, or of its training part alone."""
    for part in ("", "train"):
        names = [name for name, one in said.items() if (one.kind, one.part) == (kind, part)]
        if names:
            return _plain(names, said)
    return ""


def _by_shape(shapes: Shapes, kind: str) -> str:
    """Return the only array that has the shape of pictures, or of one label each; "" where there are others."""
    pictures = [name for name, shape in shapes.items() if len(shape) in (3, 4)]
    if len(pictures) != 1:
        return ""
    count = shapes[pictures[0]][0]
    labels = [name for name, shape in shapes.items() if shape in ((count,), (count, 1))]
    return pictures[0] if kind == "images" else labels[0] if len(labels) == 1 else ""
