"""Classes from the labels that a file holds, and which images are for validation."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import NamedTuple, TypeVar

from cvtui.errors import RequestError
from cvtui.recipe.datasets import class_names, halves

Item = TypeVar("Item")

PARTS = {"train": "train", "val": "validation", "test": "test"}
"""By the role of halves.py, which knows the words."""

LABEL_NAMES = (
    "label", "labels", "class", "class_name", "target", "diagnosis", "category", "species", "breed", "dx", "level",
    "grade", "class_id", "label_id", "label_name", "cls", "choice", "finding_labels", "variety", "emotion", "tags", "y",
)  # fmt: skip
"""Usual names of a column of labels, likeliest first."""


def key_of(name: str) -> str:
    """`Class Name` -> class_name."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def part_of_name(name: str) -> str:
    """Return "train", "validation" or "test" for a file's name with such a word, of several the first; else ""."""
    roles = map(halves.role_of_word, halves.words(name))
    return next((PARTS[role] for role in roles if role in PARTS), "")


@lru_cache
def part_of_value(text: str) -> str:
    """Return the part that a value of a split column means, "" for one that says anything else."""
    return "" if halves.rest(text) else PARTS.get(halves.role(text) or "", "")


def number_of(text: str) -> int | None:
    """Return a whole number (`3`, `3.0`, `007`), or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else None


def classes_of(labels: Sequence[str], what: str) -> tuple[tuple[str, ...], list[int]]:
    """Return the classes (whole numbers by their value, else words by the alphabet) and each image's number of one.

    Words that Unicode calls equal are one class.

    RequestError, beginning with `what`, for fewer than two, or labels that are measurements or as many as images.
    """
    distinct = set(labels)
    numbers = {label: number_of(label) for label in distinct}
    _check_whole(distinct, what)
    if None not in numbers.values():
        named = {label: str(number) for label, number in numbers.items()}
        classes = tuple(sorted(set(named.values()), key=int))
    else:
        named = {label: class_names.class_name(label) for label in distinct}
        classes = tuple(sorted(set(named.values())))
    if len(classes) < 2:
        raise RequestError(f"data: {what} has one class, {classes[0]!r}; two are the least" if classes else
                           f"data: {what} has no labels")  # fmt: skip
    if len(classes) > max(2, len(labels) // 2):
        shown = ", ".join(classes[:3])
        raise RequestError(f"data: {what} has {len(classes):,} different labels for {len(labels):,} images ({shown} …)"
                           ": measurements or names, not classes")  # fmt: skip
    place = {name: number for number, name in enumerate(classes)}
    return classes, [place[named[label]] for label in labels]


class Halves(NamedTuple):
    """Labels of training and validation by one list of classes."""

    classes: tuple[str, ...]
    train: list[int]
    held: list[int]
    """-1: of a class that training lacks."""
    notes: list[str]
    strange: tuple[str, ...]
    """Classes that only validation has."""


def halves_of(train: Sequence[str], held: Sequence[str], what: str) -> Halves:
    """Give classes of both halves the numbers of the training's; validation's may differ from them in case.

    RequestError as in `classes_of`.
    """
    classes, numbers = classes_of([*train, *held], what)
    count, notes = len(train), []
    trained = sorted(set(numbers[:count]))
    names = [classes[number] for number in trained]
    place: dict[int, int] = {number: at for at, number in enumerate(trained)}
    strange = []
    for number in sorted(set(numbers[count:]) - set(trained)):
        known = class_names.match(classes[number], names)
        if known is None:
            strange.append(classes[number])
        else:
            notes.append(class_names.taken("validation", classes[number], known))
        place[number] = -1 if known is None else names.index(known)
    found = [place[number] for number in numbers]
    return Halves(tuple(names), found[:count], found[count:], notes, tuple(strange))


def bytes_text(data: bytes) -> str:
    """Return a label in bytes as text: UTF-8, else Windows-1252, in which two words stay two."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "backslashreplace")


def two_spellings(labels: Iterable[str]) -> list[str]:
    """Tell of labels that Unicode calls equal, and that are written differently."""
    found: dict[str, str] = {}
    notes = []
    for label in sorted({label for label in labels if not label.isascii()}):
        other = found.setdefault(class_names.composed(label), label)
        if other != label:
            both = (class_names.with_points(other, label), class_names.with_points(label, other))
            notes.append(f"the labels {' and '.join(both)} have the same name: they are one class")
    return notes


def _check_whole(labels: AbstractSet[str], what: str) -> None:
    """RequestError for labels that are all numbers, and not all whole ones: `0.5` is a measurement."""
    try:
        values = {label: float(label) for label in labels}
    except ValueError:
        return
    broken = sorted(label for label, value in values.items() if not value.is_integer())
    if broken:
        raise RequestError(
            f"data: {what} has labels that are not whole numbers ({', '.join(broken[:3])}): measurements, not classes",
            hint="classes are whole numbers or words",
        )


def held_out(
    labels: Sequence[int], classes: Sequence[str], names: Sequence[Hashable], share: float, seed: int
) -> set[int]:
    """Return the places of the validation images: `share` of each class, at least one, by their names and the seed.

    RequestError for a class with one image.
    """
    members: list[list[int]] = [[] for _ in classes]
    for place, label in enumerate(labels):
        members[label].append(place)
    held: set[int] = set()
    for label, places in enumerate(members):
        if len(places) < 2:
            few = sum(len(some) == 1 for some in members)
            more = f" ({few:,} classes in all)" if few > 1 else ""
            raise RequestError(
                f"data: the class {classes[label]!r} has one image{more}; two are the least (one to validate)",
                hint="give it another, or take its image out of the set",
            )
        count = min(len(places) - 1, max(1, round(len(places) * share)))
        held.update(sorted(places, key=lambda place: rank(names[place], seed))[:count])
    return held


def parted(items: Sequence[Item], held: AbstractSet[int]) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Divide items into those to train on and those at the places of `held`; both stay in their order."""
    train = tuple(item for place, item in enumerate(items) if place not in held)
    return train, tuple(item for place, item in enumerate(items) if place in held)


def counts_of(labels: Iterable[int], classes: int) -> tuple[int, ...]:
    """Return the number of images of each class."""
    counts = Counter(labels)
    return tuple(counts[label] for label in range(classes))


def rank(name: Hashable, seed: int) -> bytes:
    """Rank an image in an order that has nothing to do with its name's."""
    return hashlib.blake2b(f"{seed}:{name}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
