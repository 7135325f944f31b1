"""One forward pass of a watched model: what came in and out of it, until it is known what it was for."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from cvtui.engine.observe.forward_hooks import first_tensor
from cvtui.engine.run_script.answers import Labelled
from cvtui.engine.run_script.loss_call import Call


class Judge(Protocol):
    """Session of the model, which takes what came of it."""

    def judged(
        self, forward: Forward, calls: list[Call], compared: list[tuple[Tensor, Tensor]], learnt: bool
    ) -> None: ...


class Forward:
    """A forward pass whose purpose (training or evaluation) shows only after it."""

    def __init__(self, session: Judge, learns: bool, training: bool) -> None:
        self.session = session
        self.learns = learns
        """Gradients are on."""
        self.training = training
        """The model is in training mode."""
        self.output: Tensor | None = None
        self.images: Tensor | None = None
        """Of an evaluation."""
        self.labels: Tensor | None = None
        """Given to the model itself (`labels=`, as Hugging Face's take them)."""
        self.again = False
        """On the images of the last one, whose gradients were dropped: SAM's second look, at weights beside its own."""
        self.adds = False
        """Of the last batch of several: Lightning gives it to the optimizer as a closure, with their gradients kept."""
        self.loss: Tensor | None = None
        """Of a model that gives its loss beside its outputs."""

    def is_again(self, stepping: bool) -> bool:
        """Return True where its loss is told already; stepping: it came within the optimizer's step."""
        return self.again or (stepping and not self.adds)

    def own_pair(self) -> Labelled | None:
        """Return outputs and the labels that the model was given."""
        output, labels = self.output, self.labels
        if output is None or labels is None or output.dim() != 2 or labels.shape != output.shape[:1]:
            return None
        return Labelled(output, labels)

    def own_calls(self) -> list[Call]:
        """Return the model's own loss, as the call of one."""
        given, labels = self.own_pair() or (None, None)
        return [Call("cross_entropy", given, labels, self.loss, False, False)] if self.loss is not None else []


def outputs_of(output: Any) -> Tensor | None:
    """Return a model's outputs: of a dict with `logits` these."""
    if isinstance(output, Tensor):
        return output.detach()
    logits = output.get("logits") if isinstance(output, dict) else None
    tensor = logits if isinstance(logits, Tensor) else first_tensor(output)
    return tensor.detach() if tensor is not None else None


def own_loss(output: Any) -> Tensor | None:
    """Return the loss that a model gives beside its outputs."""
    loss = output.get("loss") if isinstance(output, dict) else None
    return loss.detach() if isinstance(loss, Tensor) and not loss.dim() else None


def sum_of(losses: list[Tensor]) -> Tensor:
    """Return a step's loss, of one or of several batches."""
    return losses[0] if len(losses) == 1 else torch.stack([one.float() for one in losses]).sum()


def reference(images: Tensor | None) -> Callable[[], Tensor | None]:
    """Return what gives the images for as long as the script holds them."""
    return weakref.ref(images) if images is not None else lambda: None
