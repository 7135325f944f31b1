"""Accuracies that are counted wrongly, by the first steps' answers, or by what losses and image counts rule out."""

from __future__ import annotations

import itertools
import math

from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import RuleResult, limit, percent, rule
from cvtui.doctor.rules.count_signs import PLAIN, of_training_images
from cvtui.runlog.events import EpochDone


@rule("F49", "facts", "steps", "epochs")
def wrong_accuracy(obs: Observations) -> RuleResult | None:
    """Find told accuracies that all first steps' outputs and labels explain by one wrong way of counting."""
    facts = obs.facts
    if facts.accuracy_counted == "half of a score":
        return _of_scores(obs) or _unlike_its_loss(obs)
    words = _counted(obs)
    if (added := _added_up(obs) or _of_both(obs) or of_training_images(obs)) is not None:
        return added
    if not words or not facts.accuracies:
        return _too_low(obs) or _unlike_its_loss(obs)
    place = max(range(len(facts.accuracies)), key=lambda row: abs(facts.accuracies[row][0] - facts.accuracies[row][1]))
    told, right = facts.accuracies[place]
    return RuleResult(
        f"The accuracy that is told is not the share of right answers: {words}. At worst {told:.3g} was told, and "
        f"{right:.3g} were right.",
        step=len(facts.accuracies) - 1,
        value=told,
        threshold=right,
        evidence=f"told {told:.3g}, right {right:.3g}, in {len(facts.accuracies)} steps the same way",
    )


def _of_scores(obs: Observations) -> RuleResult | None:
    """Note that raw scores count as class 1 above a half."""
    pairs = obs.facts.accuracies
    if obs.facts.loss_wants != "logits" or not pairs:
        return None
    told, right = max(pairs, key=lambda pair: abs(pair[0] - pair[1]))
    return RuleResult(
        "The accuracy that is told counts raw scores above 0.5 as class 1, which is a probability of 0.62; above 0 is "
        f"more likely than not. At worst {told:.3g} was told, and {right:.3g} were right.",
        step=len(pairs) - 1,
        value=told,
        threshold=right,
        evidence=f"told {told:.3g}, right {right:.3g}, in {len(pairs)} steps the same way",
        severity="note",
        name="accuracy of raw scores at a half",
        advice="Compare the scores with 0, or their sigmoid with 0.5.",
    )


def _added_up(obs: Observations) -> RuleResult | None:
    """Find validation accuracies that grow by one epoch's share in each: right answers are never set back to 0.

    (From 2 on an accuracy is taken for percent, and recorded as a hundredth.)
    """
    told = [epoch.val_accuracy for epoch in obs.epochs if epoch.val_accuracy is not None]
    if (obs.epochs[-1].train_accuracy or 0.0) < limit("F49", "shares") if obs.epochs else True:
        return None  # (training in percent too: a hundredth)
    if len(told) < 4 or len(told) < len(obs.epochs) or not limit("F49", "apart") < told[0] <= 1:
        return None
    place = next((place for place, value in enumerate(told) if place and value < told[place - 1]), len(told))
    sums = told[:place] + [100 * value for value in told[place:]]
    gains = [after - before for before, after in itertools.pairwise(sums)]
    if sums[-1] <= 2 or any(not 0.5 * told[0] <= gain <= 1.0001 for gain in gains):
        return None
    return RuleResult(
        f"The validation accuracies that are told grow from {sums[0]:.3g} to {sums[-1]:.3g} in {len(sums)} epochs, by "
        "at most 1 each: right answers of all epochs are divided by the images of one. Is the count set back to 0?",
        step=obs.epochs[-1].step,
        value=sums[-1],
        threshold=1.0,
        evidence=f"validation accuracy {sums[-1]:.3g} after {len(sums)} epochs",
    )


def _of_both(obs: Observations) -> RuleResult | None:
    """Find validation accuracies that are shares of the epoch's images and the validation's together.

    Such a share times both numbers of images is whole, and times the validation's alone is not.
    """
    facts, before, rows = obs.facts, 0, []
    images = facts.train or (facts.distinct_images or (0, 0))[1]
    validated = facts.evaluated or facts.validation or 0  # (a loader may leave the last batch out)
    if not images or not validated or not obs.batch_size or set(facts.accumulated) - {1}:
        return None
    for epoch in obs.epochs:
        count, before = min(images, (epoch.step - before) * obs.batch_size), epoch.step
        if epoch.val_accuracy is None or not 0 < epoch.val_accuracy < 1 or _off(1e4 * epoch.val_accuracy) < 1e-3:
            continue  # (rounded to four digits it is whole of any 10,000)
        rows.append((_off(epoch.val_accuracy * (count + validated)), _off(epoch.val_accuracy * validated)))
    if len(rows) < limit("F49", "epochs") or max(both for both, _ in rows) > limit("F49", "whole"):
        return None
    if sum(alone > limit("F49", "broken") for _, alone in rows) < limit("F49", "epochs"):
        return None
    last = obs.epochs[-1]
    return RuleResult(
        f"In each epoch the validation accuracy that is told is a share of {images + validated:,} images, those of "
        f"training ({images:,}) and of validation ({validated:,}) together, and no share of the validation's alone: "
        "are right answers and images set back to 0 before the validation?",
        step=last.step,
        value=last.val_accuracy,
        evidence=f"told accuracies times {images + validated:,} are whole numbers, times {validated:,} they are not",
    )


def _off(number: float) -> float:
    """Return how far a number lies from the nearest whole one."""
    return abs(number - round(number))


def _too_low(obs: Observations) -> RuleResult | None:
    """Find a told accuracy that the loss rules out: a wrong answer has a probability of a half at most.

    So it costs ln 2 at least, and no more than loss / ln 2 of the answers are wrong.
    """
    windows, row, apart = obs.windows, int(limit("F49", "row")), limit("F49", "apart")
    if obs.facts.loss_value not in PLAIN or len(windows) < row or obs.first_step != 0:
        return None
    low = windows.accuracy < 1 - windows.loss / math.log(2) - apart
    if not low[-row:].all():
        return None
    begun, step = windows.start(len(windows) - row), windows.last(len(windows) - 1)
    loss, told = float(windows.loss[-row:].mean()), float(windows.accuracy[-row:].mean())
    return RuleResult(
        f"In the steps {begun:,} to {step:,} the loss was {loss:.3g} on average. A wrong answer costs ln 2 at least, "
        f"so {percent(1 - loss / math.log(2))} or more were right, and an accuracy of {percent(told)} is told.",
        step=step,
        value=told,
        threshold=1 - loss / math.log(2),
        evidence=f"accuracy {told:.3g} at a loss of {loss:.3g}",
    )


def _unlike_its_loss(obs: Observations) -> RuleResult | None:
    """Find validation accuracies that the validation loss rules out, where that loss is about training's.

    (Far below training's it is the loss that may be counted wrongly.)
    """
    last = obs.epochs[-int(limit("F49", "epochs")) :]
    if len(last) < limit("F49", "epochs") or not all(_contradict(obs, epoch) for epoch in last):
        return None
    told, right = last[-1].val_accuracy or 0.0, last[-1].train_accuracy or 0.0
    loss, cost = last[-1].val_loss or 0.0, last[-1].train_loss or 0.0
    plain = obs.facts.loss_value in PLAIN
    why = "a wrong answer costs ln 2 at least" if plain else "no answer at all is said to be right"
    return RuleResult(
        f"The validation loss of the last {len(last)} epochs fits that of training (at last {loss:.3g} and "
        f"{cost:.3g}), and the validation accuracy that is told does not ({percent(told)}, training "
        f"{percent(right)}): {why}. Are answers compared with the labels of these images, and divided by their number?",
        step=last[-1].step,
        value=told,
        evidence=f"validation accuracy {told:.3g} at a loss of {loss:.3g}",
    )


def _contradict(obs: Observations, epoch: EpochDone) -> bool:
    """Return True if so few answers can't be right at this loss."""
    told, loss, right, cost = epoch.val_accuracy, epoch.val_loss, epoch.train_accuracy, epoch.train_loss
    if told is None or loss is None or right is None or cost is None or not loss > limit("F49", "alike") * cost:
        return False
    if obs.facts.loss_value in PLAIN and told < 1 - loss / math.log(2) - 2 * limit("F49", "apart"):
        return True
    return told == 0 and right > 0.5 and loss < cost / limit("F49", "times")


def _counted(obs: Observations) -> str:
    """Say how the accuracy is counted; "" where nothing is known to be wrong."""
    facts, factor = obs.facts, obs.facts.accuracy_factor or 0.0
    outputs = facts.outputs or 0
    if facts.accuracy_counted == "factor of the images" and factor > 0:
        return f"the right answers of a batch are divided by {1 / factor:,.4g}, not by the images of that batch"
    return {
        "by output": f"each of an image's {outputs:,} outputs counts for itself, and {outputs - 1:,} of {outputs:,} "
        "are right with no net at all",
        "over the batch": "a softmax over the images of the batch (dimension 0) comes before the largest is looked for",
        "largest of one": "the largest of one output is always number 0, so class 0 is counted as the answer to all",
        "any of the batch": "an answer counts as right where any image of the batch has that label",
        "each with each": "answers of N x 1 beside labels of N make N x N, so each answer counts with each label that "
        "it is equal to",
        "each with each, mean": "answers of N x 1 beside labels of N make N x N, and the mean is taken over all of it",
        "rounded down": "it is that share rounded down to a whole number, as by a division of whole numbers",
        "factor of the share": f"it is {factor:.3g} times that share",
    }.get(facts.accuracy_counted, "")
