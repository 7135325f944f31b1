"""What can be found out of a recipe in a few seconds, before anybody waits for its run: its data, its first steps, and
whether it can learn one batch by heart. Nothing is kept."""

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
from cvtui.engine.observe.data_checks import data_facts
from cvtui.engine.observe.first_steps import Probe
from cvtui.engine.observe.layer_watch import Watch
from cvtui.engine.observe.recorder import Journal
from cvtui.engine.optim.factory import make_optimizer
from cvtui.engine.train.clip import Clip
from cvtui.engine.train.state import Training, prepare
from cvtui.engine.worker import started
from cvtui.recipe.learning_rate import at_rate
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from cvtui.runlog.events import Facts, Record
from cvtui.runlog.writer import EventWriter
from cvtui.text import rounded, rounded_or_none

STEPS = 31
"""The run's own first steps, looked at as often as the run is: what is said of them here, its doctor says there."""
OFTEN = 10
"""Steps from look to look, at most."""
STEP_SECONDS = 3.0
LEARN_IMAGES = 16
LEARN_STEPS = 200
LEARN_SECONDS = 4.0
OTHER_RATES = (0.1, 0.01, 10.0)


class _Passing(EventWriter):
    """Hands each record on and writes nothing."""

    def __init__(self, tell: Callable[[Record], None]) -> None:
        self._tell = tell

    def write(self, record: Record) -> None:
        self._tell(record)

    def flush(self) -> None:
        """There is nothing that waits."""


def checkup(recipe: Recipe, tell: Callable[[Record], None]) -> None:
    """Tells records as a run of the recipe would begin, and facts. RequestError for a recipe that can't be trained."""
    training = prepare(check(recipe))
    tell(started(training))
    total = training.checked.total_steps
    places = sorted({round(total * share / 200) for share in range(201)} - {total})
    rates = [[step, rounded(training.schedule.lr_at(step), 9)] for step in places]
    tell(Facts(rates=rates, loss=training.checked.loss.name))
    found = data_facts(training.data.train, training.data.validation, classes=len(training.checked.data.classes))
    if found is not None:
        tell(found)
    weights = copy.deepcopy(training.model.state_dict())
    _first_steps(training, tell)
    tell(_one_batch(training, weights))


def _first_steps(training: Training, tell: Callable[[Record], None]) -> None:
    """The first steps of the run."""
    watch = Watch(training.model, training.optimizer, min(training.recipe.watch_every or OFTEN, OFTEN))
    journal = Journal(_Passing(tell), training, watch, strict=False)
    clip = Clip(training.optimizer, journal, training.recipe.clip) if training.recipe.clip else None
    probe = Probe(training.model, training.optimizer)
    journal.gather(probe)
    training.model.train()
    until = time.perf_counter() + STEP_SECONDS
    try:
        for images in chain.from_iterable(map(training.batches, range(1, training.recipe.epochs + 1))):
            images = training.changed(images, training.step)
            rate = training.set_rate()
            with training.autocast():
                logits = training.model(training.preprocess(images.pixels))
                loss = training.loss(logits, images.labels)
            training.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            if clip is not None:
                clip.arm()
            training.optimizer.step()
            training.step += 1
            journal.step(rate, loss, logits=logits, labels=images.labels)
            if training.step >= STEPS or time.perf_counter() > until:
                break
        journal.flush()
    finally:
        if clip is not None:
            clip.close()
        journal.close()
    if (facts := probe.rest()) is not None:
        tell(facts)


def _one_batch(training: Training, weights: dict[str, torch.Tensor]) -> Facts:
    """Can the net learn a few images by heart, without dropout, decay and random changes? At the recipe's rate, and
    where that fails at a tenth, a hundredth and ten times of it."""
    first = next(training.batches(1))
    few = Images(first.pixels[:LEARN_IMAGES], first.labels[:LEARN_IMAGES])
    loss, accuracy, steps = _learn(training, weights, few, 1.0)
    zeroed = _loss_of_nothing(training, few)
    others = []
    if accuracy < 1.0:
        for times in OTHER_RATES:
            other = _learn(training, weights, few, times)
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


def _learn(
    training: Training, weights: dict[str, torch.Tensor], images: Images, times: float
) -> tuple[float, float, int]:
    """(loss, accuracy, steps) of the last step on the same images, from the first weights at `times` the rate."""
    training.model.load_state_dict(weights)
    changes = {**at_rate(training.checked.lr * times), "weight_decay": 0.0}
    optimizer = make_optimizer(
        training.model, training.checked.optimizer, msgspec.structs.replace(training.recipe, **changes)
    )
    inputs = training.preprocess(images.pixels)
    until = time.perf_counter() + LEARN_SECONDS
    loss, right = math.inf, 0.0
    training.model.train()
    with _without_dropout(training.model):
        for step in range(1, LEARN_STEPS + 1):
            logits = training.model(inputs).float()
            cost = training.loss(logits, images.labels)
            optimizer.zero_grad(set_to_none=True)
            cost.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if step % 5 == 0 or step == LEARN_STEPS:
                loss, right = cost.item(), float((logits.argmax(1) == images.labels).float().mean())
                if not math.isfinite(loss) or (right == 1.0 and loss < 0.1) or time.perf_counter() > until:
                    return loss, right, step
    return loss, right, LEARN_STEPS


@torch.no_grad()
def _loss_of_nothing(training: Training, images: Images) -> float:
    """What the same labels cost when all inputs are 0: a net that looks at its input does worse."""
    inputs = torch.zeros_like(training.preprocess(images.pixels))
    return float(training.loss(training.model(inputs).float(), images.labels))


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


def tell_lines() -> int:
    """`python -m cvtui.engine --check`: a recipe's TOML on stdin, records on stdout, one JSON object a line. The exit
    code: 0, 1 where training it fails, 2 for a wrong recipe (said on stderr)."""
    import sys

    from cvtui.errors import RequestError
    from cvtui.recipe.toml import loads

    def tell(record: Record) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(record) + b"\n")
        sys.stdout.buffer.flush()

    try:
        checkup(loads(sys.stdin.buffer.read().decode("utf-8")), tell)
    except RequestError as error:
        print(f"{error.message}{f'; {error.hint}' if error.hint else ''}", file=sys.stderr)
        return 2
    except Exception as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", file=sys.stderr)
        return 1
    return 0
