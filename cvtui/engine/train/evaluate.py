"""Evaluate the model on the validation images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cvtui.engine.nn.freeze import train_mode
from cvtui.engine.nn.model import without_gradients
from cvtui.engine.observe.accuracy import exact, mean_average_precision, right
from cvtui.engine.observe.held_values import put_values
from cvtui.engine.observe.untouched import drawn_apart
from cvtui.engine.runtime.stop_asked import heard
from cvtui.engine.train.state import TrainingState

LARGEST_CONFUSION = 100
"""Classes up to which the confusion matrix is counted: of 10,000 it took 2.8 GB, too large to look at."""


class ValidationResult(NamedTuple):
    loss: float
    """Mean over the images; NaN or infinite where the model has come apart."""
    accuracy: float
    confusion: list[list[int]]
    """Row the true class, column the predicted one; empty for more than LARGEST_CONFUSION classes, and where pictures
    are in several."""
    words: str = ""
    """What else is told, of pictures in several classes."""


OnBatch = Callable[[int, Tensor, Tensor], None]
"""Called with (number of the first image, logits, labels) of each batch."""


def of_sets(logits: Tensor, truth: Tensor, loss: float) -> ValidationResult:
    """Evaluate a yes or no for each class; the accuracy is that of all these answers."""
    precision = mean_average_precision(logits, truth)
    words = f"validation: {right(logits, truth).double().mean():.2%} of the yes-or-no answers right, all of an image "
    words += f"in {exact(logits, truth):.2%}; mean average precision (mAP) "
    words += "not known" if precision is None else f"{precision:.4f}"
    return ValidationResult(loss, right(logits, truth).double().mean().item(), [], words)


def _passes(training: TrainingState, model: nn.Module, size: int) -> Iterator[tuple[Callable[[], Tensor], Tensor]]:
    """Yield what gives the logits of each batch, and its labels."""
    if training.features is not None:
        yield from training.features.validation_passes(training, model, training.validation_batch)
        return
    for pixels, labels in training.data.validation.in_order(size):
        yield partial(_whole, training, model, pixels), labels


def _whole(training: TrainingState, model: nn.Module, pixels: Tensor) -> Tensor:
    logits: Tensor = model(training.preprocess(pixels))
    return logits


def evaluate(training: TrainingState, between: Callable[[], None], on_batch: OnBatch | None = None) -> ValidationResult:
    """Loss, accuracy and confusion over the validation images.

    `between` is called after each batch and while one is waited for (it may raise), `on_batch` with its logits. With a
    running mean of the weights, that model is evaluated. It is in evaluation mode meanwhile (dropout off, batch norm
    with its running statistics) and the trained one in training mode afterwards.
    """
    images = training.data.validation
    classes = len(training.checked.data.classes)
    losses = []
    small = classes <= LARGEST_CONFUSION and training.label_table is None
    answers: list[tuple[Tensor, Tensor]] = []
    correct = torch.zeros((), dtype=torch.int64, device=training.device)
    pairs = torch.zeros(classes * classes if small else 0, dtype=torch.int64, device=training.device)
    model = training.eval_model
    model.eval()
    if training.ema is not None and training.held is not None:
        put_values(model, training.held.changed())
    try:
        start = 0
        with drawn_apart(model, training.recipe.seed):
            for answer, labels in heard(_passes(training, model, training.validation_batch), between):
                with without_gradients(model), training.autocast():
                    logits = answer()
                    truth = training.truth(labels)
                    losses.append(training.validation_loss(logits, truth).float() * len(labels))
                    if truth.dim() == 2:
                        answers.append((logits, truth))
                    else:
                        said = logits.argmax(1)
                        correct += (said == labels).sum()
                    if on_batch is not None:
                        on_batch(start, logits, labels)
                    start += len(labels)
                    if small:
                        pairs += torch.bincount(labels * classes + said, minlength=classes * classes)
                between()
    finally:
        train_mode(training.model)
    if answers:
        said, truth = (torch.cat(part) for part in zip(*answers, strict=True))
        return of_sets(said, truth, sum(torch.stack(losses).tolist()) / images.size)
    confusion = pairs.view(classes, classes).tolist() if small else []
    return ValidationResult(sum(torch.stack(losses).tolist()) / images.size, correct.item() / images.size, confusion)
