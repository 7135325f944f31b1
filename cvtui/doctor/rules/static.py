"""Rules on what is seen before the first step, or in it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cvtui.doctor.catalogue import TYPICAL_RATES
from cvtui.doctor.learning import falls, learns
from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import RuleResult, limit, percent, rule, short, some
from cvtui.doctor.rules.graph_signs import norms_at_zero, softmax_of_softmax
from cvtui.doctor.rules.loss_signs import dropout_upon_dropout


@rule("F11", "facts", "steps", "epochs")
def not_normalised(obs: Observations) -> RuleResult | None:
    facts = obs.facts
    mean, std = facts.input_mean, facts.input_std
    if (other := _unlike_before(obs)) is not None:
        return other
    if mean is None or std is None:
        return None
    whole = facts.input_dtype.startswith(("uint", "int"))
    far = abs(mean) > limit("F11", "mean")
    wide = not limit("F11", "low") <= std <= limit("F11", "high")
    if not (whole or far or wide) and (flat := _flat_channels(obs)) is not None:
        return flat
    if not (whole or far or wide) or _scaled_inside(obs):
        return None
    saved = " A norm right behind the first layer makes up for it." if obs.norm_first else ""
    span = f"(from {facts.input_min:.3g} to {facts.input_max:.3g})"
    return RuleResult(
        f"The images reach the model with mean {mean:.3g} and standard deviation {std:.3g} "
        f"{span}; about 0 and 1 is what initialisations count on.{saved}",
        value=abs(mean) if far else std if wide else None,
        threshold=limit("F11", "mean") if far else limit("F11", "high" if std > 1 else "low") if wide else None,
        evidence=f"first batch: mean {mean:.3g}, std {std:.3g}",
        severity="note" if obs.norm_first and (abs(mean) < limit("F11", "spreads") * std or learns(obs)) else None,
        cure={} if obs.own_loop else {"preprocess": "standardise"},
    )


def _flat_channels(obs: Observations) -> RuleResult | None:
    """Find images whose channels lie apart and hardly vary: a mean and a deviation of bytes, taken off 0..1.

    (Forward may scale them itself: then what comes to the first layer is another spread.)
    """
    facts, within = obs.facts, obs.facts.channel_std
    std, first = facts.input_std or 0.0, facts.first_layer_std
    norm = next((one.kind for one in facts.modules if "Norm" in one.kind), "") if obs.norm_first else ""
    if within is None or within >= limit("F11", "low") or norm.startswith(("Batch", "SyncBatch", "Instance")):
        return None  # (these make up for it; a norm over features keeps what all images share)
    if first is None:
        return None
    if abs(first - std) > 1e-2 * std:
        return None
    return RuleResult(
        f"Within a channel the pixels of the first batch spread {within:.3g} only (from {facts.input_min:.3g} to "
        f"{facts.input_max:.3g} in all): pictures look like one colour. About 1 is what initialisations count on; were "
        "a mean and a deviation of bytes taken off pixels of 0 to 1?",
        value=within,
        threshold=limit("F11", "low"),
        evidence=f"first batch: standard deviation within a channel {within:.3g}",
        cure={} if obs.own_loop else {"preprocess": "standardise"},
    )


def _scaled_inside(obs: Observations) -> bool:
    """Return True where what comes to the first layer with weights is of a sensible size: forward scales it itself."""
    mean, std = obs.facts.first_layer_mean, obs.facts.first_layer_std
    if mean is None or std is None:
        return False
    return abs(mean) <= limit("F11", "mean") and limit("F11", "low") <= std <= limit("F11", "high")


def _unlike_before(obs: Observations) -> RuleResult | None:
    """Find inputs of other sizes than those that a loaded body was trained on, where its batch norms keep their own."""
    spread, shift = obs.facts.norm_spread, obs.facts.norm_shift
    if spread is None or shift is None or not obs.facts.norm_frozen:
        return None
    times = limit("F11", "before")
    if 1 / times < spread < times and shift < limit("F11", "shift"):
        return None
    return RuleResult(
        f"The net was trained before, and what comes to its first batch norm now spreads {spread:.3g} times as much as "
        f"it did then, {shift:.3g} deviations from its mean: the images are prepared otherwise.",
        step=0,
        value=spread,
        threshold=times,
        evidence=f"spread {spread:.3g}, shift {shift:.3g} of the first batch norm's running ones",
        name="images unlike those of the loaded weights",
        advice="Prepare images as for the weights: most want pixels of 0..1, minus a mean, divided by a deviation.",
    )


@rule("F15", "facts", "steps")
def softmax_twice(obs: Observations) -> RuleResult | None:
    facts = obs.facts
    classes = facts.outputs or 0
    if (other := _of_another_head(obs)) is not None:
        return other
    if classes < 2 or not (obs.own_loop or obs.is_cross_entropy):
        return None
    floor = math.log(1 + (classes - 1) / math.e)
    if obs.lowest_loss < floor - 0.02:
        return softmax_of_softmax(obs)  # what has been below its floor has none; other losses of it have others
    first, cross, plain = facts.first_loss, facts.cross_entropy, facts.log_loss
    evidence = "all outputs of the first batch lie in 0..1 and add up to 1"
    if not facts.rows_sum_to_one:
        if not _is(first, facts.doubled, 2e-5) or _is(first, cross):
            return None if _is(first, cross) else _at_the_floor(obs, floor)
        evidence = f"first loss {first:.5g}: that of the softmax's softmax"
    elif first is None or cross is None or plain is None or abs(plain - cross) < limit("F15", "apart") * cross:
        return _at_the_floor(obs, floor)  # −log p of a net that begins even costs what the softmax of p costs
    elif abs(first - plain) < abs(first - cross) or not _is(first, cross):
        return softmax_of_softmax(obs)  # the loss takes probabilities: −log of them, or something of its own
    return RuleResult(
        "The loss is given probabilities (a softmax has been taken already) and takes the softmax of them again: it "
        f"can't fall below {floor:.4g} with {classes} classes.",
        step=0,
        value=floor,
        threshold=limit("F15", "tolerance"),
        evidence=evidence,
    )


def _of_another_head(obs: Observations) -> RuleResult | None:
    """Find a softmax's softmax where the model has several heads, and the first is not the one of classes."""
    facts, sums = obs.facts, obs.facts.given_sums
    wide = [row[1] for row in facts.softmax_over if row[1] > 1]
    if facts.outputs != 1 or not {"cross_entropy"} & set(facts.loss_calls) or not sums or len(wide) < 2:
        return None
    low, high = facts.given_range or (-1.0, 2.0)
    if (facts.loss_given or [""])[0] != "softmax" or low < 0 or high > 1 or max(abs(one - 1) for one in sums) > 1e-3:
        return None
    return RuleResult(
        f"F.cross_entropy is given {wide[0]:,} probabilities an image (a softmax has been taken already) and takes the "
        f"softmax of them again: it can't fall below {math.log(1 + (wide[0] - 1) / math.e):.4g}.",
        step=0,
        value=math.log(1 + (wide[0] - 1) / math.e),
        evidence="a softmax over a softmax, in the graph of the loss",
    )


def _at_the_floor(obs: Observations, floor: float) -> RuleResult | None:
    """Nearly all is right, and the loss stands still just above the floor of a softmax's softmax."""
    windows = obs.windows
    if len(windows) < 10:
        return None
    last, before = windows.loss[-5:].mean(), windows.loss[-10:-5].mean()
    right = windows.accuracy[-5:].mean()
    begun, step = windows.start(len(windows) - 5), windows.last(len(windows) - 1)
    if (
        not right > limit("F15", "right")
        or not floor - 0.01 < last < limit("F15", "near") * floor
        or last < 0.97 * before
    ):
        return None
    return RuleResult(
        f"In the steps {begun:,} to {step:,} {percent(right)} of the training images were right, but the loss stood "
        f"still at {last:.4g}: a softmax that is taken twice can't come below {floor:.4g}.",
        step=step,
        value=float(last),
        threshold=floor,
        evidence=f"loss {last:.4g} at an accuracy of {right:.3g}",
        severity="warn",
    )


def _is(told: float | None, computed: float | None, error: float = 1e-4) -> bool:
    """Return True if they are the same number, up to rounding."""
    return told is not None and computed is not None and abs(told - computed) < error * abs(computed) + 1e-6


@rule("F16", "facts", "steps", "epochs")
def summed_loss(obs: Observations) -> RuleResult | None:
    facts, batch = obs.facts, obs.batch_size
    first = obs.first_loss
    if first is None or not batch or batch < 2:
        return None
    if facts.cross_entropy:
        times = first / facts.cross_entropy
        if _divided_again(obs, times * batch):
            return RuleResult(
                f"The first loss is {first:.4g}: one {batch}th of the cross-entropy ({facts.cross_entropy:.4g}), at "
                f"{batch} images a batch. It is a mean that is divided by the batch once more, so the rate counts one "
                f"{batch}th.",
                step=0,
                value=times,
                threshold=1 / batch,
                evidence=f"first loss {first:.4g}",
                severity="note" if obs.adaptive or learns(obs) else None,
                name="loss divided by the batch twice",
                advice="Divide the sum of the losses by the number of images once: PyTorch's losses are means already.",
            )
        if abs(times / batch - 1) > limit("F16", "tolerance"):
            return None
    elif facts.parameters is None:
        return None  # the first facts come with the first steps: they tell whether the first loss is what it should be
    else:
        guess = obs.label_entropy
        if not guess or batch < 8 or not obs.is_cross_entropy or facts.loss_reduction == "mean":
            return None  # (a mean that is that large is the loss of a net with large outputs)
        times = first / guess
        if not limit("F16", "share") * batch < times < 1.5 * batch:
            return None
    return RuleResult(
        f"The first loss is {first:.4g}: {times:.3g} times what it should be, at {batch} images a batch. It is summed "
        f"over the batch, so the rate counts {batch} times.",
        step=0,
        value=times,
        threshold=float(batch),
        evidence=f"first loss {first:.4g}",
    )


def _divided_again(obs: Observations, times: float) -> bool:
    """Return True where a mean was divided by the batch, and by nothing that happens to be as large."""
    facts, batch = obs.facts, obs.batch_size
    if set(facts.accumulated) != {1} or batch is None or batch == facts.outputs:
        return False  # a part of several batches' mean, or a mean over classes too
    return batch > limit("F16", "few") and abs(times - 1) < limit("F16", "twice")


@rule("F08", "facts")
def zero_weights(obs: Observations) -> RuleResult | None:
    weights = [w for w in obs.facts.weights if not _is_table(w.name)]
    zero = [w for w in weights if w.std == 0 and w.mean == 0]
    if not zero:
        return norms_at_zero(obs)
    if zero == weights[-1:]:  # a last layer of zeros is a known good way to begin, and an only one too
        return None
    # (Past so many branches of zeros a residual net learns by its shortcuts.)
    alone = len(zero) < 0.5 * len(weights) or learns(obs)
    return RuleResult(
        f"The weights of {some([w.layer or w.name for w in zero])} are 0 everywhere"
        + (": that part begins as nothing." if alone else ": no gradient gets through, and nothing can be learnt."),
        layer=zero[0].layer,
        value=0.0,
        threshold=0.0,
        evidence=f"{len(zero)} of {len(weights)} weight tensors are 0",
        severity="note" if alone else None,
        cure={} if obs.own_loop else {"init": "he"},
    )


@rule("F09", "facts")
def constant_weights(obs: Observations) -> RuleResult | None:
    weights = [w for w in obs.facts.weights if not _is_table(w.name)]
    alike = [w for w in weights if w.std == 0 and w.mean]
    if not alike:
        return None
    return RuleResult(
        f"The weights of {some([w.layer or w.name for w in alike])} all have the value {alike[0].mean:.3g}: all units "
        "of such a layer compute and learn the same.",
        layer=alike[0].layer,
        value=0.0,
        threshold=0.0,
        evidence=f"variance 0 in {len(alike)} of {len(weights)} weight tensors",
        cure={} if obs.own_loop else {"init": "he"},
    )


def _is_table(name: str) -> bool:
    """Positions and tokens, which are no layer's weights."""
    return any(word in name for word in ("pos_embed", "cls_token", "embedding", "class_token"))


@rule("F34", "facts", "steps", "epochs")
def much_dropout(obs: Observations) -> RuleResult | None:
    strong = [
        m
        for m in obs.facts.modules
        if "Dropout" in m.kind and m.options.get("p", 0) > limit("F34", "p") and not is_auxiliary(m.name)
    ]
    if not strong:
        return dropout_upon_dropout(obs)
    worst = max(strong, key=lambda m: m.options["p"])
    p = worst.options["p"]
    return RuleResult(
        f"{worst.name} drops {percent(p)} of its inputs in each training step; more than half is rarely of use.",
        layer=worst.name,
        value=p,
        threshold=limit("F34", "p"),
        evidence=f"dropout p = {p:.3g}",
        # (0.6 is what some nets are published with: a loop of one's own must fail with it first.)
        severity="note" if obs.own_loop and p <= limit("F34", "usual") and (not obs.epochs or learns(obs)) else None,
    )


def is_auxiliary(name: str) -> bool:
    """Return True inside an auxiliary classifier: GoogLeNet's drop 0.7, and help in training alone."""
    return any(part.startswith("aux") for part in name.lower().split("."))


@rule("F35", "facts", "steps", "epochs")
def linear_row(obs: Observations) -> RuleResult | None:
    kinds = {module.name: module for module in obs.facts.modules}
    pairs = [(a, b) for a, b in obs.facts.linear_pairs if a in kinds and b in kinds]
    order = [module.name for module in obs.facts.modules]
    plain = [
        (a, b)
        for a, b in pairs
        if _is_fc(kinds[a].kind)
        and _is_fc(kinds[b].kind)
        and not any("Norm" in kinds[name].kind for name in order[order.index(a) : order.index(b)])
    ]
    convs = [pair for pair in pairs if pair not in plain]
    if not plain and not convs:
        return None
    first, second = (plain or convs)[0]
    return RuleResult(
        f"{first} and {second} are both linear, with no activation between them: together they compute no more than "
        "one layer could.",
        layer=second,
        value=len(pairs),
        threshold=0,
        evidence=f"{len(pairs)} pair{'s' if len(pairs) > 1 else ''} of linear layers in a row",
        # depthwise + pointwise, a linear bottleneck, a batch norm between (LevIT): known good ways
        severity=None if plain and not (_of_two_parts(plain) and (not obs.epochs or learns(obs))) else "note",
    )


def _of_two_parts(pairs: Sequence[tuple[str, str]]) -> bool:
    """Return True where each pair is the end of one named part and the beginning of another.

    (A projector and its predictor, as BYOL has them: other losses look in between.)
    """
    parts = [[name.rpartition(".")[0].partition(".")[0] for name in pair] for pair in pairs]
    return all(first and second and first != second for first, second in parts)


def _is_fc(kind: str) -> bool:
    return kind.endswith("Linear")


def _larger(obs: Observations, batch: int) -> dict[str, float]:
    """Return a batch of 16, and the rate that goes with it by the linear rule, up to what is usual."""
    rate, usual = obs.run.lr if obs.run is not None else None, TYPICAL_RATES.get(obs.optimizer)
    if rate is None or usual is None or rate >= usual:
        return {"batch_size": 16}
    return {"batch_size": 16, "lr": short(min(rate * 16 / batch, usual))}


def _keeps_statistics(obs: Observations) -> bool:
    """Return True where `freeze` has frozen all batch norms: they take no means over a batch.

    Of a list of frozen tensors that is cut, those left out may be the norms'.
    """
    facts = obs.facts
    if obs.own_loop or not facts.frozen or obs.recipe.get("unfreeze_at"):
        return False
    norms = [f"{one.name}.weight" for one in facts.modules if "BatchNorm" in one.kind]
    left_out = (facts.frozen_count or 0) - len(facts.frozen)
    return bool(norms) and sum(name not in facts.frozen for name in norms) <= left_out


@rule("F22", "facts", "steps", "epochs")
def tiny_batch(obs: Observations) -> RuleResult | None:
    batch, step = obs.norm_batch, obs.batch_size
    if not obs.batch_norm or not batch or obs.facts.training_mode is False or _keeps_statistics(obs):
        return None
    if batch <= limit("F22", "batch"):
        return RuleResult(
            f"Batch norm takes its means over {batch} image{'s' if batch > 1 else ''} at a time: mostly noise.",
            value=batch,
            threshold=limit("F22", "batch"),
            evidence=f"batch size {batch} with batch norm",
            cure={} if obs.own_loop else _larger(obs, batch),
            # Fine-tuning in batches of four is the most copied recipe, and works: it must fail first.
            severity="note" if obs.own_loop and (not obs.epochs or learns(obs) or falls(obs)) else None,
        )
    train = obs.facts.train
    if train and step and train % step == 1 and not obs.own_loop:
        if obs.run is not None and obs.run.steps_per_epoch == train // step:  # it is part of the batch before
            return None
        return RuleResult(
            f"The last batch of each epoch holds a single image ({train:,} = {train // step:,} · {step} + 1), and "
            "batch norm takes its means over it.",
            value=1,
            threshold=limit("F22", "batch"),
            evidence="last batch of 1",
            severity="note",
            cure={"batch_size": batch + 1},
        )
    return None
