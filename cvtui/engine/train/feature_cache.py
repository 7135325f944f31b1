"""Outputs of frozen layers, computed once for each image and used in every epoch.

Where all layers before the last ones are frozen, and images come alike in every epoch, a step needs only the last ones:
with all but the head frozen that is a small part of its time. The outputs are computed in the order of the set, in
batches of one size, whatever the order of an epoch is: so a resumed run has the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cvtui.engine.data.images import Images
from cvtui.engine.data.live import LiveImages
from cvtui.engine.nn.frozen_tail import NoTail, Tail, find_tail, input_of, modules_before, run_tail
from cvtui.engine.observe.recorder import StepRecorder
from cvtui.engine.runtime.memory import free_on_gpu
from cvtui.engine.runtime.plain import plain
from cvtui.engine.runtime.stop_asked import heard
from cvtui.engine.train.state import TrainingState
from cvtui.engine.train.step import Stepper, training_step
from cvtui.recipe.free_memory import free_memory
from cvtui.recipe.memory_check import gib

MEMORY_SHARE = 0.25
"""Of the memory that is free: so much the outputs may take."""
KEPT = "computed once, with the frozen layers: each epoch takes what it gave"
"""Reason why a sample has no output of such a layer."""
WORTH = 0.1
"""Of the net's multiply-adds: so many are spared at least."""
LOOKED = 3
"""Images with which the frozen part is found."""
Between = Callable[[], object]
Pass = tuple[Callable[[], Tensor], Tensor]
"""What gives the logits of a batch, and its labels."""


class NotKept(Exception):
    """Frozen layers are computed in every step; the words say why."""


class FeatureCache:
    """Outputs of the frozen layers: of the training images as `Images`, of the validation images by batches."""

    def __init__(self, tail: Tail, train: Images) -> None:
        self.tail = tail
        self.train = train
        """Maps N x H x W x C, other outputs as they are."""
        self._validation: list[tuple[Tensor, Tensor]] | None = None
        """(outputs, labels) of each batch, once a validation has seen them."""
        self._differs = False
        """In evaluation mode the last layers alone do not give what the whole net gives."""

    def answers(self, model: nn.Module, features: Tensor) -> Tensor:
        """Return the logits that the model gives from there on; its own hooks see the pass."""
        layers = self.tail.layers(model)
        model.__dict__["forward"] = lambda x: run_tail(layers, self.tail.flat, x)
        try:
            logits: Tensor = model(features.clone())  # a layer may work in place
            return logits
        finally:
            del model.__dict__["forward"]

    @contextmanager
    def put_into(self, model: nn.Module, features: Tensor) -> Iterator[None]:
        """Let a whole pass of the model go on from these outputs where its frozen layers end, not from its own."""
        left = features

        def put(_layer: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
            nonlocal left
            taken, left = left[: len(inputs[0])], left[len(inputs[0]) :]
            return (taken.clone(),)

        handle = model.get_submodule(self.tail.first).register_forward_pre_hook(put)
        try:
            yield
        finally:
            handle.remove()

    def validation_passes(self, training: TrainingState, model: nn.Module, size: int) -> Iterator[Pass]:
        """Yield the batches of a validation. The first one computes the outputs, all others take them."""
        if self._validation is not None:
            for features, labels in self._validation:
                yield partial(self.answers, model, features), labels
            return
        kept: list[tuple[Tensor, Tensor]] = []
        seen: list[Tensor] = []

        def whole(pixels: Tensor) -> Tensor:
            logits: Tensor = model(training.preprocess(pixels))
            if not kept:
                self._differs = not torch.equal(self.answers(model, seen[-1]), logits)
            return logits

        def keep(_layer: nn.Module, inputs: tuple[Tensor]) -> None:
            if "forward" not in model.__dict__:
                seen.append(inputs[0].clone())

        handle = model.get_submodule(self.tail.first).register_forward_pre_hook(keep)
        try:
            for pixels, labels in training.data.validation.in_order(size):
                yield partial(whole, pixels), labels
                if self._differs:
                    seen.clear()
                else:
                    kept.append((seen[-1], labels))
        finally:
            handle.remove()
        if not self._differs:
            self._validation = kept


# ------------------------------------------------------------------ making it


def keep_features(training: TrainingState, size: int, between: Between) -> FeatureCache:
    """Compute the outputs of the frozen layers. NotKept.

    size: images of a batch. between: called after each, and while one is waited for (it may raise).
    """
    train, model = training.data.train, training.model
    if why := _changes(training):
        raise NotKept(why)
    try:
        with training.autocast(), torch.no_grad():
            tail = find_tail(model, training.preprocess(train.part(0, LOOKED).pixels))
    except NoTail as error:
        raise NotKept(str(error)) from None
    _check_worth(training, tail)
    found: Tensor | None = None
    done = 0
    for pixels, labels in heard(train.in_order(size), between):
        with training.autocast(), torch.no_grad():
            some = _laid(input_of(model, training.preprocess(pixels), tail.first))
        if found is None:
            _check_memory(some, training)
            found = some.new_empty((train.size, *some.shape[1:]))
        if not torch.equal(labels.cpu(), train.labels[done : done + len(labels)].cpu()):
            raise NotKept("some of the images can't be read")
        found[done : done + len(some)] = some
        done += len(some)
        between()
    assert found is not None
    return FeatureCache(tail, Images(found, train.labels.to(found.device)))


def is_asked(training: TrainingState) -> bool:
    """Return True where layers are frozen for two epochs, and not thawed yet; not of one process of several."""
    recipe = training.recipe
    frozen = not all(parameter.requires_grad for parameter in training.model.parameters())
    if plain() or training.shared_passes is not None or training.thawed or not frozen:
        return False
    last = recipe.unfreeze_at - 1 if recipe.unfreeze_at and training.frozen.names else recipe.epochs
    return last > 1 and training.epoch < last


def _changes(training: TrainingState) -> str:
    """Say why an image is not the same in every epoch; "" where it is."""
    if training.augment:
        return "augmentation changes the images"
    if training.mix:
        return f"{training.mix.names} mixes the images"
    if isinstance(training.data.train, LiveImages):
        return "the images are read anew in every epoch"
    return ""


def _check_worth(training: TrainingState, tail: Tail) -> None:
    """NotKept where nearly all of the net is behind them: a frozen layer at its beginning draws random numbers."""
    before, rows = set(modules_before(training.model, tail)), training.checked.table.rows
    saved, whole = sum(row.macs for row in rows if row.name in before), sum(row.macs for row in rows)
    if saved < WORTH * whole:
        why = f"only {saved / whole:.0%} of the multiply-adds lie before {tail.first}"
        trained = any(p.requires_grad for p in tail.layers(training.model)[0].parameters())
        raise NotKept(why if trained else f"{why}, which draws random numbers")


def _check_memory(some: Tensor, training: TrainingState) -> None:
    """NotKept where the outputs of all images would take too much."""
    need = some[0].nbytes * (training.data.train.size + training.data.validation.size)
    free = free_on_gpu(some.device) if some.device.type == "cuda" else free_memory()
    if need > MEMORY_SHARE * free:
        raise NotKept(f"their outputs take {gib(need)}, more than a quarter of the free memory ({gib(free)})")


def _laid(features: Tensor) -> Tensor:
    """Lay maps as pictures lie, so that a batch of them is in channels_last memory."""
    return features.permute(0, 2, 3, 1) if features.dim() == 4 else features


def _as_taken(rows: Tensor) -> Tensor:
    return rows.permute(0, 3, 1, 2) if rows.dim() == 4 else rows


def told(cache: FeatureCache) -> str:
    """Say in a line what is kept."""
    rows = cache.train.pixels
    shape = " x ".join(map(str, _as_taken(rows[:1]).shape[1:]))
    size = f"{rows.nbytes / 2**20:,.1f} MB" if rows.nbytes < 2**30 else gib(rows.nbytes)
    return (
        f"frozen layers are computed once: their outputs (what {cache.tail.first} gets, {shape} an image, {size}) are "
        "kept, and each epoch trains on them"
    )


# ------------------------------------------------------------------ steps


class _TailState:
    """Step state of the last layers, whose inputs are kept."""

    def __init__(self, training: TrainingState, cache: FeatureCache) -> None:
        self._training = training
        self.model: Any = lambda features: cache.answers(training.model, features)
        self.loss, self.optimizer = training.loss, training.optimizer
        self.before_update, self.micro_batch = training.before_update, training.micro_batch
        self.scaler, self.shared_passes = training.scaler, None

    def inputs(self, pixels: Tensor) -> Tensor:
        return _as_taken(pixels)

    def mixed(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return inputs, self._training.truth(labels)

    def autocast(self) -> AbstractContextManager[Any]:
        return self._training.autocast()

    def updated(self) -> None:
        self._training.updated()


class FeatureStepper(Stepper):
    """Steps of the last layers alone; of the first ones, which are looked at closely, the whole net is run."""

    def __init__(self, training: TrainingState, recorder: StepRecorder, cache: FeatureCache) -> None:
        super().__init__(training, recorder)
        self.cache: FeatureCache | None = cache
        self._state = _TailState(training, cache)

    def batches(self) -> Iterator[Any]:
        """Yield the numbers of the images of each batch."""
        t = self.training
        return super().batches() if self.cache is None else t.index_batches(t.epoch + 1, t.batch_index)

    def step(self, batch: Any) -> None:
        t, cache = self.training, self.cache
        if cache is None:
            super().step(batch)
            return
        rate = t.update_lr()
        kept = cache.train.batch(batch.to(cache.train.labels.device))
        if self.recorder.needs_host:
            pixels = t.data.train.batch(batch).pixels
            with cache.put_into(t.model, _as_taken(kept.pixels)):
                self._step(Images(pixels, kept.labels), rate)
            return
        loss, logits = training_step(self._state, kept)
        self.recorder.step(rate, loss, logits=logits, labels=t.counted(kept.labels))

    def restart(self) -> None:
        """Let go of the outputs: the layers that gave them are trained now."""
        self.cache = None
        self.training.features = None
