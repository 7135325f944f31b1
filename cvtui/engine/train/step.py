"""One training step: forward, backward, update; and all of an epoch, one after another.

The trainer, the pre-check and the labs' loop all step here; autocast, accumulation or the synchronisation of gradients
belong nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.data.images import Images
from cvtui.engine.optim.loss import Loss, denominator

if TYPE_CHECKING:
    from cvtui.engine.observe.recorder import StepRecorder
    from cvtui.engine.train.state import TrainingState


class StepResult(NamedTuple):
    """Loss (a scalar) and logits (N x classes) of the batch, from before the update."""

    loss: Tensor
    logits: Tensor


SharedPasses = Callable[[Any], StepResult]
"""Leave in the parameters the gradients of a batch that several processes share; the result is of this one's images."""


class StepState(Protocol):
    """What a training step reads and moves: state.TrainingState, or a PlainStep."""

    @property
    def model(self) -> nn.Module: ...
    @property
    def loss(self) -> Loss: ...
    @property
    def optimizer(self) -> Optimizer: ...
    @property
    def micro_batch(self) -> int:
        """Most images of one forward and backward pass; a larger batch is split. 0: whatever the batch is."""

    @property
    def scaler(self) -> torch.amp.GradScaler | None:
        """Scale of the loss in float16."""

    @property
    def before_update(self) -> Sequence[Callable[[Tensor], object]]:
        """Called with the loss between backward and update."""

    @property
    def shared_passes(self) -> SharedPasses | None:
        """Forward and backward pass of one rank of several (ranks/passes.py); None: one process does all."""

    def inputs(self, pixels: Tensor) -> Tensor:
        """Return what the model gets of a batch's pixels."""

    def mixed(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs and labels as this step mixes them."""

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context of the forward pass."""

    def updated(self) -> None:
        """Count the step that was done."""


@dataclass
class PlainStep:
    """Step state of a plain loop: float32, pixels as they come."""

    model: nn.Module
    loss: Loss
    optimizer: Optimizer
    before_update: Sequence[Callable[[Tensor], object]] = ()
    micro_batch: int = 0
    scaler: torch.amp.GradScaler | None = None
    shared_passes: SharedPasses | None = None

    def inputs(self, pixels: Tensor) -> Tensor:
        return pixels

    def mixed(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return inputs, labels

    def autocast(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def updated(self) -> None:
        """Count nothing."""


def training_step(state: StepState, batch: Images) -> StepResult:
    """Forward, backward, update; nothing is read back from the device."""
    optimizer = state.optimizer
    loss, logits = _passes(state, batch) if state.shared_passes is None else state.shared_passes(batch)
    if (scaler := state.scaler) is not None:
        scaler.unscale_(optimizer)
        (flag,) = scaler._found_inf_per_device(optimizer).values()
        optimizer.found_inf = flag  # type: ignore[attr-defined]  # 1 where a gradient overflowed: nothing is updated
    for prepare in state.before_update:
        prepare(loss)
    optimizer.step()  # update
    if scaler is not None:
        scaler.update()
    state.updated()
    return StepResult(loss, logits)


def _passes(state: StepState, batch: Images) -> StepResult:
    """Forward and backward pass of a whole batch."""
    pixels, labels = batch
    with state.autocast():
        inputs, labels = state.mixed(state.inputs(pixels), labels)
    if 0 < state.micro_batch < len(labels):
        return _accumulate(state, inputs, labels)
    with state.autocast():
        logits = state.model(inputs)  # forward
        loss = state.loss(logits, labels)
    clear_gradients(state.optimizer)
    backward(state, loss)
    return StepResult(loss, logits)


def clear_gradients(optimizer: Optimizer) -> None:
    """Forget the gradients of the step before."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:  # what zero_grad does, in 1 µs instead of 12 to 16
            parameter.grad = None


def backward(state: StepState, loss: Tensor) -> None:
    """Add the gradients of `loss`, in float16 of the scaled one."""
    scaled = loss if state.scaler is None else state.scaler.scale(loss)
    scaled.backward()  # type: ignore[no-untyped-call]


def _accumulate(state: StepState, inputs: Tensor, labels: Tensor) -> StepResult:
    """Forward and backward of a batch in equal parts of at most `micro_batch` images: its loss, logits and gradients.

    Each part's mean counts by its share of the batch's denominator, so that the sum is its mean also where parts
    differ in size or classes have weights. The batch was augmented, normalized and mixed as one.
    """
    clear_gradients(state.optimizer)
    parts = -(-len(labels) // state.micro_batch)
    shares = [denominator(state.loss, part) for part in labels.tensor_split(parts)]
    whole = sum(shares)
    losses, logits = [], []
    for images, truth, share in zip(inputs.tensor_split(parts), labels.tensor_split(parts), shares, strict=True):
        with state.autocast():
            answers = state.model(images)
            loss = state.loss(answers, truth) * (share / whole)
        backward(state, loss)
        losses.append(loss.detach())
        logits.append(answers.detach())
    return StepResult(torch.stack(losses).sum(), torch.cat(logits))


class Stepper:
    """Steps of a training, each run as it comes and recorded; graph.py has one that replays a CUDA graph.

    for batch in stepper.batches():
        stepper.step(batch)
    """

    def __init__(self, training: TrainingState, recorder: StepRecorder) -> None:
        self.training = training
        self.recorder = recorder

    def stream(self) -> AbstractContextManager[Any]:
        """Return the context of a whole training: the queue of its kernels."""
        return nullcontext()

    def batches(self) -> Iterator[Any]:
        """Yield what `step` takes, for the rest of the epoch under way."""
        t = self.training
        return t.batches(t.epoch + 1, t.batch_index)

    def step(self, batch: Any) -> None:
        """Do one training step and record it; nothing is read back from the device."""
        self._step(batch, self.training.update_lr())

    def restart(self) -> None:
        """Forget what was captured of a step that is another one now."""

    def _step(self, batch: Images, rate: float) -> None:
        loss, logits = training_step(self.training, batch)
        self.recorder.step(rate, loss, logits=logits, labels=self.training.counted(batch.labels))
