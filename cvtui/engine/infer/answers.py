"""Answers of a trained model to labelled images: logits and labels, gathered batch by batch; no image is kept."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvtui.engine.infer.files import FileReader
from cvtui.engine.infer.trained import TrainedModel
from cvtui.engine.infer.views import View, mean_logits
from cvtui.engine.nn.model import without_gradients
from cvtui.engine.train.state import TrainingState
from cvtui.recipe.datasets.image_folder import several_of
from cvtui.recipe.datasets.label_sets import words_of
from cvtui.recipe.datasets.labelled import Labelled

IN_MEMORY = 64 << 20
"""Bytes of an array; a larger one lies in a temporary file."""


class LabelledBatch(NamedTuple):
    """Some images with their labels and names."""

    pixels: Tensor
    """N x H x W x C."""
    labels: Tensor
    names: list[str]
    unread: list[tuple[str, str]]
    """(image, why) of those that could not be read before the end of this batch."""


@dataclass(kw_only=True)
class Answers:
    """What a model says of each image."""

    classes: tuple[str, ...]
    logits: NDArray[np.float32]
    """N x classes; in a temporary file where they are many."""
    truth: NDArray[np.int64]
    said: NDArray[np.int64]
    """The class with the highest logit, as PyTorch chooses it."""
    brightness: NDArray[np.float32]
    """Mean of the pixels, 0 to 1; of points 0."""
    names: list[str]
    files: bool
    """Each name is the path of a file with this image alone."""
    unread: list[tuple[str, str]] = field(default_factory=list)
    yes_no: bool = False
    """The model answers a yes or no for each class."""
    table: NDArray[np.bool_] | None = None
    """Of pictures in several classes: labels x classes; `truth` is then the number of a set of classes."""

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each image's answer is right; in several classes, all of it."""
        if self.table is None:
            return np.equal(self.truth, self.said)
        found: NDArray[np.bool_] = (self.sets == (self.logits > 0)).all(1)
        return found

    @property
    def sets(self) -> NDArray[np.bool_]:
        """N x classes: the classes that each picture is in."""
        assert self.table is not None
        found: NDArray[np.bool_] = self.table[self.truth]
        return found

    def truth_words(self, place: int) -> str:
        return self.classes[self.truth[place]] if self.table is None else self._named(self.table[self.truth[place]])

    def said_words(self, place: int) -> str:
        return self.classes[self.said[place]] if self.table is None else self._named(self.logits[place] > 0)

    def _named(self, members: NDArray[np.bool_]) -> str:
        return words_of(self.classes[number] for number in np.flatnonzero(members).tolist())


def large_array(shape: tuple[int, ...], dtype: type[Any]) -> NDArray[Any]:
    """Return an array of zeros: in memory, or in a temporary file that goes with it."""
    if int(np.prod(shape)) * np.dtype(dtype).itemsize <= IN_MEMORY:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile() as file:  # the map keeps it open
        return np.memmap(file, dtype, "w+", shape=shape)


def gather(
    model: TrainedModel,
    batches: Iterator[LabelledBatch],
    most: int,
    files: bool,
    on_progress: Callable[[int, int], None],
    views: tuple[View, ...] = (),
    table: Tensor | None = None,
) -> Answers:
    """Ask the model about all images. most: their number, where all can be read; views: see views.py.

    table: of pictures in several classes, labels x classes of 0 and 1.
    """
    classes = len(model.classes)
    found = Answers(
        classes=model.classes, logits=large_array((most, classes), np.float32), truth=np.zeros(most, np.int64),
        said=np.zeros(most, np.int64), brightness=np.zeros(most, np.float32), names=[], files=files,
        yes_no=model.yes_no, table=None if table is None else table.cpu().numpy() > 0.5,
    )  # fmt: skip
    done = 0
    for batch in batches:
        found.unread += batch.unread
        if count := len(batch.names):
            pixels = batch.pixels
            logits = mean_logits(model.logits, pixels, views, yes_no=model.yes_no) if views else model.logits(pixels)
            place = slice(done, done + count)
            found.said[place] = logits.argmax(1).cpu().numpy()
            found.logits[place] = logits.float().cpu().numpy()
            found.truth[place] = batch.labels.cpu().numpy()
            if pixels.dim() == 4:
                found.brightness[place] = brightness(pixels, model.unit)
            found.names += batch.names
            done += count
        on_progress(done, most)
    for name in ("logits", "truth", "said", "brightness"):
        setattr(found, name, getattr(found, name)[:done])
    return found


def brightness(pixels: Tensor, unit: float) -> NDArray[np.float32]:
    """Return the mean of each image, 0 to 1."""
    means: NDArray[np.float32] = (pixels.flatten(1).float().mean(1) / unit).cpu().numpy()
    return means


def of_training(training: TrainingState) -> TrainedModel:
    """Return the model of a prepared training as the run itself evaluates it."""
    model = training.eval_model
    model.eval()

    def logits(pixels: Tensor) -> Tensor:
        with without_gradients(model), training.autocast():
            found: Tensor = model(training.preprocess(pixels))
            return found

    data = training.checked.data
    return TrainedModel(
        logits=logits, classes=tuple(data.classes), size=tuple(data.size), unit=training.unit,
        depth=training.data.depth, batch_size=training.validation_batch, checkpoint="",
        yes_no=several_of(training.recipe), several=training.label_table is not None,
    )  # fmt: skip


def own_batches(training: TrainingState) -> Iterator[LabelledBatch]:
    """Yield the run's validation images, in the batches of its own evaluation."""
    names, start = training.data.names.validation, 0
    for pixels, labels in training.data.validation.in_order(training.validation_batch):
        yield LabelledBatch(pixels, labels, [names[start + row] for row in range(len(labels))], [])
        start += len(labels)


def file_batches(model: TrainedModel, labelled: Labelled) -> Iterator[LabelledBatch]:
    """Yield labelled files, what can't be read left out."""
    paths = [path for path, _ in labelled.files]
    for batch in FileReader(model).batches(paths, model.batch_size):
        labels = torch.tensor([labelled.files[number][1] for number in batch.numbers], dtype=torch.int64)
        unread = [(paths[number], why) for number, why in batch.unread]
        pixels = torch.empty(0) if batch.pixels is None else batch.pixels
        yield LabelledBatch(pixels, labels, [paths[number] for number in batch.numbers], unread)
