"""Evaluation batches of which nothing needs to be seen: the loader gives the labels, and the loss is known.

Once some batches have shown that the script takes the cross-entropy of the model's answers and of the labels that its
loader gave with the images, answers and labels are copied, and loss and accuracy of all of them worked out at once.
Calls of functions seen one by one, and what was made of them, took 0.1 ms a batch.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from cvtui.engine.run_script.loss_call import CLASSES, Call

LOOKED = 3
"""Batches in a row that are looked at before, and one in each evaluation after the first."""
VALUES = 1 << 16
"""Of answers, that are kept before their loss is worked out; batches of more than a fourth of it are looked at."""


def _nothing() -> None:
    return None


class Given:
    """The last batch of a loader: an evaluation's, where it comes as (images, labels) in the computer's memory."""

    def __init__(self) -> None:
        self.is_wanted = False
        self.source: Callable[[], Any] = _nothing
        self._images: Callable[[], Tensor | None] = _nothing
        self._labels: Callable[[], Tensor | None] = _nothing

    def take(self, iterator: Any, batch: Any) -> None:
        """Take note of a batch."""
        self.forget()
        if type(batch) in (tuple, list) and len(batch) == 2:
            images, labels = batch
            if type(images) is Tensor and type(labels) is Tensor and labels.is_cpu:
                self.source = weakref.ref(iterator)
                self._images, self._labels = weakref.ref(images), weakref.ref(labels)

    def end(self) -> None:
        """Take the end of a loader: what comes behind it is looked at anew."""
        self.is_wanted = False
        self.forget()

    def forget(self) -> None:
        """Forget it: it was evaluated."""
        self.source = self._images = self._labels = _nothing

    def labels_of(self, images: Any) -> Tensor | None:
        """Return the labels of these images, where they are the batch's: class numbers (N)."""
        labels = self._labels() if images is not None and self._images() is images else None
        return labels if labels is not None and labels.dim() == 1 and labels.dtype is torch.int64 else None


class Answers:
    """Answers and labels of batches, until their loss is worked out."""

    def __init__(self, source: Any) -> None:
        self.source: Callable[[], Any] = weakref.ref(source)
        """The loader's iterator."""
        self._rows = 0
        self._logits = self._labels = torch.empty(0)
        self.batches = 0

    def add(self, output: Any, labels: Tensor, full: Callable[[], None]) -> bool:
        """Take a batch, if it is one of class numbers; full: called where there is no more room."""
        if type(output) is not Tensor or output.dim() != 2 or not output.is_cpu:
            return False
        count, classes = output.shape
        if count != labels.shape[0] or not count or classes < 2 or output.dtype is not torch.float32:
            return False
        if self._logits.dim() != 2:
            rows = VALUES // classes
            if 4 * count > rows:
                return False
            with torch.inference_mode(False):
                self._logits, self._labels = torch.empty(rows, classes), torch.empty(rows, dtype=torch.int64)
        elif classes != self._logits.shape[1]:
            return False
        if self._rows + count > len(self._logits):
            if count > len(self._logits):
                return False
            full()
        end = self._rows + count
        with torch.no_grad():
            self._logits[self._rows : end].copy_(output)
            self._labels[self._rows : end].copy_(labels)
        self._rows, self.batches = end, self.batches + 1
        return True

    def take(self) -> tuple[Tensor, Tensor] | None:
        """Return answers and labels, and forget them."""
        end, self._rows = self._rows, 0
        return (self._logits[:end], self._labels[:end]) if end else None


class Evaluated(Protocol):
    """The evaluation under way (evaluations.py)."""

    def answers(self, source: Any, looked: int) -> Answers | None: ...
    def saw(self, plain: bool) -> None: ...
    def settle(self) -> None: ...
    def batches_answered(self) -> int: ...


class KnownEvaluation:
    """Decides which of an evaluation's batches are not looked at."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self.answers: Answers | None = None
        """Where those of batches go that are not looked at."""
        self._labels: Tensor | None = None
        self._answer: Tensor | None = None
        """Of the last batch that is looked at: the loader's labels, and a copy of the model's answer."""
        self._was_plain = False

    def begins(self, evaluation: Evaluated, images: Tensor | None) -> bool:
        """Take the begin of a forward pass; True where its answer is enough."""
        given, looked = self._given, 1 if self._was_plain else LOOKED
        self._answer, self._labels, given.is_wanted = None, given.labels_of(images), True
        self.answers = evaluation.answers(given.source(), looked) if self._labels is not None else None
        return self.answers is not None

    def look(self, output: Any) -> None:
        """Keep the answer of a batch that is looked at."""
        if self._labels is not None and isinstance(output, Tensor):
            self._answer = output.detach().clone()

    def take(self, evaluation: Evaluated, args: Any, output: Any) -> bool:
        """Take the answer of a batch that is not looked at; False where it has to be."""
        given = self._given
        labels = given.labels_of(args[0] if args else None)
        if self.answers is not None and labels is not None and self.answers.source() is given.source():
            given.forget()
            if self.answers.add(output, labels, evaluation.settle):
                return True
        self.answers = None
        evaluation.saw(False)
        return False

    def would_do(self, calls: list[Call]) -> bool:
        """Return True where the last batch was such that its answer would have been enough."""
        answer, labels, self._answer, self._labels = self._answer, self._labels, None, None
        return len(calls) == 1 and _is_plain(calls[0], answer, labels)

    def end(self, evaluation: Evaluated) -> int:
        """Take the end of an evaluation; return how many batches were not looked at."""
        self.answers = None
        self._given.end()
        answered = evaluation.batches_answered()
        self._was_plain = self._was_plain or answered > 0
        return answered


def _is_plain(call: Call, answer: Tensor | None, labels: Tensor | None) -> bool:
    """Return True for the plain cross-entropy of the model's answer, as it was copied, and of these labels.

    (The likelihood of logarithms of probabilities is the same number.)
    """
    given, target = call.input, call.target
    if call.name not in CLASSES or answer is None or labels is None or target is None:
        return False
    if given is None or given.dtype is not torch.float32 or target.data_ptr() != labels.data_ptr():
        return False
    if target.shape != labels.shape or given.shape != answer.shape or not torch.equal(given, answer):
        return False
    loss = functional.cross_entropy(answer, target, reduction="sum" if call.summed else "mean")
    return torch.allclose(loss, call.value, rtol=1e-5, atol=1e-7)
