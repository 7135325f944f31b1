"""Parameter groups of one or several optimizers, by name: their rates at each step, and who trains which layer."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.observe.layer_kinds import plain_name


class ParameterGroups:
    """All groups of the optimizers that train a model; they may be added to while it trains.

    optimizers: by name; the name of a single one does not matter.
    """

    def __init__(self, model: nn.Module, optimizers: Mapping[str, Optimizer]) -> None:
        self._names = {id(p): plain_name(name) for name, p in model.named_parameters()}
        self._optimizers = dict(optimizers)
        self._named: list[tuple[str, dict[str, Any]]] = []
        self._ids: list[int] = []
        """Of the groups, which `_named` keeps alive."""

    def named(self) -> list[tuple[str, dict[str, Any]]]:
        """Return (name, group) of each; names are unique."""
        ids = [id(group) for optimizer in self._optimizers.values() for group in optimizer.param_groups]
        if self._ids != ids:  # (also where `load_state_dict` has made them anew)
            self._ids, self._named = ids, []
            for key, optimizer in self._optimizers.items():
                for number, group in enumerate(optimizer.param_groups, 1):
                    own = self._name(group, number) if len(optimizer.param_groups) > 1 else ""
                    parts = [key] if len(self._optimizers) > 1 else []
                    self._named.append((self._fresh(" ".join([*parts, own]).strip() or "all"), group))
        return self._named

    def now(self) -> tuple[float, dict[str, float] | None]:
        """Return the first group's rate now; of several groups also each one's, by name."""
        groups = self.named()
        rates = {name: float(group["lr"]) for name, group in groups} if len(groups) > 1 else None
        return float(groups[0][1]["lr"]), rates

    def set_all(self, value: float) -> float:
        """Set the first group's rate, and scale the others' along; return the first one's before."""
        groups = [group for _, group in self.named()]
        before = float(groups[0]["lr"])
        for group in groups:
            _set(group, value if not before else float(group["lr"]) * value / before)
        _set(groups[0], value)
        return before

    def set_one(self, name: str, value: float) -> float | None:
        """Set the rate of one group; return the one before, None where no group has this name."""
        group = next((group for known, group in self.named() if known == name), None)
        if group is None:
            return None
        before = float(group["lr"])
        _set(group, value)
        return before

    def rates_by_layer(self) -> dict[str, float]:
        """Return {layer: its rate} of the layers that are not trained at the first group's rate."""
        rates: dict[str, float] = {}
        first = self.now()[0]
        for _, group in self.named():
            for parameter in group["params"]:
                name = self._names.get(id(parameter), "")
                if name.rpartition(".")[2] != "bias" and float(group["lr"]) != first:
                    rates[name.rpartition(".")[0] or name] = float(group["lr"])
        return rates

    def _name(self, group: dict[str, Any], number: int) -> str:
        """Name a group: as it says itself, else by the module that all its parameters lie in."""
        told = group.get("name")
        if isinstance(told, str) and told:
            return told
        names = [self._names[id(p)].rpartition(".")[0] for p in group["params"] if id(p) in self._names]
        columns = zip(*(name.split(".") for name in names), strict=False)
        inside = itertools.takewhile(lambda parts: len(set(parts)) == 1, columns)
        return ".".join(parts[0] for parts in inside) or f"group {number}"

    def _fresh(self, name: str) -> str:
        taken = {known for known, _ in self._named}
        fresh = (f"{name} ({number})" if number > 1 else name for number in range(1, len(taken) + 2))
        return next(one for one in fresh if one not in taken)


def _set(group: dict[str, Any], value: float) -> None:
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(value)
    else:
        group["lr"] = value
