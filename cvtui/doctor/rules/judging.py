"""What the validation images tell."""

from __future__ import annotations

import math
from itertools import pairwise

from cvtui.doctor.first_epoch import errors, unseen, validated
from cvtui.doctor.learning import beyond
from cvtui.doctor.observations import Observations
from cvtui.doctor.phrases import change
from cvtui.doctor.phrases import guess as guess_words
from cvtui.doctor.registry import RuleResult, limit, percent, rule, some
from cvtui.doctor.rules.labels import neighbours
from cvtui.doctor.rules.loop import has_modes
from cvtui.doctor.rules.norm_signs import copy_lags, first_values_left, of_the_batch
from cvtui.runlog.events import EpochDone

MOST_RIGHT = 1.001
"""Above it an accuracy is no share of anything."""


@rule("F23", "facts", "epochs", "end")
def modes_differ(obs: Observations) -> RuleResult | None:
    facts = obs.facts
    if facts.validation_mode is True and has_modes(obs):
        return RuleResult(
            "The model is validated in training mode: dropout stays active, and batch norm judges each batch by "
            "itself.",
            step=max(facts.step, 0),
            value=1,
            evidence="model.training is True in a pass without gradients",
            advice="Call model.eval() before the validation, and model.train() after it.",
        )
    norms = [
        m for m in facts.modules if "BatchNorm" in m.kind and m.options.get("momentum", 0.0) > 0
    ]  # None: a mean over all batches
    slow = [m for m in norms if m.options["momentum"] < limit("F23", "momentum")]
    pairs = [(int(a), b, c) for a, b, c in facts.mode_losses if a >= limit("F23", "steps")]
    bad = [c > limit("F23", "times") * b and c - b > limit("F23", "more") for _, b, c in pairs]
    for place in range(1, len(pairs)):
        if bad[place - 1] and bad[place]:
            step, trained, evaluated = pairs[place]
            return _tell_modes(step, trained, evaluated, slow[0].name if slow else "")
    if (kept := of_the_batch(obs)) is not None:
        return kept
    quick = [m for m in norms if m.options["momentum"] > limit("F23", "quick")]
    if quick and not (obs.epochs and obs.epochs[0].step <= 1):  # (of one batch an epoch the last batch is all there is)
        momentum = quick[0].options["momentum"]
        return RuleResult(
            f"{quick[0].name} takes {momentum:.2g} of each batch into its running means: in evaluation it normalises "
            "by the last batch alone. Keras counts the other way round: its momentum is what is kept.",
            layer=quick[0].name,
            value=momentum,
            threshold=limit("F23", "quick"),
            evidence=f"batch norm's momentum {momentum:.2g}",
            advice="Use 1 - momentum of Keras (0.01 for its 0.99), or PyTorch's own 0.1.",
        )
    if (left := first_values_left(obs, norms, pairs) or copy_lags(obs)) is not None:
        return left
    if slow and obs.total_steps and obs.total_steps * slow[0].options["momentum"] < 3:
        momentum = slow[0].options["momentum"]
        return RuleResult(
            f"{slow[0].name} takes {momentum:.2g} of each batch into its running means: after all {obs.total_steps:,} "
            f"steps they still hold {percent((1 - momentum) ** obs.total_steps)} of their first values.",
            layer=slow[0].name,
            value=momentum,
            threshold=limit("F23", "momentum"),
            evidence=f"batch norm's momentum {momentum:.2g}",
        )
    return None


def _tell_modes(step: int, trained: float, evaluated: float, layer: str) -> RuleResult:
    why = f": the running means of {layer} lag behind" if layer else ""
    return RuleResult(
        f"At step {step:,} the same batch costs {trained:.3g} in training mode and {evaluated:.3g} in evaluation "
        f"mode{why}.",
        step=step,
        layer=layer,
        value=evaluated / trained,
        threshold=limit("F23", "times"),
        evidence=f"loss {trained:.3g} in training mode, {evaluated:.3g} in evaluation mode",
    )


@rule("F21", "facts", "epochs", "end")
def validation_differs(obs: Observations) -> RuleResult | None:
    train, other, chance, count = neighbours(obs)
    few = train - other > limit("F21", "fit") and other < chance + 0.1
    if count and train > chance + 0.2 and (few or errors(other, chance, count) < limit("F13", "errors")):
        return RuleResult(
            f"{percent(train)} of the training images have the label of their nearest neighbours, but only "
            f"{percent(other)} of the validation images ({percent(chance)} would be chance): their labels do not fit.",
            value=other,
            threshold=chance,
            evidence=f"agreement with neighbours: training {train:.3g}, validation {other:.3g}",
        )
    return _inputs_differ(obs) or _by_epochs(obs) or _below_unseen(obs)


def _inputs_differ(obs: Observations) -> RuleResult | None:
    """Compare training and validation inputs: as the model gets them, or, until known, as they are stored.

    (Raw points in 0..1 beside standardised ones once were "not prepared alike".)
    """
    facts = obs.facts
    if facts.validation_mode is not None:
        if facts.input_generated:
            return None  # another net made them, or an attack: they are no images of the set
        rows = [[facts.input_mean, facts.input_std], [facts.validation_mean, facts.validation_std]]
        count, where = facts.batch_size or obs.batch_size or 1, "reach the model"
    else:
        rows, count, where = facts.raw_moments, min(facts.train or 1, facts.validation or 1), "lie in their set"
    if len(rows) != 2 or any(number is None for row in rows for number in row):
        return None
    (mean, std), (val_mean, val_std) = [[float(number or 0.0) for number in row] for row in rows]
    if std <= 0 or not _far((mean, std), (val_mean, val_std), count):
        return None
    note = facts.validation_mode is not None and _no_worse(obs)
    why = "an augmentation of training alone may do so" if note else "they are not prepared alike"
    return RuleResult(
        f"The training images {where} with mean {mean:.3g} and spread {std:.3g}, the validation images with "
        f"{val_mean:.3g} and {val_std:.3g}: {why}.",
        step=obs.epochs[0].step if obs.epochs else max(facts.step, 0),
        value=val_mean,
        threshold=limit("F21", "mean"),
        evidence=f"mean {mean:.3g} and {val_mean:.3g}",
        severity="note" if note else None,
    )


def _no_worse(obs: Observations) -> bool:
    """Return True while validation is as good as training: an augmentation may brighten training's images alone."""
    last = obs.epochs[-1] if obs.epochs else None
    if last is None:
        return obs.own_loop and obs.end is None  # the first validation is under way
    if last.val_accuracy is None or last.train_accuracy is None:
        return False
    return last.val_accuracy > max(last.train_accuracy - limit("F21", "near"), beyond(obs, limit("F21", "some")))


def _far(ours: tuple[float, float], theirs: tuple[float, float], count: int) -> bool:
    """Return True if means or spreads differ by more than the limit and than chance allows for `count` images.

    (The numbers of one image may be as good as one: the standard error is that of so many numbers.)
    """
    (mean, std), (other, spread) = ours, theirs
    moved = max(limit("F21", "mean"), limit("F21", "errors") / math.sqrt(count)) * std
    times = max(math.log(limit("F21", "std")), limit("F21", "errors") / math.sqrt(2 * count))
    return abs(mean - other) > moved or abs(math.log(max(spread, 1e-9) / std)) > times


def _by_epochs(obs: Observations) -> RuleResult | None:
    """Far below a guess while training is far above it, or a loss far above a guess while training learns."""
    guess, classes = obs.label_entropy, obs.classes
    if not guess or not classes:
        return None
    if any((epoch.val_accuracy or 0.0) > MOST_RIGHT for epoch in obs.epochs):
        return None  # what is told is no share: F49
    even, count = 1 / classes, validated(obs)
    counts = [number for number in obs.label_counts if number]
    rarest = min(counts) / sum(counts) if counts else even  # (right in so many: always the answer that is rarest)
    for epoch in obs.epochs:
        if obs.batch_norm and epoch.step < limit("F21", "settled"):
            continue  # of 60 images at 16 a step: the running means after 8 steps cost 16 times a guess, later nothing
        train, val = epoch.train_accuracy, epoch.val_accuracy
        below = (
            train is not None
            and val is not None
            and val < limit("F21", "below") * min(even, rarest)
            and train > min(limit("F21", "above") * even, (1 + even) / 2)
            and (not count or errors(val, even, count) < -limit("F21", "clear"))
        )
        costly = (
            obs.is_cross_entropy
            and epoch.val_loss is not None
            and epoch.train_loss is not None
            and epoch.val_loss > limit("F21", "loss") * guess
            and epoch.train_loss < guess
            and (val is None or train is None or val < train - 0.2)
        )
        if below or (costly and _early(epoch)):
            if obs.raised_by(epoch.step) or (obs.batch_norm and _rate_rose(obs, epoch.step)):
                return None  # a rate that was raised throws validation off as well
            return RuleResult(
                f"After epoch {epoch.epoch} training has {_result(train, epoch.train_loss)}, validation "
                f"{_result(val, epoch.val_loss)}; a guess is right in {percent(even)}: the two are not prepared alike.",
                step=epoch.step,
                value=val,
                threshold=limit("F21", "below") * min(even, rarest),
                evidence=f"training {_result(train, epoch.train_loss)}, validation {_result(val, epoch.val_loss)}",
            )
    return None


def _rate_rose(obs: Observations, step: int) -> bool:
    """Return True if the rate was several times lower not long before `step`: running means lag behind the weights."""
    windows, least = obs.windows, step - 2 * limit("F21", "settled")
    rates = [float(windows.rate[row]) for row in range(len(windows)) if least <= windows.end[row] <= step + 1]
    return bool(rates) and rates[-1] > limit("F21", "rose") * min(rates) > 0


def _below_unseen(obs: Observations) -> RuleResult | None:
    """Find validation accuracies that stay below what was right in the first epoch, of images never seen before."""
    found, chance, count = unseen(obs), obs.largest_class, validated(obs)
    values = [epoch.val_accuracy for epoch in obs.epochs if epoch.val_accuracy is not None]
    if found is None or len(values) < limit("F21", "evaluations") or not count or has_modes_mixed(obs):
        return None
    share, images = found
    best = max(values[len(values) // 2 :])  # (by chance one of the first may be better)
    if share - chance < limit("F21", "gained"):
        return None
    error = math.sqrt(max(share * (1 - share), 1e-4) * (1 / images + 1 / count))
    if share - best < limit("F21", "unseen") * error or values[-1] - values[0] > 0.25 * (share - chance):
        return None
    if best - chance > limit("F21", "part") * (share - chance) or (obs.epochs[-1].train_accuracy or 0.0) < share:
        return None
    return RuleResult(
        f"In the first epoch {percent(share)} of the images were right that the net had not seen before, but of the "
        f"validation images no more than {percent(best)} in the later half of {len(values)} evaluations: the two are "
        "not prepared alike, or their labels aren't.",
        step=obs.epochs[-1].step,
        value=best,
        threshold=share,
        evidence=f"first epoch {share:.3g}, validation at best {best:.3g}",
    )


def has_modes_mixed(obs: Observations) -> bool:
    """Return True where evaluation mode is seen to answer otherwise: F23 says so."""
    return modes_differ(obs) is not None


def _result(accuracy: float | None, loss: float | None) -> str:
    """Say `an accuracy of 31 % and a loss of 2.1`; what is not known is left out."""
    parts = ["an accuracy of " + percent(accuracy)] if accuracy is not None else []
    parts += [f"a loss of {loss:.3g}"] if loss is not None else []
    return " and ".join(parts)


def _early(epoch: EpochDone) -> bool:
    """Return True in the first epochs: a loss that high after long training is what overfitting looks like."""
    return epoch.epoch <= 5 and (epoch.train_accuracy is None or epoch.train_accuracy < 0.97)


@rule("F18", "epochs")
def overfitting(obs: Observations) -> RuleResult | None:
    times = int(limit("F18", "times"))
    row = 0
    lowest: EpochDone | None = None
    for place, epoch in enumerate(obs.epochs):
        known = epoch.train_accuracy is not None and epoch.val_accuracy is not None
        gap = (epoch.train_accuracy or 0.0) - (epoch.val_accuracy or 0.0) if known else 0.0
        climbs = _climbs(epoch, lowest) and (gap >= 0.25 * limit("F18", "gap") if known else _trains_on(epoch, lowest))
        if epoch.val_loss and (lowest is None or epoch.val_loss < (lowest.val_loss or math.inf)):
            lowest = epoch
        row = row + 1 if gap >= limit("F18", "gap") or climbs else 0
        if row == times:
            since = obs.epochs[place - times + 1].epoch
            return _tell_overfitting(obs, epoch, since, lowest, gap if known else None)
    return None


def _climbs(epoch: EpochDone, lowest: EpochDone | None) -> bool:
    """Return True if the validation loss is clearly above the lowest so far."""
    return bool(lowest and (epoch.val_loss or 0.0) > limit("F18", "rise") * (lowest.val_loss or math.inf))


def _trains_on(epoch: EpochDone, lowest: EpochDone | None) -> bool:
    """Return True if the training loss went on falling, by a tenth at least, where no accuracies tell."""
    now, then = epoch.train_loss, lowest.train_loss if lowest is not None else None
    return now is not None and then is not None and now < 0.9 * then


def _tell_overfitting(
    obs: Observations, epoch: EpochDone, since: int, lowest: EpochDone | None, gap: float | None
) -> RuleResult:
    cost = epoch.val_loss or 0.0
    if gap is None and lowest is not None:
        return RuleResult(
            f"Overfitting from epoch {since} on: training loss {epoch.train_loss:.3g}, validation loss {cost:.3g}. The "
            f"best epoch is {lowest.epoch} (validation loss {lowest.val_loss:.3g}).",
            step=epoch.step,
            value=cost,  # no threshold: its source speaks of accuracies
            evidence=f"validation loss {cost:.3g} after epoch {epoch.epoch}, lowest {lowest.val_loss:.3g}",
        )
    best, gap = max(obs.epochs, key=lambda e: e.val_accuracy or 0.0), gap or 0.0
    return RuleResult(
        f"Overfitting from epoch {since} on: training accuracy {percent(epoch.train_accuracy or 0)}, "
        f"validation {percent(epoch.val_accuracy or 0)}. The best epoch is {best.epoch} "
        f"({percent(best.val_accuracy or 0)}).",
        step=epoch.step,
        value=gap,
        threshold=limit("F18", "gap") if gap >= limit("F18", "gap") else None,
        evidence=f"accuracy gap {gap:.3g} after epoch {epoch.epoch}, validation loss {cost:.3g}",
    )


@rule("F19", "end", "facts", "epochs")
def underfitting(obs: Observations) -> RuleResult | None:
    guess, windows = obs.guess, obs.windows
    if guess is None or obs.end is None or obs.end.status not in ("finished", "stopped") or len(windows) < 10:
        return None
    last, before = windows.loss[-5:].mean(), windows.loss[-10:-5].mean()
    better = (before - last) / before if before > 0 else 1.0
    if not limit("F19", "low") * guess < last < limit("F19", "high") * guess or better > limit("F19", "better"):
        return None
    epochs = obs.epochs
    if epochs and (epochs[-1].train_accuracy or 0.0) > (epochs[-1].val_accuracy or 0.0) + 0.1:
        return None
    if obs.mixed and any((epoch.val_accuracy or 0.0) > beyond(obs, 0.5) for epoch in epochs):
        return None  # mixup's loss stays above 0, cutmix's training accuracy below validation's: both by design
    narrow = _narrowest(obs)
    if obs.changes and obs.rate_share(windows.last(len(windows) - 1)) < 0.1:
        return None  # at a rate that was turned down by hand no net learns
    begun, middle, step = (windows.start(len(windows) - 10), windows.start(len(windows) - 5),
                           windows.last(len(windows) - 1))  # fmt: skip
    known = ""
    if epochs and epochs[-1].train_accuracy is not None and epochs[-1].val_accuracy is not None:
        known = (
            f"; training accuracy {percent(epochs[-1].train_accuracy)}, validation {percent(epochs[-1].val_accuracy)}"
        )
    return RuleResult(
        f"The loss was {before:.3g} on average in the steps {begun:,} to {middle - 1:,} and {last:.3g} in those to "
        f"{step:,} ({guess_words(obs)}){known}: "
        + (f"all goes through {some([narrow])}." if narrow else "the net may be too small for this, or need longer.")
        + change(obs, step),
        step=step,
        layer=narrow.partition(" ")[0],
        value=float(last / guess),
        threshold=limit("F19", "low"),
        evidence=f"loss {last:.3g} = {last / guess:.2g} of a guess",
        severity=None if narrow else "note",
    )


@rule("L08", "facts")
def one_unit(obs: Observations) -> RuleResult | None:
    narrow = _narrowest(obs)
    if not narrow.endswith(" 1 unit"):
        return None
    return RuleResult(
        f"All that the net knows of an image goes through {narrow}: {obs.classes:,} classes then lie on one line.",
        layer=narrow.partition(" ")[0],
        value=1,
        threshold=limit("F19", "narrow"),
        evidence="a layer of one unit",
    )


def _narrowest(obs: Observations) -> str:
    """Name the layer of at most two outputs that all goes through, for more than three classes."""
    if obs.classes <= 3:
        return ""
    layers = [m for m in obs.facts.modules if "out_features" in m.options or "out_channels" in m.options]
    for module, after in pairwise(layers):
        width = module.options.get("out_features", 99)
        if width > limit("F19", "narrow") or after.options.get("in_features") != width:
            continue  # (a head or a gate beside the others: what follows takes in something else)
        if after is layers[-1] or after.options.get("out_features") != module.options.get("in_features"):
            return f"{module.name} with its {width:.0f} unit{'s' if width > 1 else ''}"  # (else squeeze and excitation)
    return ""
