"""Large sets, trained on before all of their files were read once: images that are decoded in the first epoch's order.

What a training computes does not depend on it: the same set from the cache, or streaming, gives the same losses to the
last bit, since the same rules hold for every set of LARGE files. The channels' statistics are those of a sample; a file
that can't be read stays a training image, and another of its batch takes its place; validation images that can't be
read are left out before the first validation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from cvtui.engine.data.decode import shown
from cvtui.engine.data.file_decoding import decode_files
from cvtui.engine.data.images import ChannelStats, Images, MeasuredImages, Part, Split
from cvtui.engine.data.missing_files import MissingFiles
from cvtui.engine.data.pixel_store import DEEP, WRONG, PixelStore
from cvtui.engine.data.streaming import Streamed, sample_places
from cvtui.errors import RequestError

LARGE = 10_000
"""Files: fewer are decoded before the first step, and all of them are looked at."""
NAMED = 5
"""Files that a note names; the others it counts."""
Between = Callable[[], object]


class Filling(Streamed):
    """One part of a large set that fits into memory: its pixels come as they are decoded."""

    def __init__(
        self,
        store: PixelStore,
        numbers: Tensor,
        labels: Tensor,
        classes: tuple[str, ...],
        device: torch.device | None = None,
        gone: MissingFiles | None = None,
        later: Sequence[int] = (),
        paths: list[str] | None = None,
    ) -> None:
        paths = [store.paths[number] for number in numbers.tolist()] if paths is None else paths
        super().__init__(paths, labels, store.shape, classes, None, device, gone)
        self.store, self.numbers = store, numbers
        self.later = later
        """Numbers of the files that are to be decoded after these."""

    @property
    def bytes(self) -> int:
        return int(np.prod(self.store.shape)) * 3 * self.size + self.labels.nbytes

    def to(self, device: torch.device) -> Filling:
        again = Filling(self.store, self.numbers, self.labels, self.classes, device, self.gone, self.later, self.paths)
        self._hand_sample_to(again)
        return again

    def chosen(self, places: Tensor, labels: Tensor) -> Filling:
        return Filling(self.store, self.numbers[places], labels, self.classes, self.device, later=self.later)

    @cached_property
    def _sample_stats(self) -> ChannelStats:
        """As of any set of this size, from the sums that were taken while the files were decoded."""
        numbers = self.numbers[sample_places(self.size)].numpy()
        self.store.ensure(numbers.tolist())
        good = numbers[self.store.state[numbers] != WRONG]
        return ChannelStats.of_sums(self.store.sums[good].sum(0), len(good) * math.prod(self.store.shape))

    def read(self, places: Sequence[int]) -> tuple[Tensor, dict[int, str]]:
        numbers = self.numbers[torch.as_tensor(places)].tolist()
        self.store.ensure(numbers)
        wrong = {place: self.store.wrong[number] for place, number in enumerate(numbers)
                 if self.store.state[number] == WRONG}  # fmt: skip
        good = [number for place, number in enumerate(numbers) if place not in wrong]
        return torch.from_numpy(self.store.pixels[good]), wrong

    def stream(self, order: Tensor, size: int) -> Iterator[Images]:
        """Yield batches in this order, which is that of decoding if nothing is decoded yet."""
        self.store.begin([*self.numbers[order].tolist(), *self.later])
        for start in range(0, len(order), size):
            yield self.batch(order[start : start + size])

    def in_memory(self) -> MeasuredImages | None:
        """Return the images as tensors; None where some can't be read. All have been decoded."""
        numbers = self.numbers.numpy()
        if (self.store.state[numbers] == WRONG).any():
            return None
        first = int(numbers[0])
        whole = np.array_equal(numbers, np.arange(first, first + len(numbers)))
        pixels = self.store.pixels[first : first + len(numbers)] if whole else self.store.pixels[numbers]
        images = MeasuredImages(torch.from_numpy(pixels).to(self.device), self.labels.to(self.device))
        return images.measured(self.stats)


def settle(split: Split, between: Between | None = None) -> Split:
    """Wait until all of a large set is decoded; leave out validation images that can't be read. RequestError.

    A class of which no image can be read is an error, as in a smaller set. between: called now and then.
    """
    train, validation = split.train, split.validation
    if not isinstance(train, Streamed) or not isinstance(validation, Streamed) or validation.looked_through:
        return split
    if isinstance(train, Filling) and isinstance(validation, Filling):
        numbers = torch.cat([train.numbers, validation.numbers]).tolist()
        train.store.ensure(numbers, between, begin=True)
        train.store.close()
        notes = _store_notes(train.store)
    else:
        notes = []
    kept, wrong_held = _readable(validation)
    wrong = _wrong(train)
    _check_classes(split, "train", train, wrong)
    _check_classes(split, "validation", validation, wrong_held)
    names = split.names
    if wrong_held:
        validation = validation.chosen(kept, validation.labels[kept])
        names = names._replace(validation=names.validation.chosen(kept))
        notes.append(_left_out(wrong_held, split.names.validation.__getitem__, "validation file", ""))
    if wrong:
        notes.append(_left_out(wrong, split.names.train.__getitem__, "training file", "others of their batches take "
                               "their places"))  # fmt: skip
    unreadable = [(split.names.train[place], words) for place, words in wrong.items()]
    unreadable += [(split.names.validation[place], words) for place, words in wrong_held.items()]
    return split._replace(
        train=_in_memory(train), validation=_known(validation), named=names, notes=(*split.notes, *notes),
        unreadable=tuple(unreadable),
    )  # fmt: skip


def missing_of(split: Split) -> list[MissingFiles]:
    """Return what tells, of parts that are read as they are needed, which images can't be read (any more).

    Of a large set `settle` tells it: of its validation part, and of all that is kept in memory.
    """
    parts: list[Streamed] = [part for part in split[:2] if isinstance(part, Streamed)]
    return [part.gone for part in parts if not isinstance(part, Filling)
            and (part is split.train or part.looked_through)]  # fmt: skip


def close(split: Split) -> None:
    """End the processes that decode for it."""
    for part in split[:2]:
        if isinstance(part, Filling):
            part.store.close()


def _in_memory(part: Part) -> Part:
    return part if not isinstance(part, Filling) else part.in_memory() or part


def _known(part: Streamed) -> Part:
    """Return a validation part that needs no settling any more."""
    known = part.to(part.device)
    known.looked_through, known.gone = True, MissingFiles(part.size)
    return _in_memory(known)


def _wrong(part: Streamed) -> dict[int, str]:
    """Return what is known to be wrong with images of a part, by place."""
    if not isinstance(part, Filling):
        return {}
    places = np.flatnonzero(part.store.state[part.numbers.numpy()] == WRONG).tolist()
    return {place: part.store.wrong[int(part.numbers[place])] for place in places}


def _readable(part: Streamed) -> tuple[Tensor, dict[int, str]]:
    """Return the places of the images that can be read, and what is wrong with the others."""
    if isinstance(part, Filling):
        wrong = _wrong(part)
    else:
        wrong = decode_files(part.paths, part.shape, None, 0, lambda _: None).wrong
    return torch.tensor([place for place in range(part.size) if place not in wrong]), wrong


def _check_classes(split: Split, half: str, part: Streamed, wrong: dict[int, str]) -> None:
    """RequestError for a class of which no file could be read, though there are some."""
    if split.label_sets or not wrong:
        return
    all_labels = part.labels.tolist()
    there = {label for place, label in enumerate(all_labels) if place not in wrong}
    for label in sorted(set(all_labels) - there)[:1]:
        places = [place for place, other in enumerate(all_labels) if other == label]
        s = "s" if len(places) > 1 else ""
        raise RequestError(
            f"data: none of the {len(places):,} {half} file{s} of the class {split.classes[label]!r} can be read",
            hint=f"the first: {shown(part.paths[places[0]])} ({wrong[places[0]]})",
        )


def _left_out(wrong: dict[int, str], name: Callable[[int], str], what: str, instead: str) -> str:
    named = "; ".join(f"{shown(name(place))} ({words})" for place, words in list(wrong.items())[:NAMED])
    more = f"; and {len(wrong) - NAMED:,} more" if len(wrong) > NAMED else ""
    s = "s" if len(wrong) > 1 else ""
    if instead:
        return f"{len(wrong):,} {what}{s} can't be read, {instead}: {named}{more}"
    return f"left out {len(wrong):,} {what}{s} that can't be read: {named}{more}"


def _store_notes(store: PixelStore) -> list[str]:
    deep = np.flatnonzero(store.state == DEEP)
    if not len(deep):
        return []
    named = "; ".join(shown(store.paths[number]) for number in deep[:NAMED])
    more = f"; and {len(deep) - NAMED:,} more" if len(deep) > NAMED else ""
    s, hold = ("s", "have") if len(deep) > 1 else ("", "has")
    return [f"{len(deep):,} image{s} {hold} more than 8 bits a value, which the sample of this large set did not show: "
            f"each is on the scale of its own values (--bits sets one for all): {named}{more}"]  # fmt: skip


def stats_note(count: int, sampled: int) -> str:
    """Say what the statistics are of; "" where they are of all."""
    if count <= sampled:
        return ""
    return (
        f"large set: the channels' mean and deviation are those of {sampled:,} of the {count:,} training images, at "
        "even distances"
    )
