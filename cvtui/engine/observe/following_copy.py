"""A copy of the model that follows its weights, as an average of them does: how far it has come on their way.

Asked at epochs' ends of a model that is never evaluated itself: then such a copy is what is validated.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cvtui.engine.observe.forward_hooks import uncompiled
from cvtui.text import rounded

ALONG = 0.5
"""Cosine from which on a copy goes the way of the weights; of other nets some lie far along it by chance."""
MOST = 8
"""Copies, at most, that are looked at."""
Some = Callable[[Tensor], Tensor]
"""Gives some of a weight's values."""


class FollowingCopy:
    """Looks once for copies in evaluation mode, and tells at each epoch's end how far one has followed."""

    def __init__(self) -> None:
        self._copies: list[weakref.ref[nn.Module]] | None = None

    def facts(self, model: nn.Module, weights: Sequence[Tensor], first: Sequence[Tensor], some: Some) -> dict[str, Any]:
        """Return the field of `Facts` about the one that has come furthest; {} without any.

        weights: of the model; first: what `some` gave of each of them before the first step.
        """
        root = uncompiled(model)
        if self._copies is None:
            self._copies = [weakref.ref(one) for one in copies_of(root)]
        living = [copy for one in self._copies if (copy := one()) is not None and not copy.training]
        names = {id(one): name for name, one in root.named_parameters()}
        kept = [(names.get(id(one), ""), one, before) for one, before in zip(weights, first, strict=True)]
        with torch.no_grad():
            found = [
                way for copy in living if (way := _followed(dict(copy.named_parameters()), kept, some)) is not None
            ]
        return {"copy_follows": max(found, key=lambda way: (way[1] >= ALONG, way[0]))} if found else {}


def _followed(
    theirs: dict[str, nn.Parameter], kept: list[tuple[str, Tensor, Tensor]], some: Some
) -> list[float] | None:
    """Return [share of the way of the weights, cosine between both ways]; None where one of them did not move."""
    pairs = [(some(one) - before, some(theirs[name]) - before) for name, one, before in kept
             if name in theirs and theirs[name].device == one.device]  # fmt: skip
    if not pairs:
        return None
    own, followed = (torch.cat([pair[place].float() for pair in pairs]) for place in (0, 1))
    along, size, other = torch.stack([own @ followed, own @ own, followed @ followed]).tolist()
    return [rounded(along / size, 6), rounded(along / (size * other) ** 0.5, 4)] if size > 0 and other > 0 else None


def copies_of(model: nn.Module) -> list[nn.Module]:
    """Return other modules of the same class with parameters of the same names and sizes, in evaluation mode."""
    kind, own = type(model), set(map(id, model.modules()))
    sizes = [(name, one.shape) for name, one in model.named_parameters()]
    # (isinstance may run an object's own code.)
    alike = [one for one in gc.get_objects() if type(one) is kind and id(one) not in own and not one.training]
    return [one for one in alike if [(name, each.shape) for name, each in one.named_parameters()] == sizes][:MOST]
