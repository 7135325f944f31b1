"""Losses of a script's steps that are only noted, of which nothing else is seen: no mode, no hooks, no labels."""

from __future__ import annotations

import functools
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from cvtui.engine.optim.groups import is_stepping
from cvtui.engine.run_script.search import GIVERS


class NotedLosses:
    """Keeps what `torch.autograd.backward` is called on, from a forward pass of the model to the optimizer's step.

    Only in that thread: another model may learn in another one, or between two steps. Most steps go from here into
    their row in one call: beside a step of 1 ms each function more is one of cold code, ten times as long as alone.
    """

    def __init__(self) -> None:
        self.is_on = False
        """Steps are only noted …"""
        self.optimizer: Optimizer | None = None
        """… of this one."""
        self.thread = 0
        """In which the model was called since the last step; 0: it was not, or is within `backward`."""
        self.stepping = False
        """The optimizer's step has begun."""
        self._within = self.again = False
        self.found: list[Tensor | float] = []
        """Losses; of the CPU their values, which are there: a tensor would lie between the next step's."""
        self.images: Callable[[], Tensor | None] = lambda: None
        self._leave: Callable[[], None] | None = None
        self._session: Any = None

    def begin(self, session: Any) -> None:
        """Begin to note the steps of a session."""
        self.is_on, self.optimizer, self._session = True, session.optimizers[0], session
        self._leave = self._leave or self._follow_backward()

    def pause(self) -> None:
        """Note no further step; the one under way is noted to its end, as its `backward` may still come."""
        self.is_on, self.optimizer, self._session = False, None, None

    def end(self) -> None:
        """Note no more, and leave PyTorch as it was."""
        self.pause()
        self.thread = 0
        if self._leave is not None:
            self._leave()

    def _follow_backward(self) -> Callable[[], None]:
        made = torch.autograd.backward

        @functools.wraps(made)
        def following(tensors: Any, *args: Any, **options: Any) -> None:
            thread = threading.get_ident()
            if self.thread != thread:
                made(tensors, *args, **options)
                return
            self.thread = 0  # (checkpointing calls it again from within)
            try:
                made(tensors, *args, **options)
            finally:
                self.thread = thread
            if not self.again and isinstance(tensors, Tensor) and tensors.numel() == 1:
                self.found.append(tensors.item() if tensors.is_cpu else tensors.detach())

        torch.autograd.backward = following

        def leave() -> None:
            if torch.autograd.backward is following:
                torch.autograd.backward = made

        return leave

    def forward(self, images: Any, held: Tensor) -> None:
        """Take a forward pass in training; held: a parameter, which tells whether gradients were dropped before."""
        if self.found or self.stepping:
            self.again = self._is_again(images, held.grad is None)
        else:
            self.again = False
        self.images = weakref.ref(images) if isinstance(images, Tensor) else lambda: None
        self.thread = threading.get_ident()

    def _is_again(self, images: Any, dropped: bool) -> bool:
        """Return True where the step's loss is known already."""
        same = bool(self.found) and self.images() is images
        if self.stepping and not is_stepping():  # it raised, for want of memory say, and the script goes on
            self.stepping = self._within = False
        if self.stepping:  # a closure, called again and again; the last batch of several comes in one, too
            within, self._within = self._within, True
            return bool(self.found) and (same or dropped or within)
        if dropped and not same:
            self.found.clear()
        return same and dropped  # SAM's second look

    def record(self) -> bool:
        """Put the step that ends into its row, as WatchedRun.rested does; False where more is to be done."""
        called, found, session = time.perf_counter(), self.found, self._session
        run = session.run
        quick = run._quick
        groups: Sequence[dict[str, Any]] = () if quick.only is None else quick.only.param_groups
        if (
            quick.left - 1 <= quick.slow  # (behind the last one of a row comes more)
            or called >= quick.until
            or len(groups) != 1
            or len(found) != 1
            or type(value := found[0]) is not float
            or type(rate := groups[0].get("lr")) is not float
        ):
            return False
        found.clear()
        self.thread, self.stepping = 0, False
        self._within = self.again = False
        quick.left -= 1
        session.steps += 1
        run.step_count += 1
        session.evaluation.since = GIVERS.count
        quick.plain.append((value, rate, time.perf_counter(), called, session.size * session.labels_each or 1))
        return True

    def take(self) -> list[Tensor]:
        """Return the losses of a step."""
        found, self.found, self.thread = self.found, [], 0
        self.stepping = self._within = self.again = False
        return [one if isinstance(one, Tensor) else torch.tensor(one, device="cpu") for one in found]
