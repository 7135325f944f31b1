"""Evaluations between training steps: one pass over each data set, its loss and accuracy as means over images."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from cvtui.engine.observe.accuracy import right
from cvtui.engine.run_script.answers import labelled, right_by_comparison
from cvtui.engine.run_script.given_batches import Answers
from cvtui.engine.run_script.loss_call import Call
from cvtui.engine.run_script.search import Batches, batches_other_than


class Result(NamedTuple):
    """What an evaluation came to; `note` says what could not be known, and what to add."""

    loss: Tensor | None = None
    accuracy: Tensor | None = None
    note: str = ""


class _Pass:
    """Sums over one pass; `batches` is None where its batches came from no DataLoader."""

    def __init__(self, batches: Batches | None, trained_on: bool) -> None:
        self.batches = batches
        self.trained_on = trained_on
        """It goes over what the model is trained on."""
        self.forwards = 0
        self._images: Tensor | None = None
        """The first ones, kept: what else lies there later is not taken for them."""
        self._losses: list[tuple[Tensor, int]] = []
        self._shares: list[tuple[Tensor, int]] = []
        self.plain = 0
        """Batches in a row of which the loader alone would have told all."""
        self.answers: Answers | None = None
        """Of batches that were not looked at."""

    @torch.no_grad()
    def add(
        self, calls: list[Call], output: Tensor | None, compared: list[tuple[Tensor, Tensor]], images: Tensor | None
    ) -> None:
        """Take one forward pass; the same images once more tell what they have not told yet."""
        again = self.batches is None and self.forwards == 1 and _is_same(self._images, images)
        if again:
            calls = [] if self._losses else calls
            compared = [] if self._shares else compared
        else:
            self.forwards += 1
            self._images = images if self.forwards == 1 else None
        count = _count(calls, output)
        if calls:
            value = calls[0].value
            self._losses.append((value / count if calls[0].summed else value, count))
        pair = labelled(calls, output)
        if again and self._shares:
            return
        if pair is not None:
            self._shares.append((right(pair.logits, pair.labels).mean(), count))
        elif output is not None and (share := right_by_comparison(output, compared)) is not None:
            self._shares.append((share, count))

    @torch.no_grad()
    def settle(self) -> None:
        """Work out what batches that were not looked at came to."""
        if self.answers is None or (found := self.answers.take()) is None:
            return
        logits, labels = found
        self.forwards += 1
        self._losses.append((functional.cross_entropy(logits, labels), len(labels)))
        self._shares.append((right(logits, labels).mean(), len(labels)))

    def result(self) -> Result:
        """Return the means; of what not every batch has told, None."""
        self.settle()
        loss, accuracy = (
            _mean(found) if len(found) == self.forwards else None for found in (self._losses, self._shares)
        )
        return Result(loss, accuracy)


def _count(calls: list[Call], output: Tensor | None) -> int:
    given = next((call.input for call in calls if call.input is not None and call.input.dim()), output)
    return len(given) if given is not None and given.dim() else 1


def _mean(found: list[tuple[Tensor, int]]) -> Tensor | None:
    if not found:
        return None
    total = torch.stack([value.float() * count for value, count in found]).sum()
    return total / sum(count for _, count in found)


class Evaluation:
    """All forward passes without an update, from one training step to the next."""

    def __init__(self, training: Batches | None, first_image: Tensor | None) -> None:
        self._training = training
        self._first_image = first_image
        self._passes: list[_Pass] = []
        self.since = 0
        """Batches of all loaders by the last training step."""

    def __bool__(self) -> bool:
        return bool(self._passes)

    def begin(self, images: Tensor | None) -> None:
        """Find the pass that a forward pass on `images` belongs to."""
        last = self._passes[-1] if self._passes else None
        if last is not None and (last.batches is None or not last.batches.is_over()):
            return
        batches = batches_other_than(self._training, self.since)
        if batches is None:
            trained_on = _is_among(self._first_image, images)
        else:
            batches.is_over()
            trained_on = self._training is not None and batches.is_same_data(self._training)
        self._passes.append(_Pass(batches, trained_on))

    def add(
        self, calls: list[Call], output: Tensor | None, compared: list[tuple[Tensor, Tensor]], images: Tensor | None
    ) -> None:
        """Take what a forward pass came to."""
        if not self._passes:
            self._passes.append(_Pass(None, False))
        self._passes[-1].add(calls, output, compared, images)

    def saw(self, plain: bool) -> None:
        """Take whether the loader alone would have told all of the last forward pass."""
        last = self._passes[-1]
        last.plain = last.plain + 1 if plain else 0

    def answers(self, source: Any, looked: int) -> Answers | None:
        """Return where answers to the loader's batches go, once so many were plain; None before."""
        last = self._passes[-1]
        if last.plain < looked or last.batches is None or not last.batches.is_of(source):
            return None
        last.answers = last.answers or Answers(source)
        return last.answers

    def settle(self) -> None:
        """Make room for more answers."""
        self._passes[-1].settle()

    def batches_answered(self) -> int:
        """Return how many were not looked at."""
        return sum(one.answers.batches for one in self._passes if one.answers is not None)

    def result(self) -> Result:
        """Return the validation's: the first data set that the model isn't trained on."""
        own = [one for one in self._passes if not one.trained_on]
        if not own:
            return Result(note="the evaluation goes over the data that the model is trained on: no validation values")
        first = own[0]
        if first.batches is None and (first.forwards > 1 or len(own) > 1):
            return Result(
                note="several forward passes without a DataLoader between two training steps: which of them are the "
                "validation is not known. Two lines tell it: `with cvtui.watch(model, optimizer) as run:` around the "
                "loop, and run.epoch(val_loss=…, val_accuracy=…)"
            )
        result = first.result()
        if len(own) > 1:
            return result._replace(note=f"{len(own)} data sets are evaluated: the first one's values are recorded")
        if result.loss is None and result.accuracy is None:
            return Result(
                note="an evaluation whose loss and accuracy are not seen (no loss function of PyTorch, no comparison "
                "of classes with labels): run.epoch(val_loss=…, val_accuracy=…) of cvtui.watch tells them"
            )
        return result


def _is_same(one: Tensor | None, other: Tensor | None) -> bool:
    return one is not None and other is not None and one.shape == other.shape and one.data_ptr() == other.data_ptr()


@torch.no_grad()
def _is_among(image: Tensor | None, images: Tensor | None) -> bool:
    """Return True if the image is one of the images."""
    if image is None or images is None or images.shape[1:] != image.shape or images.device != image.device:
        return False
    return bool((images == image).flatten(1).all(1).any())
