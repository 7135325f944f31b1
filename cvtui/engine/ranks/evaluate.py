"""Evaluate on the validation images, each rank on its part of them, no image twice."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, distributed, nn

from cvtui.engine.nn.freeze import train_mode
from cvtui.engine.nn.model import without_gradients
from cvtui.engine.observe.untouched import drawn_apart
from cvtui.engine.ranks.link import Link
from cvtui.engine.train.evaluate import LARGEST_CONFUSION, ValidationResult, of_sets
from cvtui.engine.train.state import TrainingState

OnAnswers = Callable[[Tensor, Tensor], None]
"""Called with the highest probability of each validation image and its class."""


def part_of(count: int, rank: int, world: int) -> tuple[int, int]:
    """Return the first image of a rank's part, and the end of it."""
    return count * rank // world, count * (rank + 1) // world


def send_buffers(model: nn.Module, link: Link) -> None:
    """Give all ranks rank 0's buffers: running means of a batch norm are those of its images."""
    if link.world > 1:
        for buffer in model.buffers():
            distributed.broadcast(buffer, 0)


def evaluate_together(
    training: TrainingState, link: Link, between: Callable[[], None], on_answers: OnAnswers | None, pictures: bool
) -> ValidationResult:
    """Loss, accuracy and confusion over the validation images, the same on all ranks.

    `between` is called after each batch, equally often on each rank (it may raise). pictures: all ranks gather what
    `on_answers` of rank 0 gets.
    """
    part = _Part(training, link, pictures)
    size, count = training.validation_batch, training.data.validation.size
    low, high = part_of(count, link.rank, link.world)
    rounds = -(-max(b - a for a, b in (part_of(count, rank, link.world) for rank in range(link.world))) // size)
    model = training.eval_model
    send_buffers(model, link)
    model.eval()
    try:
        batches = training.data.validation.stream(torch.arange(low, high), size)
        with drawn_apart(model, training.recipe.seed, link.rank):
            for _ in range(rounds):
                if (batch := next(batches, None)) is not None:
                    part.take(model, low, *batch)
                    low += len(batch[1])
                between()
    finally:
        train_mode(training.model)
    return part.total(on_answers)


class _Part:
    """What one rank finds, in numbers that add up over the ranks."""

    def __init__(self, training: TrainingState, link: Link, pictures: bool) -> None:
        self.training, self.link = training, link
        self.classes, self.count = len(training.checked.data.classes), training.data.validation.size
        several = training.label_table is not None
        self.small = self.classes <= LARGEST_CONFUSION and not several
        device, pairs = training.device, self.classes**2 if self.small else 0
        self.sums = torch.zeros(2 + pairs, dtype=torch.float64, device=device)
        self.logits = torch.zeros(self.count if several else 0, self.classes, dtype=torch.float64, device=device)
        self.truth = torch.zeros_like(self.logits)
        kept = self.count if pictures and not several else 0
        self.answers = torch.zeros(2, kept, dtype=torch.float64, device=device)

    def take(self, model: nn.Module, start: int, pixels: Tensor, labels: Tensor) -> None:
        """Take one batch, whose first image has the number `start`."""
        t = self.training
        labels = labels.to(t.device)
        with without_gradients(model), t.autocast():
            logits = model(t.preprocess(pixels))
            truth = t.truth(labels)
            self.sums[0] += t.validation_loss(logits, truth).double() * len(labels)
            end = start + len(labels)
            if truth.dim() == 2:
                self.logits[start:end], self.truth[start:end] = logits, truth
                return
            said = logits.argmax(1)
            self.sums[1] += (said == labels).sum()
            if self.small:
                self.sums[2:] += torch.bincount(labels * self.classes + said, minlength=self.classes**2)
            if self.answers.shape[1]:
                self.answers[0, start:end] = logits.float().softmax(1).amax(1)
                self.answers[1, start:end] = said

    def total(self, on_answers: OnAnswers | None) -> ValidationResult:
        sums = self.link.total(self.sums)
        loss = sums[0].item() / self.count
        if len(self.logits):
            return of_sets(self.link.total(self.logits).float(), self.link.total(self.truth).float(), loss)
        if self.answers.shape[1]:
            sure, said = self.link.total(self.answers)
            if on_answers is not None:
                on_answers(sure.float(), said.long())
        confusion = sums[2:].long().view(self.classes, self.classes).tolist() if self.small else []
        return ValidationResult(loss, sums[1].item() / self.count, confusion)
