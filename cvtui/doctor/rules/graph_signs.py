"""Signs in the loss's graph and in what it is given that several faults' rules ask for."""

from __future__ import annotations

import math

from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import RuleResult, limit


def scores_are_others(obs: Observations) -> bool:
    """Return True where the loss's softmax goes over another number of scores than the model gives: a head follows."""
    facts = obs.facts
    over = [row[1] for row in facts.softmax_over if row[0] == 1 and row[2] == 2]
    return bool(over) and facts.outputs not in over


def head_that_stays(obs: Observations) -> RuleResult | None:
    """Find a head behind the model whose parameters nothing moves."""
    count, calls = obs.facts.foreign_still or 0, {"cross_entropy", "nll_loss"} & set(obs.facts.loss_calls)
    if not 0 < count <= 2 or not calls or not scores_are_others(obs):
        return None  # (a net of many layers behind it may be one that judges, and is to stay as it is)
    over = next(row[1] for row in obs.facts.softmax_over if row[0] == 1)
    return RuleResult(
        f"The model gives {obs.facts.outputs or 0:,} numbers, and a head outside of it makes {over:,} scores of them: "
        f"{count:,} of its parameters {'is' if count == 1 else 'are'} neither the model's nor the optimiser's, and did "
        "not change in the first steps.",
        step=0,
        value=count,
        threshold=0,
        evidence=f"{count:,} parameters of the loss's graph that nothing moves",
        name="head that is not trained",
        severity="warn",
        advice="Give the optimiser the head's (or the loss's) parameters as well as the model's.",
    )


def softmax_of_softmax(obs: Observations) -> RuleResult | None:
    """Find a log-softmax right behind a softmax, whatever the loss makes of it (a focal loss, weights of images)."""
    facts, classes = obs.facts, obs.facts.outputs or 0
    over = [row for row in facts.softmax_over if row[1] == classes > 1]
    if len(over) < 2 or facts.loss_wants != "logits" or (facts.loss_given or [""])[0] != "softmax":
        return None
    most = math.e / (math.e + classes - 1)
    return RuleResult(
        "The loss takes a softmax of what a softmax has made already: of "
        f"{classes:,} classes none can have a share above {most:.3g} in it.",
        step=0,
        value=most,
        evidence="in the loss's graph: a softmax right behind a softmax",
    )


def loss_of_nothing(obs: Observations) -> RuleResult | None:
    """Find a loss that is exactly 0 from the first step on, though answers are those of a guess."""
    facts, losses = obs.facts, obs.windows.loss
    cost = facts.cross_entropy
    if facts.first_loss != 0 or facts.output_gradient != 0 or cost is None or len(losses) < 2 or losses.any():
        return None
    if not facts.outputs or facts.outputs < 2 or cost < 0.5 * math.log(facts.outputs):
        return None
    return RuleResult(
        f"The loss is exactly 0 in each step, and its gradient too, while the first batch's answers cost {cost:.3g} by "
        "cross-entropy: no image counts in it.",
        step=0,
        value=0.0,
        threshold=cost,
        evidence=f"loss 0, gradient 0, cross-entropy {cost:.3g}",
        name="loss that counts nothing",
        advice="Look for what the loss is multiplied by: weights or a mask of zeros.",
    )


def not_logs_under_kl(obs: Observations) -> RuleResult | None:
    """Find kl_div of probabilities or scores: it takes logarithms of probabilities first."""
    facts = obs.facts
    span, sums, logs = facts.given_range, facts.given_sums, facts.given_log_sums
    if facts.loss_calls[:1] != ["kl_div"] or facts.loss_kind or not span or not sums or not logs:
        return None
    near = limit("F40", "tolerance")
    if max(map(abs, logs)) < near:
        return None
    shares = 0 <= span[0] <= span[1] <= 1 and max(abs(one - 1) for one in sums) <= near
    told = "add up to 1 in each row: probabilities" if shares else "are no logarithms of shares that add up to 1"
    return RuleResult(
        f"F.kl_div wants log-probabilities first, and is given {span[0]:.3g} to {span[1]:.3g}, which {told}.",
        step=0,
        evidence=f"what is given to kl_div: rows that {told}",
        advice='F.kl_div(F.log_softmax(scores, 1), target probabilities, reduction="batchmean").',
    )


def norms_at_zero(obs: Observations) -> RuleResult | None:
    """Find a scale of 0 in every norm: what lies before them gets no gradient."""
    count, sums, logs = obs.facts.zero_norms, obs.facts.given_sums, obs.facts.given_log_sums
    if not count or not sums or not logs or max(sums[1] - sums[0], logs[1] - logs[0]) > 1e-6 * max(1, *map(abs, sums)):
        return None  # (images go round them, on residual paths)
    return RuleResult(
        f"The scale of all {count:,} norms is 0 when training begins, and all images of the first batch are answered "
        "alike: no gradient gets through the norms.",
        step=0,
        value=0.0,
        threshold=0.0,
        evidence=f"{count:,} norms, each with a scale of 0",
        name="norms begin at zero",
        advice="Begin a norm's weight at 1; only the last one of a residual branch may begin at 0.",
    )
