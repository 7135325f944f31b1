"""The update rules, from PyTorch, fused where it has them so (one kernel for all parameters: 1.2 x on a small net)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from cvtui.recipe.choices import OPTIMIZERS as CHOICES
from cvtui.recipe.choices import parse_choice
from cvtui.recipe.recipe import Recipe

Groups = list[dict[str, Any]]


def sgd(groups: Groups, recipe: Recipe) -> Optimizer:
    """x −= lr dx"""
    return SGD(groups, lr=recipe.lr, fused=True)


def momentum(groups: Groups, recipe: Recipe) -> Optimizer:
    """v = rho v + dx; x −= lr v"""
    return SGD(groups, lr=recipe.lr, momentum=recipe.momentum, fused=True)


def adam(groups: Groups, recipe: Recipe, beta1: float, beta2: float, eps: float) -> Optimizer:
    """Both moments with bias correction (Kingma 2015); the weight decay is part of the gradient."""
    return Adam(groups, lr=recipe.lr, betas=(beta1, beta2), eps=eps, fused=True)


def adamw(groups: Groups, recipe: Recipe, beta1: float, beta2: float, eps: float) -> Optimizer:
    """x −= lr wd x; then Adam (Loshchilov 2019)."""
    return AdamW(groups, lr=recipe.lr, betas=(beta1, beta2), eps=eps, fused=True)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"sgd": sgd, "momentum": momentum, "adam": adam, "adamw": adamw}
"""By the names of `cvtui.recipe.choices.OPTIMIZERS`."""


def make_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    """The recipe's optimiser over all parameters of `model`."""
    choice, values = parse_choice(recipe.optimizer, CHOICES, "optimizer")
    return OPTIMIZERS[choice.name](parameter_groups(model, recipe.weight_decay), recipe, **values)


def parameter_groups(model: nn.Module, weight_decay: float) -> Groups:
    """Weights of convs and fcs decay; biases and norms don't: pulling those to 0 regularises nothing."""
    decaying = [module.weight for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    known = {id(parameter) for parameter in decaying}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in known]
    groups: Groups = [{"params": decaying, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
