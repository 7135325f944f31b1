"""Groups of an optimizer's parameters: which decay, and each part's share of the learning rate.

A group is PyTorch's dictionary with more keys: `names` of its parameters, `factor` of the rate, `table` (True: weights
that decay), `last` (True: its last weight is the classifier's). They are saved with the optimizer's state, which is
found again by name.
"""

from __future__ import annotations

import sys
from collections.abc import Container, Mapping
from types import CodeType, FrameType
from typing import Any

from torch import nn
from torch.optim import Optimizer

Groups = list[dict[str, Any]]


def parameter_groups(
    model: nn.Module, weight_decay: float, factors: Mapping[str, float] | None = None, without: Container[int] = ()
) -> Groups:
    """Group parameters: weights of layers decay; biases, norms and tokens don't (that regularises nothing).

    A weight is a table of at least two axes of a conv, an fc, an attention or the like; not of a norm or an embedding,
    and no parameter that a model holds by itself (a class token, a place's code). The last weight among the decaying
    ones is the classifier's. Frozen parameters (`requires_grad` False) are in no group, nor are those whose id is in
    `without`. factors: share of the rate by parameter name, 1 where a name is not there; each has groups of its own.
    """
    found: dict[int, tuple[str, nn.Parameter]] = {}
    decaying: dict[int, tuple[str, nn.Parameter]] = {}
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad or id(parameter) in without:
                continue
            named = found.setdefault(id(parameter), (f"{prefix}.{name}" if prefix else name, parameter))
            if _decays(module, name, parameter):
                decaying.setdefault(id(parameter), named)
    rest = [named for key, named in found.items() if key not in decaying]
    tables = _by_factor(list(decaying.values()), factors or {}, weight_decay, table=True)
    if tables:
        tables[-1]["last"] = True
    return [*tables, *_by_factor(rest, factors or {}, 0.0, table=False)]


def _by_factor(
    named: list[tuple[str, nn.Parameter]], factors: Mapping[str, float], weight_decay: float, *, table: bool
) -> Groups:
    """Split parameters by their factor; the group that holds the last of them comes last."""
    parts: dict[float, list[tuple[str, nn.Parameter]]] = {}
    for name, parameter in reversed(named):
        parts.setdefault(factors.get(name, 1.0), []).append((name, parameter))
    return [
        {
            "params": [parameter for _, parameter in reversed(part)],
            "names": [name for name, _ in reversed(part)],
            "weight_decay": weight_decay,
            "factor": factor,
            "table": table,
            "last": False,
        }
        for factor, part in reversed(parts.items())
    ]


def _decays(module: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    if parameter.dim() < 2 or "weight" not in name:
        return False
    return "Norm" not in type(module).__name__ and not isinstance(module, nn.Embedding)


def part_of(group: dict[str, Any], which: slice) -> dict[str, Any]:
    """Return a group with some of the parameters of another one."""
    return {**group, "params": group["params"][which], "names": group["names"][which]}


def stepping_inside(optimizer: Optimizer) -> Optimizer:
    """Return the optimizer that makes the updates of one that wraps it, over the same parameters (SAM, Lookahead)."""
    while True:
        own = held_by(optimizer)
        inside = [one for one in vars(optimizer).values() if isinstance(one, Optimizer) and one is not optimizer]
        if len(inside) != 1 or held_by(inside[0]) != own:
            return optimizer
        optimizer = inside[0]


_STEP = [one for one in vars(Optimizer)["profile_hook_step"].__func__.__code__.co_consts if isinstance(one, CodeType)]
"""What PyTorch puts around each `step`, which calls its hooks."""


def is_stepping() -> bool:
    """Return True within an optimizer's `step`, by the calls under way: one that raises calls no hook at its end."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code not in _STEP:
        frame = frame.f_back
    return frame is not None


def held_by(*optimizers: Optimizer) -> set[int]:
    """Return the ids of the parameters that the optimizers hold."""
    return {id(p) for one in optimizers for group in one.param_groups for p in group["params"]}


def state_by_name(saved: Mapping[str, Any]) -> dict[str, dict[str, Any]] | None:
    """Return {parameter's name: its state} of an optimizer's saved state; None where it tells no names."""
    found: dict[str, dict[str, Any]] = {}
    for group in saved["param_groups"]:
        names = group.get("names")
        if names is None or len(names) != len(group["params"]):
            return None
        found |= {name: saved["state"].get(number, {}) for number, name in zip(group["params"], names, strict=True)}
    return found


def load_state(optimizer: Optimizer, saved: Mapping[str, Any]) -> tuple[int, int]:
    """Load what is saved of the optimizer's parameters (velocities, moments, steps), by name; return (found, all).

    Options stay those of the optimizer, and so does the state of a parameter that nothing is saved of; what a group has
    counted itself (LAMB's steps) comes with its first known parameter. A state without names (of an older checkpoint)
    is taken by place; ValueError where its groups are others.
    """
    own = optimizer.state_dict()
    states = state_by_name(saved)
    number = sum(len(group["params"]) for group in own["param_groups"])
    if states is None:
        optimizer.load_state_dict({"state": saved["state"], "param_groups": _same_places(own, saved)})
        return number, number
    merged, known = dict(own["state"]), 0
    counted = {name: group for group in saved["param_groups"] for name in group["names"]}
    for group in own["param_groups"]:
        before: Mapping[str, Any] = next((counted[name] for name in group["names"] if name in counted), {})
        group.update(_beside(before, group))
        for place, name in zip(group["params"], group["names"], strict=True):
            known += name in states
            if states.get(name):
                merged[place] = states[name]
    optimizer.load_state_dict({"state": merged, "param_groups": own["param_groups"]})
    return known, number


def _beside(saved: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a saved group holds that a fresh one does not: what its steps have made."""
    return {name: value for name, value in saved.items() if name not in group}


def _same_places(own: Mapping[str, Any], saved: Mapping[str, Any]) -> list[dict[str, Any]]:
    sizes = [[len(group["params"]) for group in one["param_groups"]] for one in (own, saved)]
    if sizes[0] != sizes[1]:
        raise ValueError("the saved state is of other groups of parameters")
    return [
        {**_beside(old, group), **group, "params": old["params"]}
        for group, old in zip(own["param_groups"], saved["param_groups"], strict=True)
    ]
