"""What a sampled step copies of the weights and of their gradients, right before and after an update."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.observe.gathered import Copies, Places, Windows
from cvtui.engine.observe.layer_kinds import weight_of
from cvtui.engine.observe.layer_rows import LayerRows
from cvtui.engine.observe.shards import is_shard, own_shard
from cvtui.engine.observe.statistics import KnownNorms, norms_of
from cvtui.engine.optim.groups import held_by


def has_closure(words: Sequence[Any] = (), options: Mapping[str, Any] | None = None) -> bool:
    """Return True for a `step(closure)`, as its hooks are told of it: its gradients come within the step."""
    if len(words) < 2 and not options:
        return False
    return any(callable(one) for one in (*words[1:], *(options or {}).values()))


class _Group:
    """Layers whose weights one optimizer's update is looked at.

    held: what another optimizer trains does not move in this one's step. It has views of the weights where they lie,
    which are made anew where that has changed.
    """

    def __init__(self, names: list[str], weights: list[nn.Parameter], held: list[bool]) -> None:
        self.names, self.weights, self.held = names, weights, held
        self.described = [weight.dim() > 1 for weight in weights]
        """Not those of a norm, one number a channel."""
        self.own: list[Tensor] = []
        """This process's part of each, without its graph."""
        self._shards = any(map(is_shard, weights))
        self._known: list[tuple[int, int]] | None = None

    def look(self) -> None:
        """Make views of the weights, if they have moved."""
        known = [(one.data_ptr(), one.numel()) for one in self.weights] if not self._shards else None
        if known is None or known != self._known:
            self._known, self.own = known, [own_shard(one).detach() for one in self.weights]
            self.windows = Windows(self.own)
            moving = [one for one, held in zip(self.own, self.held, strict=True) if held]
            self.moving = self.windows if all(self.held) else Windows(moving)


class Learnt:
    """What was copied around one update."""

    def __init__(self, group: _Group, places: Places) -> None:
        self.group = group
        group.look()
        self.sizes = group.windows.sizes
        self.before = group.moving.copy(places)
        self.weights: Copies | None = None
        self.weight_norms: Sequence[Tensor] = ()
        self.gradients: Copies | None = None
        self.described: list[int] = []
        """Whose gradients were copied."""
        self.gradient_norms: dict[int, Tensor] = {}
        """By place in the group."""

    def rows(self) -> dict[str, LayerRows]:
        """Return it layer by layer."""
        group, found = self.group, []
        for name, size, described in zip(group.names, self.sizes, group.described, strict=True):
            found.append(LayerRows(name, "", described=described))
            found[-1].learnt_size = size
        for place, norm in self.gradient_norms.items():
            found[place].numbers["grad_norm"] = norm
        if self.weights is not None:
            for rows, row, norm in zip(found, self.weights.rows(), self.weight_norms, strict=True):
                rows.weights, rows.numbers["weight_norm"] = row, norm
        moving = [rows for rows, held in zip(found, group.held, strict=True) if held]
        for rows, row in zip(moving, self.before.rows(), strict=True):
            rows.before = row
        for place, row in zip(self.described, self.gradients.rows() if self.gradients is not None else (), strict=True):
            found[place].gradient = row
        return dict(zip(group.names, found, strict=True))


class WeightSample:
    """Weights and gradients of one sampled step after the other.

    learning: the layers with parameters, by name. shards: their weights of a sharded model, as they are found.
    """

    def __init__(
        self,
        optimizers: Sequence[Optimizer],
        places: Places,
        learning: Mapping[str, nn.Module],
        shards: dict[str, nn.Parameter | None] | None,
    ) -> None:
        self.optimizers, self.places = optimizers, places
        self._learning, self._shards = learning, shards
        self._group: tuple[set[int], _Group] | None = None
        """Of the one optimizer, as long as it holds these parameters (their ids) and the weights are those."""
        self.weights: dict[str, nn.Parameter] = {}
        self._found: list[tuple[Mapping[str, nn.Parameter | None], nn.Parameter]] = []
        self.clear()

    def clear(self) -> None:
        """Forget what the step before has left."""
        self.learnt: list[Learnt] = []
        self.norms = KnownNorms()
        """Of gradients, where they were worked out before the update for other ends."""

    def find(self) -> None:
        """Find each layer's weights."""
        known = self.weights
        for held, found in self._found:
            if held.get("weight") is not found:
                break
        else:
            if self._found:
                return
        for name, module in self._learning.items():
            kept = known.get(name)
            weight = weight_of(module)
            if self._shards is not None:  # an evaluation before it may have left the module its gathered weights
                weight = self._shards.setdefault(name, weight) if is_shard(weight) else self._shards.get(name)
            if weight is not kept:
                self._group = None
                self.weights = known = {**known}
                if weight is None:
                    del known[name]
                else:
                    known[name] = weight
        if self._shards is None and len(known) == len(self._learning):
            self._found = [(self._learning[name]._parameters, weight) for name, weight in known.items()]

    def look_before(self, optimizer: Optimizer, gradients: bool) -> None:
        """Copy the weights before the update of this optimizer, and gradients where they are there already."""
        learnt = Learnt(self._group_of(optimizer), self.places)
        self.learnt.append(learnt)
        if gradients:
            self.look_at_gradients(learnt)

    def look_at_gradients(self, learnt: Learnt) -> None:
        """Copy the gradients of these layers."""
        group, norms = learnt.group, learnt.gradient_norms
        gradients = [weight.grad for weight in group.weights]
        unknown: list[tuple[int, Tensor]] = []
        found: list[Tensor] = []
        learnt.described = described = []
        for place, (gradient, norm) in enumerate(zip(gradients, self.norms.of(group.weights, gradients), strict=True)):
            if gradient is None or gradient.is_sparse:
                continue
            plain = type(gradient) is Tensor and not gradient.requires_grad
            own = gradient if plain else own_shard(gradient).detach()
            if norm is not None:
                norms[place] = norm
            else:
                unknown.append((place, own))
            if group.described[place]:
                described.append(place)
                found.append(own)
        learnt.gradients = Windows(found).copy(self.places)
        if unknown:
            norms.update(zip([place for place, _ in unknown], norms_of([own for _, own in unknown]), strict=True))

    def _group_of(self, optimizer: Optimizer) -> _Group:
        held = held_by(optimizer)
        if self._group is not None and self._group[0] == held:
            return self._group[1]
        rest = [one for one in self.optimizers if one is not optimizer]
        others = {id(p) for one in rest for group in one.param_groups for p in group["params"]}
        chosen = {
            name: weight
            for name, weight in self.weights.items()
            # (what another optimizer trains is looked at in its own step)
            if id(weight) in held or id(weight) not in others
        }
        moving = [id(weight) in held for weight in chosen.values()]
        found = _Group(list(chosen), list(chosen.values()), moving)
        if not rest:
            self._group = held, found
        return found

    def look_at_update(self) -> None:
        """Copy the weights after an update, and the gradients that came within it."""
        for learnt in self.learnt:
            if learnt.weights is None:
                if learnt.gradients is None:
                    self.look_at_gradients(learnt)
                learnt.group.look()
                learnt.weight_norms = norms_of(learnt.group.own)
                learnt.weights = learnt.group.windows.copy(self.places)
        self.norms.forget()

    def with_gradients(self) -> Iterable[str]:
        """Return the layers whose gradients were seen."""
        return [learnt.group.names[place] for learnt in self.learnt for place in learnt.gradient_norms]
