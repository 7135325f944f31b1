"""What our optimisers do at every step around their kernels, which fused_adam.py and fused_sgd.py have.

They go PyTorch's way wherever something is out of the ordinary. The wrapper of torch.optim opens a region for the
profiler at each step, which takes 8 µs where nothing is profiled, twice that between the kernels of a small net; a
`step` that says that it is `hooked` is left without it.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, Self

import torch
from torch.optim import Optimizer

from cvtui.engine.runtime.plain import plain


class FusedOptimizer(Optimizer):
    """Base class: call hooks, then the fused kernel, without profiler overhead.

    Hooks are called as PyTorch does (but for hooks on all optimisers of a process, and for answers of a hook, which
    have nothing to change here), and in between `update`.
    """

    PLAIN: ClassVar[Any]
    """PyTorch's class."""

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Make PyTorch's own optimizer where `CVTUI_PLAIN=1` asks for it."""
        if not plain():
            return super().__new__(cls)
        made: Self = cls.PLAIN(*arguments, **options)
        return made

    def step(self, closure: Any = None) -> Any:
        for hook in tuple(self._optimizer_step_pre_hooks.values()):
            hook(self, (self,), {})
        with torch.no_grad():
            loss = self.update(closure)
        for hook in tuple(self._optimizer_step_post_hooks.values()):
            hook(self, (self,), {})
        return loss

    step.hooked = True  # type: ignore[attr-defined]

    def update(self, closure: Any) -> Any:
        """Apply the rule, without recording gradients: by the kernel where possible, otherwise PyTorch's own step."""
        gathered = self._found()
        grads = [[p.grad for p in group.params] for group in gathered.groups] if gathered else []
        if gathered is None or closure is not None or any(g is None for group in grads for g in group):
            return inspect.unwrap(self.PLAIN.step)(self, closure)
        self._quick(gathered, grads)
        return None

    def _found(self) -> Any:
        """Return the tensors in lists, one of `groups` with its `params` for each parameter group.

        None where PyTorch's own step must be taken.
        """
        raise NotImplementedError

    def _quick(self, gathered: Any, grads: list[list[Any]]) -> None:
        """One kernel for each group and its gradients."""
        raise NotImplementedError
