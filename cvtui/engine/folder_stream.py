"""Images that stay in their files and are decoded when a batch needs them, by the workers of a DataLoader.

The order of an epoch, and so a run's losses, are those of the same images held in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cvtui.engine.data import ChannelStats, Images
from cvtui.engine.folder_set import Unreadable, decode
from cvtui.runlog.launch import usable_cores

AHEAD = 4
"""Batches that each worker decodes before they are asked for."""


class _Decoded(Dataset[Tensor]):
    def __init__(self, paths: Sequence[str], shape: tuple[int, int]) -> None:
        self.paths = paths
        self.shape = shape

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Tensor:
        try:
            return torch.from_numpy(decode(self.paths[number], self.shape).copy())
        except Unreadable:  # it could be read when the run began: gone meanwhile, and a step must not end a run
            return torch.from_numpy(np.zeros((*self.shape, 3), np.uint8))


class Streamed:
    """One part of a data set whose images come from files; see `cvtui.engine.data.Part`."""

    def __init__(
        self,
        paths: Sequence[str],
        labels: Tensor,
        shape: tuple[int, int],
        classes: tuple[str, ...],
        stats: tuple[list[float], list[float]] | ChannelStats,
        device: torch.device | None = None,
    ) -> None:
        self.paths = list(paths)
        self._labels = labels
        self.shape = shape
        self.classes = classes
        self.stats = ChannelStats(*stats)
        self.device = device or torch.device("cpu")

    @property
    def labels(self) -> Tensor:
        return self._labels

    @property
    def size(self) -> int:
        return len(self.paths)

    @property
    def bytes(self) -> int:
        return self._labels.nbytes

    @property
    def are_pictures(self) -> bool:
        return True

    def to(self, device: torch.device) -> Streamed:
        return Streamed(self.paths, self._labels, self.shape, self.classes, self.stats, device)

    def chosen(self, places: Tensor, labels: Tensor) -> Streamed:
        """The images at `places`, with these labels; the statistics stay those of all."""
        paths = [self.paths[place] for place in places.tolist()]
        return Streamed(paths, labels, self.shape, self.classes, self.stats, self.device)

    def batch(self, index: Tensor) -> Images:
        source = _Decoded(self.paths, self.shape)
        with ThreadPoolExecutor(usable_cores()) as pool:
            images = list(pool.map(source.__getitem__, index.tolist()))
        return Images(torch.stack(images), self._labels[index.cpu()]).to(self.device)

    def part(self, start: int, stop: int) -> Images:
        return self.batch(torch.arange(start, min(stop, self.size)))

    def stream(self, order: Tensor, size: int) -> Iterator[Images]:
        """Batches in this order; workers decode the next ones while one is trained on."""
        places = [order[start : start + size].tolist() for start in range(0, len(order), size)]
        loader = DataLoader(
            _Decoded(self.paths, self.shape),
            batch_sampler=places,
            num_workers=max(1, usable_cores() - 1),
            prefetch_factor=AHEAD,
        )
        for pixels, index in zip(loader, places, strict=True):
            yield Images(pixels, self._labels[index]).to(self.device)
