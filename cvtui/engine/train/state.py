"""Training state built from a recipe; trainer.py moves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import msgspec
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.calc import Table
from cvtui.engine.data.augment import Augment
from cvtui.engine.data.balance import class_weights, told_balance
from cvtui.engine.data.batching import batches, index_batches, order_of
from cvtui.engine.data.images import ChannelStats, Images, OnProgress, Part, Split, channel_stats
from cvtui.engine.data.loading import load
from cvtui.engine.data.mixing import Mix
from cvtui.engine.data.preprocess import Preprocess
from cvtui.engine.nn.freeze import Frozen, freeze, keep_frozen_norms, thaw
from cvtui.engine.nn.init import initialise, needs_batch
from cvtui.engine.nn.layer_rates import rate_factors, told_factors
from cvtui.engine.nn.model import Net
from cvtui.engine.nn.module_net import build_module
from cvtui.engine.observe.clock import Clock, EpochSums
from cvtui.engine.optim.ema import Ema
from cvtui.engine.optim.factory import add_parameters, make_optimizer
from cvtui.engine.optim.loss import Loss, make_loss
from cvtui.engine.optim.plateau import Plateau
from cvtui.engine.runtime.device import autocast, describe, make_scaler, pick_device, repeat, set_threads
from cvtui.engine.runtime.memory import check_fits
from cvtui.engine.runtime.seeds import DROPOUT, WEIGHTS, generator, stream_seed
from cvtui.engine.train.initial_weights import put_weights, read_weights
from cvtui.engine.train.pixels_of_weights import make_preprocess
from cvtui.engine.train.step import SharedPasses
from cvtui.errors import RequestError
from cvtui.recipe.choices.schedules import Schedule
from cvtui.recipe.datasets.facts import folder_of, place_of
from cvtui.recipe.datasets.fingerprint import fingerprint, hash_of_labels
from cvtui.recipe.datasets.label_sets import SEVERAL, LabelSets, in_words
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import Checked, checked_on
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
    factors: dict[str, float] = field(default_factory=dict)
    """Share of the rate by parameter name, where it is not 1."""
    frozen: Frozen = field(default_factory=Frozen)
    """What the recipe froze."""
    thawed: bool = False
    """It is trained by now."""
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
    fingerprint: dict[str, Any] = field(default_factory=dict)
    """Of the data (recipe/datasets/fingerprint.py), as they were when they were read."""
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
    shared_passes: SharedPasses | None = None
    """Forward and backward pass where several processes share each batch (engine/ranks)."""
    before_update: list[Callable[[Tensor], object]] = field(default_factory=list)
    """Called with the loss of every step, between backward and update (see step.py)."""

    @property
    def recipe(self) -> Recipe:
        return self.checked.recipe

    @property
    def eval_model(self) -> nn.Module:
        """Model that is validated: that of the running mean where there is one."""
        return self.model if self.ema is None else self.ema.model

    @property
    def micro_batch(self) -> int:
        """Most images of one forward pass, where a step accumulates the gradients of several; 0: no limit."""
        recipe = self.recipe
        return recipe.batch_size if recipe.accumulate > 1 else 0

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
        random: dict[str, Any] = {"torch": torch.get_rng_state()}
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
            "torch": str(torch.__version__).split("+")[0],
        }


Begin: TypeAlias = Callable[[nn.Module, Part, Preprocess], None]
"""(model on its device, training images, preprocessing): puts other weights than the recipe's own into the model."""


def prepare(
    checked: Checked, begin: Begin | None = None, on_progress: OnProgress | None = None, *, begun: bool = False
) -> TrainingState:
    """Build data, model, loss and optimizer of a recipe. RequestError for a device that is not there.

    `begun`: a checkpoint follows, so the weights that the recipe begins with aren't read. `begin` changes the first
    weights before anything else has seen them; `on_progress` gets messages about what takes time. The global random
    numbers (dropout) are seeded last, so what came before in this process makes no difference.
    """
    recipe = checked.recipe
    device = pick_device(recipe.device)
    checked, made = build_code(checked, on_progress)
    if (warning := check_fits(checked, device)) and on_progress is not None:
        on_progress(warning)
    repeat(device, recipe.deterministic)
    threads = set_threads(recipe.threads, checked.table.macs * recipe.batch_size)
    on_cpu = load(recipe, on_progress)
    if on_cpu.classes != checked.data.classes:
        raise RequestError("data: its classes changed while it was read; start once more")
    checked = fit_to_data(checked, on_cpu.train.size, on_cpu.validation.size)
    augment = Augment(checked.augment, recipe.seed)
    augment.check(on_cpu.train, checked.data.name)
    stats = channel_stats(on_cpu.train)
    data = on_cpu.to(device)
    if checked.preprocess.name == "zca" and on_progress is not None:
        on_progress("whitening: the covariance of the training images …")
    weights = read_weights(recipe) if recipe.weights and not begun else None
    preprocess = make_preprocess(checked, weights, stats, device, on_cpu.train, on_progress)
    model = make_net(checked) if made is None else made
    start_weights(model, checked, data.train, preprocess)
    told = put_weights(model, weights, len(data.classes)) if weights is not None else []
    frozen, factors, more = _parts_apart(model, checked)
    told += more
    # channels_last: 1.23 x on a CIFAR-sized net, 1.05 x on a ResNet-18, nothing on 8x8 images (CPU, AVX2).
    model.to(device).to(memory_format=torch.channels_last)
    if begin is not None:
        begin(model, data.train, preprocess)
    optimizer = make_optimizer(model, checked.optimizer, recipe, factors)
    mix = Mix(checked.mix, len(data.classes), recipe.seed)
    told += [SEVERAL] if data.label_sets else []
    told += [*told_balance(recipe.balance, on_cpu.train.labels, data.classes), *mix.told()]
    if on_progress is not None:
        for line in told:
            on_progress(line)
    weight = class_weights(on_cpu.train.labels, data.classes).to(device) if recipe.balance == "weights" else None
    torch.manual_seed(stream_seed(recipe.seed, DROPOUT))
    return TrainingState(
        checked=checked,
        device=device,
        threads=threads,
        data=data,
        stats=stats,
        preprocess=preprocess,
        model=model,
        loss=make_loss(checked.loss, weight),
        validation_loss=make_loss(checked.loss),
        optimizer=optimizer,
        schedule=checked.schedule,
        factors=factors,
        frozen=frozen,
        ema=Ema(model, recipe.ema) if recipe.ema else None,
        scaler=make_scaler(device, recipe.precision),
        augment=augment,
        mix=mix,
        label_table=label_table(on_cpu.label_sets, len(data.classes), device) if on_cpu.label_sets else None,
        fingerprint=_fingerprint(checked, on_cpu),
        unit=preprocess.unit,
    )


def _parts_apart(model: nn.Module, checked: Checked) -> tuple[Frozen, dict[str, float], list[str]]:
    """Freeze what the recipe freezes; return that, the parameters' shares of the rate, and what is to be told."""
    recipe, size = checked.recipe, checked.data.size
    lines = [keep_frozen_norms(model)]
    factors = rate_factors(model, recipe, size)
    frozen = freeze(model, recipe.freeze, recipe.net, size) if recipe.freeze else Frozen()
    until = f"; until epoch {recipe.unfreeze_at:,}" if recipe.unfreeze_at else ""
    lines += [frozen.told + until if frozen.told else "", told_factors(factors)]
    return frozen, factors, [line for line in lines if line]


def _fingerprint(checked: Checked, data: Split) -> dict[str, Any]:
    recipe, classes = checked.recipe, checked.data.classes
    if data.label_sets:  # the sets that occur, in words: the numbers of images stay those of the parts
        classes = tuple(in_words(data.label_sets, classes))
    train, held_out = (torch.bincount(part.labels, minlength=len(classes)).tolist() for part in data[:2])
    folder = folder_of(recipe.data)
    if folder is None:
        found = fingerprint(classes, train, held_out)
        if place_of(recipe.data) is not None:
            for part, images, names in zip(("train", "validation"), data[:2], data.names, strict=True):
                found[f"{part}_files"] = hash_of_labels(names, images.labels.tolist())
        return found
    return fingerprint(classes, train, held_out, folder.absolute(), data.files)


def label_table(sets: LabelSets, classes: int, device: torch.device) -> Tensor:
    """Return float32 labels x classes: 1 for the classes of each label."""
    table = torch.zeros(len(sets), classes)
    for label, members in enumerate(sets):
        table[label, list(members)] = 1.0
    return table.to(device)


def fit_to_data(checked: Checked, train: int, validation: int) -> Checked:
    """Fit the checked recipe to the images that are there.

    A folder may hold files that are no images.
    """
    if (train, validation) == (checked.data.train, checked.data.validation):
        return checked
    facts = replace(
        checked.data, train=train, validation=validation, train_counts=(), validation_counts=(), opened=True
    )
    fitted = checked_on(checked.recipe, facts)
    return fitted if isinstance(fitted.table, Table) else replace(fitted, table=checked.table)


MEASURED_IMAGES = 64
"""Images, at least, for an initialization that measures some."""


def build_code(checked: Checked, on_progress: OnProgress | None = None) -> tuple[Checked, nn.Module | None]:
    """Build a net that is PyTorch code, on the CPU, and count it; None for a net expression. RequestError."""
    if isinstance(checked.table, Table):
        return checked, None
    recipe, data = checked.recipe, checked.data
    made = build_module(recipe.net, data.size, len(data.classes), recipe.seed)
    if on_progress is not None:
        for line in made.told:
            on_progress(line)
    return replace(checked, table=made.table), made.model


def make_net(checked: Checked) -> Net:
    """Make the module of a net expression, on the CPU."""
    assert isinstance(checked.table, Table)
    return Net(checked.table)


def start_weights(model: nn.Module, checked: Checked, train: Part, preprocess: Preprocess, number: int = 0) -> None:
    """Initialize `model`, which is on the CPU, as the recipe says.

    Another `number` is another draw of its seed. An initialization that looks at images gets those of the first step
    (and what follows, where the batch is small).
    """
    recipe, batch = checked.recipe, None
    if checked.init.name == "own" and not isinstance(model, Net):
        return  # drawn by its own code, by the recipe's seed
    if needs_batch(checked.init):
        count = max(recipe.batch_size, MEASURED_IMAGES)
        batch = preprocess(next(batches(train, count, recipe.seed, 1)).pixels).cpu()
    initialise(model, checked.init, generator(recipe.seed, WEIGHTS, number), batch)


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
