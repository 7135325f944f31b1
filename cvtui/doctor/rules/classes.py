"""How often each class comes: in the training set, in the batches, and among the outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import RuleResult, limit, percent, rule
from cvtui.doctor.rules.graph_signs import scores_are_others
from cvtui.doctor.rules.loss import DISTANCES
from cvtui.doctor.run_setup import EVEN, evenness


def _one_class(obs: Observations) -> RuleResult | None:
    """Find labels that are all one class number, and a run in which nothing else ever came."""
    facts, last = obs.facts, obs.epochs[-1] if obs.epochs else None
    some_of = [number for number, count in enumerate(facts.batch_labels) if count]
    if facts.label_counts or len(some_of) != 1 or len(facts.batch_sizes) < limit("F24", "batches") or last is None:
        return None
    validated = last.val_accuracy or 0.0
    right = min(validated, last.train_accuracy or 0.0)
    nowhere = right >= limit("F24", "right")
    if (facts.outputs or 0) < 2 or not (nowhere or _never_wrong(obs)):
        return None  # sorted by class: others came later
    end = f"by epoch {last.epoch:,} {percent(right)} is right: there is one class, and nothing is learnt."
    if not nowhere:
        end = "no later one of the first epoch has a wrong answer: training has one class "
        end += f"({percent(validated)} is right in validation)."
    return RuleResult(
        f"All labels of the first {len(facts.batch_sizes):,} batches are class {some_of[0]:,}, and {end}",
        step=len(facts.batch_sizes) - 1,
        value=1,
        threshold=2,
        evidence=f"{sum(facts.batch_labels):,} labels, one class",
        name="one class only",
        advice="Print the labels: is the folder the one above, or a class number made by a division of whole numbers?",
    )


def _never_wrong(obs: Observations) -> bool:
    """Return True if all answers of the first epoch's later batches are right: a class that is new would get none."""
    windows, first = obs.windows, len(obs.facts.batch_sizes)
    later = windows.accuracy[(windows.end > first) & (windows.end <= obs.epochs[0].step)]
    return len(later) >= 2 and bool((later >= 1).all())


@rule("F24", "facts", "epochs")
def imbalance(obs: Observations) -> RuleResult | None:
    facts = obs.facts
    if (alone := _one_class(obs)) is not None:
        return alone
    counts = [count for count in obs.label_counts if count]
    even, drawn = evenness(counts), evenness(facts.batch_labels)
    if even is None or max(obs.classes, len(counts)) < 2 or obs.balanced:
        return None
    if sum(facts.batch_labels) >= limit("F24", "labels") and drawn is not None and drawn >= EVEN > even:
        return None  # a sampler draws them evenly
    uncertain = 1 + even * (len(counts) - 1)
    ratio = uncertain / len(counts)
    unweighed = _plain_mean(obs) or _always_the_many(obs, counts)
    if ratio >= limit("F24", "perplexity") and (even >= limit("F24", "even") or not unweighed):
        return None
    largest = max(counts) / sum(counts)
    whose = "training labels" if facts.label_counts else f"labels of the first {len(facts.batch_sizes):,} batches"
    return RuleResult(
        f"{percent(largest)} of the {whose} are one class; the labels are as uncertain as "
        f"{uncertain:.2g} even classes, not {len(counts)}. "
        f"A net that always gives that class is right in {percent(largest)}.",
        value=ratio,
        threshold=limit("F24", "perplexity"),
        evidence=f"exp(H)/C = {ratio:.2g}",
        severity="note" if _weighed(obs, counts) else None,
    )


def _weighed(obs: Observations, counts: Sequence[int]) -> bool:
    """Return True where the loss's class weights make the classes count about evenly."""
    weights = obs.facts.class_weights
    if len(weights) < 2 or len(weights) != len(obs.label_counts):
        return False
    shares = [round(1e6 * count * weight) for count, weight in zip(obs.label_counts, weights, strict=True) if count]
    even = evenness(shares)
    return len(shares) == len(counts) and even is not None and even >= EVEN


def _plain_mean(obs: Observations) -> bool:
    """Return True where the loss is the plain mean over the images: no class weighs more."""
    plain = ("cross-entropy", "binary cross-entropy", "binary cross-entropy with logits")
    called = bool(obs.facts.loss_calls) and obs.facts.loss_weighted is False
    return (called and obs.facts.loss_value in plain) or not obs.own_loop


def _always_the_many(obs: Observations, counts: Sequence[int]) -> bool:
    """Return True where the last validations are all right in one and the same share, that of the largest class."""
    told = [epoch.val_accuracy or 0.0 for epoch in obs.epochs][-int(limit("F24", "epochs")) :]
    share, total = max(counts) / sum(counts), sum(counts)
    if len(told) < limit("F24", "epochs") or max(told) - min(told) > 1e-4:
        return False
    return abs(told[-1] - share) < max(0.01, 3 * math.sqrt(share * (1 - share) / total))


def mixed_classes(counts: Sequence[int], sizes: Sequence[int]) -> float:
    """Return how many classes batches of such sizes hold together, if drawn from classes that come so often."""
    total = sum(counts)
    return sum(sum(1 - (1 - count / total) ** size for count in counts) for size in sizes)


@rule("F12", "facts", "epochs")
def not_shuffled(obs: Observations) -> RuleResult | None:
    facts = obs.facts
    if _one_class(obs) is not None:
        return None
    first = int(limit("F12", "batches"))
    seen, sizes = facts.batch_classes[:first], facts.batch_sizes[:first]
    if len(seen) < 3 or obs.classes < 2:
        return None
    expected = mixed_classes(facts.label_counts or [1] * obs.classes, sizes)
    if sum(seen) >= limit("F12", "share") * expected:
        return None
    if not facts.label_counts and sum(count > 0 for count in facts.batch_labels) > 1:
        of_those = mixed_classes(facts.batch_labels, facts.batch_sizes)
        if sum(facts.batch_classes) >= limit("F27", "mixed") * of_those:
            return None  # fewer classes than outputs come, and those mixed
    return RuleResult(
        f"The first {len(seen)} batches held {sum(seen) / len(seen):.2g} classes on average; mixed ones would hold "
        f"{expected / len(seen):.2g}. The images seem to come sorted by class.",
        step=len(seen) - 1,
        value=sum(seen) / expected,
        threshold=limit("F12", "share"),
        evidence=f"classes in the first batches: {', '.join(map(str, seen))}",
    )


@rule("F27", "facts", "epochs")
def wrong_outputs(obs: Observations) -> RuleResult | None:
    outputs, classes = obs.facts.outputs, obs.classes
    if scores_are_others(obs):
        return None  # what the model gives is no score of a class: a head makes those of it
    few = _from_labels(obs)
    if few is not None:
        return few
    if not outputs or not classes or outputs in (classes, 1):  # (one output for many: F41)
        return None
    if obs.facts.classes is None and not (obs.run and obs.run.data.get("classes")):
        return None
    known_from_few = obs.facts.train is None and outputs > classes
    if known_from_few:
        return None
    more = outputs > classes
    if more and obs.facts.loss_kind in DISTANCES and obs.facts.target_kind != "one-hot":
        return None  # places in a space, between which a triplet or contrastive loss measures distances
    first = obs.facts.first_loss
    alike = more and first is not None and abs(first / math.log(outputs) - 1) < 0.05
    cost = f"; its first loss, {first:.3g}, is about ln {outputs:,}." if alike else "."
    return RuleResult(
        f"The model gives {outputs:,} numbers for {classes:,} classes"
        + (cost if more else ": some classes can't be answered."),
        value=outputs,
        threshold=classes,
        evidence=f"{outputs:,} outputs, {classes:,} classes",
        severity="warn" if more else "stop",
    )


def _from_labels(obs: Observations) -> RuleResult | None:
    """Tell from the labels of the first batches that outputs are too many, where nothing tells the classes.

    Labels 0 … k − 1 all came, in each batch as many of them as mixed batches hold, and none of the others.
    """
    facts, outputs = obs.facts, obs.facts.outputs or 0
    counts, sizes = facts.batch_labels, facts.batch_sizes
    if facts.train is not None or (obs.run and obs.run.data.get("classes")) or outputs < 3 or not counts:
        return None
    if len(sizes) < limit("F12", "batches") or len(counts) > outputs:
        return None
    some_of = [count for count in counts if count]
    first = next(place for place, count in enumerate(counts) if count)
    if len(some_of) < 2 or len(some_of) != len(counts) - first:
        return None
    total, left = sum(some_of), outputs - len(some_of)
    # As likely as that even classes are all missed by so many labels; and none of those that came is rare.
    if -left * total * math.log1p(-1 / outputs) < limit("F27", "sure"):
        return None
    if min(some_of) < limit("F27", "fewest") * total / len(some_of):
        return None
    if sum(facts.batch_classes) < limit("F27", "mixed") * mixed_classes(some_of, sizes):
        return None  # sorted: others may come later
    last = len(counts) - 1
    return RuleResult(
        f"The model gives {outputs:,} numbers, and the {total:,} labels of the first {len(sizes):,} batches are "
        f"{first:,} to {last:,}, each often and mixed: "
        + ("class 0 never comes." if first else f"{left:,} outputs are of no class."),
        step=len(sizes) - 1,
        value=outputs,
        threshold=len(some_of),
        evidence=f"{outputs:,} outputs, labels {first:,} to {last:,}",
        severity="note" if _others_validated(obs) else None,
    )


def _others_validated(obs: Observations) -> bool:
    """Return True where validation is far below a guess: its images may be of the classes that never came."""
    last, outputs = obs.epochs[-1] if obs.epochs else None, obs.facts.outputs or 1
    if last is None or last.val_accuracy is None:
        return False
    return last.val_accuracy < 0.5 / outputs and (last.train_accuracy or 0.0) > limit("F27", "taught")
