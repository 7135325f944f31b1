"""Signs in the first gradients at the outputs, and in how many dropouts lie behind each other."""

from __future__ import annotations

import math

from cvtui.doctor.learning import learns
from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import RuleResult, limit, percent


def straight_loss(obs: Observations) -> RuleResult | None:
    """Find a loss that goes up and down with the model's one output in a straight line, and can't mean that."""
    if len(obs.facts.pulls) != 3 or obs.facts.optimizers > 1 or not obs.epochs:
        return None
    up, down, none = obs.facts.pulls
    if up and none and not down:
        return _hinge_of_zero(obs, up, none)
    told = [epoch.val_accuracy for epoch in obs.epochs if epoch.val_accuracy is not None]
    if not up or not down or none or not told or obs.lowest_loss >= 0 or obs.bad_step is not None:
        return None
    return RuleResult(
        f"Each of the first {up + down:,} images pulls the model's one output with the same force ({up:,} up, {down:,} "
        f"down), wherever it is, and the loss fell to {obs.lowest_loss:.3g}: it has no lowest value. Does it want a "
        "share between 0 and 1, and is a sigmoid missing?",
        step=0,
        value=obs.lowest_loss,
        threshold=0.0,
        evidence=f"gradients of one size, {up:,} up and {down:,} down",
        name="loss without a lowest value",
        advice="Take a sigmoid of the score, or use binary_cross_entropy_with_logits.",
    )


def _hinge_of_zero(obs: Observations, up: int, none: int) -> RuleResult | None:
    """Find a hinge loss of labels 0 and 1: images of class 0 teach nothing."""
    told = [epoch.val_accuracy for epoch in obs.epochs if epoch.val_accuracy is not None]
    if len(told) < 2 or learns(obs):
        return None
    return RuleResult(
        f"{up:,} of the first {up + none:,} images pull the model's one output up, all with one force, {none:,} do not "
        f"pull at all, and none pulls down; validation accuracy is {percent(told[-1])}. Is it a hinge of labels 0 and "
        "1? It wants -1 and 1.",
        step=0,
        value=none / (up + none),
        threshold=0.0,
        evidence=f"{up:,} images pull up, {none:,} not at all",
        name="hinge loss of labels 0 and 1",
        advice="Give a hinge labels of -1 and 1, or use a binary cross-entropy.",
    )


def one_label_for_all(obs: Observations) -> RuleResult | None:
    """Find several shares of an image that are all compared with its one label."""
    outputs = obs.facts.outputs or 0
    if not obs.facts.one_target_for_all or outputs < 2:
        return None
    return RuleResult(
        f"The binary cross-entropy compares each of an image's {outputs:,} shares with one and the same number, 0 or "
        f"1: a label of N x 1 beside shares of N x {outputs:,}.",
        step=0,
        value=outputs,
        threshold=1,
        evidence=f"one target for {outputs:,} shares, by the gradient",
        name="one label beside several shares",
        advice='Give one-hot rows (class_mode="categorical"), or the model one output with a sigmoid.',
    )


def dropout_upon_dropout(obs: Observations) -> RuleResult | None:
    """Find so many dropouts that hardly anything gets through all of them, in a net that learns nothing."""
    drops = [module.options.get("p", 0.0) for module in obs.facts.modules if "Dropout" in module.kind]
    strong = [p for p in drops if limit("F34", "each") <= p < 1]
    left = math.prod(1 - p for p in strong)
    if left > limit("F34", "together") or len(obs.epochs) < limit("F34", "epochs") or learns(obs):
        return None
    return RuleResult(
        f"{len(strong):,} dropouts of {min(strong):.3g} or more: a path through all of them is whole in "
        f"{percent(left)} of the steps, and after epoch {obs.epochs[-1].epoch:,} the net has learnt little.",
        step=obs.epochs[-1].step,
        value=left,
        threshold=limit("F34", "together"),
        evidence=f"{len(strong):,} dropouts, product of what they keep {left:.2g}",
        name="dropout behind dropout",
        advice="Keep one dropout before the last layer, and 0.1 or none behind convolutions.",
    )


def softmax_between(obs: Observations) -> RuleResult | None:
    """Find a softmax between two linear layers, in a net that learns nothing."""
    width = obs.facts.softmax_inside
    if width < 2 or len(obs.epochs) < 2 or learns(obs):
        return None
    return RuleResult(
        f"A softmax over {width:,} features stands between two linear layers: they add up to 1, {1 / width:.2g} each "
        "on average, so that hardly any signal gets through, nor any gradient back.",
        step=0,
        value=1 / width,
        evidence=f"a softmax over {width:,} features between linear layers",
        name="softmax between layers",
        advice="Use ReLU between layers, and a softmax at the end alone.",
    )


ENDS = {"sigmoid": "between 0 and 1", "tanh": "between -1 and 1", "relu": "never below 0", "relu6": "never below 0"}
"""Where the outputs of these can lie."""


def squashed(obs: Observations) -> RuleResult | None:
    """Find outputs that can't go where a margin, or a binary cross-entropy with logits, wants them."""
    facts, head = obs.facts, (obs.facts.output_made or [""])[0]
    if head == "tanh" and facts.loss_kind == "binary cross-entropy with logits" and facts.given_as_is:
        share = 1 / (1 + math.exp(-1))
        return RuleResult(
            f"The scores come from a tanh and lie between -1 and 1: no share can be above {share:.3g}, and the loss "
            f"can't fall below {-math.log(share):.3g}.",
            step=0,
            value=-math.log(share),
            evidence="before the sigmoid: tanh",
            name="scores between -1 and 1",
            advice="Leave the tanh out.",
        )
    unknown = not facts.loss_kind and not facts.loss_calls
    margin = facts.loss_kind == "margin"
    hinge = unknown and (facts.one_force or bool(facts.pulls))
    if head not in ENDS or not (margin or hinge) or len(obs.epochs) < 2 or learns(obs):
        return None
    what = {"relu": "ReLU", "relu6": "ReLU6"}.get(head, head)
    how = "is one of margins" if margin else "pulls at all that it pulls with one force, as a hinge does"
    return RuleResult(
        f"The model's outputs come from a {what} and are {ENDS[head]}, and the loss {how}: it wants raw scores, on "
        "both sides of 0.",
        step=0,
        evidence=f"outputs come from: {', '.join(facts.output_made)}",
        name="squashed scores under a margin loss",
        advice=f"Leave the {what} out.",
    )
