"""Data checks for the doctor: counts, labels, duplicates, non-finite values, agreement of nearest neighbours.

Bounded: about a second, whatever the size of the set.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cvtui.engine.data.images import Images, Part
from cvtui.engine.data.names import NamePair
from cvtui.engine.data.random_state import generators_kept
from cvtui.runlog.events import Facts
from cvtui.text import encodable, rounded_or_none

SECONDS = 1.5
"""For the whole scan; what was not looked at by then is left out."""
HASHED = 200_000
QUERIES, REFERENCES, NEIGHBOURS = 1000, 4000, 10
DIMENSIONS = 256
SHOWN = 20
TWICE = 4
"""Items of a Dataset that are read once more."""
STREAMED, STREAMED_BYTES = 1500, 64 << 20
"""Images that are read of a part which lies in files, and when enough of them are held (twice for a moment)."""


class Scanned(NamedTuple):
    """Images (N x …, any dtype) and labels (int64, N), on the CPU.

    Labels may be known of more images.
    """

    images: Tensor
    labels: Tensor
    size: int
    """Images of the whole part."""
    numbers: Tensor | None = None
    """Of each image in the part; None: these are the first ones, in order."""
    changed: tuple[int, int] | None = None
    """Of a Dataset: images that were another one at a second reading, of how many; None: none was read twice."""

    def number(self, place: int) -> int:
        return place if self.numbers is None else int(self.numbers[place])


class Named(NamedTuple):
    """Where the images lie, and what their classes are called."""

    names: NamePair
    classes: tuple[str, ...]


def data_facts(
    train: Any, validation: Any, *, classes: int = 0, named: Named | None = None, several: bool = False
) -> Facts | None:
    """Check both parts of a data set; None when neither could be read.

    train, validation: parts of a run's data, (images, labels) as tensors or arrays, or a Dataset of such pairs;
    None: not known. classes: their number where it is known otherwise. named: then the facts name images too.
    several: pictures are in several classes, so labels are compared with nothing.
    """
    until = time.perf_counter() + SECONDS
    parts = [scan_part(source, until) for source in (train, validation)]
    first, second = parts
    if first is None and second is None:
        return None
    facts: dict[str, Any] = {}
    if first is not None:
        facts |= {"train": first.size} | ({} if several else _label_facts(first.labels, classes)) | _bad_facts(first)
    if second is not None:
        facts["validation"] = second.size
        if second.changed is not None:
            facts["validation_changes"] = list(second.changed)
    if first is not None and second is not None and first.images.shape[1:] == second.images.shape[1:]:
        facts |= _overlap(first, second, until) | ({} if several else _neighbour_facts(first, second, named))
        if first.images.dtype == second.images.dtype:
            facts["raw_moments"] = [_moments(part.images) for part in (first, second)]
    if named is not None:
        names = named.names
        pairs = facts.get("overlap_pairs", [])
        facts["bad_names"] = [encodable(names.train[number]) for number in facts.get("bad_items", [])]
        facts["overlap_names"] = [
            [encodable(names.train[one]), encodable(names.validation[other])] for one, other in pairs
        ]
    return Facts(**facts)


def scan_part(source: Any, until: float) -> Scanned | None:
    """Read what the checks need of one part; None when it is nothing of that kind."""
    if source is None:
        return None
    if hasattr(source, "batch") and hasattr(source, "labels"):
        return _from_part(source, until)
    if isinstance(source, torch.utils.data.TensorDataset):
        source = source.tensors
    if isinstance(source, tuple | list) and len(source) == 2 and all(hasattr(half, "shape") for half in source):
        images, labels = (torch.as_tensor(half).detach() for half in source)
        if labels.dim() != 1 or len(images) != len(labels) or not len(labels) or labels.is_floating_point():
            return None
        return Scanned(images.cpu(), labels.cpu().long(), len(labels))
    return _from_dataset(source, until)


def _from_part(source: Part, until: float) -> Scanned | None:
    """Read one part of a run's data.

    All of it where it lies in memory, else as many images as the time allows.
    """
    if isinstance(source, Images):
        return Scanned(source.pixels.cpu(), source.labels.cpu(), source.size)
    if (held_sample := getattr(source, "sample", None)) is not None:  # items that are read anew: as they were first
        sample = held_sample()
        return Scanned(sample.pixels, sample.labels, source.size)
    order = _even_indices(source.size, STREAMED)
    order = order[torch.randperm(len(order), generator=torch.Generator().manual_seed(0))]
    pixels, labels, held = [], [], 0
    for piece in torch.split(order, 32):
        images = source.batch(piece)
        pixels.append(images.pixels.cpu())
        labels.append(images.labels.cpu())
        held += pixels[-1].nbytes
        if held > STREAMED_BYTES or time.perf_counter() > until - 0.3:
            break
    if not pixels:
        return None
    return Scanned(torch.cat(pixels), torch.cat(labels), source.size, order[: sum(map(len, labels))])


def _from_dataset(source: Any, until: float) -> Scanned | None:
    """Read items at even distances until the time is over, the first ones twice.

    The generators are left as they were: an augmentation among the transforms draws from them.
    """
    try:
        count = len(source)
        indices = range(0, count, max(1, count // 5000))
        images: list[Tensor] = []
        labels, numbers = [], []
        with generators_kept(source):
            for index in indices:
                image, label = _item(source, index)
                images.append(image.clone() if len(images) < TWICE else image)  # (one may be written into)
                labels.append(label)
                numbers.append(index)
                if time.perf_counter() > until - 0.5:
                    break
            again = [_item(source, index)[0] for index in numbers[:TWICE]]
        if not images:
            return None
        changed = sum(not torch.equal(*map(_plain, pair)) for pair in zip(images, again, strict=False))
        places = torch.tensor(numbers)
        return Scanned(torch.stack(images), torch.tensor(labels), count, places, (changed, len(again)))
    except Exception:  # a user's data set may raise anything, and a check must not stop a training
        return None


def _item(source: Any, index: int) -> tuple[Tensor, int]:
    image, label = source[index][:2]
    return torch.as_tensor(np.asarray(image) if not isinstance(image, Tensor) else image), int(label)


def _plain(image: Tensor) -> Tensor:
    return image.nan_to_num() if image.is_floating_point() else image


def _moments(images: Tensor) -> list[float | None]:
    """[mean, std] of at most REFERENCES images before preprocessing, for comparison with the other part alone."""
    numbers = images[_even_indices(len(images), REFERENCES)].float()
    return [rounded_or_none(numbers.mean().item(), 6), rounded_or_none(numbers.std().item(), 6)]


def _label_facts(labels: Tensor, classes: int) -> dict[str, Any]:
    low, high = int(labels.min()), int(labels.max())
    facts: dict[str, Any] = {"label_range": [low, high]}
    if low >= 0 and high < 100_000:
        counts = torch.bincount(labels, minlength=classes)
        facts |= {"classes": classes or len(counts), "label_counts": counts.tolist()}
    return facts


def _bad_facts(scanned: Scanned) -> dict[str, Any]:
    images = scanned.images
    if not images.is_floating_point():
        return {"bad_count": 0}
    bad = torch.cat([~piece.flatten(1).sum(1).isfinite() for piece in torch.split(images, 1024)])
    items = [scanned.number(place) for place in bad.nonzero()[:SHOWN, 0].tolist()]
    return {"bad_count": int(bad.sum()), "bad_items": items}


def _overlap(train: Scanned, validation: Scanned, until: float) -> dict[str, Any]:
    """Find validation images that are also training images, value for value."""
    if len(train.images) + len(validation.images) > HASHED:
        return {}
    seen: dict[bytes, int] = {}
    for number, digest in enumerate(_digests(train.images)):
        seen.setdefault(digest, number)
        if not number % 4096 and time.perf_counter() > until:
            return {}
    pairs = [[seen[digest], number] for number, digest in enumerate(_digests(validation.images)) if digest in seen]
    shown = [[train.number(one), validation.number(other)] for one, other in pairs[:SHOWN]]
    return {"overlap": len(pairs), "overlap_pairs": shown}


def _digests(images: Tensor) -> Iterable[bytes]:
    rows = images.contiguous().flatten(1)
    array = rows.view(torch.uint8).numpy() if rows.element_size() > 1 else rows.numpy()
    return (hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in array)


def _neighbour_facts(train: Scanned, validation: Scanned, named: Named | None) -> dict[str, Any]:
    """Label agreement of the nearest training images, for training images (themselves left out) and validation images.

    Labels that were shuffled give chance; noise in the training labels alone shows as the lower of the two.
    """
    keep = _even_indices(len(train.images), REFERENCES)
    references, labels = _features(train.images, keep), train.labels[keep]
    own = _even_indices(len(keep), QUERIES)
    others = _even_indices(len(validation.images), QUERIES)
    if len(keep) < 50 or len(others) < 20 or int(labels.min()) < 0:
        return {}
    classes = int(max(labels.max(), validation.labels.max())) + 1
    if classes > 2000:
        return {}
    train_said, agreed = _vote(references[own], references, labels, classes, own)
    val_said, _ = _vote(_features(validation.images, others), references, labels, classes, None)
    truth = validation.labels[others]
    shares = torch.bincount(val_said, minlength=classes).double() / len(val_said)
    chance = (shares * torch.bincount(truth.clamp_min(0), minlength=classes) / len(truth)).sum()
    doubtful: list[list[str]] = []
    if named is not None:
        other = torch.where(train_said != labels[own], agreed, -1.0)
        for place in other.argsort(descending=True, stable=True)[: min(SHOWN, int((other > 0).sum()))].tolist():
            number = train.number(int(keep[own[place]]))
            words = (int(labels[own[place]]), int(train_said[place]))
            doubtful.append([encodable(named.names.train[number]), *(_class_name(named, label) for label in words)])
    return {
        "doubtful": doubtful,
        "neighbours_train": rounded_or_none((train_said == labels[own]).double().mean().item(), 6),
        "neighbours_validation": rounded_or_none((val_said == truth).double().mean().item(), 6),
        "neighbours_chance": rounded_or_none(chance.item(), 6),
        "neighbours_count": min(len(own), len(others)),
    }


def _class_name(named: Named, label: int) -> str:
    return named.classes[label] if label < len(named.classes) else str(label)


def _even_indices(count: int, most: int) -> Tensor:
    """At most `most` indices below `count`, at even distances.

    Sets are often sorted by class.
    """
    if count <= most:
        return torch.arange(count)
    return torch.linspace(0, count - 1, most).round().long()


def _features(images: Tensor, indices: Tensor) -> Tensor:
    """Downsized images at these indices: N x at most DIMENSIONS floats.

    Some at a time, since 4,000 of 224 x 224 would be 2.4 GB as floats.
    """
    return torch.cat([_downsize(images[some]) for some in torch.split(indices, 100)])


def _downsize(images: Tensor) -> Tensor:
    flat = images.float().nan_to_num(0.0, 0.0, 0.0)
    if flat.dim() == 4:
        if flat.shape[-1] in (1, 3, 4) and flat.shape[1] not in (1, 3, 4):
            flat = flat.permute(0, 3, 1, 2)
        side = max(1, math.isqrt(DIMENSIONS // flat.shape[1]))
        if max(flat.shape[2:]) > side:
            flat = torch.nn.functional.adaptive_avg_pool2d(flat, (min(side, flat.shape[2]), min(side, flat.shape[3])))
    flat = flat.flatten(1)
    return flat if flat.shape[1] <= 4 * DIMENSIONS else flat[:, :: -(-flat.shape[1] // DIMENSIONS)]


def _vote(
    queries: Tensor, references: Tensor, labels: Tensor, classes: int, own: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Majority label of the nearest references, and its share of their weight; ties go to the nearer sum.

    own: the queries' own indices among the references, which are left out.
    """
    distances = torch.cdist(queries, references)
    if own is not None:
        distances[torch.arange(len(own)), own] = math.inf
    near = distances.topk(min(NEIGHBOURS, len(references) - 1), largest=False)
    weights = 1.0 / (near.values + near.values[:, :1] + 1e-9)
    votes = torch.zeros(len(queries), classes).scatter_add_(1, labels[near.indices], weights)
    best = votes.max(1)
    return best.indices, best.values / votes.sum(1)
