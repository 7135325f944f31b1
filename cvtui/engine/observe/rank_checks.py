"""First steps of one rank in few numbers, by which ranks are compared: sums of weights and batches, labels, losses."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from cvtui.engine.observe.forward_hooks import Handle, forward_hooks, uncompiled
from cvtui.engine.observe.rank_times import first_tensor
from cvtui.engine.observe.shards import is_sharded
from cvtui.runlog.ranks import RankChecks, WeightSum
from cvtui.runlog.tail import append_line

STEPS = 10
"""First steps that are looked at."""
MOST_CLASSES = 10_000


class FirstBatches:
    """Gather what ranks are compared by, and append it to a rank's file once the first steps are done.

    Tensors stay on their device until they are read, at once. outer: the model as it is called; inner: inside its DDP.
    wrapped: what averages the gradients (see RankChecks).
    """

    def __init__(self, path: Path, outer: nn.Module, inner: nn.Module, step: int, wrapped: str = "ddp") -> None:
        self._path = path
        self._model = inner
        hooks = forward_hooks(inner)
        self._handle: Handle | None = (
            hooks.before(uncompiled(inner), self._before_forward)
            if outer is inner
            else outer.register_forward_pre_hook(self._before_forward, with_kwargs=True)
        )
        self._sharded = is_sharded(inner)
        """Each rank holds other weights."""
        self._wrapped = "fsdp" if self._sharded else "" if outer is inner else wrapped
        self._first = step
        self._weights: list[tuple[int, Tensor]] = []
        self._inputs: list[Tensor] = []
        self._losses: list[Tensor | float] = []
        self._labels: list[Tensor] = []
        self._begun = False
        self._count = 0

    def _before_forward(self, _module: nn.Module, inputs: Any, kwargs: Any = None) -> None:
        """Take the sum of a batch, and at the first one those of the weights."""
        if not torch.is_grad_enabled():
            return
        batch = first_tensor((inputs, kwargs))
        with contextlib.suppress(Exception):  # an odd tensor (sharded, complex, lazy): training comes first
            if not self._begun:
                self._begun = True
                self._sum_weights(0)
            if batch is not None:
                self._inputs.append(_sum(batch))

    def _sum_weights(self, steps: int) -> None:
        if not self._sharded:
            self._weights.append((self._first + steps, weight_sums(self._model)))

    def step(self, loss: Tensor | float | None, labels: Tensor | None) -> None:
        """Take loss and labels of a step; after the last of the first steps the weights once more."""
        if self._handle is None or not self._begun:
            return
        self._count += 1
        if loss is not None:
            self._losses.append(loss.detach().clone() if isinstance(loss, Tensor) else loss)
        if isinstance(labels, Tensor) and labels.dim() == 1 and not labels.is_floating_point():
            self._labels.append(labels.detach().clone())
        if self._count == STEPS:
            with contextlib.suppress(Exception):  # as above
                self._sum_weights(STEPS)
            self.close()

    def close(self) -> None:
        """Remove the hook, and write what was gathered, once."""
        if self._handle is None:
            return
        self._handle.remove()
        self._handle = None
        with contextlib.suppress(Exception):  # a full disk (the step times say so), a GPU that is gone
            if (record := self._record()) is not None:
                append_line(self._path, msgspec.json.encode(record))

    def _record(self) -> RankChecks | None:
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
