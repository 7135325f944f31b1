"""Forward and backward pass of one rank's share of a batch: afterwards each rank has the whole batch's gradients.

DistributedDataParallel averages gradients over the ranks. So a rank's mean loss counts by its share of the batch's
denominator, times the number of ranks: then the average is the mean over the batch, whatever the shares.
"""

from __future__ import annotations

import warnings
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cvtui.engine.nn.model import Net
from cvtui.engine.observe.step_metrics import Readings
from cvtui.engine.optim.loss import denominator
from cvtui.engine.ranks.link import Link
from cvtui.engine.ranks.share import RankBatch
from cvtui.engine.train.state import TrainingState
from cvtui.engine.train.step import StepResult, backward, clear_gradients
from cvtui.text import rounded


class RankPasses:
    """`TrainingState.shared_passes` of a rank."""

    def __init__(self, training: TrainingState, link: Link) -> None:
        self.training = training
        self.link = link
        self.ddp = parallel(training.model)
        recipe = training.recipe
        self.micro = -(-recipe.batch_size // link.world) if recipe.accumulate > 1 else 0
        """Images of one forward pass at most; 0: all."""
        self.counted: Tensor = torch.empty(0)
        """Labels that the last step's accuracy counts."""
        self._shares: list[Tensor | float] = []
        """Of each step since the last exchange: this rank's share of the batch's loss."""

    def renew(self) -> None:
        """Make DDP anew: of what thaws after it was made, gradients are never reduced."""
        self.ddp = parallel(self.training.model)

    def __call__(self, batch: RankBatch) -> StepResult:
        """Leave the whole batch's gradients; return loss (a mean) and logits of this rank's own images."""
        t = self.training
        inputs, truth = self._inputs(batch)
        whole = batch.images if batch.all_labels is None else denominator(t.loss, batch.all_labels)
        own = denominator(t.loss, truth)
        clear_gradients(t.optimizer)
        parts = -(-batch.own // self.micro) if 0 < self.micro < batch.own else 1
        losses, logits = [], []
        pieces = zip(inputs.tensor_split(parts), truth.tensor_split(parts), strict=True)
        for number, (images, labels) in enumerate(pieces, 1):
            with nullcontext() if number == parts else self.ddp.no_sync():
                loss, answers = self._piece(images, labels, denominator(t.loss, labels) / whole)
            losses.append(loss if parts == 1 else loss * (denominator(t.loss, labels) / own))
            logits.append(answers)
        self._shares.append(own / whole)
        if parts == 1:
            return StepResult(losses[0], logits[0])
        return StepResult(torch.stack(losses).sum(), torch.cat(logits))

    def _inputs(self, batch: RankBatch) -> tuple[Tensor, Tensor]:
        """Return what the model gets (with the repeated images) and what the loss compares with (without)."""
        t = self.training
        rows = batch.rows.to(t.device)
        with t.autocast():
            if t.mix:  # an image is mixed with its neighbour in the batch, which another rank has
                mixed, truth = t.mixed(t.inputs(batch.pixels), batch.labels)
                self.counted = t.counted(batch.labels)[rows[: batch.own]]
                return mixed[rows], truth[rows[: batch.own]]
            pixels = batch.pixels
            if t.augment:
                pixels = t.augment.of_rows(pixels, t.step, batch.images, batch.rows)
            self.counted = truth = t.truth(batch.labels[: batch.own])
            return t.preprocess(pixels), truth

    def _piece(self, images: Tensor, labels: Tensor, share: Tensor | float) -> tuple[Tensor, Tensor]:
        """Forward and backward pass of some images, the loss a `share` of the batch's."""
        t = self.training
        with t.autocast():
            answers = self.ddp(images)
            own = answers[: len(labels)]
            loss = t.loss(own, labels) if len(labels) else answers.float().sum() * 0.0
        found = loss.detach()
        # NaN where this rank's loss is not finite: then the gradients of all ranks are, and all leave the step out.
        backward(t, loss * (share * self.link.world * (1.0 + (found - found))))
        return found, own.detach()

    def merge(self, readings: Readings) -> Readings:
        """Make of this rank's readings those of the whole batches, by one exchange."""
        shares = [float(share) for share in self._shares]
        self._shares = []
        zipped = zip(readings.loss, shares, strict=True)
        losses = [loss * share if share else 0.0 * loss for loss, share in zipped]
        right = [
            accuracy * images if images else 0.0
            for accuracy, images in zip(readings.accuracy, readings.images, strict=True)
        ]
        count = len(losses)
        sums = self.link.exchange(self.training.step, [*losses, *right, *map(float, readings.images)])
        images = [int(number) for number in sums[2 * count :]]
        return Readings(
            loss=[rounded(loss, 9) for loss in sums[:count]],
            accuracy=[rounded(r / n, 9) for r, n in zip(sums[count : 2 * count], images, strict=True)],
            grad_norm=readings.grad_norm,
            images=images,
            without=readings.without,
        )


def parallel(model: nn.Module) -> DistributedDataParallel:
    """Wrap the model. Buffers are sent before each forward pass only where others than batch norms have some."""
    norms = [one for one in model.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    running = {id(buffer) for one in norms for buffer in one.buffers()}
    own = any(id(buffer) not in running for buffer in model.buffers())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return DistributedDataParallel(
            model,
            broadcast_buffers=own,
            gradient_as_bucket_view=True,
            find_unused_parameters=not isinstance(model, Net),  # PyTorch code may leave some out
        )
