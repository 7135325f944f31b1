"""What the first step's gradient at the outputs tells of a loss that no formula is known of."""

from __future__ import annotations

import torch
from torch import Tensor

from cvtui.engine.observe.autograd_graph import Node, first_input, stem, through, walk
from cvtui.engine.observe.loss_graph import KINDS
from cvtui.text import rounded

LEAST = 8
"""Images, at least."""
SAME = 1e-5
"""Relative error up to which gradients are of one size."""
SPREAD = 1e-3
"""Outputs whose spread is less are all alike: every loss pulls these with one force."""
SHAPES = {"View", "UnsafeView", "ReshapeAlias", "Reshape", "Squeeze", "Unsqueeze", "Clone", "Alias", "Contiguous",
          "NativeDropout"}  # fmt: skip
NODES = 400
VALUES, LEVELS = 512, 8
"""Values, and different ones among them, at least."""
CUT = 2e-3
"""Share of the values that are the lowest or the highest one, at least, where light is cut off."""


def pulls(output: Tensor, gradient: Tensor) -> list[int]:
    """Return [up, down, none]: how many images pull their one output so, where all that pull do it with one force.

    [] where forces differ, as those of nearly all losses do.
    """
    one, force = output.reshape(-1), gradient.reshape(-1)
    if len(one) < LEAST or len(one) != len(output) or len(force) != len(one) or one.std() < SPREAD:
        return []
    if not one_force(output, gradient):
        return []
    return [int((force < 0).sum()), int((force > 0).sum()), int((force == 0).sum())]


def one_force(output: Tensor, gradient: Tensor) -> bool:
    """Return True if all outputs (N x C or N) that are pulled at all are pulled with one force."""
    sizes = gradient[gradient != 0].abs()
    if len(output) < LEAST or output.shape != gradient.shape or not len(sizes):
        return False
    return float(sizes.max() - sizes.min()) <= SAME * float(sizes.max())


def one_target_for_all(output: Tensor, gradient: Tensor) -> bool:
    """Return True if a binary cross-entropy compares all shares of an image (N x C) with one number, 0 or 1."""
    if output.dim() != 2 or output.shape[1] < 2 or len(output) < LEAST or gradient.shape != output.shape:
        return False
    if not bool(((output > 0) & (output < 1)).all()):
        return False
    for share in (output.numel(), len(output)):
        solved = output - gradient * share * output * (1 - output)
        whole = solved.round()
        if bool(((solved - whole).abs() < 2e-3).all()) and {*whole.reshape(-1).tolist()} == {0.0, 1.0}:
            return bool((whole == whole[:, :1]).all())
    return False


def softmax_inside(start: Node | None) -> int:
    """Return over how many features of an image a softmax goes that lies between two linear layers; 0 without one."""
    for node in walk(start, NODES):
        if stem(node) == "AddmmBackward" and len(node.next_functions) > 1:
            before = through(node.next_functions[1][0], SHAPES)
            if before is None or stem(before) != "SoftmaxBackward":
                continue
            if _is_linear(through(first_input(before), SHAPES)):
                return int(before._input_metadata[0].shape[-1]) if before._input_metadata else 0
    return 0


def _is_linear(node: Node | None) -> bool:
    return node is not None and KINDS.get(stem(node)) == "linear"


@torch.no_grad()
def neighbours_alike(images: Tensor) -> float | None:
    """Return the correlation of pixels (N x C x H x W) with those beside and below them, within images.

    None of small images, and of images that are one value all over.
    """
    if images.dim() != 4 or min(images.shape[2:]) < 8 or not images.is_floating_point():
        return None
    some = images[:16, :, :64, :64].detach().float().cpu()
    some = some - some.mean((2, 3), keepdim=True)
    size = float(some.square().mean())
    if not 0 < size < float("inf"):
        return None
    beside = (some[..., 1:] * some[..., :-1]).mean() + (some[:, :, 1:] * some[:, :, :-1]).mean()
    return float(beside) / 2 / size


@torch.no_grad()
def at_the_top(images: Tensor) -> float | None:
    """Return the share of values that are the largest one; None of less than a half."""
    some = images[:16, :, :64, :64].detach().float().cpu()
    share = float((some == some.max()).float().mean())
    return rounded(share, 4) if share > 0.5 else None


@torch.no_grad()
def picture_values(images: Tensor) -> bool | None:
    """Return True if values of images (N x C x H x W) are those of pictures, not of numbers drawn at random.

    Pictures are bytes that lie neither evenly nor in a bell, or are cut off at an end. None of too few values.
    """
    some = images[:16, :1, :64, :64].detach().double().cpu().flatten()  # (each channel may be scaled by itself)
    levels: Tensor
    counts: Tensor
    levels, counts = torch.unique(some, return_counts=True)
    if len(some) < VALUES or len(levels) < LEVELS:
        return None
    ends = float(torch.stack((counts[0], counts[-1])).max()) / len(some)
    if len(levels) > len(some) / 4:
        return ends > CUT
    above, width = levels - levels[0], levels[-1] - levels[0]
    below, each = counts.cumsum(0) / len(some), counts / len(some)
    bell, flat = torch.special.ndtr((levels - some.mean()) / some.std()), above / width
    gaps = (torch.minimum((below - drawn).abs(), (below - each - drawn).abs()).max() for drawn in (bell, flat))
    return bool(min(map(float, gaps)) > 2 / len(some) ** 0.5)  # (Kolmogorov and Smirnov's distance, with room)
