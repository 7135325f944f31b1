"""First steps of one rank in few numbers, by which ranks are compared: sums of weights and batches, labels, losses."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cvtui.runlog.ranks import RankChecks, WeightSum

STEPS = 10
"""First steps that are looked at."""
MOST_CLASSES = 10_000


class FirstBatches:
    """Gather what ranks are compared by. Tensors stay on their device until `record` reads them at once."""

    def __init__(self, model: nn.Module, wrapped: str, step: int) -> None:
        self._model = model
        self._wrapped = wrapped
        self._first = step
        self._weights: list[tuple[int, Tensor]] = []
        self._inputs: list[Tensor] = []
        self._losses: list[Tensor | float] = []
        self._labels: list[Tensor] = []
        self._begun = False
        self._count = 0
        self.whole = False
        """All of the first steps are gathered."""

    def before(self, batch: Tensor | None) -> None:
        """Take the sum of a batch, and at the first one those of the weights."""
        if self.whole:
            return
        with contextlib.suppress(Exception):  # an odd tensor (sharded, complex, lazy): training comes first
            if not self._begun:
                self._begun = True
                self._weights.append((self._first, weight_sums(self._model)))
            if batch is not None:
                self._inputs.append(_sum(batch))

    def step(self, loss: Tensor | float | None, labels: Tensor | None) -> None:
        """Take loss and labels of a step; after the last of the first steps the weights once more."""
        if self.whole or not self._begun:
            return
        self._count += 1
        if loss is not None:
            self._losses.append(loss.detach().clone() if isinstance(loss, Tensor) else loss)
        if labels is not None and labels.dim() == 1 and not labels.is_floating_point():
            self._labels.append(labels.detach().clone())
        if self._count == STEPS:
            self.whole = True
            with contextlib.suppress(Exception):  # as above
                self._weights.append((self._first + STEPS, weight_sums(self._model)))

    def record(self) -> RankChecks | None:
        """Read what was gathered from the device; None where there was no step."""
        if not self._begun:
            return None
        sums = [(step, *one.tolist()) for step, one in self._weights]
        return RankChecks(
            step=self._first,
            wrapped=self._wrapped,
            parameters=sum(one.numel() for one in self._model.parameters()),
            weights=[WeightSum(*one) for one in sums if all(map(math.isfinite, one))],
            inputs=_numbers(self._inputs),
            labels=_counts(self._labels),
            losses=_numbers(self._losses),
        )


def weight_sums(model: nn.Module) -> Tensor:
    """Return [sum, 2-norm] over all parameters: one reduction each, nothing is read back."""
    parameters = [one.detach() for one in model.parameters() if one.numel()]
    if not parameters:
        return torch.zeros(2)
    device = parameters[0].device
    kind = torch.float32 if device.type == "mps" else torch.float64
    sums = [one.sum(dtype=kind).to(device, non_blocking=True) for one in parameters]
    norms = [torch.linalg.vector_norm(one, dtype=kind).to(device, non_blocking=True) for one in parameters]
    return torch.stack([torch.stack(sums).sum(), torch.linalg.vector_norm(torch.stack(norms))])


def _sum(batch: Tensor) -> Tensor:
    return batch.detach().sum(dtype=torch.float32 if batch.device.type == "mps" else torch.float64)


def _numbers(values: Sequence[Tensor | float]) -> list[float | None]:
    numbers = [float(value) for value in values]
    return [number if math.isfinite(number) else None for number in numbers]


def _counts(labels: list[Tensor]) -> list[int]:
    """Return the images of each class; [] where labels are no class numbers."""
    if not labels:
        return []
    every = torch.cat([one.cpu() for one in labels]).long()
    if not len(every) or int(every.min()) < 0 or int(every.max()) >= MOST_CLASSES:
        return []
    counts: list[Any] = torch.bincount(every).tolist()
    return counts
