"""Signs of the first steps that need no data: the first update's direction, random states, weights that are set back.

What is computed on the device waits until `facts` reads it. Nothing that is trained changes, no random number is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.observe.following_copy import FollowingCopy
from cvtui.engine.observe.layer_kinds import plain_name
from cvtui.engine.observe.shards import is_shard, own_shard
from cvtui.engine.observe.statistics import as_real
from cvtui.engine.optim.groups import held_by
from cvtui.text import rounded

STEPS = 6
"""First steps whose random states are compared."""
VALUES = 4096
"""Of a weight's values, those that are compared."""
LEAST = 64
"""Values of an image that may be one value by mistake."""
WEIGHTS = 3
"""Weights that are looked at: the first, the middle and the last that are trained."""


class FirstSigns:
    """Follow the passes and updates of the first steps; `facts` returns the fields of `Facts` about them."""

    def __init__(self, model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
        held = held_by(*optimizers)
        self._wraps = any(isinstance(value, Optimizer) for one in optimizers for value in vars(one).values())
        trained = [p for p in model.parameters() if p.requires_grad and id(p) in held and p.dim() > 1]
        places = sorted({0, len(trained) // 2, len(trained) - 1}) if trained else []
        self._weights = [trained[place] for place in places[:WEIGHTS]]
        self._first = [_some_of(one) for one in self._weights]
        self._before: list[tuple[Tensor, Tensor] | None] = []
        """Weights and gradients before the first update."""
        self._direction: Tensor | None = None
        self._updated = False
        self._states: list[list[Tensor]] = []
        """Of each pass, at its beginning and its end."""
        self._attacked = False
        self._blanks: list[Tensor] = []
        self._back: list[Tensor] = []
        self._back_step = 0
        self._copy = FollowingCopy()

    # ------------------------------------------------------------------ in the steps

    def before_forward(self, images: Any) -> None:
        """Note the random state, and whether the pass asks for the gradient of the images themselves."""
        if isinstance(images, Tensor) and images.requires_grad and images.is_leaf:
            self._attacked = True
        self._look_for_blanks(images)
        if len(self._states) < STEPS:
            self._states.append([torch.get_rng_state()])

    def _look_for_blanks(self, images: Any) -> None:
        """Count images of N x C x H x W that are one value all over."""
        if isinstance(images, Tensor) and images.dim() == 4 and images[0].numel() >= LEAST:
            with torch.no_grad():
                flat = images.detach().flatten(1)
                self._blanks.append(flat.amax(1) == flat.amin(1))

    def after_forward(self) -> None:
        """Note whether the pass drew random numbers."""
        if self._states and len(self._states[-1]) == 1:
            self._states[-1].append(torch.get_rng_state())

    def before_update(self, held: set[int]) -> None:
        """Keep the weights as they are before the first update, with their gradients."""
        if self._updated:
            return
        self._before = [
            (_some_of(one), _some_of(one.grad))
            if id(one) in held and one.grad is not None and not one.grad.is_sparse and not is_shard(one)
            else None
            for one in self._weights
        ]

    def after_update(self) -> None:
        """Compare the first update with the gradient that it was made of."""
        if self._updated or not self._before:
            return
        self._updated = True
        pairs = [
            (_some_of(one) - before[0], before[1])
            for one, before in zip(self._weights, self._before, strict=True)
            if before is not None
        ]
        self._before = []
        if pairs:
            moved, gradient = (torch.cat([pair[place].float() for pair in pairs]) for place in (0, 1))
            self._direction = (moved @ gradient) / (moved.norm() * gradient.norm()).clamp_min(1e-30)

    def follower(self, model: nn.Module) -> dict[str, Any]:
        """Return how far a copy of the model has followed these weights; {} without one."""
        return self._copy.facts(model, self._weights, self._first, _some_of)

    def new_epoch(self, step: int) -> None:
        """Compare the weights at an epoch's beginning with those before the first step."""
        self._back_step = step
        self._back = [(_some_of(one) == first).all() for one, first in zip(self._weights, self._first, strict=True)]

    # ------------------------------------------------------------------ results

    def facts(self, labels: Tensor) -> dict[str, Any]:
        """Return what the first steps showed. labels: those of all their images, as far as they are known."""
        found: dict[str, Any] = {"attacked": self._attacked}
        if self._direction is not None:
            value = self._direction.item()
            found["first_update"] = rounded(value, 4) if value == value else None
        blank = torch.cat(self._blanks).cpu() if self._blanks else torch.empty(0, dtype=torch.bool)
        # (Black pictures of one class are that class.)
        if len(blank) == len(labels) and len(set(labels[blank].tolist())) > 1:
            found["blank_images"] = [int(blank.sum()), len(blank)]
        drawing = [pair[0] for pair in self._states if len(pair) == 2 and not torch.equal(*pair)]
        if len(drawing) == len(self._states) >= STEPS:
            found["same_random"] = all(torch.equal(state, drawing[0]) for state in drawing)
        return found

    def no_update(self) -> dict[str, Any]:
        """Return the fields about an optimizer that made no update; {} of one that has another one inside."""
        moved = any(
            not torch.equal(_some_of(one), first) for one, first in zip(self._weights, self._first, strict=True)
        )
        return {} if moved and self._wraps else {"updates": 0, "moved_otherwise": moved}

    def set_back(self) -> dict[str, Any]:
        """Return whether the weights were the first ones again at the epoch's beginning, once; {} where not known."""
        back, self._back = self._back, []
        if not back or not self._updated:
            return {}
        return {"set_back": self._back_step} if bool(torch.stack(back).all()) else {}


@torch.no_grad()
def _some_of(tensor: Tensor) -> Tensor:
    """Copy the first values of a tensor."""
    return as_real(own_shard(tensor).detach().reshape(-1)[:VALUES]).clone().reshape(-1)


def repeated_layers(model: nn.Module) -> list[str]:
    """Return names of a layer with weights (no PReLU) that stands in several places of an nn.Sequential."""
    for place, module in model.named_modules():
        if not isinstance(module, nn.Sequential):
            continue
        names: dict[int, list[str]] = {}
        for name, one in module._modules.items():
            if one is not None and any(p.requires_grad and p.dim() > 1 for p in one.parameters()):
                names.setdefault(id(one), []).append(plain_name(f"{place + '.' if place else ''}{name}"))
        for found in names.values():
            if len(found) > 1:
                return found
    return []


def plain_tensors(model: nn.Module, held: set[int]) -> dict[int, str]:
    """Return {id: name} of tensors with gradients that modules keep as plain attributes, and no optimizer holds."""
    return {
        id(value): f"{place + '.' if place else ''}{name}"
        for place, module in model.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, Tensor)
        and not isinstance(value, nn.Parameter)
        and value.requires_grad
        and value.is_leaf
        and id(value) not in held
    }
