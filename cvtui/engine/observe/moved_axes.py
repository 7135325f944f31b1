"""Views and reshapes that are taken for a permutation: they keep the order of the numbers and move no axis."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from operator import mul
from typing import Any

import torch
from torch import Tensor

from cvtui.engine.observe.autograd_graph import stem

RESHAPES = {Tensor.view, Tensor.reshape, torch.reshape}
PERMUTES = {Tensor.permute, torch.permute, Tensor.transpose, torch.transpose, Tensor.movedim, torch.movedim}
CHANNELS_FIRST = ("ConvolutionBackward", "MaxPool2DWithIndicesBackward", "AvgPool2DBackward", "NativeBatchNormBackward")
"""Nodes whose tensors have their channels as dimension 1."""


def moved_axes(func: Any, args: Any, result: Any) -> list[list[int]]:
    """Return [sizes before, sizes after] of a call that only a permutation can have meant; [] of any other."""
    given = args[0] if args else None
    if func not in RESHAPES or not isinstance(given, Tensor) or not isinstance(result, Tensor):
        return []
    before, after = list(given.shape), list(result.shape)
    certain = _rows_of_places(given, after) and not may_be_planes(before, after)
    certain = certain or _tokens_of_planes(given, after) or _tokens_of_planes(result, before, node=False)
    return [before, after] if _renamed(before, after) or certain else []


def may_be_planes(before: list[int], after: list[int]) -> bool:
    """Return True for N x C x H x W as N*C x H*W where C is H*W: a row a plane, or rows of C; a loss tells which."""
    return len(before) == 4 and before[1] == before[2] * before[3] > 1 and after == [before[0] * before[1], before[1]]


def gives_back(func: Any, args: Any, result: Any, moved: list[list[int]]) -> bool:
    """Return True where a tensor of the data is permuted to the sizes it came in: its numbers were stored that way."""
    given = args[0] if args else None
    if func not in PERMUTES or not isinstance(given, Tensor) or not isinstance(result, Tensor) or len(moved) != 2:
        return False
    return given.grad_fn is None and [list(result.shape), list(given.shape)] == moved


def _renamed(before: list[int], after: list[int]) -> bool:
    """Return True where the same sizes stand in another order (N x H x W x C as N x C x H x W)."""
    old, new = [size for size in before if size > 1], [size for size in after if size > 1]
    return len(old) > 2 and old != new and sorted(old) == sorted(new) and not _joins_and_parts(old, new)


def _joins_and_parts(old: list[int], new: list[int]) -> bool:
    """Return True where neighbouring axes may have been joined and others parted (CoaT's heads and places)."""
    ends = sorted(set(accumulate(old, mul)) & set(accumulate(new, mul)))
    if len(ends) < 3:
        return False  # one stretch of all axes, or one behind the images: only their order differs
    held = [Counter(bisect_left(ends, product) for product in accumulate(sizes, mul)) for sizes in (old, new)]
    return all(min(count[stretch] for count in held) == 1 for stretch in range(len(ends)))


def _tokens_of_planes(planes: Tensor, tokens: list[int], node: bool = True) -> bool:
    """Return True for N x C x H x W against N x (H W) x C: a token would hold places of one channel, not one place.

    node: the planes came first, so that what made them may show that dimension 1 are their channels.
    """
    if planes.dim() != 4 or len(tokens) != 3:
        return False
    count, channels, height, width = planes.shape
    if tokens != [count, height * width, channels] or channels in (1, height * width) or 1 in (height, width):
        return False
    made = planes.grad_fn
    first = node and made is not None and stem(made).startswith(CHANNELS_FIRST)
    return first or width % channels != 0  # (else the last axis may have been parted, and those before it joined)


def _rows_of_places(given: Tensor, after: list[int]) -> bool:
    """Return True for view(-1, C) of N x C x H x W: a row holds places of one channel, not channels of one place."""
    if given.dim() != 4 or len(after) != 2 or after[1] != given.shape[1]:
        return False
    places = given.shape[2] * given.shape[3]
    if places == 1 or given.shape[1] == 1 or after[0] != given.shape[0] * places:
        return False
    node = given.grad_fn
    first = node is not None and stem(node).startswith(CHANNELS_FIRST)
    return first or given.shape[1] != given.shape[3]
