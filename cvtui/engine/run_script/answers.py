"""Which answers of a batch were right, from the loss function's call or from the script's own comparison."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cvtui.engine.run_script.loss_call import CLASSES, Call

BINARY = {"binary_cross_entropy_with_logits": 0.0, "binary_cross_entropy": 0.5}
"""Losses of yes or no, and the output above which the answer is yes."""

MOST_ANSWERS = 100
"""Yes or no of an image, at most."""


class Labelled(NamedTuple):
    """Outputs N x C with class numbers (N), or with N x C answers of yes and no (an output above 0 is yes)."""

    logits: Tensor
    labels: Tensor


def labelled(calls: list[Call], output: Tensor | None) -> Labelled | None:
    """Return outputs and labels of a forward pass, by the first call of a classifier's loss; None without.

    Of several calls, one that was given the model's own output goes before. A loss of yes or no is another model's
    where it is given a number of values that this one doesn't put out (a GAN's generator).
    """
    found = [
        (call, pair)
        for call in calls
        if (pair := _of_call(call)) is not None
        and (call.name in CLASSES or output is None or output.numel() == pair.logits.numel())
    ]
    if len(found) < 2:
        return found[0][1] if found else None
    own = [pair for call, pair in found if output is not None and call.input is not None and _same(call.input, output)]
    return own[0] if own else found[0][1]


def _same(given: Tensor, output: Tensor) -> bool:
    return given.shape == output.shape and given.data_ptr() == output.data_ptr()


def _of_call(call: Call) -> Labelled | None:
    given, target = call.input, call.target
    if given is None or target is None or not given.dim() or not len(given):
        return None
    if call.name in CLASSES and given.dim() == 2 and target.dim() == 1 and not target.is_floating_point():
        return Labelled(given, target)
    if call.name in BINARY and given.shape == target.shape and given.dim() <= 2 and _is_yes_or_no(target):
        shift = BINARY[call.name]
        rows = given.reshape(len(given), -1)
        return Labelled(rows - shift if shift else rows, target.reshape(len(given), -1))
    return None


def _is_yes_or_no(target: Tensor) -> bool:
    """Return True for few columns: more are pixels, as an autoencoder's."""
    return target.dim() < 2 or target.shape[1] <= MOST_ANSWERS


def right_by_comparison(output: Tensor, compared: list[tuple[Tensor, Tensor]]) -> Tensor | None:
    """Return the share that was right, where the script compared the largest output's class with labels; else None."""
    count = len(output)
    if output.dim() == 2 and output.shape[1] > 1:
        ways = [output.argmax(1)]
    elif output.numel() == count:
        ways = [(output.reshape(-1) > least).long() for least in (0.0, 0.5)]
    else:
        return None
    for pair in compared:
        for one, other in (pair, pair[::-1]):
            said, labels = _first_row(one, count), _first_row(other, count)
            if said is None or labels is None:
                continue
            if any(torch.equal(said.long(), way) for way in ways):
                return (said.long() == labels.long()).float().mean()
    return None


def _first_row(values: Tensor, count: int) -> Tensor | None:
    """Return N values; of k x N or N x k (the k largest outputs) the first."""
    if values.numel() == count:
        return values.reshape(-1)
    if values.dim() == 2 and values.shape[1] == count:
        return values[0]
    if values.dim() == 2 and values.shape[0] == count:
        return values[:, 0]
    return None
