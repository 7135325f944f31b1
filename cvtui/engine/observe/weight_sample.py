"""What a sampled step copies of the weights and of their gradients, right before and after an update."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.observe.gathered import Places
from cvtui.engine.observe.layer_record import LayerRows
from cvtui.engine.observe.shards import own_shard
from cvtui.engine.observe.statistics import KnownNorms, norms_of


def has_closure(words: Sequence[Any] = (), options: Mapping[str, Any] | None = None) -> bool:
    """Return True for a `step(closure)`, as its hooks are told of it: its gradients come within the step."""
    if len(words) < 2 and not options:
        return False
    return any(callable(one) for one in (*words[1:], *(options or {}).values()))


class WeightSample:
    """Weights and gradients of one sampled step after the other."""

    def __init__(self, optimizers: Sequence[Optimizer], places: Places) -> None:
        self.optimizers, self.places = optimizers, places
        self._trained: tuple[int, set[int]] = -1, set()
        """How many parameters the one optimizer had, and their ids."""
        self.clear()

    def clear(self) -> None:
        """Forget what the step before has left."""
        self.weights: dict[str, nn.Parameter] = {}
        self.learnt: dict[str, LayerRows] = {}
        """Weights and gradients by layer."""
        self.norms = KnownNorms()
        """Of gradients, where they were worked out before the update for other ends."""

    def look_before(self, optimizer: Optimizer, *, gradients: bool) -> None:
        """Copy the weights before the update of this optimizer, and gradients where they are there already."""
        held = self._held_by(optimizer)
        names = []
        rest = [one for one in self.optimizers if one is not optimizer]
        others = {id(p) for one in rest for group in one.param_groups for p in group["params"]}
        for name, weight in self.weights.items():
            if id(weight) in others and id(weight) not in held:
                continue  # looked at in the step of its own
            rows = self.learnt[name] = LayerRows(name, "", described=weight.dim() > 1)
            rows.notice(own_shard(weight).numel())
            if id(weight) in held:  # what another optimizer trains does not move in this one's step
                rows.before, rows.update_sampled = self.places.gather(own_shard(weight).detach()), rows.sampled
            names.append(name)
        if gradients:
            self.look_at_gradients(names)

    def look_at_gradients(self, names: Iterable[str]) -> None:
        """Copy the gradients of these layers."""
        seen: dict[str, Tensor] = {}
        for name in names:
            weight, rows = self.weights[name], self.learnt[name]
            gradient = weight.grad
            if gradient is not None and not gradient.is_sparse:
                if (known := self.norms.of(weight, gradient)) is None:
                    seen[name] = own_shard(gradient).detach()
                else:
                    rows.numbers["grad_norm"] = known
                if rows.described:
                    rows.gradient = self.places.gather(own_shard(gradient).detach())
        for name, one in zip(seen, norms_of(list(seen.values())), strict=True):
            self.learnt[name].numbers["grad_norm"] = one

    def _held_by(self, optimizer: Optimizer) -> set[int]:
        """Return the ids of what an optimizer trains."""
        groups = optimizer.param_groups
        count = sum(len(group["params"]) for group in groups)
        if len(self.optimizers) > 1 or self._trained[0] != count:
            self._trained = count, {id(p) for group in groups for p in group["params"]}
        return self._trained[1]

    def look_at_update(self) -> None:
        """Copy the weights after an update, and the gradients that came within it."""
        fresh = [rows for rows in self.learnt.values() if rows.weights is None]
        self.look_at_gradients(rows.name for rows in fresh if "grad_norm" not in rows.numbers)
        weights = [own_shard(self.weights[rows.name]).detach() for rows in fresh]
        for rows, weight, now in zip(fresh, weights, norms_of(weights), strict=True):
            rows.numbers["weight_norm"] = now
            rows.weights = self.places.gather(weight)
