"""The first batch in training and in evaluation mode, at the end of an epoch; the model is left as it was.

It gets copies of the images: some nets write over what they are given.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cvtui.engine.nn.freeze import is_kept, train_mode
from cvtui.engine.observe.model_inputs import Ask, plainly
from cvtui.engine.observe.scores import scores_of
from cvtui.engine.observe.untouched import untouched
from cvtui.text import rounded, rounded_or_none

TWICE = 8
"""Images of the first batch that are evaluated twice. (Of 16 ResNet-18 took 65 ms, more than a step.)"""
MIXED = 1e-3
"""Answers that lie so far apart (in the outputs' deviations) depend on the batch; less is the arithmetic's."""
LEAST = 4
"""Images of which the middle ones have neighbours on both sides."""
MODE_STEPS = 25
"""Steps, at least, between two looks at both modes: at the end of each epoch of 8 steps they took 4 % of a run."""
MODE_SHARE = 0.004
"""Of the time between two looks at both modes that the later one may take, as the one before tells. (Of ResNet-18 one
takes 65 ms, a tenth of an epoch of 16 steps.)"""
_FOREIGN = (RuntimeError, ValueError, LookupError, TypeError, AttributeError)
"""A user's model may return anything."""


def has_batch_norm(model: nn.Module) -> bool:
    """Return True for a model with a batch norm that is not frozen: only then the modes differ by it."""
    return any(isinstance(one, nn.modules.batchnorm._BatchNorm) and not is_kept(one) for one in model.modules())


@contextmanager
def _modes_kept(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    try:
        with untouched(model), torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


class BothModes:
    """Losses in both modes, at the ends of epochs, as often as their time allows."""

    def __init__(self) -> None:
        self._at = -MODE_STEPS
        self._due = 0.0
        """When the next look may come, by the clock."""

    def facts(self, model: nn.Module, images: Tensor, labels: Tensor, step: int, ask: Ask) -> dict[str, Any]:
        """Return the fields of `Facts` about them at this step; {} where no look is due, or none tells."""
        if not has_batch_norm(model):
            return {}
        begun = time.perf_counter()
        if step - self._at < MODE_STEPS or begun < self._due:
            return {}
        self._at = step
        pair = losses_of_both(model, images, labels, ask)
        self._due = begun + (time.perf_counter() - begun) / MODE_SHARE
        if pair is None:
            return {}
        return {"train_mode_loss": pair[0], "eval_mode_loss": pair[1], "mode_losses": [[step, *pair]]}


def losses_of_both(model: nn.Module, images: Tensor, labels: Tensor, ask: Ask = plainly) -> tuple[float, float] | None:
    """Return the cross-entropy in training and in evaluation mode; None where it can't be told."""
    losses = []
    try:
        with _modes_kept(model):
            for training in (True, False):
                if training:
                    train_mode(model)
                else:
                    model.eval()
                losses.append(nn.functional.cross_entropy(scores_of(ask(model, images.clone())).float(), labels).item())
    except _FOREIGN:
        return None
    if not all(map(math.isfinite, losses)):
        return None
    return rounded(losses[0], 6), rounded(losses[1], 6)


def _spread(numbers: Tensor) -> float:
    """Return their standard deviation; 0 of a single one, of which PyTorch would warn."""
    return numbers.float().std().item() if numbers.numel() > 1 else 0.0


def evaluated_twice(model: nn.Module, images: Tensor, ask: Ask = plainly) -> dict[str, Any]:
    """Return the fields of `Facts` about answers that differ from one evaluation to the next."""
    apart, among = _repeated(model, images, ask)
    told = {"evaluations_differ": apart}
    return told | mixing(model, images, among, ask) if apart == 0 else told


def repeats_differ(model: nn.Module, images: Tensor) -> float | None:
    """Return by how much two evaluations of the same images differ, as a share of the outputs' spread."""
    return _repeated(model, images)[0]


def _repeated(model: nn.Module, images: Tensor, ask: Ask = plainly) -> tuple[float | None, Tensor | None]:
    """Return it, and the outputs of the first one."""
    try:
        with _modes_kept(model):
            model.eval()
            first, second = (scores_of(ask(model, images[:TWICE].clone())) for _ in range(2))
            if not isinstance(first, Tensor) or not first.is_floating_point() or first.shape != second.shape:
                return None, None
            spread = _spread(first) or 1.0
            return rounded_or_none((first - second).abs().max().item() / spread, 6), first
    except _FOREIGN:
        return None, None


def neighbours_matter(
    model: nn.Module, images: Tensor, among: Tensor | None = None, ask: Ask = plainly
) -> float | None:
    """Return how far the answers to the middle images alone lie from theirs among all, in deviations of the outputs.

    among: the answers to all, where they are known.
    None where it can't be told, and of a batch norm that has no running statistics: it mixes images on purpose.
    """
    count = min(len(images), TWICE)
    norms = (one for one in model.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm))
    if count < LEAST or any(one.running_mean is None for one in norms):
        return None
    middle = slice(count // 4, count - count // 4)
    try:
        with _modes_kept(model):
            model.eval()
            if among is None:
                among = scores_of(ask(model, images[:count].clone()))
            alone = scores_of(ask(model, images[middle].clone()))
            if not isinstance(among, Tensor) or not among.is_floating_point() or len(among) != count:
                return None
            among = among[middle]
            if among.shape != alone.shape:
                return None
            spread = _spread(among)
            apart = (among - alone).float().abs().max().item()
            return rounded_or_none(apart / spread, 6) if spread > 0 else None
    except _FOREIGN:
        return None


def mixing(model: nn.Module, images: Tensor, among: Tensor | None = None, ask: Ask = plainly) -> dict[str, Any]:
    """Return the fields of `Facts` about answers that depend on other images, the gradient's only where they do."""
    matter = neighbours_matter(model, images, among, ask)
    told = {"neighbours_matter": matter}
    return told | ({"neighbours_pull": neighbours_pull(model, images, ask)} if (matter or 0.0) > MIXED else {})


def neighbours_pull(model: nn.Module, images: Tensor, ask: Ask = plainly) -> float | None:
    """Return which share of the gradient of the middle images' answers, by the pixels, lies in the other images.

    0 where numbers are only rounded by one scale for all of a batch; None where it can't be told.
    """
    count = min(len(images), TWICE)
    others = torch.ones(count, dtype=torch.bool)
    others[count // 4 : count - count // 4] = False
    if count < LEAST or not images.is_floating_point():
        return None
    try:
        with _modes_kept(model), torch.enable_grad():
            model.eval()
            leaf = images[:count].detach().clone().requires_grad_()
            answers = scores_of(ask(model, leaf.clone()))[~others.to(images.device)].float()
            weights = torch.linspace(-1, 1, answers.numel(), device=answers.device).view_as(answers)
            (gradient,) = torch.autograd.grad((answers * weights).sum(), leaf)
            sizes = gradient.float().abs().flatten(1).sum(1).cpu()
            whole = sizes.sum().item()
            return rounded_or_none(sizes[others].sum().item() / whole, 6) if 0 < whole < math.inf else None
    except _FOREIGN:
        return None
