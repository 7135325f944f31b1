"""The update rules, from PyTorch, fused where it has them so (one kernel for all parameters: 1.2 x on a small net).

Each takes the groups of parameters, the recipe (with its rate written out), and the parameters of its choice. Whatever
the rule, an update is left out where the optimizer's `found_inf` is set (see nonfinite_guard.py): weights
and state keep every bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch import nn
from torch.optim import Adagrad, Optimizer, RMSprop

from cvtui.engine.optim.fused_adam import Adam, AdamW
from cvtui.engine.optim.fused_sgd import SGD
from cvtui.engine.optim.groups import Groups, held_by, parameter_groups
from cvtui.engine.optim.skippable import Flat, Together, has_muon, muon_and_adamw
from cvtui.errors import RequestError
from cvtui.recipe.choices.optimizers import OptimizerChoice
from cvtui.recipe.choices.spec import Chosen
from cvtui.recipe.learning_rate import with_full_rate
from cvtui.recipe.recipe import Recipe


def sgd(groups: Groups, recipe: Recipe) -> Optimizer:
    """Make SGD: x −= lr dx."""
    return SGD(groups, lr=recipe.lr, fused=True)


def momentum(groups: Groups, recipe: Recipe, dampening: float = 0.0) -> Optimizer:
    """Make SGD with momentum: v = rho v + (1 − dampening) dx; x −= lr v, from v = 0.

    (PyTorch begins with v = dx whatever the dampening, so there the first step differs.)
    """
    return _from_rest(SGD(groups, lr=recipe.lr, momentum=recipe.momentum, dampening=dampening, fused=True))


def nesterov(groups: Groups, recipe: Recipe) -> Optimizer:
    """Make Nesterov momentum: v = rho v + dx; x −= lr (dx + rho v).

    The lecture's "look ahead", written with the gradient at the place that is looked at, as Sutskever 2013 and PyTorch
    have it.
    """
    if not recipe.momentum:
        return sgd(groups, recipe)  # nothing to look ahead with
    return _from_rest(SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=True, fused=True))


def _from_rest(optimizer: SGD) -> SGD:
    """Create the velocities, as 0, before the first step.

    PyTorch's fused kernel makes them of whatever lies in memory where the very first update is left out.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"] if group["momentum"] else ():
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def adagrad(groups: Groups, recipe: Recipe, eps: float, initial: float, decay: float) -> Optimizer:
    """Make AdaGrad: g += dx²; x −= lr dx / (sqrt(g) + eps) (Duchi 2011)."""
    options: dict[str, Any] = {"lr": recipe.lr, "lr_decay": decay, "initial_accumulator_value": initial, "eps": eps}
    if fuses_adagrad(groups[0]["params"][0].device):
        return Adagrad(groups, fused=True, **options)
    return Together([Adagrad(groups, **options)])


def fuses_adagrad(device: torch.device) -> bool:
    """Return True if this PyTorch has a fused AdaGrad for the device, found by one step of one number.

    (For CUDA it came after 2.11, which refuses it at the first step only.)
    """
    parameter = torch.zeros(1, device=device, requires_grad=True)
    parameter.grad = torch.zeros_like(parameter)
    try:
        Adagrad([parameter], fused=True).step()
    except RuntimeError:
        return False
    return True


def rmsprop(
    groups: Groups, recipe: Recipe, alpha: float, eps: float, momentum: float = 0.0, centred: float = 0.0
) -> Optimizer:
    """Make RMSProp: g = alpha g + (1 − alpha) dx²; x −= lr dx / (sqrt(g) + eps) (Tieleman & Hinton 2012)."""
    options: dict[str, Any] = {"alpha": alpha, "eps": eps, "momentum": momentum, "centered": centred >= 0.5}
    return Together([RMSprop(groups, lr=recipe.lr, **options)])


def adam(groups: Groups, recipe: Recipe, beta1: float, beta2: float, eps: float, amsgrad: float = 0.0) -> Optimizer:
    """Make Adam: both moments with bias correction (Kingma 2015); weight decay is part of the gradient."""
    return Adam(groups, lr=recipe.lr, betas=(beta1, beta2), eps=eps, amsgrad=amsgrad >= 0.5, fused=True)


def adamw(groups: Groups, recipe: Recipe, beta1: float, beta2: float, eps: float, amsgrad: float = 0.0) -> Optimizer:
    """Make AdamW: x −= lr wd x; then Adam (Loshchilov 2019)."""
    return AdamW(groups, lr=recipe.lr, betas=(beta1, beta2), eps=eps, amsgrad=amsgrad >= 0.5, fused=True)


def muon(groups: Groups, recipe: Recipe, momentum: float, nesterov: float, steps: float, match: float) -> Optimizer:
    """Make Muon: v = rho v + (1 − rho) dx; x −= lr s UVᵀ where v = USVᵀ (Jordan 2024), decay decoupled.

    For the weights of convs (flattened to outputs x inputs·k²) and of fcs, but for the last layer; that one, biases
    and norms get AdamW, at the same rate. s = 0.2 sqrt(max(rows, columns)) makes a step as long as AdamW's (Liu 2025).
    RequestError where this PyTorch has no Muon.
    """
    if not has_muon():
        raise RequestError(
            f"optimizer: muon needs a PyTorch that has torch.optim.Muon (2.9 or newer); this is {torch.__version__}",
            hint="adamw is the nearest",
        )
    options: dict[str, Any] = {"momentum": momentum, "nesterov": nesterov >= 0.5, "ns_steps": round(steps)}
    options["adjust_lr_fn"] = "match_rms_adamw" if match >= 0.5 else "original"
    return muon_and_adamw(groups, recipe.lr, options)


def adafactor(groups: Groups, recipe: Recipe, decay: float, clip: float) -> Optimizer:
    """Make Adafactor: one mean per row and column of each weight in place of a second moment (Shazeer 2018).

    Convs are flattened to outputs x inputs·k²; PyTorch by itself factors each of their small kernels, and keeps up to
    two numbers per weight.
    """
    make = partial(torch.optim.Adafactor, lr=recipe.lr, beta2_decay=-decay, d=clip)
    return Together([Flat(groups, make)])


def lion(groups: Groups, recipe: Recipe, beta1: float, beta2: float) -> Optimizer:
    """Make Lion: x −= lr wd x + lr sign(β1 m + (1−β1) dx) (Chen 2023)."""
    return Together([_of_timm("lion").Lion(groups, lr=recipe.lr, betas=(beta1, beta2))])


def lamb(groups: Groups, recipe: Recipe, beta1: float, beta2: float, eps: float) -> Optimizer:
    """Make LAMB: Adam's step with the decay in it, as long as the weights of its layer (You 2020).

    timm leaves the length alone where nothing decays; here weights get it whatever their decay. Clipping is the
    recipe's.
    """
    adapted = [{**group, "always_adapt": group["params"][0].dim() > 1} for group in groups]
    options: dict[str, Any] = {"betas": (beta1, beta2), "eps": eps, "max_grad_norm": None}
    return Together([_of_timm("lamb").Lamb(adapted, lr=recipe.lr, **options)])


def _of_timm(name: str) -> Any:
    """Import timm.optim. RequestError where it is not installed."""
    try:
        return import_module("timm.optim")
    except ImportError as error:
        raise RequestError(
            f"optimizer: {name} is timm's, which can't be imported ({error}): pip install 'cvtui[optimizers]'"
        ) from None


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adamw,
    "muon": muon,
    "adafactor": adafactor,
    "lion": lion,
    "lamb": lamb,
}
"""By the names of `cvtui.recipe.choices.optimizers.OPTIMIZERS`."""


def make_optimizer(
    model: nn.Module,
    choice: Chosen[OptimizerChoice],
    recipe: Recipe,
    factors: Mapping[str, float] | None = None,
) -> Optimizer:
    """Make the optimiser over all parameters of `model` that are trained, which must be on its device already.

    factors: share of the rate by parameter name, where it is not 1.
    """
    return _made(parameter_groups(model, recipe.weight_decay, factors), choice, recipe)


def add_parameters(
    optimizer: Optimizer,
    model: nn.Module,
    choice: Chosen[OptimizerChoice],
    recipe: Recipe,
    factors: Mapping[str, float] | None = None,
) -> None:
    """Give the optimiser the parameters that it lacks, as groups that begin anew; it stays the same object."""
    groups = parameter_groups(model, recipe.weight_decay, factors, held_by(optimizer))
    for group in groups:
        group["last"] = False  # the classifier's weight is held already
    more = _made(groups, choice, recipe)
    if isinstance(optimizer, Together):
        assert isinstance(more, Together)
        optimizer.take(more)
    else:
        optimizer.param_groups.extend(more.param_groups)
        optimizer.state.update(more.state)


def _made(groups: Groups, choice: Chosen[OptimizerChoice], recipe: Recipe) -> Optimizer:
    full = with_full_rate(recipe)
    for group in groups:
        group["lr"] = full.lr * group["factor"]
    return OPTIMIZERS[choice.name](groups, full, **choice.values)
