"""Validation of a recipe, before any process starts and without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from cvtui.calc import Table, trace
from cvtui.calc.module_table import ModuleTable, uncounted
from cvtui.calc.net.nodes import BatchNorm
from cvtui.calc.net.parser import parse
from cvtui.calc.table import size_text
from cvtui.errors import RequestError
from cvtui.recipe.auto_batch import fitting_batch
from cvtui.recipe.choices.augments import AUGMENTS, AugmentChoice
from cvtui.recipe.choices.inits import INITS
from cvtui.recipe.choices.losses import LOSSES, LossChoice
from cvtui.recipe.choices.mixes import MIXES
from cvtui.recipe.choices.on_nan import ON_NAN, OnNanChoice
from cvtui.recipe.choices.optimizers import OPTIMIZERS, OptimizerChoice, check_library
from cvtui.recipe.choices.preprocesses import PREPROCESSES, PreprocessChoice
from cvtui.recipe.choices.schedules import SCHEDULES, Schedule
from cvtui.recipe.choices.spec import Choice, Chosen, parse_chain, parse_choice
from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.datasets.facts import facts
from cvtui.recipe.fields import FIELDS
from cvtui.recipe.frozen_names import frozen_throughout
from cvtui.recipe.learning_rate import backbone_factor, full_rate
from cvtui.recipe.net_target import is_target, parse_target
from cvtui.recipe.recipe import AUTO, Recipe
from cvtui.text import counted, whole_range


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A recipe that can be trained, and what follows from it."""

    recipe: Recipe
    """With every choice in its own spelling."""
    table: Table | ModuleTable
    """The net's layers, for one image of the data; of PyTorch code not counted before the engine has built it."""
    data: DataFacts
    steps_per_epoch: int
    """Updates an epoch: training images / images a step, rounded up (the last one is smaller, unless it joins)."""
    total_steps: int
    schedule: Schedule
    preprocess: Chosen[PreprocessChoice]
    augment: tuple[Chosen[Choice], ...]
    mix: tuple[Chosen[Choice], ...]
    init: Chosen[Choice]
    loss: Chosen[LossChoice]
    optimizer: Chosen[OptimizerChoice]
    on_nan: Chosen[OnNanChoice]
    frozen: frozenset[str] = frozenset()
    """Tensors of a net expression that are never trained."""
    auto: bool = False
    """The recipe says `batch_size` auto; `recipe` has the number that stands in for it."""
    joins: bool = False
    """The last batch of an epoch would be a single image, which the net can't be trained on: it is part of the one
    before (see `joins_last`)."""

    @property
    def lr(self) -> float:
        """Full learning rate, the schedule's highest value; `recipe.lr` may stand for another batch size (scale_lr)."""
        return self.schedule.lr

    @property
    def asked(self) -> Recipe:
        """The recipe as it was asked for, for the folder of a run."""
        return msgspec.structs.replace(self.recipe, batch_size=AUTO) if self.auto else self.recipe


def check(recipe: Recipe) -> Checked:
    """Check a recipe and return what follows from it. RequestError names the first wrong key."""
    values: dict[str, Any] = {name: entry.check(getattr(recipe, name)) for name, entry in FIELDS.items()}
    recipe = Recipe(**values)
    return checked_on(recipe, facts(recipe))


def checked_on(recipe: Recipe, data: DataFacts) -> Checked:
    """Check a recipe whose fields are right by themselves, on these images. RequestError."""
    auto = recipe.batch_size == AUTO
    if auto:
        fit = fitting_batch(recipe, check_net(recipe.net, data), data)
        recipe = msgspec.structs.replace(recipe, batch_size=fit.size)
    if recipe.batch_size > data.train:
        raise RequestError(
            f"batch_size: {recipe.batch_size:,} is more than {data.name} has to train on; "
            f"allowed: {whole_range(1, data.train, data.at_most)} (all in one step)"
        )
    check_accumulate(recipe, data)
    check_ranks(recipe, auto)
    optimizer = parse_choice(recipe.optimizer, OPTIMIZERS, "optimizer")
    check_library(optimizer)
    preprocess = parse_choice(recipe.preprocess, PREPROCESSES, "preprocess")
    augment = tuple(parse_chain(recipe.augment, AUGMENTS, "augment"))
    check_pixels(preprocess.spec, augment, data)
    mix, loss = tuple(parse_chain(recipe.mix, MIXES, "mix")), parse_choice(recipe.loss, LOSSES, "loss")
    check_mix(mix, loss.spec, data)
    check_label_sets(recipe, loss.spec, data)
    check_weights(recipe)
    check_rates(recipe)
    table = check_net(recipe.net, data)
    init = parse_choice(recipe.init, INITS, "init")
    if init.name == "fixup" and isinstance(table, ModuleTable):
        raise RequestError("init: fixup is for the residual blocks of a net expression; own is what PyTorch code has")
    check_norms(table, recipe.batch_size // recipe.nproc, data, recipe.nproc)
    frozen = frozen_throughout(recipe, table)
    steps_per_epoch = steps_of(data.train, recipe.step_images, table)
    return Checked(
        recipe=recipe,
        table=table,
        data=data,
        steps_per_epoch=steps_per_epoch,
        total_steps=steps_per_epoch * recipe.epochs,
        schedule=make_schedule(recipe, steps_per_epoch),
        preprocess=preprocess,
        augment=augment,
        mix=mix,
        init=init,
        loss=loss,
        optimizer=optimizer,
        on_nan=parse_choice(recipe.on_nan, ON_NAN, "on_nan"),
        frozen=frozen,
        auto=auto,
        joins=joins_last(data.train, recipe.step_images, table),
    )


def check_accumulate(recipe: Recipe, data: DataFacts) -> None:
    """Check that a step is at most one pass over the training images. RequestError."""
    if recipe.accumulate > 1 and recipe.step_images > data.train:
        raise RequestError(
            f"accumulate: {recipe.accumulate:,} x {recipe.batch_size:,} images a step are more than {data.name} has to "
            f"train on; allowed: {whole_range(1, data.train // recipe.batch_size, data.at_most)}"
        )


def check_ranks(recipe: Recipe, auto: bool) -> None:
    """Check that a batch can be cut over the recipe's processes. RequestError."""
    if recipe.nproc == 1:
        return
    if auto:
        raise RequestError("batch_size: auto tries batches in one process; with nproc give a number")
    if recipe.batch_size < recipe.nproc:
        raise RequestError(
            f"nproc: a batch of {counted(recipe.batch_size, 'image')} can't be cut over {recipe.nproc:,} processes; "
            f"allowed: {whole_range(1, recipe.batch_size)}, or batch_size {recipe.nproc:,} or more"
        )


def check_weights(recipe: Recipe) -> None:
    """Check that weights to begin with go with the net; the file is read by the engine alone. RequestError."""
    if not recipe.weights and recipe.preprocess.strip() == "weights":
        raise RequestError("preprocess: weights takes mean and deviation from weights to begin with; give --weights")
    if recipe.weights == "default" and not (is_target(recipe.net) and parse_target(recipe.net).library):
        raise RequestError("weights: default is for torchvision:NAME and timm:NAME; another net takes a file or a run")


def check_rates(recipe: Recipe) -> None:
    """Check that what is frozen, and the rates of parts, go together. RequestError."""
    at = recipe.unfreeze_at
    if at and not recipe.freeze:
        raise RequestError(f"unfreeze_at: epoch {at} would thaw nothing; --freeze says what is frozen until then")
    if at and not 2 <= at <= recipe.epochs:
        raise RequestError(f"unfreeze_at: {at:,} {_no_thaw(at, recipe.epochs)}")
    if recipe.lr_backbone:
        factor = backbone_factor(recipe.lr_backbone, recipe.lr)
        if not 0 < factor < math.inf:
            raise RequestError(
                f"lr_backbone: {recipe.lr_backbone!r} is not possible; allowed: more than 0 (--freeze all-but-head "
                "trains the head alone)"
            )
        if recipe.layer_decay != 1:
            raise RequestError(
                f"layer_decay: {recipe.layer_decay:g} gives every stage a rate of its own, and so does lr_backbone "
                f"{recipe.lr_backbone}; use one of them"
            )


def _no_thaw(at: int, epochs: int) -> str:
    if epochs == 1:
        return "is impossible in a run of 1 epoch; allowed: 0, or more epochs"
    why = "would freeze nothing" if at == 1 else f"is past the last of {epochs:,} epochs"
    return f"{why}; allowed: {f'2 to {epochs:,}' if epochs > 2 else '2'}, or 0: it stays frozen"


def flat_norm(table: Table | ModuleTable) -> str:
    """Return the name of the first batch norm with one value a channel of each image; "" where there is none.

    Behind fc, gap or a map of 1x1: its standard deviation of a batch of one is that of one value, and PyTorch refuses.
    """
    if isinstance(table, ModuleTable):
        return ""
    return next(
        (row.name for row in table.rows if isinstance(row.node, BatchNorm) and math.prod(row.input[:-1]) == 1), ""
    )


def joins_last(train: int, batch_size: int, table: Table | ModuleTable) -> bool:
    """Return True if an epoch's last batch would be a single image, before a batch norm that needs two.

    PyTorch code may have such a norm anywhere, so there it joins always.
    """
    single = batch_size > 1 and train > batch_size and train % batch_size == 1
    return single and (isinstance(table, ModuleTable) or bool(flat_norm(table)))


def steps_of(train: int, batch_size: int, table: Table | ModuleTable | None) -> int:
    """Batches an epoch."""
    return -(-train // batch_size) - (table is not None and joins_last(train, batch_size, table))


def check_norms(table: Table | ModuleTable, batch_size: int, data: DataFacts, nproc: int = 1) -> None:
    """Check that a batch (of each rank) is large enough for the net's batch norms. RequestError."""
    if batch_size == 1 and (name := flat_norm(table)):
        if nproc > 1:
            raise RequestError(
                f"nproc: {nproc:,} processes would leave {name} one image a batch, and it takes mean and deviation of "
                f"each value over the batch; give batch_size {2 * nproc:,} or more (or ln in its place)"
            )
        raise RequestError(
            f"batch_size: 1 is too small for {name}, which takes mean and deviation of each value over the batch; "
            f"allowed: {whole_range(2, data.train)} (or ln in its place)"
        )


def check_pixels(preprocess: PreprocessChoice, augment: Sequence[Chosen[Choice]], data: DataFacts) -> None:
    """Check that preprocessing and augmentation go with this data. RequestError."""
    values = math.prod(data.size)
    if values > preprocess.most_values:
        raise RequestError(
            f"preprocess: {preprocess.name} is for images of at most {preprocess.most_values:,} values; those of "
            f"{data.name} have {values:,}",
            hint="standardise is what larger images get",
        )
    coloured = next((one.name for one in augment if isinstance(one.spec, AugmentChoice) and one.spec.colours), "")
    if coloured and data.size[-1] not in (1, 3) and len(data.size) == 3:
        raise RequestError(
            f"augment: {coloured} is for pictures of 1 or 3 channels; those of {data.name} have {data.size[-1]}",
            hint="flip, shift, crop, rotate, cutout, erasing and resized-crop take any number of channels",
        )
    if len(data.size) == 1:
        if augment:
            raise RequestError(f"augment: {augment[0].name} changes pictures; {data.name} has points; use none")
        if not preprocess.points:
            raise RequestError(
                f"preprocess: {preprocess.name} is for pictures; {data.name} has points of {values} features"
            )


def check_mix(mix: Sequence[Chosen[Choice]], loss: LossChoice, data: DataFacts) -> None:
    """Check that mixed images go with this data and this loss. RequestError."""
    if mix and len(data.size) == 1:
        raise RequestError(f"mix: {mix[0].name} mixes pictures; {data.name} has points; use none")
    twice = next((one.name for number, one in enumerate(mix) if one.name in [first.name for first in mix[:number]]), "")
    if twice:
        raise RequestError(f"mix: {twice} stands there twice; each batch takes one of those named, so name it once")
    if mix and not loss.soft:
        fits = ", ".join(name for name, one in LOSSES.items() if one.soft)
        raise RequestError(f"mix: a mixed image has two classes, {loss.name} takes one; use none, or the loss {fits}")


def check_label_sets(recipe: Recipe, loss: LossChoice, data: DataFacts) -> None:
    """Check that loss and balance go with pictures in several classes. RequestError."""
    if not data.label_sets:
        return
    if not loss.several:
        raise RequestError(
            f"loss: pictures of {data.name} are in several classes (or none), {loss.name} takes one class a picture",
            hint="--loss bce trains a yes or no for each class",
        )
    if recipe.balance != "none":
        raise RequestError(f"balance: is for one class a picture; pictures of {data.name} are in several; use none")


def check_net(net: str, data: DataFacts) -> Table | ModuleTable:
    """Trace `net` on images of `data`. RequestError (with the column) when it can't be built on them.

    Of PyTorch code only the text is checked here: building it takes PyTorch.
    """
    classes = len(data.classes)
    try:
        if is_target(net):
            return uncounted(str(parse_target(net)), data.size)
        table = trace(parse(net), data.size, classes)
    except RequestError as error:
        raise RequestError(
            f"net: {error.message}", hint=error.hint, source=error.source or net, column=error.column
        ) from None
    last = next((row for row in reversed(table.rows) if row.kind != "softmax"), table.rows[-1])
    if last.output not in ((classes,), (1, 1, classes)):
        shape = size_text(last.output)
        raise RequestError(
            f"net: its last layer {last.name} puts out {shape}, but {data.name} has {classes} classes; "
            "end it in a bare 'fc', which has one output per class",
            source=net,
            column=last.node.span[0],
        )
    return table


def make_schedule(recipe: Recipe, steps_per_epoch: int) -> Schedule:
    """Make the schedule of a recipe whose fields are right. RequestError when the warm-up outlasts the run."""
    choice = parse_choice(recipe.schedule, SCHEDULES, "schedule")
    in_epochs = recipe.warmup.strip().endswith("ep")
    per: Literal["iteration", "epoch"] = "epoch" if in_epochs else "iteration"
    warmup = int(recipe.warmup.strip().removesuffix("ep"))
    total = recipe.epochs if in_epochs else recipe.epochs * steps_per_epoch
    if warmup >= total:
        run = f"{recipe.epochs:,} epochs" if in_epochs else f"{total:,} iterations"
        raise RequestError(f"warmup: {recipe.warmup!r} is as long as the whole run ({run}) or longer; allowed: less")
    return Schedule(
        name=choice.name,
        values=choice.values,
        lr=full_rate(recipe.lr, recipe.step_images, recipe.scale_lr),
        steps_per_epoch=steps_per_epoch,
        epochs=recipe.epochs,
        warmup=warmup,
        warmup_per=per,
        per=recipe.schedule_per,
    )
