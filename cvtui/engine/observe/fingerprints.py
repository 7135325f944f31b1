"""Images of the first epoch, recognised again by some of their values: in evaluation, and in the second epoch.

Nothing is read back from the device on a step; `evaluation` and `repeats` do that, at an epoch's end.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cvtui.engine.observe.forward_hooks import may_compile
from cvtui.engine.observe.joined_batches import Joined
from cvtui.engine.observe.lasting import lasting
from cvtui.text import rounded

PLACES = 64
"""Values of an image that are compared, all of which must be the same."""
DIFFERENT = 8
"""Different values that a row must have: of black and white pictures many look alike."""
TRAINED = 8192
EVALUATED = 2048
AGAIN = 512
"""Images that are kept, at most."""
COMPARED = 64
"""Images of the second epoch that are looked for among the first one's."""
ALIKE = 0.99999
"""Correlation of two images' values above which one is the other, brighter or darker."""
BESIDE = 16
"""Images of a batch, at least, among which a nearest one is looked for."""
MOST_BESIDE = 128
"""Of a larger batch so many: the pairs take 0.1 ms."""
CLEAR = 0.9
"""Share of rows that must have so many values …"""
JUDGED = 512
"""… as about so many of them show: all 8,192 took 10 ms."""


class Fingerprints:
    """Keeps PLACES values of each image: trained on in the first epoch, evaluated behind it, or trained on again.

    wanted: False keeps none. within_memory: leaves out what there is no memory for.
    """

    def __init__(self, wanted: bool, within_memory: Callable[[], AbstractContextManager[None]]) -> None:
        self._within_memory = within_memory
        self._places: dict[tuple[int, int, torch.device], Tensor] = {}
        self._trained: list[Tensor] = []
        self._mirrored: list[Tensor] = []
        self._steps: list[list[int]] = []
        """Of the batches in each of these."""
        self._labels: dict[int, Tensor] = {}
        """Of the first steps."""
        self._channels: Tensor | None = None
        """The channel of each value that is compared, of images with up to four."""
        self._evaluated: list[Tensor] = []
        self._again: list[Tensor] = []
        self._counts = {"trained": 0, "evaluated": 0, "again": 0}
        self._largest = 0
        """Images of the largest batch that was trained on."""
        self._known: set[bytes] | None = None
        """All that were trained on in the first epoch."""
        self._epochs = 0 if wanted else 2

    @property
    def is_done(self) -> bool:
        """True when no more batches that are trained on are kept."""
        name, most = ("trained", TRAINED) if self._epochs == 0 else ("again", AGAIN)
        return self._epochs > 1 or self._counts[name] >= most

    def train(self, batches: Joined) -> None:
        """Take batches (N x …) as the model is trained on them."""
        images = batches.images
        if images.dim():
            self._largest = max(self._largest, len(images) // len(batches.steps))
        if self._epochs < 2 and may_compile():
            self._epochs = 2  # dynamo would trace what is done here
            self._trained, self._mirrored, self._again, self._steps = [], [], [], []
        if self._epochs == 0:
            kept = len(self._trained)
            if images.dim() == 4 and self._counts["trained"] < TRAINED:
                with torch.no_grad(), self._within_memory():
                    both = self._values(images.detach(), mirrored=True)  # (two gathers took a tenth of a small step)
                    self._trained.append(both[:, : both.shape[1] // 2])
                    self._mirrored.append(both[:, both.shape[1] // 2 :])
                self._counts["trained"] += len(images)
            else:
                self._take(self._trained, "trained", images, TRAINED)
            if len(self._trained) > kept:
                self._steps.append(batches.steps)
        elif self._epochs == 1:
            self._take(self._again, "again", images, AGAIN)

    def label(self, step: int, labels: Tensor) -> None:
        """Take the labels (N) of a step's batch."""
        if self._epochs == 0 and self._counts["trained"] < TRAINED:
            self._labels[step] = lasting(labels)

    def evaluate(self, images: Tensor) -> None:
        """Take a batch that is evaluated."""
        if self._epochs == 0:
            self._take(self._evaluated, "evaluated", images, EVALUATED)

    def forget_evaluated(self) -> None:
        """Let go of what was taken for evaluated and was not."""
        self._evaluated, self._counts["evaluated"] = [], 0

    def _take(self, kept: list[Tensor], name: str, images: Tensor, most: int) -> None:
        if self._counts[name] >= most or images.dim() < 2:
            self._counts[name] += len(images)
            return
        with torch.no_grad(), self._within_memory():
            kept.append(self._values(images.detach()))
        self._counts[name] += len(images)

    def _values(self, images: Tensor, mirrored: bool = False) -> Tensor:
        """Return the values of each image (N x …) that are compared, N x PLACES.

        mirrored: those of its mirror image behind them.
        """
        flat, width = images.flatten(1), images.shape[-1]
        key = flat.shape[1], width if mirrored else 0, flat.device
        if key not in self._places:
            drawn = torch.randperm(key[0], generator=torch.Generator().manual_seed(key[0]))[:PLACES].sort().values
            if mirrored:
                drawn = torch.cat([drawn, drawn + width - 1 - 2 * (drawn % width)])
            self._places[key] = drawn.to(flat.device)
            few = images.dim() == 4 and 2 <= images.shape[1] <= 4
            self._channels = drawn[:PLACES] // images[0, 0].numel() if few else None
        return flat.index_select(1, self._places[key])

    # ------------------------------------------------------------------ at an epoch's end

    def epoch_done(self, number: int) -> dict[str, Any]:
        """Return what the first or second epoch (`number`) showed of the images; {} later, or where it isn't wanted."""
        found: dict[str, Any] = {}
        if self._epochs < 2:
            with self._within_memory():
                found = self.evaluation() | self.neighbours() if number == 1 else self.repeats()
            self._epochs = number
        return found

    def evaluation(self) -> dict[str, Any]:
        """Return how many of the evaluated images had been trained on; {} where that can't be told."""
        known, mirrored = _rows(self._trained), set(_rows(self._mirrored) or [])
        self._known = trained = None if known is None else set(known)
        kept, self._evaluated, self._mirrored = self._evaluated, [], []
        batches = [_rows([batch]) for batch in kept]
        if known is None or trained is None:
            return {}
        if not batches or any(batch is None for batch in batches):
            return {"distinct_images": [len(trained), len(known)]}
        if self._training_set_too(batches, trained | mirrored):
            return {"distinct_images": [len(trained), len(known)]}
        found = [[row in trained for row in batch or []] for batch in batches]
        return {
            "distinct_images": [len(trained), len(known)],
            "mirrored_seen": sum(row in mirrored and row not in trained for batch in batches for row in batch or []),
            "evaluated": sum(map(len, found)),
            "evaluated_seen": sum(map(sum, found)),
            "evaluated_together": sum(sum(one) for one in found if any(one) and not all(one)),
        }

    def neighbours(self) -> dict[str, Any]:
        """Return how often the nearest image of the same batch has the same label; {} where labels aren't known."""
        labels, self._labels = self._labels, {}
        kept = list(zip(self._trained, self._steps, strict=True))
        batches = [
            (step, batch)
            for rows, steps in kept
            for step, batch in zip(steps, rows.chunk(len(steps)), strict=True)
            if step in labels
        ]
        # Several passes a step, parts of a batch, or a batch whose image was not seen: whose labels they are is open.
        if not batches or any(len(labels[step]) != len(batch) for step, batch in batches):
            return {}
        if len({step for step, _ in batches}) < len(batches) or batches[0][1].shape[1] < PLACES:
            return {}
        found = beside_each_other([batch for _, batch in batches], [labels[step] for step, _ in batches])
        return {"batch_neighbours": [rounded(one, 4) for one in found]} if found else {}

    def _training_set_too(self, batches: list[list[bytes] | None], seen: set[bytes]) -> bool:
        """Return True where batches with images that were seen may be all training images, and others came as well.

        An augmentation leaves some of these unchanged, or in a mirror: that says nothing of validation.
        """
        beside = sum(len(batch or []) for batch in batches if not seen.intersection(batch or []))
        trained, evaluated = self._counts["trained"], self._counts["evaluated"]
        return evaluated > trained + self._largest and evaluated - beside >= trained

    def repeats(self) -> dict[str, Any]:
        """Return the share of the second epoch's first images that had come in the first, value for value."""
        trained, again = self._known, _rows(self._again)
        complete = self._counts["trained"] <= TRAINED
        before, after, self._trained, self._again, self._known = self._trained, self._again, [], [], None
        if trained is None or not again or not complete:
            return {}
        share = sum(row in trained for row in again) / len(again)
        return {"repeated": rounded(share, 6)} | (
            {"images_changed": changed(before, after, self._channels)} if not share else {}
        )


def beside_each_other(batches: list[Tensor], labels: list[Tensor]) -> list[float]:
    """Return [share with the nearest one's label, the same by chance, nearness, images]; [] of too few in a batch."""
    same = chance = count = 0.0
    near: list[float] = []
    for rows, own in zip(batches, labels, strict=True):
        if len(rows) < BESIDE:
            continue
        rows, own = rows[:MOST_BESIDE].float().cpu(), own[:MOST_BESIDE]
        apart = torch.cdist(rows, rows)
        others = apart[~torch.eye(len(rows), dtype=torch.bool)].median().item()
        distance, place = apart.fill_diagonal_(torch.inf).min(1)
        known = own.cpu()
        same += (known[place] == known).sum().item()
        chance += ((known[:, None] == known).sum().item() - len(rows)) / (len(rows) - 1)
        count += len(rows)
        near.append(distance.median().item() / others if others > 0 else 1.0)
    return [same / count, chance / count, sum(near) / len(near), count] if count else []


def changed(before: list[Tensor], after: list[Tensor], channels: Tensor | None = None) -> list[float]:
    """Return [a, b, share] where images of `after` are those of `before` times one a plus one b; [] where not.

    channels: of each value; where each has an a and a b of its own the means are told, and the number of channels.
    """
    alike = _changed(before, after)
    if alike or channels is None or before[0].shape[1] != len(channels):
        return alike
    own = [channels == number for number in range(int(channels.max()) + 1)]
    parts = [
        _changed(*([rows[:, place.to(rows.device)] for rows in kept] for kept in (before, after))) for place in own
    ]
    means = [rounded(sum(one) / len(parts), 4) for one in zip(*parts, strict=True)] if all(parts) else []
    return [*means, len(own)] if means else []


def _changed(before: list[Tensor], after: list[Tensor]) -> list[float]:
    """Return what `changed` does, of one a and one b for all values."""
    if len({one.shape[1] for one in (*before, *after)}) > 1 or before[0].shape[1] < DIFFERENT:
        return []
    first, second = (torch.cat([one.float() for one in rows]) for rows in (before, after[:2]))
    second = second[:COMPARED]
    means, sizes = zip(
        *((rows.mean(1, keepdim=True), rows.std(1, keepdim=True)) for rows in (first, second)), strict=True
    )
    plain = [
        (rows - mean) / size.clamp_min(1e-12) for rows, mean, size in zip((first, second), means, sizes, strict=True)
    ]
    likeness, place = (plain[1] @ plain[0].T / (first.shape[1] - 1)).max(1)
    same = likeness > ALIKE
    if same.float().mean() < CLEAR:
        return []
    factor = (sizes[1][:, 0] / sizes[0][place, 0])[same]
    shift = (means[1][:, 0] - sizes[1][:, 0] / sizes[0][place, 0] * means[0][place, 0])[same]
    if factor.std() > 1e-3 * factor.mean() or shift.std() > 1e-3 * (shift.abs().mean() + factor.mean()):
        return []  # each its own: an augmentation of brightness
    return [rounded(float(one), 4) for one in (factor.mean(), shift.mean(), same.float().mean())]


def _rows(kept: list[Tensor]) -> list[bytes] | None:
    """Return each image's values as bytes; None where too many are too plain, or sizes differ."""
    if not kept or len({one.shape[1] for one in kept}) > 1:
        return None
    values = torch.cat([one.float() for one in kept]).cpu().numpy()
    ordered = np.sort(values[:: max(1, len(values) // JUDGED)], axis=1)
    different = 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(1)
    if (different >= min(DIFFERENT, values.shape[1])).mean() < CLEAR:
        return None
    whole, size = values.tobytes(), values.shape[1] * values.itemsize
    return [whole[start : start + size] for start in range(0, len(whole), size)]
