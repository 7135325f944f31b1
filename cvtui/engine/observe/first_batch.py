"""What the first training step says of its batch: inputs, outputs, loss and labels.

All of it stays on its device until `read`, when the log is flushed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.observe.lasting import lasting
from cvtui.engine.observe.model_facts import idle_norms, output_facts
from cvtui.engine.observe.statistics import moments
from cvtui.engine.observe.straight_losses import at_the_top, neighbours_alike, picture_values
from cvtui.engine.observe.wrapped_bytes import jumps, roughness
from cvtui.text import rounded, rounded_or_none

KEPT_BYTES = 64 << 20
"""Of the first batch, for both modes after every epoch; of a larger one the first images are kept."""

STREWN = 0.1
"""Correlation of neighbouring pixels below which it is asked whether the values are those of pictures at all."""


class FirstBatch:
    """Batch of the first training step.

    within_memory: context in which what there is no memory for is left out.
    """

    def __init__(
        self, optimizers: Sequence[Optimizer], within_memory: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._optimizers, self._within_memory = optimizers, within_memory
        self._held: dict[str, Tensor] = {}
        self._seen: Tensor | None = None
        self._version = 0
        self.fields: dict[str, Any] = {}
        """Facts that needed no reading."""
        self._jumps: list[float] = []
        self.images: Tensor | None = None
        """The batch, or its first images, as the model got them; there from the end of the step on."""

    @property
    def has_inputs(self) -> bool:
        """True once inputs were taken; the first of several forward passes counts."""
        return "input" in self._held

    def take_inputs(self, module: nn.Module, images: Tensor) -> None:
        """Take what the model is called with."""
        with self._within_memory():
            self._seen = _first_of(images.detach())  # (before NumPy looks at them: then their memory counts as lent)
            self._version = _version(self._seen)
        with torch.no_grad(), self._within_memory():
            self._held["input"] = moments(images.detach())[:4]
        self.fields |= {
            "input_dtype": str(images.dtype).removeprefix("torch."),
            "input_shape": list(images.shape[1:]),
            "batch_size": len(images),
            "training_mode": module.training,
            "input_generated": images.requires_grad,
            "idle_norms": idle_norms(module, self._optimizers) if module.training else 0,
        }

    def take_output(self, output: Any) -> None:
        """Take what the model gives, where that are scores."""
        if isinstance(output, Tensor) and output.dim():  # (of one number: it is the loss itself)
            self._held["output"] = output.detach()

    def end(self, loss: Tensor | float, labels: Tensor | None, logits: Tensor | None) -> None:
        """Take what was told at the end of the step."""
        self._held["loss"] = torch.as_tensor(loss).detach().float().reshape(())
        if logits is not None and len(logits) != len(self._held.get("output", ())):
            self._held["output"] = logits.detach()  # of accumulated gradients the last part's alone was seen
        if labels is not None:
            self._held["labels"] = lasting(labels)
        written_over = self._seen is not None and _version(self._seen) != self._version  # by the model, in place
        self.images, self._seen = None if written_over else self._seen, None

    def read(self, guessed: Callable[[int], Tensor | None]) -> tuple[dict[str, Any], Tensor | None]:
        """Return the facts and the labels (N), read from the device; all that was held is let go.

        guessed: gives labels of so many images, where none were told.
        """
        facts: dict[str, Any] = {}
        held, self._held = self._held, {}
        if "input" in held:
            names = ("input_mean", "input_std", "input_min", "input_max")
            facts |= {name: rounded_or_none(n, 6) for name, n in zip(names, held["input"].tolist(), strict=True)}
        if self.images is not None and (spread := channel_spread(self.images)) is not None:
            facts["channel_std"] = rounded_or_none(spread, 6)
        if self.images is not None and (rough := roughness(self.images)) is not None:
            facts["byte_roughness"] = rounded_or_none(rough, 4)
        if self.images is not None and (alike := neighbours_alike(self.images)) is not None:
            facts["neighbours_alike"] = rounded_or_none(alike, 4)
            facts["at_the_top"] = at_the_top(self.images)
            facts["picture_values"] = picture_values(self.images) if abs(alike) < STREWN else None
        if self.images is not None:
            self._jumps = jumps(self.images).tolist()
        loss, output, labels = (held.get(name) for name in ("loss", "output", "labels"))
        if loss is not None:
            facts["first_loss"] = rounded_or_none(loss.item(), 6)
        if labels is None and output is not None:
            labels = guessed(len(output))
        if output is not None and output.dim() in (1, 2) and len(output):
            labels = labels.cpu() if labels is not None else None  # a GPU is waited for twice, not ten times
            rows = output.float().cpu().reshape(len(output), -1)
            facts |= output_facts(rows, labels, facts.get("first_loss"))
        return facts, labels

    def jumps(self, validation: float) -> list[float]:
        """Return [share of far neighbours of this batch, of validation's, share at either end]; [] where not known."""
        numbers = [*self._jumps[:1], validation, *self._jumps[1:]]
        return [rounded(one, 4) for one in numbers] if len(numbers) == 3 and all(map(math.isfinite, numbers)) else []


def _version(tensor: Tensor) -> int:
    """Return how often a tensor was written over."""
    return 0 if tensor.is_inference() else tensor._version


def _first_of(images: Tensor) -> Tensor:
    """Return the batch itself, or a copy of as many of its first images as fit into KEPT_BYTES."""
    count = max(2, KEPT_BYTES * len(images) // max(1, images.nbytes))
    return lasting(images) if count >= len(images) else images[:count].clone()


def channel_spread(images: Tensor) -> float | None:
    """Return the standard deviation within a channel, the mean of all; None of other than two to four channels."""
    if images.dim() != 4 or not 2 <= images.shape[1] <= 4 or images.is_complex():
        return None
    return images.float().std((0, 2, 3), correction=0).mean().item()
