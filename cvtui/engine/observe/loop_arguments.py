"""Check the arguments of `cvtui.watch` and of its `step`, before anything is made."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from cvtui.calc.table import size_text
from cvtui.engine.optim.groups import stepping_inside
from cvtui.errors import RequestError
from cvtui.recipe.run_name import check_name


def checked_model(model: Any) -> nn.Module:
    """Return the model. TypeError where it is none, ValueError where it has lazy layers that were never called."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"cvtui.watch(model, optimizer): the model must be a torch.nn.Module, not {_kind(model)}")
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError(
            "cvtui.watch(model, optimizer): the layers of a TorchScript module can't be seen: train the module that it "
            "was made of, and call torch.jit.script after the training"
        )
    for name, module in model.named_modules():
        if any(map(is_lazy, [*module.parameters(recurse=False), *module.buffers(recurse=False)])):
            raise ValueError(
                f"cvtui.watch(model, optimizer): {name or 'the model'} ({type(module).__name__}) has no sizes before "
                "its first batch: call the model on one, model(images), before cvtui.watch"
            )
    return model


def checked_optimizer(optimizer: Any) -> Optimizer:
    """Return the optimizer that makes the steps, out of wrappers such as accelerate's or SAM; TypeError without one."""
    inside = optimizer
    # AcceleratedOptimizer is an Optimizer by its base alone, without the attributes that the base's __init__ makes.
    while not hasattr(inside, "_optimizer_step_pre_hooks") and hasattr(inside, "optimizer"):
        inside = inside.optimizer
    if isinstance(inside, Optimizer) and hasattr(inside, "_optimizer_step_pre_hooks"):
        return stepping_inside(inside)
    way = "give the one that trains the model"
    raise TypeError(
        f"cvtui.watch(model, optimizer): the optimizer must be a torch.optim.Optimizer, not {_kind(optimizer)}: {way}"
    )


def checked_optimizers(optimizer: Any) -> dict[str, Optimizer]:
    """Return the optimizers by name: one, a list of several, or a dict of them. TypeError for anything else."""
    if isinstance(optimizer, list | tuple):
        optimizer = {str(number): one for number, one in enumerate(optimizer, 1)}
    if not isinstance(optimizer, dict):
        return {"": checked_optimizer(optimizer)}
    if not optimizer:
        raise TypeError("cvtui.watch(model, optimizer): give at least one optimizer, not none in a list")
    return {str(name): checked_optimizer(one) for name, one in optimizer.items()}


def checked_name(name: Any) -> str:
    """Return the run's name; "" makes one of date and model. TypeError or ValueError where a folder can't have it."""
    if not isinstance(name, str):
        raise TypeError(f"cvtui.watch(…, name=…): a run's name is a str, not {_kind(name)}")
    if not name:
        return name
    try:
        return check_name(name, "cvtui.watch(…, name=…)")
    except RequestError as error:
        raise ValueError(error.message) from None


def checked_runs(runs: Any) -> Path:
    """Return the folder of all runs; ValueError for an address of another host."""
    if str(runs).startswith("ssh:"):
        raise ValueError(f"cvtui.watch(…, runs={str(runs)!r}): runs are written to a folder of this machine")
    return Path(runs)


def checked_count(name: str, value: Any) -> int:
    """Return a whole number from 0 on. TypeError or ValueError where it is none."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"cvtui.watch(…, {name}=…): wants a whole number, not {_kind(value)}") from None
    if number < 0:
        raise ValueError(f"cvtui.watch(…, {name}={number}): wants 0 or more")
    return number


def checked_number(name: str, value: Any) -> Tensor | float:
    """Return what `step` was given as loss or accuracy: one number. TypeError or ValueError where it is none."""
    if isinstance(value, Tensor):
        if value.numel() == 1:
            return value
        shape = size_text(value.shape) or "0"
        raise ValueError(
            f"run.step({name}=…) wants one number, not a tensor of {shape} values: give its mean, {name}.mean()"
        )
    try:
        return value if isinstance(value, float) else float(value)
    except (TypeError, ValueError):
        raise TypeError(f"run.step({name}=…) wants one number, as a tensor or a float, not {_kind(value)}") from None


Labels = Tensor | Sequence[int] | np.ndarray
"""What `step` takes for the labels of a batch."""


def checked_labels(value: Labels | None) -> Tensor | None:
    """Return the labels that `step` was given, as a tensor. TypeError where they are none."""
    if value is None or isinstance(value, Tensor):
        return value
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"run.step(labels=…) wants class numbers, as a tensor, not {_kind(value)}") from None


def checked_confusion(value: Any) -> list[list[int]]:
    """Return the counts that `epoch` was given, of a tensor or an array too, as rows. TypeError where they are none."""
    if value is None:
        return []
    try:
        return [[_count(one) for one in row] for row in (value.tolist() if hasattr(value, "tolist") else value)]
    except (TypeError, ValueError, OverflowError):
        raise TypeError("run.epoch(confusion=…) wants rows of counts, a row for each true class") from None


def _count(value: Any) -> int:
    if value != int(value):
        raise ValueError
    return int(value)


def checked_scalar(name: str, value: Any) -> Tensor | float:
    """Return a value of `run.log(name=…)`: one number. TypeError or ValueError where it is none."""
    if isinstance(value, Tensor) and value.numel() == 1 and not value.is_complex():
        return value
    if isinstance(value, Tensor):
        shape = size_text(value.shape) or "0"
        raise ValueError(f"run.log({name}=…) wants one number, not a tensor of {shape} values: give its mean, say")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(
            f"run.log({name}=…) wants one number, as a tensor or a float, not {_kind(value)}: "
            'run.log("text") adds a line to the log'
        ) from None


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    name = type(value).__name__
    if isinstance(value, list | tuple | dict):
        return f"a {name} of {len(value)}"
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {name}"
