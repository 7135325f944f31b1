"""Build a recipe's training state: data, model, loss and optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from cvtui.calc import Table
from cvtui.engine.data.augment import Augment
from cvtui.engine.data.balance import class_weights, told_balance
from cvtui.engine.data.batching import batches
from cvtui.engine.data.filling import settle
from cvtui.engine.data.images import ChannelStats, OnProgress, Part, Split, channel_stats
from cvtui.engine.data.loading import load
from cvtui.engine.data.mixing import Mix
from cvtui.engine.data.preprocess import Preprocess
from cvtui.engine.nn.freeze import FrozenParameters, freeze, frozen_throughout, keep_frozen_norms
from cvtui.engine.nn.init import initialise, needs_batch
from cvtui.engine.nn.layer_rates import rate_factors, told_factors
from cvtui.engine.nn.memory_order import to_channels_last
from cvtui.engine.nn.model import Net
from cvtui.engine.nn.module_net import build_module, check_single_images
from cvtui.engine.observe.held_values import HeldValues
from cvtui.engine.optim.ema import Ema
from cvtui.engine.optim.factory import make_optimizer
from cvtui.engine.optim.loss import Loss, make_loss
from cvtui.engine.runtime.device import make_scaler, pick_device, repeat, set_threads
from cvtui.engine.runtime.memory import check_fits
from cvtui.engine.runtime.plain_random import seed_global
from cvtui.engine.runtime.seeds import DROPOUT, WEIGHTS, generator, stream_seed
from cvtui.engine.train.data_print import DataPrint
from cvtui.engine.train.initial_weights import Weights, put_weights, read_weights
from cvtui.engine.train.pixels_of_weights import make_preprocess
from cvtui.engine.train.state import TrainingState
from cvtui.engine.train.validation_batch import validation_batch
from cvtui.errors import RequestError
from cvtui.recipe.datasets.label_sets import SEVERAL, LabelSets
from cvtui.recipe.validation import Checked, checked_on

Begin: TypeAlias = Callable[[nn.Module, Part, Preprocess], None]
"""(model on its device, training images, preprocessing): puts other weights than the recipe's own into the model."""


def prepare(
    checked: Checked,
    begin: Begin | None = None,
    on_progress: OnProgress | None = None,
    *,
    begun: bool = False,
    early: bool = False,
) -> TrainingState:
    """Build data, model, loss and optimizer of a recipe. RequestError for a device that is not there.

    `begun`: a checkpoint follows, so the recipe's first weights aren't read. `begin` changes the first weights before
    anything else has seen them; `on_progress` gets messages about what takes time. The global random numbers (dropout)
    are seeded last, so what came before in this process makes no difference. `early`: of a large set not all is decoded
    yet (not on CUDA, where it is to lie on the device): `settle` waits for it.
    """
    recipe, device = checked.recipe, pick_device(checked.recipe.device)
    checked, made = build_code(checked, on_progress)
    threads = _settle(checked, device, on_progress)
    read = _read_data(checked, device, on_progress, early=early)
    checked, on_cpu, data = read.checked, read.on_cpu, read.on_cpu.to(device)
    weights = read_weights(recipe) if recipe.weights and not begun else None
    preprocess = make_preprocess(checked, weights, read.stats, device, on_cpu.train, on_progress)
    model, frozen, factors, told = _make_model(checked, made, weights, begin, data.train, preprocess, device)
    _tell(on_progress, [*told, *read.told()])
    state = TrainingState(
        checked=checked,
        device=device,
        threads=threads,
        data=data,
        stats=read.stats,
        preprocess=preprocess,
        model=model,
        held=HeldValues(model) if made is not None else None,
        loss=_training_loss(checked, on_cpu, device),
        validation_loss=make_loss(checked.loss),
        optimizer=make_optimizer(model, checked.optimizer, recipe, factors),
        schedule=checked.schedule,
        validation_batch=validation_batch(checked.table, len(checked.data.classes), recipe.batch_size, device),
        factors=factors,
        frozen=frozen,
        ema=Ema(model, recipe.ema) if recipe.ema else None,
        scaler=make_scaler(device, recipe.precision),
        augment=read.augment,
        mix=read.mix,
        label_table=label_table(on_cpu.label_sets, len(data.classes), device),
        data_print=read.data_print,
        unit=preprocess.unit,
    )
    seed_global(stream_seed(recipe.seed, DROPOUT))
    return state


def _tell(on_progress: OnProgress | None, lines: Iterable[str]) -> None:
    if on_progress is not None:
        for line in filter(None, lines):
            on_progress(line)


def _settle(checked: Checked, device: torch.device, on_progress: OnProgress | None) -> int:
    """Set the device's arithmetic and the threads, and return their number; warn where memory is too small."""
    _tell(on_progress, [check_fits(checked, device)])
    repeat(device, checked.recipe.deterministic)
    return set_threads(checked.recipe.threads, checked.table.macs * checked.recipe.batch_size)


class _ReadData(NamedTuple):
    """A recipe's data, and what is done to them."""

    checked: Checked
    """The recipe, fitted to the images that are there."""
    on_cpu: Split
    data_print: DataPrint
    augment: Augment
    mix: Mix
    stats: ChannelStats

    def told(self) -> list[str]:
        """Return lines that tell of labels and of what is done to the images."""
        several = [SEVERAL] if self.on_cpu.label_sets else []
        balance = told_balance(self.checked.recipe.balance, self.on_cpu.train.labels, self.on_cpu.classes)
        return [*several, *balance, *self.mix.told(bool(self.on_cpu.label_sets))]


def _read_data(checked: Checked, device: torch.device, on_progress: OnProgress | None, *, early: bool) -> _ReadData:
    """Read the recipe's data, on the CPU, and look whether its augmentation goes with them."""
    recipe = checked.recipe
    data = load(recipe, on_progress, settled=False)
    if data.classes != checked.data.classes:
        raise RequestError("data: its classes changed while it was read; start again")
    checked = fit_to_data(checked, data.train.size, data.validation.size)
    data_print = DataPrint(recipe, checked.data.classes, data)
    if not early or device.type == "cuda":
        data = settle(data)
    augment = Augment(checked.augment, recipe.seed)
    augment.check(data.train, checked.data.name)
    mix = Mix(checked.mix, len(data.classes), recipe.seed)
    return _ReadData(checked, data, data_print, augment, mix, channel_stats(data.train))


def _make_model(
    checked: Checked,
    made: nn.Module | None,
    weights: Weights | None,
    begin: Begin | None,
    train: Part,
    preprocess: Preprocess,
    device: torch.device,
) -> tuple[nn.Module, FrozenParameters, dict[str, float], list[str]]:
    """Make the model (`made`: that of PyTorch code) with its first weights, freeze parts of it, and put it in place.

    Returns it, what is frozen, the parameters' shares of the rate, and lines that tell of all that.
    """
    recipe, size = checked.recipe, checked.data.size
    model = make_net(checked) if made is None else made
    start_weights(model, checked, train, preprocess)
    told = put_weights(model, weights, len(checked.data.classes)) if weights is not None else []
    told.append(keep_frozen_norms(model))
    factors = rate_factors(model, recipe, size)
    frozen = freeze(model, recipe.freeze, recipe.net, size) if recipe.freeze else FrozenParameters()
    until = f"; until epoch {recipe.unfreeze_at:,}" if recipe.unfreeze_at else ""
    told += [frozen.told + until if frozen.told else "", told_factors(factors)]
    # channels_last: 1.23 x on a CIFAR-sized net, 1.05 x on a ResNet-18, nothing on 8x8 images (CPU, AVX2).
    to_channels_last(model.to(device))
    if begin is not None:
        begin(model, train, preprocess)
    return model, frozen, factors, told


def _training_loss(checked: Checked, data: Split, device: torch.device) -> Loss:
    """Return the recipe's loss, with the classes' weights where it balances them so."""
    balanced = checked.recipe.balance == "weights"
    weight = class_weights(data.train.labels, data.classes).to(device) if balanced else None
    return make_loss(checked.loss, weight)


def label_table(sets: LabelSets, classes: int, device: torch.device) -> Tensor | None:
    """Return float32 labels x classes: 1 for the classes of each label; None where each is one class."""
    if not sets:
        return None
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
    counted_in = partial(frozen_throughout, recipe, data.size)
    made = build_module(recipe.net, data.size, len(data.classes), recipe.seed, counted_in)
    if recipe.batch_size == recipe.nproc:
        check_single_images(made.model, recipe.net, data.size)
    _tell(on_progress, made.told)
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
