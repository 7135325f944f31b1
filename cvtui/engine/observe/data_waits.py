"""How long steps wait for their data: of cvtui's own loop, and of a custom loop whose batches a DataLoader makes."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import torch

from cvtui.engine.observe.clock import Clock

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


class Loop(Protocol):
    """A custom loop: its steps, and the clock that pauses move."""

    step_count: int
    clock: Clock


class LoaderWaits:
    """Measure how long a custom loop is inside of its DataLoader, out of all the time from batch to batch.

    The loader itself is followed, since between `run.step` and the next forward pass the loop does what it likes:
    metrics, drawing, a sleep. Of batches that come from elsewhere nothing is known. Left out are what another thread
    fetches, and batches without gradients: a validation's.
    """

    def __init__(self, loop: Loop, now: Callable[[], float] = time.perf_counter) -> None:
        self._loop, self._now = loop, now  # (no function of ours tells the time: each batch comes here twice)
        self._start = loop.clock.start
        self._thread = threading.get_ident()
        self._waited = self._all = 0.0
        self._begun: float | None = None
        """When the loop asked for the batch (or batches) of the step under way."""
        self._wait, self._at = 0.0, 0
        self._inside = False
        """Of a batch: what a dataset takes out of a loader of its own is part of the same wait."""
        _FOLLOWED.add(self)

    def fetch(self, batch: Callable[..., Batch], *of: Any) -> Batch:
        """Return a loader's next batch."""
        if threading.get_ident() != self._thread or self._inside:
            return batch(*of)
        if not torch.is_grad_enabled():
            self._begun = None
            return batch(*of)
        loop = self._loop
        now, step, start = self._now(), loop.step_count, loop.clock.start
        if start != self._start:  # there was a pause
            self._start, self._begun = start, None
        if self._begun is not None and step > self._at:
            self._waited += self._wait
            self._all += now - self._begun
            self._begun = None
        if self._begun is None:
            self._begun, self._wait, self._at = now, 0.0, step
        self._inside = True
        try:
            found = batch(*of)
        except BaseException:
            self._begun = None  # the epoch is over
            raise
        finally:
            self._inside = False
        self._wait += self._now() - now
        return found

    def leave_out(self) -> None:
        """Drop the step under way: something else than steps came, such as a validation."""
        self._begun = None

    def close(self) -> None:
        """Follow no loader any more."""
        _FOLLOWED.remove(self)

    def take(self) -> float | None:
        """Return the share since the last call; None where no loader gave a batch."""
        waited, whole = self._waited, self._all
        self._waited = self._all = 0.0
        return waited / whole if whole > 0 else None


class _Followed:
    """The iterator of all DataLoaders, which tells those who follow it: changed by the first, restored by the last."""

    def __init__(self) -> None:
        self._meters: list[LoaderWaits] = []
        self._made: Any = None
        self._following: Any = None

    @staticmethod
    def _kind() -> Any:
        from torch.utils.data import dataloader

        return getattr(dataloader, "_BaseDataLoaderIter", None)

    def add(self, meter: LoaderWaits) -> None:
        self._meters.append(meter)
        kind = self._kind()
        if self._following is None and kind is not None and "__next__" in vars(kind):
            made = vars(kind)["__next__"]

            @functools.wraps(made)
            def following(iterator: Any) -> Any:
                if len(self._meters) == 1:
                    return self._meters[0].fetch(made, iterator)
                batch: Callable[[], Any] = functools.partial(made, iterator)
                *others, last = self._meters
                for one in others:
                    batch = functools.partial(one.fetch, batch)
                return last.fetch(batch)

            self._made, self._following = made, following
            kind.__next__ = following

    def remove(self, meter: LoaderWaits) -> None:
        if meter in self._meters:
            self._meters.remove(meter)
        kind = self._kind()
        # Where another library has wrapped it since, it stays and does nothing.
        if not self._meters and self._following is not None and vars(kind).get("__next__") is self._following:
            kind.__next__ = self._made
            self._made = self._following = None


_FOLLOWED = _Followed()
