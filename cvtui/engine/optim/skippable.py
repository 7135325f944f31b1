"""Update rules that PyTorch has no fused kernel for, and Muon beside AdamW: with the `found_inf` of the fused ones.

`optimizer.found_inf` is None or a scalar on the parameters' device; where it is 1 an update changes nothing. On the CPU
it is looked at; on a GPU nothing waits for it: the update is done, and what it changed is put back where the flag says
so.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from cvtui.engine.optim.groups import Groups, part_of


class Together(Optimizer):
    """Several optimisers as one: each updates the groups that it was made with.

    They share groups and state with this one, which is the one to set rates on, to save and to load.
    """

    found_inf: Tensor | None = None

    def __init__(self, parts: list[Optimizer]) -> None:
        self.parts: list[Optimizer] = []
        super().__init__([group for part in parts for group in part.param_groups], {})
        for part in parts:
            self.state.update(part.state)
        self.parts = parts
        self._share()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Share the new groups that loading a state makes."""
        super().__setstate__(state)
        self._share()

    def _share(self) -> None:
        groups = list(self.param_groups)
        for part in self.parts:
            part.state = self.state
            part.param_groups = [groups.pop(0) for _ in part.param_groups]

    def take(self, other: Together) -> None:
        """Take the parts of another one, with their groups and state."""
        self.parts += other.parts
        self.param_groups += other.param_groups
        self.state.update(other.state)
        self._share()

    @torch.no_grad()
    def step(self, _closure: Any = None) -> None:  # type: ignore[override]
        """Update all parts, unless `found_inf` is set."""
        flag = self.found_inf
        if flag is None:
            self._update()
        elif flag.device.type != "cpu":
            self._update_on_device(flag)
        elif not flag.item():
            self._update()

    def _update(self) -> None:
        for part in self.parts:
            part.step()

    @torch.no_grad()
    def _update_on_device(self, flag: Tensor) -> None:
        kept = {id(tensor): tensor.clone() for tensor in self._changing(flag.device)}
        self._update()
        for tensor in self._changing(flag.device):
            before = kept.get(id(tensor))  # None: state that this first update has made; before it was nothing, or 0
            tensor.copy_(torch.where(flag > 0, torch.zeros_like(tensor) if before is None else before, tensor))

    def _changing(self, device: torch.device) -> list[Tensor]:
        """Return the parameters and their state on the device.

        (A count of steps may lie on the CPU: only the `decay` of an AdaGrad reads it, which then counts a step that was
        left out.)
        """
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        state = [value for parameter in parameters for value in self.state.get(parameter, {}).values()]
        return [
            *parameters, *(value for value in state if isinstance(value, Tensor) and value.device == device)
        ]  # fmt: skip


class Flat(Optimizer):
    """An optimizer for matrices, on weights of convs too: each is seen as outputs x inputs·k²; biases stay as they are.

    make: (groups of those views) -> the optimizer.
    """

    def __init__(self, groups: Groups, make: Callable[[Groups], Optimizer]) -> None:
        flat = [{**group, "params": [_flat(p, p).detach() for p in group["params"]]} for group in groups]
        self.inner = make(flat)
        super().__init__(groups, dict(self.inner.defaults))

    @torch.no_grad()
    def step(self, _closure: Any = None) -> None:  # type: ignore[override]
        for group, flat in zip(self.param_groups, self.inner.param_groups, strict=True):
            flat.update({name: value for name, value in group.items() if name != "params"})
            for parameter, view in zip(group["params"], flat["params"], strict=True):
                view.grad = None if parameter.grad is None else _flat(parameter.grad, parameter)
                self.inner.state[view] = self.state[parameter]
        self.inner.step()


def _flat(tensor: Tensor, like: Tensor) -> Tensor:
    """`tensor` as a matrix, one row an output: of `like` itself a view, whichever way its numbers lie in memory."""
    if like.ndim < 2:
        return tensor
    if like.ndim == 4 and not like.is_contiguous():
        tensor = tensor.permute(0, 2, 3, 1)  # channels last
    return tensor.reshape(len(tensor), -1)


def has_muon() -> bool:
    """Return True if this PyTorch has Muon (2.9 and newer)."""
    return hasattr(torch.optim, "Muon")


def muon_and_adamw(groups: Groups, lr: float, options: dict[str, Any]) -> Optimizer:
    """Make Muon for the weights that decay but the classifier's, and AdamW for all others, at the same rate.

    The classifier's Muon's author leaves to AdamW. `options` are those of torch.optim.Muon.
    """
    hidden, rest = [], []
    for group in groups:
        end = len(group["params"]) - group["last"] if group["table"] else 0
        hidden.append(part_of(group, slice(end)))
        rest.append(part_of(group, slice(end, None)))
    hidden, rest = ([group for group in part if group["params"]] for part in (hidden, rest))
    make = partial(torch.optim.Muon, lr=lr, **options)
    parts: list[Optimizer] = [Flat(hidden, make)] if hidden else []
    return Together([*parts, *([AdamW(rest, lr=lr, fused=True)] if rest else [])])
