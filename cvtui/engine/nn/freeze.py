"""Frozen parts of a net: their parameters are not trained, their batch norms keep their statistics."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from cvtui.calc import Size
from cvtui.engine.nn.module_net import called_heads
from cvtui.recipe.frozen_names import ModelTensors, frozen_names, no_head
from cvtui.recipe.net_target import is_target
from cvtui.recipe.recipe import Recipe


class FrozenParameters(NamedTuple):
    """What was frozen of a model."""

    names: tuple[str, ...] = ()
    """Of the parameters that were trained before."""
    told: str = ""
    """A line for the log."""


def freeze(model: nn.Module, how: str, net: str, size: Size) -> FrozenParameters:
    """Freeze a part of `model`, which is on the CPU.

    how: the recipe's `freeze`. RequestError where it matches nothing or leaves nothing to train.
    """
    names = frozen_in(model, how, net, size)
    parameters = dict(model.named_parameters())
    kept = {name: parameter for name, parameter in parameters.items() if name in names}
    left = [name for name, parameter in parameters.items() if name not in names and parameter.requires_grad]
    frozen = tuple(name for name, parameter in kept.items() if parameter.requires_grad)
    for parameter in kept.values():
        parameter.requires_grad_(False)
    norms = _keep_norms(model, names)
    numbers, whole = (sum(p.numel() for p in group.values()) for group in (kept, parameters))
    owners = list(dict.fromkeys(name.rpartition(".")[0] or name for name in left))
    trained = ", ".join(owners[:4]) + (f" and {len(owners) - 4:,} more" if len(owners) > 4 else "")
    also = f"; batch norms that keep their statistics: {len(norms):,}" if norms else ""
    told = (
        f"freeze {how}: {len(kept):,} of {len(parameters):,} parameter tensors ({numbers:,} of {whole:,} numbers) are "
        f"not trained; trained: {trained}{also}"
    )
    return FrozenParameters(frozen, told)


def thaw(model: nn.Module, names: Iterable[str]) -> str:
    """Train the parameters `names` that `freeze` froze, and the batch norms among them; return a line that tells."""
    parameters = dict(model.named_parameters())
    thawed = [parameters[name] for name in names]
    for parameter in thawed:
        parameter.requires_grad_(True)
    norms = [module for module in model.modules() if is_kept(module)]
    by_code = {name for name, parameter in parameters.items() if not parameter.requires_grad}
    for module in norms:
        del module.__dict__["keeps_statistics"]
    again = len(norms) - len(_keep_norms(model, by_code))
    also = f"; batch norms whose statistics follow the batches again: {again:,}" if again else ""
    numbers = sum(parameter.numel() for parameter in thawed)
    return f"{len(thawed):,} frozen parameter tensors ({numbers:,} numbers) are trained from here on{also}"


def keep_frozen_norms(model: nn.Module) -> str:
    """Keep the statistics of batch norms that a net's own code has frozen; return a line that tells, or ""."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    norms = _keep_norms(model, frozen) if frozen else []
    if not frozen:
        return ""
    also = f"; its batch norms keep their statistics there: {len(norms):,}" if norms else ""
    return f"frozen by the net's own code (requires_grad is False): {len(frozen):,} parameter tensors{also}"


def _keep_norms(model: nn.Module, frozen: Collection[str]) -> list[_BatchNorm]:
    """Mark the batch norms whose parameters are all frozen; return them."""
    norms = [
        module
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and _is_whole(name, module, frozen)
    ]
    for norm in norms:
        norm.__dict__["keeps_statistics"] = True  # copies of the model keep it
    return norms


def train_mode(model: nn.Module) -> None:
    """Put the model in training mode, but for the batch norms of its frozen parts."""
    model.train()
    for module in model.modules():
        if is_kept(module):
            module.eval()


def kept_statistics(model: nn.Module) -> list[str]:
    """Return the names of the buffers of frozen batch norms."""
    return [
        f"{name}.{buffer}"
        for name, module in model.named_modules()
        if is_kept(module)
        for buffer, value in module._buffers.items()
        if value is not None
    ]


def is_kept(module: nn.Module) -> bool:
    """Return True for a batch norm of a frozen part, which keeps its statistics."""
    return isinstance(module, _BatchNorm) and bool(module.__dict__.get("keeps_statistics"))


def frozen_in(model: nn.Module, how: str, net: str, size: Size) -> set[str]:
    """Return the full names of the parameters and buffers that `how` freezes. RequestError."""
    owned = {name: list(_tensors(name, owner)) for name, owner in model.named_modules()}
    parameters = dict(model.named_parameters())
    trainable = [name for name, parameter in parameters.items() if parameter.requires_grad]
    return frozen_names(ModelTensors(owned, parameters, trainable), how, lambda: heads_of(model, net, size, "freeze"))


@contextmanager
def frozen_throughout(recipe: Recipe, size: Size, model: nn.Module) -> Iterator[None]:
    """Context in which nothing wants a gradient that `recipe` never trains. RequestError as `freeze`."""
    names = frozen_in(model, recipe.freeze, recipe.net, size) if recipe.freeze else ()
    frozen = [p for name, p in model.named_parameters() if name in names and p.requires_grad]
    held = frozen if not recipe.unfreeze_at else []
    try:
        for parameter in held:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)


def _tensors(name: str, module: nn.Module) -> Iterator[str]:
    for own in (*module._parameters, *module._buffers):
        yield f"{name}.{own}" if name else own


def heads_of(model: nn.Module, net: str, size: Size, field: str) -> tuple[str, ...]:
    """Return the names of the layers that put out the logits; of an expression the last layer with weights.

    RequestError, about `field` of the recipe, where there is none.
    """
    if is_target(net):
        heads = called_heads(model, net, size)
    else:
        layers = [name for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
        heads = tuple(layers[-1:])
    if not heads:
        raise no_head(field)
    return heads


def _is_whole(name: str, norm: _BatchNorm, frozen: Collection[str]) -> bool:
    """Return True where all parameters of a batch norm are frozen; without any, where its statistics are."""
    own = [f"{name}.{parameter}" for parameter, value in norm._parameters.items() if value is not None]
    return all(one in frozen for one in own) if own else f"{name}.running_mean" in frozen
