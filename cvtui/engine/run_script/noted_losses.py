"""Losses of a script's steps that are only noted, of which nothing else is seen: no mode, no hooks, no labels."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cvtui.engine.optim.groups import is_stepping


class NotedLosses:
    """Keeps what `torch.autograd.backward` is called on, from a forward pass of the model to the optimizer's step.

    Only in that thread: another model may learn in another one, or between two steps.
    """

    def __init__(self) -> None:
        self.is_on = False
        """Steps are only noted."""
        self.thread = 0
        """In which the model was called since the last step; 0: it was not."""
        self._stepping = self._within = self._again = self._inside = False
        self._found: list[Tensor] = []
        self._images: Callable[[], Tensor | None] = lambda: None
        self._leave: Callable[[], None] | None = None

    def begin(self) -> None:
        """Begin to note."""
        self.is_on = True
        self._leave = self._leave or self._follow_backward()

    def end(self) -> None:
        """Note no more, and leave PyTorch as it was."""
        self.is_on, self.thread = False, 0
        if self._leave is not None:
            self._leave()

    def _follow_backward(self) -> Callable[[], None]:
        made = torch.autograd.backward

        @functools.wraps(made)
        def following(tensors: Any, *args: Any, **options: Any) -> None:
            if not self.thread or self._inside or self.thread != threading.get_ident():
                made(tensors, *args, **options)
                return
            self._inside = True  # (checkpointing calls it again from within)
            try:
                made(tensors, *args, **options)
            finally:
                self._inside = False
            if not self._again and isinstance(tensors, Tensor) and tensors.numel() == 1:
                self._found.append(tensors.detach())

        torch.autograd.backward = following

        def leave() -> None:
            if torch.autograd.backward is following:
                torch.autograd.backward = made

        return leave

    def forward(self, images: Any, dropped: bool) -> None:
        """Take a forward pass in training; dropped: the gradients of what came before were."""
        same = bool(self._found) and self._images() is images
        if self._stepping and not is_stepping():  # it raised, for want of memory say, and the script goes on
            self._stepping = self._within = False
        if self._stepping:  # a closure, called again and again; the last batch of several comes in one, too
            self._again = bool(self._found) and (same or dropped or self._within)
            self._within = True
        else:
            self._again = same and dropped  # SAM's second look
            if dropped and not same:
                self._found.clear()
        self._images = weakref.ref(images) if isinstance(images, Tensor) else lambda: None
        self.thread = threading.get_ident()

    def step(self) -> None:
        """Take the begin of the optimizer's step."""
        self._stepping = True

    def take(self) -> list[Tensor]:
        """Return the losses of a step."""
        found, self._found, self.thread = self._found, [], 0
        self._stepping = self._within = self._again = False
        return found
