"""Pre-flight check: data, first steps, overfit one batch.

It takes a few seconds, and nothing is kept.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain

import msgspec
import torch
from torch import nn

from cvtui.engine.data.images import Images
from cvtui.engine.nn.freeze import kept_statistics, train_mode
from cvtui.engine.observe.accuracy import right as right_of
from cvtui.engine.observe.data_checks import Named, data_facts
from cvtui.engine.observe.first_steps import Probe
from cvtui.engine.observe.layer_watch import LayerWatch
from cvtui.engine.observe.recorder import StepRecorder
from cvtui.engine.optim.factory import make_optimizer
from cvtui.engine.train.auto_batch import settle_batch
from cvtui.engine.train.clip import Clip
from cvtui.engine.train.preparation import prepare
from cvtui.engine.train.state import TrainingState, recipe_facts
from cvtui.engine.train.step import PlainStep, training_step
from cvtui.engine.worker import run_record
from cvtui.recipe.learning_rate import at_rate
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from cvtui.runlog.events import Facts, Record
from cvtui.runlog.writer import EventWriter
from cvtui.text import error_line, rounded, rounded_or_none

STEPS = 31
"""The run's own first steps, looked at as often as the run is: what is said of them here, its doctor says there."""
OFTEN = 10
"""Steps between two samples, at most."""
STEP_SECONDS = 3.0
LEARN_IMAGES = 16
LEARN_STEPS = 200
LEARN_SECONDS = 4.0
OTHER_RATES = (0.1, 0.01, 10.0)


class _CallbackWriter(EventWriter):
    """Event writer that calls back with each record and writes nothing."""

    def __init__(self, on_record: Callable[[Record], None]) -> None:
        self._on_record = on_record

    def write(self, record: Record) -> None:
        self._on_record(record)

    def flush(self) -> None:
        """There is nothing that waits."""


def precheck(recipe: Recipe, on_record: Callable[[Record], None]) -> None:
    """Report records as a run of the recipe would begin, and facts.

    RequestError for a recipe that can't be trained.
    """
    training = prepare(settle_batch(check(recipe)))
    on_record(run_record(training))
    on_record(recipe_facts(training))
    data = training.data
    named = None if data.named is None else Named(data.named, data.classes)
    checks = data_facts(
        data.train,
        data.validation,
        classes=len(training.checked.data.classes),
        named=named,
        several=bool(data.label_sets),
    )
    if checks is not None:
        on_record(checks)
    weights = copy.deepcopy(training.model.state_dict())
    _first_steps(training, on_record)
    if training.frozen.names:
        on_record(_frozen_changed(training, weights))
    on_record(_one_batch(training, weights))


def _first_steps(training: TrainingState, on_record: Callable[[Record], None]) -> None:
    """Train the first steps of the run, recorded as the run would be."""
    watch = LayerWatch(training.model, training.optimizer, min(training.recipe.watch_every or OFTEN, OFTEN))
    recorder = StepRecorder(_CallbackWriter(on_record), training, watch, strict=False)
    clip = Clip(training.optimizer, recorder.norm, training.recipe.clip) if training.recipe.clip else None
    if clip is not None:
        training.before_update.append(clip.arm)
    probe = Probe(training.model, training.optimizer)
    recorder.add_sources(probe)
    train_mode(training.model)
    until = time.perf_counter() + STEP_SECONDS
    try:
        for images in chain.from_iterable(map(training.batches, range(1, training.recipe.epochs + 1))):
            rate = training.update_lr()
            loss, logits = training_step(training, images)
            recorder.step(rate, loss, logits=logits, labels=training.counted(images.labels))
            if training.step >= STEPS or time.perf_counter() > until:
                break
        recorder.flush()
    finally:
        training.before_update.clear()
        if clip is not None:
            clip.close()
        recorder.close()
    if (facts := probe.remaining()) is not None:
        on_record(facts)


def _frozen_changed(training: TrainingState, before: dict[str, torch.Tensor]) -> Facts:
    """Return what of the frozen parts is not bit for bit as it was `before` the first steps."""
    after, kept = training.model.state_dict(), [*training.frozen.names, *kept_statistics(training.model)]
    changed = [name for name in kept if not torch.equal(after[name], before[name])]
    return Facts(step=training.step, frozen_compared=len(kept), frozen_changed=changed)


def _one_batch(training: TrainingState, weights: dict[str, torch.Tensor]) -> Facts:
    """Overfit one batch, without dropout, decay and augmentation.

    At the recipe's rate, and where that fails at a tenth, a hundredth and ten times of it.
    """
    first = next(training.batches(1))
    few = Images(first.pixels[:LEARN_IMAGES], first.labels[:LEARN_IMAGES])
    loss, accuracy, steps = _overfit(training, weights, few, 1.0)
    zeroed = _loss_of_zeros(training, few)
    others = []
    if accuracy < 1.0:
        for times in OTHER_RATES:
            other = _overfit(training, weights, few, times)
            others.append([rounded(training.checked.lr * times, 9), rounded(other[0], 6), rounded(other[1], 6)])
    return Facts(
        step=training.step,
        overfit_loss=rounded_or_none(loss, 6),
        overfit_accuracy=rounded(accuracy, 6),
        overfit_steps=steps,
        overfit_images=len(few.labels),
        overfit_rates=[[n if math.isfinite(n) else -1.0 for n in row] for row in others],
        zeroed_loss=rounded_or_none(zeroed, 6),
    )


def _overfit(
    training: TrainingState, weights: dict[str, torch.Tensor], images: Images, times: float
) -> tuple[float, float, int]:
    """Overfit `images` from the first weights; (loss, accuracy, steps) of the last step.

    times: the factor of the recipe's rate.
    """
    training.model.load_state_dict(weights)
    changes = {**at_rate(training.checked.lr * times), "weight_decay": 0.0}
    recipe = msgspec.structs.replace(training.recipe, **changes)
    optimizer = make_optimizer(training.model, training.checked.optimizer, recipe)
    step = PlainStep(training.model, training.loss, optimizer)
    batch = Images(training.preprocess(images.pixels), training.truth(images.labels))
    until = time.perf_counter() + LEARN_SECONDS
    loss, right = math.inf, 0.0
    train_mode(training.model)
    with _without_dropout(training.model):
        for number in range(1, LEARN_STEPS + 1):
            cost, logits = training_step(step, batch)
            if number % 5 == 0 or number == LEARN_STEPS:
                loss, right = cost.item(), float(right_of(logits, batch.labels).mean())
                if not math.isfinite(loss) or (right == 1.0 and loss < 0.1) or time.perf_counter() > until:
                    return loss, right, number
    return loss, right, LEARN_STEPS


@torch.no_grad()
def _loss_of_zeros(training: TrainingState, images: Images) -> float:
    """Loss of the same labels when all inputs are 0: a net that looks at its input does worse."""
    inputs = torch.zeros_like(training.preprocess(images.pixels))
    return float(training.loss(training.model(inputs).float(), training.truth(images.labels)))


@contextmanager
def _without_dropout(model: nn.Module) -> Iterator[None]:
    layers = [module for module in model.modules() if isinstance(module, nn.modules.dropout._DropoutNd)]
    shares = [layer.p for layer in layers]
    for layer in layers:
        layer.p = 0.0
    try:
        yield
    finally:
        for layer, share in zip(layers, shares, strict=True):
            layer.p = share


def check_stdin() -> int:
    """Check a recipe's TOML on stdin; records on stdout, one JSON object a line.

    It is `python -m cvtui.engine --check`. The exit code: 0, 1 where training it fails, 2 for a wrong recipe (said on
    stderr).
    """
    import sys

    from cvtui.errors import RequestError
    from cvtui.recipe.toml import loads

    def on_record(record: Record) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(record) + b"\n")
        sys.stdout.buffer.flush()

    try:
        precheck(loads(sys.stdin.buffer.read().decode("utf-8")), on_record)
    except RequestError as error:
        print(f"{error.message}{f'; {error.hint}' if error.hint else ''}", file=sys.stderr)
        return 2
    except Exception as error:
        print(error_line(error, 300), file=sys.stderr)
        return 1
    return 0
