"""Looks of a sampled step: what fails in one costs the sample and not the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from cvtui.engine.observe.ends_no_training import Survivor
from cvtui.engine.observe.function_calls import FunctionCalls


class _Look:
    """Context of every look: what fails in it, for want of memory mostly, costs the sample and not the step."""

    def __init__(self, sample: GuardedLooks) -> None:
        self._sample = sample
        self._begun = 0.0
        self._plainly: Any = None

    def __enter__(self) -> None:
        sample = self._sample
        if sample.timed:
            self._begun = sample.clock()
        if torch._C._len_torch_function_stack():  # no mode is to see our own calls: they took twice as long
            self._plainly = torch._C.DisableTorchFunction()
            self._plainly.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        sample = self._sample
        if self._plainly is not None:
            self._plainly.__exit__(kind, error, trace)
            self._plainly = None
        if sample.timed:
            sample.seconds += sample.clock() - self._begun
        if sample.survives(error):
            sample.drop()
            return True
        return False


class GuardedLooks(Survivor):
    """Looks, timed or not."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.timed = True
        """Looks are timed: those of samples that have no plain steps beside them yet."""
        self.seconds = 0.0
        """What they took, where they are timed."""
        self.functions: FunctionCalls | None = None
        self.lost = False
        """There was no memory for it: nothing comes of this sample."""
        self._look_within = _Look(self)

    def drop(self) -> None:
        """Let go of this sample, which failed."""
        self.lost = True

    def _guard(self, look: Callable[..., None], *given: Any) -> None:
        """Look; what fails costs the sample."""
        if self.timed or self.functions is not None:
            with self._look_within:
                look(*given)
            return
        try:  # (a context takes 1 µs more)
            look(*given)
        except Exception as error:
            if not self.survives(error):
                raise
            self.drop()
