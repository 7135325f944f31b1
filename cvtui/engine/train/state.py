"""Training state built from a recipe; trainer.py moves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.data.augment import Augment
from cvtui.engine.data.batching import batches, index_batches, order_of
from cvtui.engine.data.images import ChannelStats, Images, Split
from cvtui.engine.data.mixing import Mix
from cvtui.engine.data.preprocess import Preprocess
from cvtui.engine.nn.freeze import FrozenParameters, thaw
from cvtui.engine.observe.clock import Clock, EpochSums
from cvtui.engine.observe.held_values import HeldValues
from cvtui.engine.optim.ema import Ema
from cvtui.engine.optim.factory import add_parameters
from cvtui.engine.optim.loss import Loss
from cvtui.engine.optim.plateau import Plateau
from cvtui.engine.runtime.device import autocast, describe
from cvtui.engine.runtime.plain_random import plain_state
from cvtui.engine.train.data_print import DataPrint
from cvtui.engine.train.validation_batch import batch_of_state
from cvtui.recipe.choices.schedules import Schedule
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import Checked
from cvtui.runlog.events import Facts
from cvtui.text import rounded


class RatesAhead:
    """Learning rates of the coming steps, computed 100 at a time.

    One by one, between the kernels of a small net, each takes 14 µs instead of 2.
    """

    COUNT = 100

    def __init__(self) -> None:
        self._schedule: Schedule | None = None
        self._first = 0
        self._rates: list[float] = []

    def at(self, schedule: Schedule, step: int) -> float:
        """Learning rate of a step: schedule.lr_at(step)."""
        index = step - self._first
        if schedule is not self._schedule or not 0 <= index < self.COUNT:
            self._schedule, self._first, index = schedule, step, 0
            self._rates = [schedule.lr_at(number) for number in range(step, step + self.COUNT)]
        return self._rates[index]


class KeptFeatures(Protocol):
    """Outputs of frozen layers that are kept (feature_cache.py)."""

    def validation_passes(
        self, training: TrainingState, model: nn.Module, size: int, /
    ) -> Iterator[tuple[Callable[[], Tensor], Tensor]]:
        """Yield what gives the logits of each batch of a validation, and its labels."""


@dataclass
class TrainingState:
    """Training state built from a recipe: data, model, optimizer, schedule, counters."""

    checked: Checked
    device: torch.device
    threads: int
    data: Split
    stats: ChannelStats
    preprocess: Preprocess
    model: nn.Module
    """Net of an expression, or the module of PyTorch code."""
    loss: Loss
    """Of training; with the classes' weights where the recipe balances them so."""
    validation_loss: Loss
    """The same without weights."""
    optimizer: Optimizer
    schedule: Schedule
    validation_batch: int
    """Images at once of a validation."""
    factors: dict[str, float] = field(default_factory=dict)
    """Share of the rate by parameter name, where it is not 1."""
    frozen: FrozenParameters = field(default_factory=FrozenParameters)
    """What the recipe froze."""
    thawed: bool = False
    """It is trained by now."""
    features: KeptFeatures | None = None
    """Outputs of the frozen layers, where they are kept from epoch to epoch."""
    keeps_features: bool | None = None
    """They are kept; of a resumed run: they were."""
    ema: Ema | None = None
    """Running mean of the weights, where the recipe asks for one."""
    augment: Augment = field(default_factory=lambda: Augment((), 0))
    scaler: torch.amp.GradScaler | None = None
    """Scale of the loss in float16, whose small gradients would be 0."""
    mix: Mix = field(default_factory=lambda: Mix((), 0, 0))
    label_table: Tensor | None = None
    """Of pictures in several classes: for each label 1 for its classes and 0 for the others, on the device."""
    plateau: Plateau = field(default_factory=Plateau)
    step: int = 0
    """Number of steps done."""
    epoch: int = 0
    """Number of epochs done."""
    batch_index: int = 0
    """Number of batches done in the current epoch."""
    best: float | None = None
    """Best validation accuracy so far."""
    held: HeldValues | None = None
    """What the code of a net that is no expression keeps in Python."""
    data_print: DataPrint | None = None
    """Fingerprint of the data as they were when they were read."""
    unit: float = 255.0
    """Value that stands for white in the pixels: 255, 65535, or 1 of floats."""
    best_epoch: int = 0
    """Its epoch (0: none, or not known)."""
    accuracy: float | None = None
    """Validation accuracy of this very state; None within an epoch."""
    missing: list[str] = field(default_factory=list)
    """Checkpoints asked for by the recipe or by hand that the disk refused."""
    resumed: bool = False
    """Continues from a checkpoint, or over a log that was begun before."""
    sums: EpochSums = field(default_factory=EpochSums)
    clock: Clock = field(default_factory=Clock)
    rates: RatesAhead = field(default_factory=RatesAhead)
    ranks: dict[str, Any] = field(default_factory=dict)
    """What the record `run` says of several processes that train together."""
    shared_passes: Callable[[Any], Any] | None = None
    """Forward and backward pass where several processes share each batch (engine/ranks)."""
    before_update: list[Callable[[Tensor], object]] = field(default_factory=list)
    """Called with the loss of every step, between backward and update (see step.py)."""

    @property
    def recipe(self) -> Recipe:
        return self.checked.recipe

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Fingerprint of the data (recipe/datasets/fingerprint.py)."""
        return {} if self.data_print is None else self.data_print.value()

    @property
    def eval_model(self) -> nn.Module:
        """Model that is validated: that of the running mean where there is one."""
        return self.model if self.ema is None else self.ema.model

    @property
    def micro_batch(self) -> int:
        """Most images of one forward pass, where a step accumulates the gradients of several; 0: no limit."""
        recipe = self.recipe
        return recipe.batch_size if recipe.accumulate > 1 else 0

    def keep_validation_batch(self, state: dict[str, Any]) -> None:
        """Validate as many images at once as the run of this checkpoint did, so that bits stay."""
        count = len(self.checked.data.classes), self.recipe.batch_size, self.device
        self.validation_batch = batch_of_state(state, self.checked.table, *count)

    def autocast(self) -> AbstractContextManager[Any]:
        return autocast(self.device, self.recipe.precision)

    def inputs(self, pixels: Tensor) -> Tensor:
        """Augment (as in this step) and normalize the pixels of a batch."""
        return self.preprocess(self._augment(pixels, self.step))

    def mixed(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mix the inputs and labels of a batch (as in this step), where the recipe does."""
        truth = self.truth(labels)
        return self.mix(inputs, truth, self.step) if self.mix else (inputs, truth)

    def truth(self, labels: Tensor) -> Tensor:
        """Return what the loss compares with: labels (N), or of pictures in several classes N x C of 0 and 1."""
        return labels if self.label_table is None else self.label_table[labels.to(self.device)]

    def counted(self, labels: Tensor) -> Tensor:
        """Return the labels (N) that the last step's accuracy counts; of mixed images that of the larger share."""
        return self.truth(labels) if self.mix.counted is None else self.mix.counted

    def order(self, epoch: int) -> Tensor:
        """Return the numbers of the images that an epoch (from 1) takes, in order."""
        return order_of(self.data.train, self.recipe.seed, epoch, self.balanced)

    @property
    def balanced(self) -> bool:
        """True if a sampler draws the classes equally often."""
        return self.recipe.balance == "sampler"

    def updated(self) -> None:
        """Count the step that was done; the running mean of the weights follows it."""
        if self.ema is not None:
            self.ema.update(self.step)
        self.step += 1
        self.batch_index += 1

    def augmented(self, images: Images, step: int) -> Images:
        """Augment the batch of step `step`."""
        return Images(self._augment(images.pixels, step), images.labels)

    def _augment(self, pixels: Tensor, step: int) -> Tensor:
        return self.augment(pixels, step) if self.augment else pixels

    def batches(self, epoch: int, first: int = 0) -> Iterator[Images]:
        """Yield the batches of an epoch (from 1), without the `first` ones."""
        recipe = self.recipe
        how = {"joins": self.checked.joins, "balanced": self.balanced}
        return batches(self.data.train, recipe.step_images, recipe.seed, epoch, first, **how)

    def index_batches(self, epoch: int, first: int = 0) -> Iterator[Tensor]:
        """Yield the numbers of the images of each batch of an epoch (from 1), on the device."""
        recipe, images = self.recipe, self.data.train
        how = {"joins": self.checked.joins, "balanced": self.balanced}
        return index_batches(images, recipe.step_images, recipe.seed, epoch, first, **how)

    def update_lr(self) -> float:
        """Give the optimizer's groups their share of this step's learning rate; return it.

        On CUDA rounded to float32, in which a captured step has it.
        """
        rate = self.rates.at(self.schedule, self.step)
        for group in self.optimizer.param_groups:
            share = rate * group["factor"]
            group["lr"] = float(np.float32(share)) if self.device.type == "cuda" else share
        return rate

    def thaw(self, *, begun: bool = False) -> str:
        """Train what is frozen once the epoch of `unfreeze_at` begins; return a line that tells, or "".

        The optimizer gets it as groups that begin anew. begun: only where that epoch's first step is done.
        """
        recipe, names = self.recipe, self.frozen.names
        if self.thawed or not recipe.unfreeze_at or not names:
            return ""
        ahead = recipe.unfreeze_at - 1 - self.epoch
        if ahead > 0 or (begun and ahead == 0 and not self.batch_index):
            return ""
        self.thawed = True
        told = thaw(self.model, names)
        add_parameters(self.optimizer, self.model, self.checked.optimizer, recipe, self.factors)
        return f"epoch {self.epoch + 1:,}: {told}"

    def state(self) -> dict[str, Any]:
        """Return all that a checkpoint holds, to go on from here and to use the model elsewhere."""
        random: dict[str, Any] = {"torch": torch.get_rng_state(), **plain_state()}
        if self.device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state(self.device)
        return {
            "model": self.model.state_dict(),
            **({} if self.ema is None else {"ema": self.ema.state()}),
            **({} if self.scaler is None else {"scaler": self.scaler.state_dict()}),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "epoch": self.epoch,
            "place": self.batch_index,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "val_accuracy": self.accuracy,
            "missing": list(self.missing),
            "sums": vars(self.sums).copy(),
            "seconds": self.clock.seconds(),
            "schedule": _to_plain(self.schedule),
            "plateau": vars(self.plateau).copy(),
            "random": random,
            "recipe": msgspec.to_builtins(self.recipe),
            "classes": list(self.checked.data.classes),
            "data": self.fingerprint,
            "preprocess": self.preprocess.state(),
            "unit": self.unit,
            "depth": None if self.data.depth is None else list(self.data.depth),
            "device": str(self.device),
            "described": describe(self.device),
            "threads": self.threads,
            "validation_batch": self.validation_batch,
            "torch": str(torch.__version__).split("+")[0],
            **({} if self.keeps_features is None else {"features": self.keeps_features}),
            **self._held_state(),
        }

    def _held_state(self) -> dict[str, Any]:
        values, lost = self.held.both() if self.held is not None else ({}, [])
        return {**({"held": values} if values else {}), **({"not_held": lost} if lost else {})}


def first_batch(training: TrainingState) -> Images:
    """Images of the run's first step (of one that accumulates, its first batch): augmented, not yet normalized."""
    pixels, labels = training.augmented(next(training.batches(1)), 0)
    size = training.recipe.batch_size
    return Images(pixels[:size], labels[:size]) if training.micro_batch else Images(pixels, labels)


def recipe_facts(training: TrainingState) -> Facts:
    """Facts that the recipe alone decides: the loss, and the learning rate at 200 steps."""
    total = training.checked.total_steps
    steps = sorted({round(total * share / 200) for share in range(201)} - {total})
    rates = [[step, rounded(training.schedule.lr_at(step), 9)] for step in steps]
    return Facts(rates=rates, loss=training.checked.loss.name)


def _to_plain(schedule: Schedule) -> dict[str, Any]:
    """Convert a schedule to numbers and texts (a checkpoint holds no classes of ours)."""
    plain: dict[str, Any] = msgspec.to_builtins(schedule)
    return plain
