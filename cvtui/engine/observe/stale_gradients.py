"""Gradients left over from the step before, measured when the next ones arrive: a forgotten zero_grad."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from cvtui.engine.observe.forward_hooks import Handle
from cvtui.engine.observe.statistics import norm

PARAMETERS = 3
"""Of these the gradients are compared: the first, the middle and the last."""


class StaleGradients:
    """Observer of the gradients of a few parameters, by hooks on them.

    watching: asked at each arrival. within_memory: leaves out what there is no memory for.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        watching: Callable[[], bool],
        within_memory: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._watching, self._within_memory = watching, within_memory
        self._shares: list[Tensor] = []
        self._arrived: dict[int, Tensor | None] = {}
        """By parameter: what was left of its gradient at each arrival since its last update; None: nothing, once."""
        places = sorted({0, len(parameters) // 2, len(parameters) - 1})[:PARAMETERS] if parameters else ()
        self.handles = [
            handle for place in places for handle in on_gradient(parameters[place], self._hook(parameters[place]))
        ]

    def _hook(self, parameter: Tensor) -> Callable[[Tensor], Callable[[], None] | None]:
        def comes(gradient: Tensor) -> Callable[[], None] | None:
            """Compare the gradient with what lies there, before it is added."""
            key, left = id(parameter), parameter.grad
            if not self._watching() or (key in self._arrived and self._arrived[key] is None):
                return None
            if left is None or left.is_sparse or gradient.is_sparse:
                return lambda: self._take(key, None)
            share: list[Tensor] = []
            with torch.no_grad(), self._within_memory():
                share.append(norm(left.detach()) / (norm(gradient.detach()) + 1e-30))
            return (lambda: self._take(key, share[0])) if share else None

        return comes

    def _take(self, key: int, share: Tensor | None) -> None:
        before = self._arrived.get(key)
        # Of a GAN the generator's pass leaves gradients in the discriminator, which are zeroed before its own.
        self._arrived[key] = share if before is None or share is None else torch.minimum(before, share)

    def before_update(self, held: Collection[int]) -> None:
        """Take the shares of the parameters (by id) that are updated now."""
        for key in [key for key in self._arrived if key in held]:
            if (share := self._arrived.pop(key)) is not None:
                self._shares.append(share)

    def median(self) -> float | None:
        """Return the median of all shares, read from the device; None without any."""
        return torch.stack(self._shares).median().item() if self._shares else None


def on_gradient(parameter: Tensor, called: Callable[[Tensor], Callable[[], None] | None]) -> list[Handle]:
    """Call `called` with each gradient that comes to a parameter, and what it returned once that was added to it.

    `torch.autograd.grad` hands gradients out that are added to none.
    """
    waiting: list[Callable[[], None] | None] = []

    def comes(gradient: Tensor) -> None:
        waiting[:] = [called(gradient)]

    def added(_parameter: Tensor) -> None:
        if waiting and (taken := waiting.pop()) is not None:
            taken()

    return [
        _WithoutTrace(parameter, "_backward_hooks", parameter.register_hook(comes)),  # type: ignore[no-untyped-call]
        _WithoutTrace(
            parameter,
            "_post_accumulate_grad_hooks",
            parameter.register_post_accumulate_grad_hook(added),  # type: ignore[no-untyped-call]
        ),
    ]


class _WithoutTrace:
    """Handle of a hook on a parameter that leaves it as it was without any.

    PyTorch's own leaves an empty table, which each `backward()` looks through from then on: of three parameters with
    two of them that takes 8 µs, 3 % of a step of a small perceptron.
    """

    def __init__(self, parameter: Tensor, table: str, handle: Handle) -> None:
        self._parameter, self._table, self._handle = parameter, table, handle

    def remove(self) -> None:
        self._handle.remove()
        left = getattr(self._parameter, self._table)
        if left is not None and not left:
            setattr(self._parameter, self._table, None)
