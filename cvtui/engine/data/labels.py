"""Labels of a user's dataset: from what its items hold to class numbers, by one table (docs/data.md shows it)."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cvtui.errors import RequestError
from cvtui.recipe.datasets.class_names import alike, composed, lookalike, match, taken, with_points
from cvtui.recipe.datasets.label_sets import LabelSets
from cvtui.recipe.datasets.labels import bytes_text, two_spellings

NAMED = 5
"""Labels that a note or an error names; the others it counts."""
MULTI_LABEL = "one class an image is what is trained here"


class OneHot(NamedTuple):
    """A label written as a vector of zeros with a single one."""

    place: int
    length: int


class Marks(NamedTuple):
    """A label written as a vector of zeros and ones, one for each class: any number of them are 1."""

    places: tuple[int, ...]
    length: int


Label = bool | int | str | OneHot | Marks
Names = tuple[str, ...]


class BadLabel(Exception):
    """What a label is that can't be a class; the words follow "the label of item 3 is"."""


class LabelledParts(NamedTuple):
    """Labels of one or two parts as class numbers."""

    classes: Names
    parts: tuple[Tensor, ...]
    """int64, one tensor a part."""
    notes: tuple[str, ...]
    label_sets: LabelSets = ()
    """Where items are in several classes: the classes of each label."""


def plain_label(value: Any) -> Label:
    """Return a label as a bool, a whole number, a name or a vector of 0 and 1. BadLabel for what is none of them."""
    if isinstance(value, enum.Enum) and not isinstance(value, int | str):
        return value.name
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return bytes_text(bytes(value))
    if value is None:
        raise BadLabel("None: an item without a class can't be trained on")
    if isinstance(value, Mapping):
        raise BadLabel(f"a {type(value).__name__}, not a class ({MULTI_LABEL})")
    return _of_array(_array(value), value)


def _of_array(array: np.ndarray, value: Any) -> Label:
    """Return the label that an array holds, which was made of `value`. BadLabel."""
    inner = array.reshape(-1)[0] if array.dtype.kind == "O" and array.size == 1 else value
    if inner is not value and isinstance(inner, str | bytes | int):  # (an int of more than 64 bits is its array's item)
        return plain_label(inner)
    if array.dtype.kind in "US" and array.size == 1:
        return str(array.reshape(-1)[0])
    if array.dtype.kind not in "biuf":
        raise BadLabel(f"{_shown(value)}, not a whole number or a name")
    if array.size == 1:
        return _whole(array.reshape(-1)[0])
    return _one_hot(array)


def _array(value: Any) -> np.ndarray:
    try:
        if not isinstance(value, Tensor):
            return np.asarray(value)
        plain = value.detach().cpu()
        return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
    except (TypeError, ValueError, RuntimeError):
        raise BadLabel(f"{_shown(value)}, not a whole number or a name") from None


def _whole(value: Any) -> bool | int:
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.floating) and (not math.isfinite(value) or value != int(value)):
        raise BadLabel(f"{float(value):g}, not a whole number or a name (numbers to predict are no classes)")
    return int(value)


def _one_hot(array: np.ndarray) -> OneHot | Marks:
    if array.ndim != 1:
        shape = " x ".join(map(str, array.shape))
        raise BadLabel(f"an array of {shape} values, not one class (masks and boxes are not trained on)")
    ones = np.flatnonzero(array == 1)
    if len(ones) == 1 and np.count_nonzero(array) == 1:
        return OneHot(int(ones[0]), len(array))
    if len(array) and np.isin(array, (0, 1)).all():
        return Marks(tuple(ones.tolist()), len(array))
    if array.dtype.kind == "f" and len(array) and math.isclose(float(array.sum()), 1.0, abs_tol=1e-3):
        raise BadLabel(f"{len(array)} shares that add up to 1 (a soft label); {MULTI_LABEL}")
    raise BadLabel(f"{len(array)} numbers, not one class")


def _shown(value: Any) -> str:
    text = repr(value)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= 60 else text[:59] + "…"


def some(values: Sequence[Any]) -> str:
    """Name a few values and count the others."""
    more = f" and {len(values) - NAMED:,} more" if len(values) > NAMED else ""
    return ", ".join(_shown(value) for value in values[:NAMED]) + more


# ------------------------------------------------------------------ names


def class_names(source: Any, text: str, depth: int = 0) -> Names | None:
    """Return the class names that a dataset tells, in the order of its labels; also of what it wraps.

    `class_to_idx` before `classes`, Hugging Face's `features`, MedMNIST's `info`; through Subset and random_split
    (`dataset`) and ConcatDataset (`datasets`, which must agree).
    """
    own = _own_names(source)
    if own is not None:
        twice = next((name for name in own if own.count(name) > 1), None) if len(set(own)) < len(own) else None
        if twice is not None:
            raise RequestError(f"data: {text}: its `classes` name {twice!r} twice")
        return own
    if depth > 20:  # a wrapper that holds itself
        return None
    if (children := getattr(source, "datasets", None)) is not None and isinstance(children, Sequence):
        told = [names for child in children if (names := class_names(child, text, depth + 1)) is not None]
        if any(names != told[0] for names in told):
            raise RequestError(
                f"data: {text}: the datasets that it joins number their classes differently: "
                f"{some(told[0])}; {some(next(names for names in told if names != told[0]))}",
                hint="give all of them one list of classes before they are joined",
            )
        return told[0] if told else None
    inner = getattr(source, "dataset", None)
    return None if inner is None else class_names(inner, text, depth + 1)


def _own_names(source: Any) -> Names | None:
    for value in (getattr(source, "class_to_idx", None), getattr(source, "classes", None), _features(source),
                  _info(source)):  # fmt: skip
        names = _ordered(value)
        if names:
            return names
    return None


def _features(source: Any) -> Any:
    features = getattr(source, "features", None)
    if not isinstance(features, Mapping):
        return None
    return next((getattr(features[key], "names", None) for key in ("label", "labels") if key in features), None)


def _info(source: Any) -> Any:
    info = getattr(source, "info", None)
    return info.get("label") if isinstance(info, Mapping) else None


def _ordered(value: Any) -> Names | None:
    """List names in the order of their numbers, from a list, or a table of either direction; None for neither."""
    if isinstance(value, Mapping):
        items = list(value.items())
        if all(_is_number(number) and not _is_number(name) for name, number in items):
            items = [(number, name) for name, number in items]
        if not all(_is_number(number) for number, _ in items):
            return None
        named = {int(number): str(name) for number, name in items}
        return tuple(named[number] for number in sorted(named)) if sorted(named) == list(range(len(named))) else None
    if isinstance(value, str | bytes) or not hasattr(value, "__len__") or not hasattr(value, "__getitem__"):
        return None
    try:
        plain = [name.item() if hasattr(name, "item") else name for name in list(value)]
        return tuple(bytes_text(name) if isinstance(name, bytes) else str(name) for name in plain)
    except Exception:  # no list of names
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | np.integer) or (isinstance(value, str) and value.isdecimal())


# ------------------------------------------------------------------ the table


def number_labels(parts: Sequence[Sequence[Label]], names: Sequence[Names | None], text: str) -> LabelledParts:
    """Give the classes of one part, or of both, their numbers; `names` are those that each part tells.

    RequestError where labels and names, or the two parts, contradict.
    """
    if any(isinstance(label, Marks) for part in parts for label in part):
        return _several(parts, names, text)
    told: list[Names | None] = [*names]
    if len(parts) == 2 and None not in told and told[0] != told[1]:
        parts = [_as_names(part, own, text) for part, own in zip(parts, names, strict=True)]
        assert told[0] is not None
        parts = [parts[0], _as_named(parts[1], told[0], text)]
        told = [told[0], None]
    known = next((one for one in told if one is not None), None)
    respelt: list[str] = []
    if len(parts) == 2 and known is None:
        parts = [parts[0], _respelt(parts[1], parts[0], respelt)]
    every = [label for part in parts for label in part]
    kind = _kind(every, text)
    classes, numbers, notes = {"name": _by_name, "one-hot": _by_vector, "number": _by_number}[kind](every, known, text)
    notes += tuple(respelt)
    if len(classes) < 2 or len(set(numbers)) < 2:
        raise RequestError(f"data: {text} has labels of one class only")
    tensor = torch.tensor(numbers, dtype=torch.int64)
    labels = tuple(torch.split(tensor, [len(part) for part in parts]))
    if len(labels) == 2:
        new = sorted(set(labels[1].tolist()) - set(labels[0].tolist()))
        if new:
            raise RequestError(
                f"data: {text}: validation has the class {classes[new[0]]!r}, which training has no items of"
            )
    present = set(labels[0].tolist())
    empty = [name for number, name in enumerate(classes) if number not in present]
    if empty:
        notes += (f"classes without a training image: {some(empty)}; the net has an output for each",)
    return LabelledParts(classes, labels, notes)


def _respelt(labels: Sequence[Label], train: Sequence[Label], notes: list[str]) -> Sequence[Label]:
    """Return words of validation as training spells them, where only case differs; add to `notes` what is told."""
    known = {composed(label) for label in train if isinstance(label, str)}
    strange = sorted({label for label in labels if isinstance(label, str) and composed(label) not in known})
    meant = {label: name for label in strange if (name := match(label, sorted(known))) is not None}
    notes += [taken("validation", label, name) for label, name in meant.items()]
    return [meant.get(label, label) if isinstance(label, str) else label for label in labels]


def _several(parts: Sequence[Sequence[Label]], names: Sequence[Names | None], text: str) -> LabelledParts:
    """Give the sets of classes numbers, where items are in several or in none."""
    told = {one for one in names if one is not None}
    if len(told) > 1:
        raise RequestError(f"data: {text}: training and validation name other classes, and their items are in several",
                           hint="give both the same `classes`")  # fmt: skip
    sets = []
    for part in parts:
        for number, label in enumerate(part):
            if not isinstance(label, Marks | OneHot):
                raise RequestError(
                    f"data: {text}: item {number} has the label {_shown(label)}, others a vector of 0 and 1 (items in "
                    "several classes)"
                )
            sets.append((label.places if isinstance(label, Marks) else (label.place,), label.length))
    lengths = sorted({length for _, length in sets})
    known = next(iter(told), None)
    if len(lengths) > 1:
        raise RequestError(f"data: {text}: its labels are vectors of {lengths[0]} and of {lengths[-1]} values")
    if known is not None and len(known) != lengths[0]:
        named = f"its `classes` name {len(known)}: {some(known)}"
        raise RequestError(f"data: {text}: its labels are vectors of {lengths[0]} values, {named}")
    found = tuple(sorted({places for places, _ in sets}))
    place = {one: number for number, one in enumerate(found)}
    numbers = torch.tensor([place[places] for places, _ in sets], dtype=torch.int64)
    classes = known or tuple(map(str, range(lengths[0])))
    note = "items are in several classes, or in none: the accuracy is that of a yes or no for each class"
    return LabelledParts(classes, torch.split(numbers, [len(part) for part in parts]), (note,), found)


def _kind(labels: Sequence[Label], text: str) -> str:
    first: dict[str, tuple[int, Label]] = {}
    for number, label in enumerate(labels):
        kind = "name" if isinstance(label, str) else "one-hot" if isinstance(label, OneHot) else "number"
        first.setdefault(kind, (number, label))
    if len(first) > 1:
        both = " and ".join(f"a {kind} (item {number})" for kind, (number, _) in first.items())
        raise RequestError(f"data: {text}: its labels are of different kinds: {both}")
    return next(iter(first))


def _as_names(part: Sequence[Label], names: Names | None, text: str) -> list[Label]:
    """Name the labels of one part by its own list: the other part has another one."""
    assert names is not None
    if all(isinstance(label, str) for label in part):
        return list(part)
    kind = _kind(part, text)
    classes, numbers, _ = (_by_vector if kind == "one-hot" else _by_number)(part, names, text)
    return [classes[number] for number in numbers]


def _as_named(labels: Sequence[Label], names: Names, text: str) -> list[Label]:
    """Return the labels of validation by the training's names; equal but for case or composition is equal."""
    known = {label: match(str(label), names) for label in set(labels)}
    strange = sorted(str(label) for label, name in known.items() if name is None)
    if strange:
        like = lookalike(strange[0], names)
        which = with_points(strange[0], like) if like else _shown(strange[0])
        raise RequestError(
            f"data: {text}: validation has items of the class {which}, which training doesn't name: {some(names)}",
            hint="give both the same `classes`, or neither: then labels are taken as they are",
        )
    return [known[label] or label for label in labels]


Numbered = tuple[Names, list[int], tuple[str, ...]]


def _by_name(labels: Sequence[Any], names: Names | None, text: str) -> Numbered:
    there = set(labels)
    classes = names or tuple(sorted(set(map(composed, there))))
    known = set(classes)
    meant = {label: label if label in known else match(label, classes) for label in there}
    strange = sorted(label for label, name in meant.items() if name is None)
    if strange:
        like = lookalike(strange[0], classes)
        which = with_points(strange[0], like) if like else _shown(strange[0])
        raise RequestError(f"data: {text}: the label {which} is none of the classes {some(classes)}")
    number = {name: index for index, name in enumerate(classes)}
    notes = [taken("the labels", label, name) for label, name in sorted(meant.items())
             if name is not None and composed(name) != composed(label)]  # fmt: skip
    return (
        classes,
        [number[meant[label] or label] for label in labels],
        (*two_spellings(there), *notes, *alike(classes)),
    )


def _by_vector(labels: Sequence[Any], names: Names | None, text: str) -> Numbered:
    lengths = sorted({label.length for label in labels})
    if len(lengths) > 1:
        raise RequestError(f"data: {text}: its one-hot labels have {lengths[0]} and {lengths[-1]} values")
    if names is not None and len(names) != lengths[0]:
        raise RequestError(
            f"data: {text}: its one-hot labels have {lengths[0]} values, its `classes` name {len(names)}: {some(names)}"
        )
    return names or tuple(map(str, range(lengths[0]))), [label.place for label in labels], ()


def _by_number(labels: Sequence[Any], names: Names | None, text: str) -> Numbered:
    values = sorted(set(labels))
    if names is not None:
        return _numbers_with_names(labels, values, names, text)
    if all(isinstance(value, bool) for value in labels):
        return ("False", "True"), [int(label) for label in labels], ()
    values = [int(value) for value in values]
    if values[0] < 0 and values != [-1, 1]:
        raise RequestError(
            f"data: {text}: labels count from 0; there is a label {values[0]}",
            hint="items without a class have to be left out of the Dataset",
        )
    number = {value: index for index, value in enumerate(values)}
    notes: tuple[str, ...] = ()
    if values != list(range(len(values))):
        notes = (f"labels {some(values)} are {len(values):,} classes, numbered in rising order; numbers between them "
                 "that no item has are no classes",)  # fmt: skip
    return tuple(map(str, values)), [number[int(label)] for label in labels], notes


def _numbers_with_names(labels: Sequence[Any], values: Sequence[Any], names: Names, text: str) -> Numbered:
    low, high = int(values[0]), int(values[-1])
    if low >= 0 and high < len(names):
        return names, [int(label) for label in labels], ()
    if low == 1 and high == len(names):
        note = f"labels count from 1: label 1 is {_shown(names[0])}, {high} is {_shown(names[-1])}"
        return names, [int(label) - 1 for label in labels], (note,)
    by_name = {name: index for index, name in enumerate(names)}
    if all(str(int(value)) in by_name for value in values):
        return names, [by_name[str(int(label))] for label in labels], ()
    if len(values) == len(names) and (low >= 0 or [low, high] == [-1, 1]):
        number = {value: index for index, value in enumerate(values)}
        pairs = ", ".join(f"{int(value)} is {_shown(name)}" for value, name in zip(values, names, strict=True))
        note = f"labels in rising order are the classes in theirs: {pairs}"
        return names, [number[label] for label in labels], (note[:300],)
    raise RequestError(
        f"data: {text}: its labels go from {low} to {high} ({len(values):,} different ones), its `classes` name "
        f"{len(names)}: {some(names)}"
    )
