"""Which images of a set a run sees, in numbers: the rule that the engine follows and the form counts with."""

from __future__ import annotations

from collections.abc import Sequence

from cvtui.errors import RequestError, nearest
from cvtui.recipe.datasets.class_names import class_name, folded

NAMED = 5
"""Classes that a note names; the others it counts."""


def lacking(classes: Sequence[str], validation: Sequence[int]) -> tuple[str, ...]:
    """Say which classes validation has no images of; () where it has all. RequestError where it has none at all."""
    gone = [name if name.isprintable() else ascii(name) for name, count in zip(classes, validation, strict=True)
            if not count]  # fmt: skip
    if not gone:
        return ()
    if len(gone) == len(classes):
        raise RequestError(f"only: validation has no image of {', '.join(gone[:NAMED])}")
    shown = ", ".join(gone[:NAMED]) + (f" and {len(gone) - NAMED:,} more" if len(gone) > NAMED else "")
    classes_word = "the class" if len(gone) == 1 else f"{len(gone):,} classes:"
    return (f"validation has no images of {classes_word} {shown}: its accuracy is of the others",)


def check_sets(only: str, imbalance: float, label_noise: float) -> None:
    """Check that nothing is asked for that needs one class a picture. RequestError."""
    for name, asked in (
        ("only", bool(only.strip())),
        ("imbalance", imbalance != 1.0),
        ("label_noise", bool(label_noise)),
    ):
        if asked:
            raise RequestError(f"{name}: is for one class a picture; these pictures are in several; leave it out")


def kept_classes(only: str, classes: Sequence[str]) -> list[int]:
    """Return the numbers of the classes that `only` names (by name, or else by number), in order; all for "".

    RequestError for a class that the set has not, or fewer than two.
    """
    words = _words(only, classes)
    if not words:
        return list(range(len(classes)))
    kept = set()
    for word in words:
        same = [number for number, name in enumerate(classes) if folded(name) == folded(word)]
        if class_name(word) in classes:  # as it is written: some sets have `a` and `A`
            kept.add(list(classes).index(class_name(word)))
        elif len(same) > 1:
            raise RequestError(f"only: {word!r} may be {' or '.join(classes[number] for number in same)}")
        elif same:
            kept.add(same[0])
        elif word.isdecimal() and int(word) < len(classes):
            kept.add(int(word))
        else:
            shown = ", ".join(classes[:20]) + (" …" if len(classes) > 20 else "")
            raise RequestError(f"only: there is no class {word!r}; there are: {shown}{nearest(word, tuple(classes))}")
    if len(kept) < 2:
        raise RequestError(f"only: {only!r} leaves one class; two or more are needed to tell apart")
    return sorted(kept)


def _words(only: str, classes: Sequence[str]) -> list[str]:
    """Part the text at its commas, but for those in the name of a class."""
    parts, words = only.split(","), []
    with_commas = {class_name(name) for name in classes if "," in name}
    while parts:
        wide = next((count for count in range(len(parts), 1, -1)
                     if class_name(",".join(parts[:count]).strip()) in with_commas), 1)  # fmt: skip
        words.append(",".join(parts[:wide]).strip())
        parts = parts[wide:]
    return [word for word in words if word]


def training_counts(counts: Sequence[int], limit: int, imbalance: float) -> list[int]:
    """Return the training images of each class that stay, by `imbalance` and then `limit`.

    Class k of K keeps the share imbalance^(k / (K − 1)) (Cui 2019, long-tailed sets); then at most `limit` (0: none) in
    all, in the same proportions.

    Each class keeps at least one. RequestError where the limit is less than the classes.
    """
    last = max(1, len(counts) - 1)
    kept = [max(1, round(count * imbalance ** (number / last))) for number, count in enumerate(counts)]
    if not limit or sum(kept) <= limit:
        return kept
    if limit < len(kept):
        raise RequestError(f"limit: {limit:,} is less than one image for each of {len(kept):,} classes")
    total = sum(kept)
    exact = [count * limit / total for count in kept]
    shares = [max(1, int(share)) for share in exact]
    by_rest = sorted(range(len(kept)), key=lambda index: (shares[index] - exact[index], index))
    for index in by_rest:  # the largest remainders first
        if sum(shares) < limit and shares[index] < kept[index]:
            shares[index] += 1
    while sum(shares) > limit:
        largest = max(range(len(shares)), key=lambda index: shares[index])
        shares[largest] -= 1
    return shares
