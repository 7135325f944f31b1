"""Which images of a set a run sees, and which of their labels are changed. All of it follows from the seed."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cvtui.engine.data.images import Images, Part, Split
from cvtui.engine.data.names import NamePair
from cvtui.engine.runtime.seeds import NOISE, SELECTION, generator
from cvtui.errors import RequestError
from cvtui.recipe.datasets.label_sets import counts_of
from cvtui.recipe.datasets.selection import check_sets, kept_classes, lacking, training_counts


class Noise(NamedTuple):
    """Labels that are replaced by another class, drawn evenly from the others."""

    share: float
    """Of the training labels; never of the validation's, which would measure the noise."""
    seed: int


def select(split: Split, only: str, limit: int, imbalance: float, noise: Noise, seed: int) -> Split:
    """Return the part of `split` that the recipe asks for; labels are numbered anew where classes are left out.

    only, limit, imbalance: `cvtui.recipe.datasets.selection` says how many of each class stay; which ones follows
    from the seed. RequestError where classes are asked for that are not there.
    """
    if split.label_sets:
        check_sets(only, imbalance, noise.share)
        return _selected_sets(split, limit, seed)
    kept = kept_classes(only, split.classes)
    names = split.names  # by the numbers of the whole set, where it has none
    if len(kept) < len(split.classes):
        places = [of_classes(part, kept) for part in split[:2]]
        train, validation = (relabelled(part, *chosen) for part, chosen in zip(split[:2], places, strict=True))
        split = split._replace(train=train, validation=validation)
        names = NamePair(*(one.chosen(chosen[0]) for one, chosen in zip(names, places, strict=True)))
    train, notes = split.train, split.notes
    if limit or imbalance < 1.0:
        counts = torch.bincount(train.labels, minlength=len(kept)).tolist()
        chosen = counted(train, training_counts(counts, limit, imbalance), seed)
        train = relabelled(train, chosen, train.labels[chosen])
        names = names._replace(train=names.train.chosen(chosen))
    if noise.share:
        train, changed = noisy(train, noise, len(kept))
        notes = (*notes, f"labels changed: {changed:,} of {train.size:,} training labels name another class")
    classes = tuple(split.classes[index] for index in kept)
    held_out = torch.bincount(split.validation.labels, minlength=len(classes)).tolist()
    notes = (*notes, *lacking(classes, held_out))
    return split._replace(train=train, notes=notes, classes=classes, named=names)


def _selected_sets(split: Split, limit: int, seed: int) -> Split:
    """Take at most `limit` training images of pictures in several classes, drawn from all alike."""
    train, names = split.train, split.names
    if limit and limit < train.size:
        places = torch.randperm(train.size, generator=generator(seed, SELECTION))[:limit].sort().values
        train, names = relabelled(train, places, train.labels[places]), names._replace(train=names.train.chosen(places))
    held_out = counts_of(split.validation.labels.tolist(), split.label_sets, len(split.classes))
    return split._replace(train=train, named=names, notes=(*split.notes, *lacking(split.classes, held_out)))


def of_classes(part: Part, kept: list[int]) -> tuple[Tensor, Tensor]:
    """Return places and new labels (0, 1, 2 … in this order) of the images of these classes."""
    number = torch.full((int(part.labels.max()) + 1,), -1, dtype=torch.int64)
    number[torch.tensor([index for index in kept if index < len(number)])] = torch.arange(len(kept))
    labels = number[part.labels]
    places = (labels >= 0).nonzero().flatten()
    if not len(places):
        raise RequestError("only: no image of these classes is there")
    return places, labels[places]


def counted(part: Part, counts: list[int], seed: int) -> Tensor:
    """Return the places of `counts[c]` images of each class c, drawn from the seed; they stay in their order."""
    random = generator(seed, SELECTION)
    places = []
    for label, count in enumerate(counts):
        there = (part.labels == label).nonzero().flatten()
        places.append(there[torch.randperm(len(there), generator=random)[:count]])
    return torch.cat(places).sort().values


def noisy(part: Part, noise: Noise, classes: int) -> tuple[Part, int]:
    """Replace a share of the labels by another class; return the part and how many. Which ones: `changed`."""
    chosen = changed(part.size, noise)
    labels = part.labels.clone()
    random = generator(noise.seed, NOISE, 1)
    labels[chosen] = (labels[chosen] + torch.randint(1, classes, (len(chosen),), generator=random)) % classes
    return relabelled(part, None, labels), len(chosen)


def changed(count: int, noise: Noise) -> Tensor:
    """Return the numbers of the training images whose label is not their own, rising."""
    order = torch.randperm(count, generator=generator(noise.seed, NOISE))
    return order[: round(noise.share * count)].sort().values


def relabelled(part: Part, places: Tensor | None, labels: Tensor) -> Part:
    """Return the images at `places` (None: all, and not copied) with these labels."""
    if isinstance(part, Images):
        return Images(part.pixels if places is None else part.pixels[places], labels)
    every = torch.arange(part.size) if places is None else places
    again: Part = part.chosen(every, labels)  # type: ignore[attr-defined]
    return again
