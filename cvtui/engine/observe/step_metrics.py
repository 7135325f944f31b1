"""Accumulate loss, accuracy and gradient norm on the device; sync once per flush.

A step leaves references to tensors that exist anyway (the loss, the gradients' norm, the logits, the labels). What can
be worked out for many steps at once (argmax, means) is worked out at the flush.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from cvtui.engine.observe.accuracy import right
from cvtui.engine.observe.lasting import lasting
from cvtui.text import rounded

LARGE = 1 << 16
"""Logits of more numbers than this are turned into "right or wrong" at once, so that a flush holds little memory."""
HELD = 64 * LARGE
"""And so are those of many steps together: 16 MB."""
_UNKNOWN = torch.full((1,), math.nan)

Norm = Tensor | Sequence[Tensor] | None
"""Norm of all gradients: a scalar, or those of each parameter, of which `read` makes it; None where there are none."""


class Quick(NamedTuple):
    """A step of a custom loop of which nothing is kept but what the loop tells."""

    loss: Tensor | float
    rate: float
    seconds: float
    groups: dict[str, float] | None
    accuracy: Tensor | float | None = None
    logits: Tensor | None = None
    labels: Tensor | None = None
    norm: Norm = None
    images: int = 1


@dataclass
class Readings:
    """Parallel lists, one entry a step."""

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    """Share of the batch that was right."""
    grad_norm: list[float] = field(default_factory=list)
    """2-norm over all parameters."""
    images: list[int] = field(default_factory=list)
    """Size of the batch."""
    without: set[int] = field(default_factory=set)
    """Indices of steps that had no gradient (their norm is NaN here)."""


class StepMetrics:
    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._losses: list[Tensor] = []
        self._right: list[Tensor | int] = []
        """Shares of several steps each; a number stands for those of as many, whose logits are held."""
        self._norms: list[Norm] = []
        self._sizes: list[int] = []
        self._logits: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._held = 0

    def __len__(self) -> int:
        return len(self._losses)

    def add(self, loss: Tensor, norm: Norm, logits: Tensor, labels: Tensor) -> None:
        """Take one step. loss: a scalar. logits: N x classes. labels: N."""
        self._losses.append(loss.detach())
        self._sizes.append(labels.shape[0])  # a tensor's len() takes 1 µs longer
        self._norms.append(norm)
        if self._right and type(self._right[-1]) is int:
            self._right[-1] += 1
        else:
            self._right.append(1)
        self._logits.append(logits.detach())
        self._labels.append(lasting(labels))
        count = logits.numel()
        self._held += count
        if count > LARGE or self._held > HELD:
            self._reduce()

    def add_share(self, loss: Tensor | float, norm: Norm, accuracy: Tensor | float | None) -> None:
        """Take one step of a loop that works its accuracy out itself.

        accuracy: a share 0..1; None where it has none.
        """
        # (A copy: the loss itself lies between activations, whose memory could not go back in one piece.)
        self._losses.append(_scalar(loss.detach().clone() if isinstance(loss, Tensor) and loss.is_cpu else loss))
        self._sizes.append(1)
        self._norms.append(norm)
        self._right.append(_share(accuracy))

    def add_quick(self, steps: Sequence[Quick]) -> None:
        """Take steps that were held meanwhile."""
        if any(one.logits is not None for one in steps):
            for one in steps:
                if one.logits is not None and one.labels is not None:
                    self.add(_scalar(one.loss), one.norm, one.logits, one.labels)
                else:
                    self.add_share(one.loss, one.norm, one.accuracy)
                    self._sizes[-1] = one.images
            return
        losses = [one.loss for one in steps]
        if all(type(loss) is float for loss in losses):
            self._losses += torch.tensor(losses, dtype=torch.float64).unbind()
        else:
            self._losses += [_scalar(loss) for loss in losses]
        self._sizes += [one.images for one in steps]
        self._norms += [one.norm for one in steps]
        self._right += [_share(one.accuracy) for one in steps]

    def add_reduced(self, loss: Tensor, norm: Tensor, accuracy: Tensor, images: int) -> None:
        """Take one step whose accuracy (a share, of shape 1) was worked out on the device."""
        self._losses.append(loss)
        self._sizes.append(images)
        self._norms.append(norm)
        self._right.append(accuracy)

    def _reduce(self) -> None:
        """Turn the logits held into one share of right answers a step."""
        if not self._logits:
            return
        found = right(torch.cat(self._logits), torch.cat(self._labels))
        sizes = [labels.shape[0] for labels in self._labels]
        if len(set(sizes)) == 1 and sizes[0]:  # (a rank may have no image of a small batch)
            shares = found.view(len(sizes), -1).mean(1)
        else:
            ends = list(accumulate(sizes))
            shares = torch.stack([found[end - size : end].mean() for end, size in zip(ends, sizes, strict=True)])
        pieces = iter(torch.split(shares, [one for one in self._right if isinstance(one, int)]))
        self._right = [next(pieces) if isinstance(one, int) else one for one in self._right]
        self._logits.clear()
        self._labels.clear()
        self._held = 0

    def read(self) -> Readings:
        """Read all steps since the last call, in order.

        It is the one place where the device is waited for.
        """
        if not self._losses:
            return Readings()
        self._reduce()
        losses = joined(torch.stack, self._losses)  # of a loop's own 1e300, float32 would make an infinite loss
        losses = losses if losses.dtype == torch.float64 else losses.float()
        right = [one for one in self._right if isinstance(one, Tensor)]  # (all of them, once they are reduced)
        columns = [losses, joined(torch.cat, right), joined(torch.stack, self._whole_norms()).float()]
        loss, accuracy, grad_norm = torch.stack([column.to(columns[0].device) for column in columns]).tolist()
        readings = Readings(
            loss=[rounded(number, 9) for number in loss],
            accuracy=[rounded(number, 9) for number in accuracy],
            grad_norm=grad_norm,
            images=self._sizes,
            without={index for index, norm in enumerate(self._norms) if norm is None},
        )
        self._clear()
        return readings

    def _whole_norms(self) -> list[Tensor]:
        """Return each step's norm over all parameters; NaN where it has no gradients."""
        nothing = self._losses[0].new_full((), math.nan)
        by_count: dict[int, list[int]] = {}
        found = [nothing if norm is None else norm for norm in self._norms]
        for place, norm in enumerate(found):
            if not isinstance(norm, Tensor):
                by_count.setdefault(len(norm), []).append(place)
        for count, places in by_count.items():
            parts = joined(torch.stack, [one for place in places for one in found[place]]).view(len(places), count)
            for place, norm in zip(places, whole_norm(parts), strict=True):
                found[place] = norm
        return [norm for norm in found if isinstance(norm, Tensor)]


def _scalar(loss: Tensor | float) -> Tensor:
    found = loss.detach() if isinstance(loss, Tensor) else torch.tensor(loss, dtype=torch.float64)
    return found.reshape(()) if found.dim() else found


def _share(accuracy: Tensor | float | None) -> Tensor:
    # (A tensor made of None at every step took 6 µs.)
    return _UNKNOWN if accuracy is None else torch.as_tensor(accuracy).detach().float().reshape(1)


def joined(join: Callable[[list[Tensor]], Tensor], parts: Sequence[Tensor]) -> Tensor:
    """Stack or cat, from several devices too: a model on two GPUs; a loop's floats beside tensors of a GPU."""
    try:
        return join(list(parts))
    except RuntimeError:
        return join([part.cpu() for part in parts])


def whole_norm(parts: Tensor) -> Tensor:
    """2-norm over all parameters, of those of each (the last axis), in float32."""
    norm: Tensor = torch.linalg.vector_norm(parts.float(), dim=-1)
    return norm
