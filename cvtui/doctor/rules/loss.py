"""Heads that don't fit their loss, by what the loss's graph, its call and its first values tell."""

from __future__ import annotations

import math

from cvtui.doctor.learning import learns
from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import RuleResult, limit, percent, rule, some
from cvtui.doctor.rules.graph_signs import loss_of_nothing, not_logs_under_kl
from cvtui.doctor.rules.loss_signs import squashed, straight_loss

CROSS = ("cross-entropy", "cross-entropy of probabilities")
DISTANCES = ("squared error", "absolute error", "log-cosh", "poisson", "gaussian")
RAW = ("linear", "conv")
BOUNDED = ("softmax", "sigmoid")


def _given(obs: Observations) -> str:
    """Name what the loss is given: the last operation before it; "" where that is not known."""
    return (obs.facts.loss_given or [""])[0]


def _most_label(obs: Observations) -> float:
    """Return the largest class number that is known of."""
    facts = obs.facts
    named = obs.run.data.get("classes") if obs.run else None
    known = [len(named) - 1 if isinstance(named, list) and named else 0, (facts.classes or 0) - 1]
    known += [facts.label_range[1]] if facts.label_range else []
    if facts.target_kind == "whole numbers" and facts.target_range:
        known.append(int(facts.target_range[1]))
    if facts.target_kind == "one-hot":
        known.append((facts.outputs or 0) - 1)
    return max(known)


@rule("F38", "facts")
def softmax_of_one(obs: Observations) -> RuleResult | None:
    """Find a softmax whose dimension has one entry: its share is 1 whatever comes in."""
    facts = obs.facts
    alone = [row for row in facts.softmax_over if row[1] == 1 and (row[0] or row[2] == 1 or row[3] > 1)]
    if not alone and not (facts.outputs == 1 and facts.given_range == [1.0, 1.0] and facts.output_gradient == 0):
        return None
    if facts.batch_size == 1 and all(row[0] == 0 for row in alone):
        return None  # over a batch of one image: F48
    return RuleResult(
        "The softmax goes over a single output, which is then 1 for every image: the loss can't depend on the weights, "
        "and every gradient is 0.",
        step=0,
        value=facts.output_gradient,
        threshold=0.0,
        evidence="a softmax over 1 output",
    )


@rule("F48", "facts")
def softmax_over_batch(obs: Observations) -> RuleResult | None:
    """Find a softmax along the batch: what one image is given depends on its neighbours."""
    facts = obs.facts
    batch = facts.batch_size or 0
    rows = [row for row in facts.softmax_over if row[0] == 0 and row[1] == batch > 1]
    if not rows:
        return None
    return RuleResult(
        f"The softmax goes over the {batch} images of the batch (dimension 0), not over the classes: an image's answer "
        "depends on the images beside it.",
        step=0,
        value=0,
        evidence=f"a softmax over dimension 0, of {batch} images",
    )


@rule("F41", "facts", "steps")
def one_output(obs: Observations) -> RuleResult | None:
    """Find one output for more than two classes."""
    facts, most = obs.facts, _most_label(obs)
    if facts.outputs != 1 or {"cross_entropy", "nll_loss"} & set(facts.loss_calls):
        return None  # (a loss of classes was given scores of its own: the model has two heads, and the first is this)
    if most < 2:
        return _far_below_zero(obs)
    how = {"binary cross-entropy": "a binary cross-entropy knows 0 and 1 alone, and falls without end for others",
           "binary cross-entropy with logits": "a binary cross-entropy knows 0 and 1 alone, and falls without end for "
           "others"}.get(facts.loss_kind, "class numbers are no quantity that one number could stand for")  # fmt: skip
    return RuleResult(
        f"The model gives one number for each image, and labels go up to {most:,.0f}: {how}.",
        step=0,
        value=1,
        threshold=most + 1,
        evidence=f"1 output, {most + 1:,.0f} classes",
    )


def _far_below_zero(obs: Observations) -> RuleResult | None:
    """Find a cross-entropy of one sigmoid that is lower than labels of 0 and 1, or of -1 and 1, can make it.

    By hand, with shares clamped at 1e-7 or above, it is log 1e-7 at least for a label of -1, and 0 for the others.
    """
    facts, first, least = obs.facts, obs.first_loss, math.log(1e-7) - 0.1
    if _given(obs) != "sigmoid" or facts.loss_calls or facts.loss_wants != "probabilities" or obs.bad_step is not None:
        return None
    if first is None or first >= 0 or obs.lowest_loss >= least or "sum" in facts.loss_reduction:
        return None
    return RuleResult(
        f"The model gives one share for each image, and the loss fell to {obs.lowest_loss:.4g}: of labels 0 and 1 a "
        f"cross-entropy is never below 0, and of -1 and 1 not below {least:.3g}. There are labels above 1.",
        step=0,
        value=obs.lowest_loss,
        threshold=least,
        evidence=f"one sigmoid, a loss of {obs.lowest_loss:.4g}",
    )


@rule("F40", "facts", "steps", "epochs")
def wrong_input(obs: Observations) -> RuleResult | None:
    """Find a loss that wants probabilities, log-probabilities or logits and is given something else."""
    facts, given = obs.facts, _given(obs)
    words = {"probabilities": _no_probabilities, "log-probabilities": _no_logs, "logits": _no_logits}.get(
        facts.loss_wants
    )
    told = words(obs, given) if words is not None and facts.loss_given else ""
    wrong = _wrong_targets(obs, given)
    if wrong:
        return RuleResult(wrong, step=0, evidence=f"targets {facts.target_kind}, {facts.target_range}")
    if not told:
        return not_logs_under_kl(obs) or straight_loss(obs)
    span = facts.given_range
    where = f" In the first step it was given {span[0]:.3g} to {span[1]:.3g}." if span else ""
    return RuleResult(
        f"The loss ({facts.loss_kind}) wants {facts.loss_wants}, and is given {told}.{where}",
        step=0,
        evidence=f"before the loss: {', '.join((facts.loss_given or [])[:3])}",
    )


def _wrong_targets(obs: Observations, given: str) -> str:
    """Say what is wrong with the truth that a binary cross-entropy is given; "" where nothing is seen."""
    facts = obs.facts
    sums = facts.target_sums
    if (
        facts.loss_kind == "cross-entropy"
        and sums
        and max(abs(sums[0] - 1), abs(sums[1] - 1)) > limit("F40", "tolerance")
    ):
        if sums[1] < 0:
            return (
                f"The loss ({facts.loss_kind}) is called with a truth whose rows add up to {sums[0]:.3g} to "
                f"{sums[1]:.3g}, below 0, as those of log-probabilities: are its two arguments in each other's place?"
            )
        return (
            f"The loss ({facts.loss_kind}) wants one class an image, or shares of classes that add up to 1, and is "
            f"given rows that add up to {sums[0]:.3g} to {sums[1]:.3g}: several labels an image want a binary "
            "cross-entropy."
        )
    if not facts.loss_kind.startswith("binary cross-entropy"):
        return ""
    if facts.target_range and (facts.target_range[0] < 0 or facts.target_range[1] > 1):
        low, high = facts.target_range
        return (
            f"The loss ({facts.loss_kind}) wants targets between 0 and 1, and is given {low:.3g} to {high:.3g}: with "
            "those it falls without end."
        )
    if given == "softmax" and facts.target_kind == "several a row" and (facts.outputs or 0) > 1:
        return (
            "An image may have several labels at once, and the outputs come from a softmax, whose shares add up to 1: "
            "no two of them can be near 1. Each wants a sigmoid of its own."
        )
    return ""


def _no_probabilities(obs: Observations, given: str) -> str:
    span = obs.facts.given_range
    outside = bool(span) and (span[0] < -1e-6 or span[1] > 1 + 1e-6)
    if given in ("relu", "relu6"):
        return "the outputs of a ReLU"
    if given in RAW and (outside or not span):
        return "raw scores of the last layer"
    if given == "tanh" and obs.facts.given_as_is:
        return "the outputs of a tanh"
    if given in ("tanh", "log-softmax", "leaky relu", "elu", "gelu", "silu", "dropout", "batch-norm") and outside:
        return f"the outputs of a {given}"
    return ""


def _no_logs(obs: Observations, given: str) -> str:
    sums = obs.facts.given_log_sums
    if sums and max(map(abs, sums)) < limit("F40", "tolerance"):
        return ""  # log-probabilities, however they were made
    if obs.facts.loss_kind == "kl-divergence" and given not in BOUNDED:
        return ""
    if given == "softmax":
        return "probabilities (the outputs of a softmax)"
    if given == "sigmoid":
        return "the outputs of a sigmoid"
    if given in RAW and sums:
        return "raw scores of the last layer"
    return f"the outputs of a {given}" if given in ("relu", "tanh") else ""


def _no_logits(obs: Observations, given: str) -> str:
    if obs.facts.loss_kind == "binary cross-entropy with logits" and given in BOUNDED:
        return f"probabilities (the outputs of a {given})"
    one = obs.facts.outputs == 1
    if given in ("relu", "relu6") and (obs.facts.loss_given or ["", ""])[1:2] == ["linear"]:
        return "the outputs of a ReLU, which are never below 0" if one or not learns(obs) else ""
    return ""


@rule("F39", "facts", "steps", "epochs")
def sigmoids_of_classes(obs: Observations) -> RuleResult | None:
    """Find a sigmoid for each of several classes that exclude each other."""
    facts = obs.facts
    outputs = facts.outputs or 0
    if outputs < 2 or _given(obs) != "sigmoid":
        return None
    sums = facts.given_sums
    apart = f" Their sums lie in {sums[0]:.3g} to {sums[1]:.3g}, not at 1." if sums else ""
    if facts.loss_kind in CROSS:
        words = "Behind sigmoids the outputs are no shares of one whole, but a cross-entropy over classes takes them"
        return _sigmoids(f"{words} for that.{apart}", outputs)
    alone = facts.target_kind == "one-hot" or facts.loss_value == "binary cross-entropy"
    if facts.loss_kind != "binary cross-entropy" or not alone:
        return None
    words = f"Each image has one label, and {outputs:,} sigmoids answer for themselves whether it is theirs."
    return _sigmoids(f"{words}{apart}", outputs, note=learns(obs) and outputs > 2)


def _sigmoids(sentence: str, outputs: int, note: bool = False) -> RuleResult:
    return RuleResult(
        sentence,
        step=0,
        value=outputs,
        evidence=f"{outputs:,} sigmoids under a loss for one class of many",
        severity="note" if note else None,
    )


@rule("F42", "facts", "steps", "epochs")
def behind_the_last(obs: Observations) -> RuleResult | None:
    """Find dropout, ReLU, or a batch norm of one, between the last linear layer and the loss."""
    chain = obs.facts.loss_given or []
    if (bounded := _bounded(obs) or squashed(obs)) is not None:
        return bounded
    if chain[-1:] != ["linear"]:
        return None
    # (Of a loss of distances a ReLU may be the loss's own, as of a squared hinge; or meant, for shares of 0 and 1.)
    scores = obs.facts.loss_wants not in ("", "numbers") or obs.facts.loss_kind == "margin"
    scores = scores or (obs.facts.loss_kind == "absolute error" and not learns(obs))
    kinds = ("dropout", "relu", "relu6") if scores else ("dropout",)
    what = next((kind for kind in chain if kind in kinds), "")
    if not what and "batch-norm" in chain and obs.facts.outputs == 1:
        what = "batch-norm"
    if not what:
        return None
    does = {
        "dropout": "sets answers of whole classes to 0 by chance in each training step",
        "batch-norm": "takes the mean of the batch's answers from each of them",
    }.get(what, "makes all scores below 0 alike, with no gradient")
    name = {"relu": "ReLU", "relu6": "ReLU6", "batch-norm": "batch norm"}.get(what, what)
    return RuleResult(
        f"Behind the last linear layer comes a {name}, which {does}.",
        step=0,
        evidence=f"before the loss: {', '.join(chain)}",
        severity="note" if what == "batch-norm" and learns(obs) else None,
    )


def _bounded(obs: Observations) -> RuleResult | None:
    """Find a softmax of scores that can't leave −1..1: no class can have a share near 1."""
    facts, outputs = obs.facts, obs.facts.outputs or 0
    if not facts.bounded_scores or outputs < 2:
        return None
    most = math.e / (math.e + (outputs - 1) / math.e)
    what = "come from a tanh" if facts.bounded_scores == "tanh" else "are cosines"
    return RuleResult(
        f"The scores {what} and lie between -1 and 1: of {outputs:,} classes none can have more than {most:.3g}, and "
        f"the loss can't fall below {-math.log(most):.3g}.",
        step=0,
        value=-math.log(most),
        evidence=f"before the softmax: {facts.bounded_scores}",
        name="scores between -1 and 1",
        advice="Leave the tanh out; multiply cosines by a scale of 10 to 30, or by a learned one.",
    )


@rule("F59", "facts", "epochs")
def class_left_out(obs: Observations) -> RuleResult | None:
    """Find a class whose images the loss doesn't count."""
    facts, count = obs.facts, obs.facts.left_out_images or 0
    if (other := _heavy_positives(obs) or _empty_rows(obs) or loss_of_nothing(obs)) is not None:
        return other
    if not facts.left_out_classes or not count:
        return None
    which = some([f"{number:,}" for number in facts.left_out_classes])
    several = len(facts.left_out_classes) > 1
    return RuleResult(
        f"The loss leaves out the images of class{'es' if several else ''} {which} ({count:,} of the first "
        f"{facts.batch_size or 0:,}), by ignore_index or by a weight of 0: "
        f"{'these classes are' if several else 'this class is'} never learnt.",
        step=0,
        value=count,
        threshold=0,
        evidence=f"{count:,} images of class {which} without a part in the loss",
        severity="note" if _left_out_of_accuracy(obs) else None,
    )


def _empty_rows(obs: Observations) -> RuleResult | None:
    """Find images that the loss teaches nothing of, while all others are of one class, and nothing is learnt.

    (A loss that leaves out what is unsure, or easy, does so too, and learns.)
    """
    silent, images, only = obs.facts.silent_images or (0, 0, -1)
    told = [epoch.val_accuracy for epoch in obs.epochs if epoch.val_accuracy is not None]
    guess = max(obs.largest_class, 1 / max(2, obs.facts.outputs or 2))
    if only < 0 or silent < limit("F59", "silent") * images or len(told) < 2 or max(told) > 1.1 * guess:
        return None
    which = "Are the one-hot rows of other classes empty?"
    if obs.facts.outputs == 1:
        which = "Is the other class's term missing, (1 - y) log(1 - p)?"
    return RuleResult(
        f"The loss gives {silent:,} of the first {images:,} images a gradient of exactly 0, and says of all others "
        f"that they are of class {only:,}; validation accuracy is still that of a guess ({percent(max(told))}). "
        f"{which}",
        step=0,
        value=silent / images,
        threshold=limit("F59", "silent"),
        evidence=f"{silent:,} of {images:,} images without a gradient, {only:,} the only class",
        name="images that the loss teaches nothing of",
        advice="Number classes from 0, or use nn.CrossEntropyLoss with class numbers.",
    )


def _heavy_positives(obs: Observations) -> RuleResult | None:
    """Find a pos_weight that makes the positives of a batch count many times what its negatives do."""
    weight, ones, zeros = obs.facts.positive_weight or (0.0, 0.0, 0.0)
    if not ones or not zeros:
        return None
    times, most = weight * ones / zeros, limit("F59", "times")
    if 1 / most < times < most:
        return None
    return RuleResult(
        f"With pos_weight {weight:.4g} the {ones:,.0f} positives of the first batch count {times:.3g} times what its "
        f"{zeros:,.0f} negatives do: everything is called {'positive' if times > 1 else 'negative'}.",
        step=0,
        value=times,
        threshold=most,
        evidence=f"pos_weight {weight:.4g}, {ones:,.0f} positives, {zeros:,.0f} negatives",
        name="weight of the positives far off",
        advice="pos_weight is the number of negatives over that of positives.",
    )


def _left_out_of_accuracy(obs: Observations) -> bool:
    """Return True where more answers are right than there are images of other classes: the accuracy leaves them out."""
    counts, without = obs.label_counts or obs.facts.batch_labels, obs.facts.left_out_classes
    if not sum(counts):
        return False
    share = sum(counts[number] for number in without if number < len(counts)) / sum(counts)
    best = max((epoch.val_accuracy or 0.0 for epoch in obs.epochs), default=0.0)
    return best > 1 - limit("F59", "share") * share


@rule("F43", "facts", "steps", "epochs")
def wrong_kind(obs: Observations) -> RuleResult | None:
    """Find a loss for quantities that is given class numbers."""
    facts, most = obs.facts, _most_label(obs)
    if facts.loss_kind not in DISTANCES or facts.target_kind in ("numbers", "several a row") or most < 1:
        return None
    if facts.loss_kind in ("squared error", "absolute error"):
        if facts.outputs != 1 and facts.target_kind != "whole numbers":
            median = facts.loss_kind == "absolute error" and (facts.outputs or 0) > 2  # of 0, 0, 0, 1: it is 0
            return _wrong(facts.loss_kind, "shares of classes", note=not median or learns(obs))
        if facts.outputs == 1 and most < 2:
            return _wrong(facts.loss_kind, "the numbers 0 and 1", note=True)
        if facts.outputs != 1 and facts.loss_value == "squared error":
            return _wrong(facts.loss_kind, "shares of classes", note=True)
    return _wrong(facts.loss_kind, "class numbers" if facts.outputs == 1 else "classes", note=False)


def _wrong(kind: str, what: str, note: bool) -> RuleResult:
    return RuleResult(
        f"The loss ({kind}) measures how far a quantity is off, and is given {what}: a cross-entropy is made for them.",
        step=0,
        evidence=f"loss: {kind}",
        severity="note" if note else None,
    )
