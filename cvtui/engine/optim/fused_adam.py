"""PyTorch's fused Adam and AdamW, without the Python that gathers the same lists anew at every step.

The kernels and their order are PyTorch's, so every bit is; `torch.optim` itself does what is out of the ordinary (the
first step, a parameter without gradient, options that are not usual). A step of a net of 6, 18 parameters: 160, 297 µs
before, 92, 105 now, which makes a small net 1.05 to 1.1 x as fast.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.optim import Adam as PlainAdam
from torch.optim import AdamW as PlainAdamW

from cvtui.engine.optim.fused_base import FusedOptimizer


class _Group(NamedTuple):
    """One parameter group's options, and its tensors in lists of one length."""

    options: dict[str, Any]
    params: list[Tensor]
    means: list[Tensor]
    squares: list[Tensor]
    steps: list[Tensor]


class _Gathered(NamedTuple):
    groups: list[_Group]
    counts: Tensor
    """Steps done, one number a parameter; those of the state are views of it, so that one addition counts for all."""
    state: Any
    """The dictionary that all was found in: another one means other tensors."""


class _FusedAdam(FusedOptimizer, PlainAdam):
    """What Adam and AdamW have in common."""

    PLAIN: ClassVar[Any] = PlainAdam
    _gathered: _Gathered | None = None

    def _quick(self, gathered: _Gathered, grads: list[list[Any]]) -> None:
        kernel: Any = torch._fused_adamw_ if isinstance(self, PlainAdamW) else torch._fused_adam_
        found_inf = getattr(self, "found_inf", None)
        gathered.counts.add_(1)
        for group, found in zip(gathered.groups, grads, strict=True):
            options = group.options
            beta1, beta2 = options["betas"]
            kernel(
                group.params, found, group.means, group.squares, [], group.steps,
                amsgrad=False, lr=options["lr"], beta1=beta1, beta2=beta2, weight_decay=options["weight_decay"],
                eps=options["eps"], maximize=False, grad_scale=None, found_inf=found_inf,
            )  # fmt: skip
        if found_inf is not None:
            gathered.counts.sub_(found_inf)

    def _found(self) -> _Gathered | None:
        """Return the lists; None where PyTorch's own step must be taken."""
        kept = self._gathered
        if kept is None or kept.state is not self.state or len(kept.groups) != len(self.param_groups):
            self._gathered = kept = self._gather()
            return kept
        for group in kept.groups:  # other moments, or other options, were put in their place
            options = group.options
            if (
                self.state[group.params[0]].get("exp_avg") is not group.means[0]
                or options["amsgrad"]
                or options["maximize"]
            ):
                self._gathered = kept = self._gather()
                break
        return kept

    def _gather(self) -> _Gathered | None:
        devices = {p.device for group in self.param_groups for p in group["params"]}
        if len(devices) != 1 or getattr(self, "grad_scale", None) is not None:
            return None
        groups, steps = [], []
        for options in self.param_groups:
            unusual = ("amsgrad", "maximize", "capturable", "differentiable")
            if not options["fused"] or any(options[name] for name in unusual) or isinstance(options["lr"], Tensor):
                return None
            states = [self.state.get(p) for p in options["params"]]
            if not states or not all(states) or any(p.is_complex() for p in options["params"]):
                return None
            found = [[state[name] for state in states if state] for name in ("exp_avg", "exp_avg_sq", "step")]
            groups.append(_Group(options, list(options["params"]), found[0], found[1], []))
            steps += found[2]
        counts = torch.stack(steps)
        views = list(counts.unbind())
        for group in groups:
            group.steps.extend(views[: len(group.params)])
            del views[: len(group.params)]
            for parameter, step in zip(group.params, group.steps, strict=True):
                self.state[parameter]["step"] = step
        return _Gathered(groups, counts, self.state)


class Adam(_FusedAdam):
    """torch.optim.Adam with fused=True."""


class AdamW(_FusedAdam, PlainAdamW):
    """torch.optim.AdamW with fused=True."""

    PLAIN = PlainAdamW
