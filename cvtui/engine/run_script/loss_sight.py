"""Sight of a loop's losses: what `backward` is called on, calls of loss functions, and comparisons of answers.

A TorchFunctionMode, on PyTorch's stack from the end of a forward pass to the optimizer's step (in an evaluation: to
the next forward pass). It hands every call through. It goes on an empty stack alone (or on that of the first steps'
probe), and comes off only from its top: the script's own modes are nested as before.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._C import _get_function_stack_at, _len_torch_function_stack
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.data import dataloader

from cvtui.engine.observe.loss_calls import LOSSES, LossCalls
from cvtui.engine.run_script.given_batches import Given
from cvtui.engine.run_script.loss_call import Call
from cvtui.engine.run_script.noted_losses import NotedLosses
from cvtui.engine.run_script.search import GIVERS

MOST = 16
"""Calls of one forward pass that are kept."""
LARGEST = 1 << 20
"""Values of an output, or of a comparison, that are kept until the step: of larger ones there is no accuracy."""
_LOSSES = {getattr(functional, name): name for name in LOSSES if hasattr(functional, name)}
_BACKWARD: Any = Tensor.backward
_PRODUCTS = {Tensor.mul, torch.mul, Tensor.__mul__}
_EQUALS = {Tensor.eq, torch.eq, Tensor.__eq__, operator.eq}


class Sight(TorchFunctionMode):
    """Keeps what it sees until `take`."""

    def __init__(self) -> None:
        super().__init__()
        self.scaled = False
        """The script has a GradScaler: of a scaled loss the value before is kept."""
        self._on = 0
        self.noted = NotedLosses()
        self.given = Given()
        self.wake: Callable[[bool], None] = lambda _ended: None
        """Called at a loader's end."""
        self._clear()
        self._takers: dict[Any, Any] = {
            **dict.fromkeys(_LOSSES, self._take_loss),
            **dict.fromkeys(_EQUALS, self._take_comparison),
            **dict.fromkeys(_PRODUCTS, self._take_product),
        }

    def _clear(self) -> None:
        self._calls: list[Call] = []
        self._backward: list[Tensor] = []
        self._compared: list[tuple[Tensor, Tensor]] = []
        self._products: dict[Any, Tensor] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        taker = self._takers.get(func)
        if taker is None:
            if func is _BACKWARD and args:
                self._take_backward(args[0])
            return func(*args, **kwargs)
        result = func(*args, **kwargs)
        taker(func, result, args, kwargs)
        return result

    def _take_backward(self, loss: Tensor) -> None:
        if loss.numel() == 1 and not self.noted.thread:
            self._backward.append(self._products.get(loss.grad_fn, loss).detach().reshape(()))

    def _take_loss(self, func: Any, result: Any, args: Any, kwargs: Any) -> None:
        given = args[0] if args else kwargs.get("input")
        target = args[1] if len(args) > 1 else kwargs.get("target")
        if not isinstance(given, Tensor) or not isinstance(result, Tensor) or len(self._calls) >= MOST:
            return
        small = given.numel() <= LARGEST
        kept = target.detach() if small and isinstance(target, Tensor) and target.numel() <= LARGEST else None
        value = result.detach()
        summed = kwargs.get("reduction") == "sum"
        if value.dim():
            value = value.mean()
        self._calls.append(
            Call(_LOSSES[func], given.detach() if small else None, kept, value, summed, result.grad_fn is not None)
        )

    def _take_comparison(self, _func: Any, _result: Any, args: Any, kwargs: Any) -> None:
        one, other = args[0], args[1] if len(args) > 1 else kwargs.get("other")
        if (
            isinstance(one, Tensor)
            and isinstance(other, Tensor)
            and 0 < max(one.numel(), other.numel()) <= LARGEST
            and len(self._compared) < MOST
        ):
            self._compared.append((one.detach(), other.detach()))

    def _take_product(self, _func: Any, result: Any, args: Any, _kwargs: Any) -> None:
        """Note the value of a loss before GradScaler's factor."""
        if not self.scaled or len(args) < 2 or not isinstance(result, Tensor) or result.dim() or result.grad_fn is None:
            return
        loss, factor = args[:2]
        if isinstance(loss, Tensor) and isinstance(factor, Tensor) and loss.requires_grad and not factor.requires_grad:
            self._products[result.grad_fn] = loss

    def begin(self) -> None:
        """Begin to see; nothing happens where a mode of the script's is on."""
        count = _len_torch_function_stack()
        if count and (count > 1 or not isinstance(_get_function_stack_at(0), LossCalls)):
            return
        self._on += 1
        self.__enter__()  # type: ignore[no-untyped-call]

    def end(self) -> None:
        """See no more, where no other mode lies above."""
        if not self._on:
            return
        count = _len_torch_function_stack()
        if count and _get_function_stack_at(count - 1) is self:
            self.__exit__(None, None, None)
            self._on -= 1

    def follow_loaders(self) -> Callable[[], None]:
        """See nothing while a DataLoader makes a batch, and tell GIVERS of it; return what ends that.

        Of an evaluation's batch of 32 images it saw 70 calls, which took a third as long as all the rest.
        """
        kind: Any = getattr(dataloader, "_BaseDataLoaderIter", None)
        made = vars(kind).get("__next__") if kind is not None else None
        if made is None:
            return lambda: None

        @functools.wraps(made)
        def following(iterator: Any) -> Any:
            before = self._on
            if before:
                self.end()
            seen = self._on == before
            try:
                batch = made(iterator)
                GIVERS.gave(iterator)
                if self.given.is_wanted:
                    self.given.take(iterator, batch)
                return batch
            except StopIteration:
                self.given.end()
                self.wake(True)
                raise
            finally:
                if not seen and not self._on:
                    self.begin()

        kind.__next__ = following
        GIVERS.begin()

        def end() -> None:
            GIVERS.end()
            if vars(kind).get("__next__") is following:
                kind.__next__ = made

        return end

    @property
    def is_idle(self) -> bool:
        """True where it sees nothing, and has nothing to tell."""
        return not (self._on or self._calls or self._backward or self._compared or self._products or self.noted.thread)

    def take(self) -> tuple[list[Call], list[Tensor], list[tuple[Tensor, Tensor]]]:
        """Return calls, losses that `backward` was called on, and comparisons since the last time."""
        if self.noted.thread:
            self._backward += [loss.reshape(()) for loss in self.noted.take()]
        found = self._calls, self._backward, self._compared
        if any(found) or self._products:
            self._clear()
        return found
