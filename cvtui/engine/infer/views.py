"""Test-time augmentation: the mean of the probabilities over views of an image that its run was trained to ignore."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from cvtui.errors import RequestError
from cvtui.recipe.choices.augments import AUGMENTS
from cvtui.recipe.choices.spec import parse_chain
from cvtui.recipe.recipe import Recipe


class View(NamedTuple):
    """One way to look at an image."""

    name: str
    change: Callable[[Tensor], Tensor]
    """Pixels N x H x W x C -> the same shape."""


def views_of(recipe: Recipe) -> tuple[View, ...]:
    """Return the views that follow from the recipe's augmentation: mirrored for flip, moved for shift and crop.

    RequestError where it has none of them: a mirrored digit is no digit.
    """
    chain = {one.name: one.values for one in parse_chain(recipe.augment, AUGMENTS, "augment")}
    found = [View("as it is", lambda pixels: pixels)]
    if "flip" in chain:
        found.append(View("mirrored", lambda pixels: pixels.flip(2)))
    step = max(int(chain.get("shift", {}).get("pixels", 0)), int(chain.get("crop", {}).get("padding", 0)))
    if step:
        step = (step + 1) // 2
        places = {"up": (-step, 0), "down": (step, 0), "left": (0, -step), "right": (0, step)}
        found += [View(f"moved {word} by {step}", partial(moved, down=y, right=x)) for word, (y, x) in places.items()]
    if len(found) == 1:
        raise RequestError(
            f"--tta: the run was trained without flip, shift or crop (augment {recipe.augment!r}), so there is no view "
            "that it was taught to take for the same",
            hint="leave --tta out, or train with --augment flip,crop",
        )
    return tuple(found)


def moved(pixels: Tensor, down: int, right: int) -> Tensor:
    """Move the images; the edge is repeated."""
    rows = (torch.arange(pixels.shape[1], device=pixels.device) - down).clamp(0, pixels.shape[1] - 1)
    columns = (torch.arange(pixels.shape[2], device=pixels.device) - right).clamp(0, pixels.shape[2] - 1)
    if pixels.dtype == torch.uint16:  # which few of PyTorch's kernels know
        return pixels.view(torch.int16)[:, rows][:, :, columns].contiguous().view(torch.uint16)
    return pixels[:, rows][:, :, columns].contiguous()


def as_logits(shares: Tensor, *, yes_no: bool) -> Tensor:
    """Return logits whose softmax (of a yes or no for each class: whose sigmoid) are these probabilities."""
    logs = shares.double().clamp_min(1e-300).log()
    return logs - (1 - shares.double()).clamp_min(1e-300).log() if yes_no else logs


def mean_logits(
    logits: Callable[[Tensor], Tensor], pixels: Tensor, views: tuple[View, ...], *, yes_no: bool = False
) -> Tensor:
    """Return logits of the mean probabilities."""
    total = None
    for view in views:
        given = logits(view.change(pixels)).double()
        shares = given.sigmoid() if yes_no else given.softmax(1)
        total = shares if total is None else total + shares
    assert total is not None
    return as_logits(total / len(views), yes_no=yes_no)
