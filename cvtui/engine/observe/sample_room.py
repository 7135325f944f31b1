"""Memory of the samples' copies on the CPU: one piece a sample, used again by a later one.

What is allocated in the middle of a step lies between its large tensors until the log is flushed, and the next steps
find no gap that is large enough: each sample of a net of 11 ms a step cost 300 new pages.
"""

from __future__ import annotations

import torch
from torch import Tensor

MOST_FREE = 4
"""Rooms that are kept for later samples."""


class Room:
    """Memory of one sample, handed out piece by piece."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._values = torch.empty(size)
        self._used = 0

    def clear(self) -> None:
        """Begin anew: nothing that was handed out is needed any more."""
        self._used = 0

    def piece(self, count: int) -> Tensor | None:
        """Return so many values; None where there is no room."""
        begin, end = self._used, self._used + count
        if end > self.size:
            return None
        self._used = end
        return self._values[begin:end]


class Rooms:
    """Rooms of samples, each as large as the samples before have needed."""

    def __init__(self) -> None:
        self._free: list[Room] = []
        self._now: Room | None = None
        self._asked = 0
        """Values that the sample under way has asked for."""
        self._size = 0

    def begin(self) -> None:
        """Begin a sample."""
        self._size, self._asked = max(self._size, self._asked), 0
        if self._now is None and self._free:
            self._now = self._free.pop()
        if self._size and (self._now is None or self._now.size < self._size):
            self._now = Room(self._size)
        if self._now is not None:
            self._now.clear()

    def piece(self, count: int) -> Tensor:
        """Return a float32 tensor of so many values, which are anything."""
        self._asked += count
        found = self._now.piece(count) if self._now is not None else None
        return torch.empty(count) if found is None else found

    def leave(self) -> Room | None:
        """End the sample; its copies last until `free`."""
        now, self._now = self._now, None
        return now

    def free(self, room: Room | None) -> None:
        """Take a room back whose copies were read."""
        if room is not None and room.size == self._size and len(self._free) < MOST_FREE:
            self._free.append(room)
