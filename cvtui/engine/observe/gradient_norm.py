"""Take the 2-norm of all gradients, right before each update; nothing is read back from the device."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from cvtui.engine.observe.layer_watch import LayerWatch
from cvtui.engine.observe.shards import own_shard
from cvtui.engine.observe.step_metrics import Norm, joined, whole_norm
from cvtui.engine.observe.weight_sample import has_closure

FEW = 64
"""Gradients whose norms wait for the flush, where those of many steps are put together at once: at the step itself
that takes 7 µs."""


class GradientNorm:
    """Norm of the step under way, by a hook on its optimizers; of several it is that over all they hold.

    watch: gets each parameter's norm of a step that it looks at, and is charged for all.
    """

    _no_grad = torch.no_grad()
    """One object for all steps: as a decorator it costs 2 µs more."""

    def __init__(self, optimizers: Sequence[Optimizer], watch: LayerWatch) -> None:
        self._watch = watch
        self._norm: Norm = None
        self._several = len(optimizers) > 1
        self._norms: dict[int, Tensor] = {}
        """Of several optimizers, each one's."""
        self._handles = [one.register_step_pre_hook(self._before_update) for one in optimizers]
        self._late: set[int] = set()
        """Optimizers that were given a closure."""
        self.resting = False
        """The norm of the step under way is left out (custom_loop/quick_steps.py)."""
        self._off: list[tuple[OrderedDict[int, Any], int, Any]] = []
        """Hooks that are off meanwhile: a call that does nothing is one of cold code."""
        self.seconds: float | None = None
        """What norms took, where that is measured."""

    def rest(self) -> None:
        """Take no norms until `wake`. The hook goes off where it is alone; beside others it keeps its place."""
        if self.resting:
            return
        self.resting = True
        for handle in self._handles:
            hooks = handle.hooks_dict_ref()
            if hooks is not None and len(hooks) == 1 and handle.id in hooks:
                self._off.append((hooks, handle.id, hooks.pop(handle.id)))

    def wake(self) -> None:
        """Take norms again."""
        self.resting = False
        while self._off:
            hooks, number, hook = self._off.pop()
            hooks[number] = hook
            hooks.move_to_end(number, last=False)  # before those that came meanwhile: they may cut gradients

    def close(self) -> None:
        """Remove all hooks."""
        self._off.clear()
        for handle in self._handles:
            handle.remove()

    @property
    def whole(self) -> Tensor | None:
        """A scalar on its device, from right before the update until the step is recorded.

        None where there are no gradients.
        """
        norm = self._norm
        if norm is not None and not isinstance(norm, Tensor):
            with self._no_grad:
                norm = self._norm = whole_norm(joined(torch.stack, norm))
        return norm

    def _before_update(self, optimizer: Optimizer, *call: Any) -> None:
        if self.resting:
            return
        if not has_closure(*call):
            if self.seconds is None:
                self._charge_norm(optimizer)
            else:
                begun = self._watch.budget.clock()
                self._charge_norm(optimizer)
                self.seconds += self._watch.budget.clock() - begun
        elif id(optimizer) not in self._late:
            self._late.add(id(optimizer))
            self._handles.append(optimizer.register_step_post_hook(self._after_update))

    def _after_update(self, optimizer: Optimizer, *call: Any) -> None:
        if has_closure(*call) and not self.resting:  # which has made the gradients of this step
            self._charge_norm(optimizer)

    def _charge_norm(self, optimizer: Optimizer) -> None:
        calls = self._watch.budget.calls
        if calls is None:
            self._take_norm(optimizer)
            return
        with calls:
            self._take_norm(optimizer)

    def _take_norm(self, optimizer: Optimizer) -> None:
        found = [
            g if type(g) is Tensor else own_shard(g)  # (a call for each of 60 is a tenth of a small net's norm)
            for group in optimizer.param_groups
            for p in group["params"]
            if (g := p.grad) is not None
        ]
        with self._no_grad:
            norms = torch._foreach_norm(found) if found else ()
            if self._watch.is_looking:
                held = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
                self._watch.note_norms(held, norms)
            self._norm = norms or None
            if norms and (len(norms) > FEW or self._several):
                norm = whole_norm(joined(torch.stack, norms))
                if self._several:
                    self._norms[id(optimizer)] = norm
                    norm = whole_norm(joined(torch.stack, [*self._norms.values()]))
                self._norm = norm

    def of_step(self) -> Norm:
        """Return the norm of the step under way, and forget it; None where it made no update."""
        norm, self._norm = self._norm, None
        if self._norms:
            self._norms.clear()
        return norm

    def take_whole(self) -> Tensor | None:
        """Return the norm of a step that is captured, and forget it."""
        norm, self._norm = self.whole, None
        return norm
