"""How long steps wait for their data: of cvtui's own loop exactly, of a custom loop at some of its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import nn

from cvtui.engine.observe.forward_hooks import Handle, forward_hooks, uncompiled

Batch = TypeVar("Batch")


class BatchWaits:
    """Measure the wait for each batch of a training loop, and all the time that its steps take.

    for batch in waits.over(batches): …
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        """seconds: of training, pauses not counted."""
        self._seconds = seconds
        self._waited = self._all = 0.0

    def over(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield the batches."""
        seconds = self._seconds
        begun = seconds()
        for batch in batches:
            got = seconds()
            self._waited += got - begun
            yield batch
            done = seconds()
            self._all += done - begun
            begun = done

    def take(self) -> float | None:
        """Return the share since the last call; None without a step."""
        waited, whole = self._waited, self._all
        self._waited = self._all = 0.0
        return waited / whole if whole > 0 else None


class ForwardWaits:
    """Measure the time from a flush of the log to the next forward pass: the wait for a batch of a custom loop.

    It is a source of the recorder's, asked at each flush (ten times a second at most): only there a hook is put on the
    model, which takes itself off at its first call, so that all other steps have none. What lies between two flushes
    gives the step's time.
    """

    def __init__(self, model: nn.Module, seconds: Callable[[], float], step: Callable[[], int]) -> None:
        self._hooks, self._model = forward_hooks(model), uncompiled(model)
        self._seconds, self._step = seconds, step
        self._handle: Handle | None = None
        self._waits: list[tuple[float, float]] = []
        """Wait and step time of each look since the last `take`."""
        self._flushed: tuple[float, int] | None = None
        self._wait: float | None = None

    def flushed(self) -> None:
        """Close the look that began at the flush before, and begin another."""
        now, step = self._seconds(), self._step()
        self.close()
        if self._flushed is not None and self._wait is not None and step > self._flushed[1]:
            self._waits.append((self._wait, (now - self._flushed[0]) / (step - self._flushed[1])))
        self._wait, self._flushed = None, (now, step)
        self._handle = self._hooks.before(self._model, self._forward)

    def leave_out(self) -> None:
        """Drop the look under way: something else than steps came, such as a validation."""
        self._flushed = None
        self.close()

    def _forward(self, *_: Any) -> None:
        if self._flushed is not None and torch.is_grad_enabled():
            self._wait = self._seconds() - self._flushed[0]
        else:
            self._flushed = None  # a pass without gradients: a validation
        self.close()

    def close(self) -> None:
        """Take the hook off."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.remove()

    def take(self) -> float | None:
        """Return the share of a step that is a wait, since the last call; None without a look."""
        waits, self._waits = self._waits, []
        whole = sum(step for _, step in waits)
        return sum(wait for wait, _ in waits) / whole if whole > 0 else None
