"""Names of what the recipe's `freeze` freezes: of a net expression without torch, of any model by its tensors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from cvtui.calc import Table
from cvtui.calc.module_table import ModuleTable
from cvtui.calc.net.nodes import BatchNorm, Conv, Linear, Softmax
from cvtui.errors import RequestError, nearest
from cvtui.recipe.recipe import Recipe

ALL_BUT_HEAD, UNTIL = "all-but-head", "until:"
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


class ModelTensors(NamedTuple):
    """Names of a model's tensors."""

    owned: dict[str, list[str]]
    """By the module that holds them, in the order in which they were made; "" is the model itself."""
    parameters: Collection[str]
    trainable: Collection[str]
    """The parameters that the net's own code has not frozen."""


def frozen_names(tensors: ModelTensors, how: str, heads: Callable[[], tuple[str, ...]]) -> set[str]:
    """Return the names of the parameters and buffers that `how` freezes.

    heads: -> the modules with the logits. RequestError where nothing is frozen, or nothing is left to train.
    """
    names = _matching(tensors, how, heads)
    if names.isdisjoint(tensors.parameters):
        raise RequestError(
            f"freeze: {how!r} freezes no parameter of this net{_near(how, tensors)}",
            hint=f"allowed: {ALL_BUT_HEAD}, until:LAYER or one pattern on parameter names; {_layers(tensors)}",
        )
    if names.issuperset(tensors.trainable):
        raise RequestError(f"freeze: {how!r} leaves nothing to train; freeze less, {ALL_BUT_HEAD} for example")
    return names


def frozen_throughout(recipe: Recipe, table: Table | ModuleTable) -> frozenset[str]:
    """Return the tensors of a net expression that are never trained; none of code, which the engine alone knows."""
    if not recipe.freeze or isinstance(table, ModuleTable):
        return frozenset()
    names = frozen_names(_tensors_of(table), recipe.freeze, lambda: _heads(table))
    return frozenset() if recipe.unfreeze_at else frozenset(names)


def no_head(field: str) -> RequestError:
    """Return the error of a net without a head, about `field` of the recipe."""
    way = f"so {ALL_BUT_HEAD} names no head; use until:NAME" if field == "freeze" else "so all is the backbone"
    return RequestError(f"{field}: this net has no last fc or 1x1 conv, {way}")


def _tensors_of(table: Table) -> ModelTensors:
    owned: dict[str, list[str]] = {"": []}
    parameters = []
    for row in table.rows:
        if isinstance(row.node, Softmax):
            continue
        own = [f"{row.name}.{kind}" for kind, count in (("weight", row.weights), ("bias", row.biases)) if count]
        parameters += own
        kept = STATISTICS if isinstance(row.node, BatchNorm) else ()
        owned[row.name] = [*own, *(f"{row.name}.{buffer}" for buffer in kept)]
    return ModelTensors(owned, parameters, parameters)


def _heads(table: Table) -> tuple[str, ...]:
    layers = [row.name for row in table.rows if isinstance(row.node, Conv | Linear)]
    if not layers:
        raise no_head("freeze")
    return (layers[-1],)


def is_within(name: str, modules: Collection[str]) -> bool:
    """Return True for the name of one of these modules, or of anything inside of them."""
    return any(f"{name}.".startswith(f"{module}.") for module in modules)


def _matching(tensors: ModelTensors, how: str, heads: Callable[[], tuple[str, ...]]) -> set[str]:
    every = {name for names in tensors.owned.values() for name in names}
    if how == ALL_BUT_HEAD:
        kept = heads()  # weight_norm and its like hold a head's weights in modules inside of it
        return {name for name in every if not is_within(name, kept)}
    if not how.startswith(UNTIL):
        return {name for name in every if fnmatchcase(name, how)}
    wanted = how.removeprefix(UNTIL)
    modules = list(tensors.owned)
    found = [place for place, name in enumerate(modules) if name and is_within(name, (wanted,))]
    if not found:
        raise RequestError(
            f"freeze: this net has no layer {wanted!r}{nearest(wanted, modules[1:])}", hint=_layers(tensors)
        )
    return {name for module in modules[: found[-1] + 1] for name in tensors.owned[module]}


def _near(how: str, tensors: ModelTensors) -> str:
    if how == ALL_BUT_HEAD or how.startswith(UNTIL):
        return ""
    if how in tensors.owned:
        return f"; a layer's parameters are '{how}.*'"
    return nearest(how, [ALL_BUT_HEAD, *tensors.parameters])


def _layers(tensors: ModelTensors) -> str:
    names = list(_children(tensors))
    return f"its layers: {', '.join(names[:8])}" + (f" and {len(names) - 8:,} more" if len(names) > 8 else "")


def _children(tensors: ModelTensors) -> Iterator[str]:
    return (name for name in tensors.owned if name and "." not in name)
