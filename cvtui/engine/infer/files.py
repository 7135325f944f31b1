"""Image files as a trained model's pixels: decoded ahead in threads; what can't be read is named."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvtui.engine.data.decode import Unreadable, decode
from cvtui.engine.infer.trained import TrainedModel
from cvtui.errors import RequestError
from cvtui.recipe.datasets.packed import Packed
from cvtui.runlog.worker_process import usable_cores

AHEAD = 2
"""Batches that are decoded while one is computed."""
MOST_AHEAD = 256
"""Images, where a batch has more."""


class Batch(NamedTuple):
    """Images that were read, and those before their end that could not be."""

    numbers: list[int]
    """Places of the images among the paths."""
    pixels: Tensor | None
    """N x H x W x C; None for no images."""
    unread: list[tuple[int, str]]
    """(place, what is wrong with it)."""


class FileReader:
    """Decodes files as the run's own images were: turned, scaled to cover H x W, cut to its middle, on its scale."""

    def __init__(self, model: TrainedModel) -> None:
        if len(model.size) != 3 or model.size[2] not in (1, 3):
            what = f"points of {model.size[0]} features" if len(model.size) == 1 else f"{model.size[2]} channels"
            raise RequestError(f"{model.checkpoint} was trained on {what}; image files have red, green and blue")
        self.shape = (model.size[0], model.size[1])
        self.channels = model.size[2]
        self.unit, self.depth = model.unit, model.depth

    def pixels(self, path: str) -> NDArray[Any]:
        """Return H x W x C of a file. Unreadable."""
        if not isinstance(path, Packed):
            _check(path)
        found: NDArray[Any] = decode(path, self.shape, self.depth)
        if self.channels == 1:
            found = grey(found)
        if self.unit == 1.0:
            return (found / np.float32(255)).astype(np.float32)
        if self.unit == 65535.0 and found.dtype == np.uint8:
            return found.astype(np.uint16) * np.uint16(257)
        return found

    def batches(self, paths: Iterable[str], size: int) -> Iterator[Batch]:
        """Yield batches of `size` images that could be read, in their order, the last one smaller."""
        cores = usable_cores()
        with ThreadPoolExecutor(cores) as pool:
            waiting: deque[tuple[int, Future[NDArray[Any] | str]]] = deque()
            batch: list[tuple[int, NDArray[Any]]] = []
            unread: list[tuple[int, str]] = []
            for number, path in enumerate(paths):
                waiting.append((number, pool.submit(self._read, path)))
                if len(waiting) >= min(AHEAD * size, MOST_AHEAD):
                    self._take(waiting, batch, unread)
                if len(batch) == size:
                    yield _stacked(batch, unread)
                    batch, unread = [], []
            while waiting:
                self._take(waiting, batch, unread)
                if len(batch) == size:
                    yield _stacked(batch, unread)
                    batch, unread = [], []
            if batch or unread:
                yield _stacked(batch, unread)

    def _take(
        self,
        waiting: deque[tuple[int, Future[NDArray[Any] | str]]],
        batch: list[tuple[int, NDArray[Any]]],
        unread: list[tuple[int, str]],
    ) -> None:
        number, future = waiting.popleft()
        found = future.result()
        if isinstance(found, str):
            unread.append((number, found))
        else:
            batch.append((number, found))

    def _read(self, path: str) -> NDArray[Any] | str:
        try:
            return self.pixels(path)
        except Unreadable as error:
            return str(error) or "it can't be read"


def _check(path: str) -> None:
    """Say what a path is that is no file: a pipe would make its reader wait for ever. Unreadable."""
    if os.path.isdir(path):
        raise Unreadable("it is a folder")
    if not os.path.lexists(path):
        raise Unreadable("it does not exist")
    if not os.path.isfile(path):
        raise Unreadable("it is not a regular file" if os.path.exists(path) else "it is a link to nowhere")


def grey(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return one channel of red, green and blue, by Pillow's weights for L; grey stays what it is."""
    values = pixels.astype(np.int64)
    total = values[..., 0] * 19595 + values[..., 1] * 38470 + values[..., 2] * 7471 + 0x8000
    return (total >> 16).astype(pixels.dtype)[..., None]


def _stacked(batch: list[tuple[int, NDArray[Any]]], unread: list[tuple[int, str]]) -> Batch:
    pixels = torch.from_numpy(np.stack([one for _, one in batch])) if batch else None
    return Batch([number for number, _ in batch], pixels, list(unread))
