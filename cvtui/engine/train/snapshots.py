"""Image grids of a training: filters, feature maps, input samples, and its most confident mistakes.

Small PNGs in the run folder, each with a `picture` record. Made between epochs and on request, never in a step, and
harmless: no random number is drawn, batch-norm statistics and mode stay as they are.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cvtui.engine.data.depth import UNITS
from cvtui.engine.observe.feature_map_writer import FeatureMapWriter, ValidationImage
from cvtui.engine.observe.image_writer import ImageWriter
from cvtui.engine.observe.layer_kinds import is_leaf
from cvtui.engine.observe.recorder import StepRecorder
from cvtui.engine.observe.untouched import untouched
from cvtui.engine.observe.watch_budget import WatchBudget
from cvtui.engine.runtime.memory import is_out_of_memory
from cvtui.engine.train.evaluate import OnBatch
from cvtui.engine.train.state import TrainingState, first_batch
from cvtui.recipe.datasets.image_folder import several_of
from cvtui.runlog.events import Log
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.writer import EventWriter

TIMES = 10
"""Sets of pictures a run, about, spread evenly over its epochs; fewer of a run of seconds, where so many would take
more than their share of its time."""
EACH, OTHERS = 0.0005, 4
"""Seconds that a picture of a set takes, about, as long as none was made, and how many there are beside the layers'."""
MOST_TILES = 64
MOST_MISTAKES = 12
SAMPLES = 16


class _RunImages:
    """Validation images of a run (feature_map_writer.ValidationImages)."""

    def __init__(self, training: TrainingState) -> None:
        self._training = training
        if training.label_table is not None:
            self.missing = "no feature maps: pictures in several classes have no one prediction to show beside them"
            return
        self.missing = "" if training.data.validation.are_pictures else "no feature maps: points are no images"

    @property
    def size(self) -> int:
        """Number of validation images (of a large set it may shrink before the first validation)."""
        return self._training.data.validation.size

    def image(self, number: int) -> ValidationImage:
        pixels, labels = self._training.data.validation.part(number, number + 1)
        name = self._training.data.names.validation[number]
        return ValidationImage(pixels[0].permute(2, 0, 1), self._training.preprocess(pixels), int(labels[0]), name)


class TopAnswers(NamedTuple):
    """Of each image of a batch: the highest probability, and its class."""

    sure: Tensor
    said: Tensor


class Snapshots:
    def __init__(
        self,
        training: TrainingState,
        folder: RunFolder,
        recorder: StepRecorder | EventWriter,
        budget: WatchBudget | None = None,
    ) -> None:
        self.training = training
        self.budget = budget or WatchBudget()
        self.image = 0
        """The validation image whose feature maps are made; `look` chooses another."""
        self._write = recorder.write
        self._images = ImageWriter(folder, recorder.write_all)
        classes = list(training.checked.data.classes)
        self.maps = FeatureMapWriter(
            training.eval_model,
            _RunImages(training),
            self._images,
            classes,
            training.autocast,
            yes_no=several_of(training.recipe),
        )
        self._warned = False
        """That there was no memory for pictures."""
        self._interval = max(1, training.recipe.epochs // TIMES)
        self._planned = False
        self._begins = not training.epoch
        """The run's first set is still to come."""
        if training.recipe.watch_every and training.data.train.are_pictures:
            self.budget.last_set = EACH * (OTHERS + sum(map(is_leaf, training.model.modules())))
        self._answers: list[TopAnswers] = []

    def plan(self, epoch: int) -> OnBatch | None:
        """Decide whether pictures are made after this epoch (from 1); return what its validation hands its logits to.

        They are after the last, after the first for which the budget of watching has room (of most runs that is the
        first one), and after others at least a tenth of the run apart while it allows.
        """
        self._answers = []
        if epoch == self.training.recipe.epochs:
            due = True
        elif self._begins:
            due = self.budget.allows_first_set()
        else:
            due = (epoch - 1) % self._interval == 0 and self.budget.allows_pictures()
        self._planned = due and bool(self.training.recipe.watch_every)
        one_class = self.training.data.train.are_pictures and self.training.label_table is None
        return self._take_answers if self._planned and one_class else None

    def finish(self) -> None:
        """Make a set, without mistakes, of a run that ends before its last epoch and has none."""
        if self._begins and self.training.epoch and self.training.recipe.watch_every:
            self.save()

    def due(self) -> bool:
        """Return True if pictures are due after this epoch, as `plan` has decided."""
        return self._planned

    def _take_answers(self, _start: int, logits: Tensor, _labels: Tensor) -> None:
        """Keep the highest probability of each image of a batch, and its class.

        (Of 10,000 classes, all probabilities of 50,000 images would be 2 GB.)
        """
        begun = self.budget.clock()
        try:
            yes_no = several_of(self.training.recipe)
            found = (logits.float().sigmoid() if yes_no else logits.float().softmax(1)).max(1)
            self._answers.append(TopAnswers(found.values, found.indices))
        except (RuntimeError, MemoryError) as error:
            self._out_of_memory(error)
        self.budget.pictures += self.budget.clock() - begun

    def take_answers(self, sure: Tensor, said: Tensor) -> None:
        """Keep what several ranks have answered together: of each validation image probability and class."""
        self._answers = [TopAnswers(sure, said)]

    @torch.no_grad()
    def save(self) -> None:
        """Write all pictures of this moment; a full disk or memory costs the pictures, not the run."""
        t = self.training
        if not t.data.train.are_pictures:  # points on a plane are no pictures
            return
        begun = self.budget.clock()
        try:
            with self._images.together():
                self._save()
        except OSError:
            pass
        except (RuntimeError, MemoryError) as error:
            self._out_of_memory(error)
        finally:
            self._answers, self._begins = [], False
            self.budget.add_pictures(self.budget.clock() - begun)

    def _out_of_memory(self, error: BaseException) -> None:
        """Leave these pictures out, and say so once. Raises any other error."""
        if not is_out_of_memory(error):
            raise error
        self._planned = False
        if not self._warned:
            self._warned = True
            text = "no memory for the pictures: they are left out; training continues"
            self._write(Log(time=time.time(), text=text, level="warning", step=self.training.step))

    def _save(self) -> None:
        t = self.training
        if self._begins:
            images = t.preprocess(first_batch(t).pixels[:SAMPLES])
            order = t.order(1)[: len(images)].tolist()
            names = [t.data.names.train[number] for number in order]
            after = "augmentation and preprocessing" if t.augment else "preprocessing"
            note = f"the first batch as the net sees it, after {after}"
            self._images.write(t.step, "samples", images, note, names=names)
        self._filters()
        if not self.maps.images.missing:
            self.maps.write(self.image, t.step)
        self._mistakes()

    def look(self, number: int) -> str:
        """Write the feature maps of validation image `number`, now and after later epochs; return the message."""
        message = self.maps.look(number, self.training.step)
        if self.maps.written:
            self.image = number
        return message

    def _filters(self) -> None:
        """Write the first conv layer's filters: RGB for three channels, else the mean over the channels."""
        first_conv = next(((n, m) for n, m in self.training.model.named_modules() if isinstance(m, nn.Conv2d)), None)
        if first_conv is None:
            return
        name, conv = first_conv
        with untouched(conv):  # spectral_norm changes its buffers at each look at the weights
            weights = conv.weight.detach().float()[:MOST_TILES]
        if weights.shape[1] not in (1, 3):
            weights = weights.mean(1, keepdim=True)
        note = f"{conv.out_channels} filters; grey is 0"
        self._images.write(self.training.step, f"filters of {name}", weights, note, around_zero=True)

    def _mistakes(self) -> None:
        """Write the wrong predictions of the highest probability, as the validation of this epoch saw them."""
        t = self.training
        images = t.data.validation
        if not self._answers:
            return
        sure, said = (torch.cat(part) for part in zip(*self._answers, strict=True))
        labels = images.labels.to(said.device)  # those of images in files stay on the CPU
        wrong = torch.where(said != labels, sure, torch.full_like(sure, -1.0))
        chosen = wrong.topk(min(MOST_MISTAKES, len(wrong))).indices
        chosen = chosen[wrong[chosen] >= 0]
        if not len(chosen):
            return
        classes = t.checked.data.classes
        note = "; ".join(f"{classes[labels[i]]} taken for {classes[said[i]]} ({sure[i]:.0%})" for i in chosen.tolist())
        pixels = images.batch(chosen).pixels.permute(0, 3, 1, 2)
        high = UNITS.get(pixels.dtype)  # floats have a range of their own
        names = [t.data.names.validation[number] for number in chosen.tolist()]
        self._images.write(t.step, "mistakes", pixels.float(), note, low=high and 0.0, high=high, names=names)
