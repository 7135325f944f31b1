"""Each parameter's share of the learning rate: the recipe's `lr_backbone` and `layer_decay`."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Any

from torch import nn

from cvtui.calc import Size
from cvtui.engine.nn.freeze import heads_of
from cvtui.recipe.frozen_names import is_within
from cvtui.recipe.learning_rate import backbone_factor
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.events import RateGroup


def rate_factors(model: nn.Module, recipe: Recipe, size: Size) -> dict[str, float]:
    """Return the factor of the rate by parameter name; {} where all train at one. RequestError without a head."""
    if recipe.lr_backbone:
        heads = heads_of(model, recipe.net, size, "lr_backbone")
        factor = backbone_factor(recipe.lr_backbone, recipe.lr)
        return {name: factor for name, _ in model.named_parameters() if not is_within(name, heads)}
    if recipe.layer_decay == 1:
        return {}
    stages = stages_of(model)
    last = max(stages.values())
    return {name: recipe.layer_decay ** (last - stage) for name, stage in stages.items()}


def told_factors(factors: dict[str, float]) -> str:
    """Return a line that tells the shares of the rate, "" where there is but one."""
    if all(factor == 1 for factor in factors.values()):
        return ""
    count = Counter(factor for factor in factors.values() if factor != 1)
    parts = [f"{factor:.3g}x for {number:,}" for factor, number in sorted(count.items())]
    shown = ", ".join(parts if len(parts) <= 6 else [*parts[:3], "…", *parts[-2:]])
    return f"learning rates, as shares of lr, by parameter tensors: {shown}; all others 1x"


def rate_groups(model: nn.Module, factors: dict[str, float], frozen: Collection[str]) -> list[RateGroup]:
    """Return the record of each share of the rate and of what is frozen; none where all trains at one rate."""
    parts: dict[tuple[float, bool], dict[str, None]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad or name in frozen:
            part = parts.setdefault((factors.get(name, 1.0), name in frozen), {})
            part[name.rpartition(".")[0] or name] = None
    if all(factor == 1 and not held for factor, held in parts):
        return []
    ordered = sorted(parts.items(), key=lambda part: (part[0][0], not part[0][1]))
    return [RateGroup(factor=factor, layers=list(layers), frozen=held) for (factor, held), layers in ordered]


def stages_of(model: nn.Module) -> dict[str, int]:
    """Return the stage of every parameter, from 0 at the images; the last one is the head.

    A model of timm says them itself (`group_matcher`). Of others a stage is a layer with weights, or a block as the
    net's code has it: containers, and modules with more than half of all numbers, are opened. Norms and the like belong
    to the stage before them, parameters that a model holds by itself (a class token) to the first.
    """
    if callable(matcher := getattr(model, "group_matcher", None)):
        try:
            return _timm_stages(model, matcher)
        except (ImportError, AttributeError, TypeError, ValueError):
            pass  # a user's method of the same name
    stages: dict[str, int] = {}
    stage = -1
    whole = sum(p.numel() for p in model.parameters())
    for prefix, unit in _units("", model, whole):
        own = [(f"{prefix}.{name}" if prefix else name, p) for name, p in _parameters(unit)]
        if isinstance(unit, nn.Module) and any(p.dim() > 1 for _, p in own):
            stage += 1
        stages.update({name: max(stage, 0) if isinstance(unit, nn.Module) else 0 for name, _ in own})
    return {name: stages[name] for name, _ in model.named_parameters()}


def _timm_stages(model: nn.Module, matcher: Callable[..., Any]) -> dict[str, int]:
    """Return timm's own stages, as its param_groups_layer_decay takes them."""
    timm: Any = importlib.import_module("timm.models")
    found: dict[str, int] = timm.group_parameters(model, matcher(coarse=False), reverse=True)
    return {name: int(found[name]) for name, _ in model.named_parameters()}


_Unit = nn.Module | tuple[str, nn.Parameter]


def _units(prefix: str, module: nn.Module, whole: int) -> Iterator[tuple[str, _Unit]]:
    """Yield the blocks of a model in order, and the parameters beside them, with the prefix of their names."""
    for name, parameter in module.named_parameters(recurse=False):
        yield prefix, (name, parameter)
    for name, child in module.named_children():
        place = f"{prefix}.{name}" if prefix else name
        opens = isinstance(child, nn.Sequential | nn.ModuleList | nn.ModuleDict) or (
            any(True for _ in child.children()) and sum(p.numel() for p in child.parameters()) * 2 > whole
        )
        if opens:
            yield from _units(place, child, whole)
        else:
            yield place, child


def _parameters(unit: _Unit) -> list[tuple[str, nn.Parameter]]:
    return list(unit.named_parameters()) if isinstance(unit, nn.Module) else [unit]
