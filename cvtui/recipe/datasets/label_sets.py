"""Pictures in several classes: a label is then the number of a set of classes, and a table says which classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

from cvtui.errors import RequestError
from cvtui.recipe.datasets import labels as plain

LabelSets = tuple[tuple[int, ...], ...]
"""Classes of each label, by their numbers; (): every picture has one class, and a label is its number."""
MARK = "\x1f"
"""Before each class name in the text of a set."""
SEPARATORS = "|;"
"""Between the classes of one cell: `cat;dog`."""
SEVERAL = (
    "pictures are in several classes: accuracy is the share of right answers to a yes or no for each class; confusion "
    "matrix, feature maps and the pictures of mistakes are for one class a picture and left out"
)
"""Line of the log of a run on such pictures; older ones ended otherwise."""


def is_several(line: str) -> bool:
    """Return True for the line of the log that says that pictures are in several classes."""
    return line.startswith(SEVERAL.partition(":")[0] + ":")


def joined(names: Iterable[str]) -> str:
    """Write a set of classes as one text; a set without classes is the mark alone."""
    return MARK + MARK.join(names)


def texts_of(lists: Sequence[Sequence[object]], names: Sequence[str] = ()) -> tuple[list[str], tuple[str, ...]]:
    """Write lists of classes as texts of sets; return them and the names of all classes (): as they occur.

    Lists of 0 and 1 that are equally long are a yes or no for each class. Lists of one class each, either
    way, are plain labels.
    names: of classes that are numbers.
    """
    lengths = {len(one) for one in lists}
    wide = max(lengths, default=0)
    if wide == 1 and len(lengths) == 1:
        return [_name(one[0], ()) for one in lists], ()
    if len(lengths) == 1 and all(value in (0, 1) and not isinstance(value, str) for one in lists for value in one):
        classes = tuple(names) if len(names) == wide else tuple(str(place) for place in range(wide))
        if all(sum(map(bool, one)) == 1 for one in lists):
            return [classes[[bool(value) for value in one].index(True)] for one in lists], ()
        return [joined(classes[place] for place, value in enumerate(one) if value) for one in lists], classes
    texts = [joined(_name(value, names) for value in one) for one in lists]
    return texts, tuple(names)


def _name(value: object, names: Sequence[str]) -> str:
    number = int(value) if isinstance(value, int | float) and value == int(value) else None
    if number is None:
        return str(value).strip()
    return names[number] if 0 <= number < len(names) else str(number)


def words_of(members: Iterable[str]) -> str:
    """Write the classes that a picture is in: "cat, dog"; "none"."""
    return ", ".join(members) or "none"


def is_set(text: str) -> bool:
    return text.startswith(MARK)


def members(text: str) -> tuple[str, ...]:
    """Return the classes that a text of a set names."""
    return tuple(filter(None, text.split(MARK)))


def numbered(texts: Sequence[str], classes: Sequence[str], what: str) -> tuple[tuple[str, ...], LabelSets, list[int]]:
    """Return classes (given, or by the alphabet), the sets that occur, and each picture's set. RequestError."""
    sets = [members(text) for text in texts]
    names = tuple(classes) or tuple(sorted({name for one in sets for name in one}))
    if len(names) < 2:
        raise RequestError(f"data: {what} has one class; two are the least")
    place = {name: number for number, name in enumerate(names)}
    numbers = [tuple(sorted({place[name] for name in one})) for one in sets]
    found = tuple(sorted(set(numbers)))
    number = {one: label for label, one in enumerate(found)}
    return names, found, [number[one] for one in numbers]


def counts_of(labels: Iterable[int], sets: LabelSets, classes: int) -> tuple[int, ...]:
    """Return the number of images of each class; with sets an image counts for each of its classes."""
    if not sets:
        return plain.counts_of(labels, classes)
    counts = Counter(one for label in labels for one in sets[label])
    return tuple(counts[one] for one in range(classes))


def held_out(labels: Sequence[int], sets: LabelSets, names: Sequence[Hashable], share: float, seed: int) -> set[int]:
    """Return the places of the validation images: `share` of those with the same rarest class, by names and seed.

    RequestError where that is none.
    """
    counts = Counter(one for label in labels for one in sets[label])
    groups: dict[int, list[int]] = {}
    for place, label in enumerate(labels):
        groups.setdefault(min(sets[label], key=lambda one: (counts[one], one), default=-1), []).append(place)
    held: set[int] = set()
    for places in groups.values():
        count = 0 if len(places) < 2 else min(len(places) - 1, max(1, round(len(places) * share)))
        held.update(sorted(places, key=lambda place: plain.rank(names[place], seed))[:count])
    if not held:
        raise RequestError("data: too few images to hold some out for validation")
    return held


def in_words(sets: LabelSets, classes: Sequence[str]) -> list[str]:
    """Name each set: "cat + dog", or "none"."""
    return [" + ".join(classes[one] for one in some) or "none" for some in sets]
