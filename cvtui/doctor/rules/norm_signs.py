"""Batch norms, and averages of weights, whose evaluation differs from training by what they keep."""

from __future__ import annotations

from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import RuleResult, limit, percent
from cvtui.runlog.events import ModuleFact


def of_the_batch(obs: Observations) -> RuleResult | None:
    """Find frozen norms of a loaded net that take the batch's means in training, and others in evaluation."""
    facts, last = obs.facts, obs.epochs[-2:]
    norms = [one for one in facts.modules if "BatchNorm" in one.kind]
    if not norms or facts.fresh_norms != 0 or facts.norm_frozen is not False or not facts.mode_losses or len(last) < 2:
        return None
    if not any(f"{one.name}.weight" in facts.frozen for one in norms):
        return None
    at, trained, evaluated = facts.mode_losses[-1]
    if evaluated < limit("F23", "frozen") * trained:
        return None
    if any((one.train_accuracy or 0.0) - (one.val_accuracy or 1.0) < limit("F23", "apart") for one in last):
        return None
    right, wrong = percent(last[-1].train_accuracy or 0.0), percent(last[-1].val_accuracy or 0.0)
    return RuleResult(
        f"The batch norms of a loaded, frozen net take each batch's own means in training, and others in evaluation: "
        f"at step {int(at):,} one batch costs {trained:.3g} in training mode and {evaluated:.3g} in evaluation mode, "
        f"and {right} is right in training, {wrong} in validation.",
        step=last[-1].step,
        layer=norms[0].name,
        value=evaluated / trained,
        threshold=limit("F23", "frozen"),
        evidence=f"loss {trained:.3g} in training mode, {evaluated:.3g} in evaluation mode",
        name="frozen norms in training mode",
        advice="Call eval() on the frozen part behind model.train(): its batch norms then keep their means.",
    )


def first_values_left(
    obs: Observations, norms: list[ModuleFact], pairs: list[tuple[int, float, float]]
) -> RuleResult | None:
    """Find running means that still hold much of their first values, where evaluation mode answers far worse.

    (Of few steps, however many epochs: a small set, or a momentum as Keras has it.)
    """
    facts, last = obs.facts, obs.epochs[-1] if obs.epochs else None
    if not norms or pairs[1:] or facts.fresh_norms == 0 or facts.norm_spread is not None:
        return None  # (they were loaded: their first values are those of another training)
    momentum, step, how = min(one.options["momentum"] for one in norms), 0, ""
    if facts.mode_losses and facts.mode_losses[-1][0] >= limit("F23", "least"):
        at, trained, evaluated = facts.mode_losses[-1]
        far = evaluated > max(limit("F23", "times") * trained, trained + limit("F23", "more"))
        step = int(at) if far else 0
        how = f"the same batch costs {trained:.3g} in training mode and {evaluated:.3g} in evaluation mode"
    elif last is not None and (last.train_accuracy or 0.0) - (last.val_accuracy or 1.0) > limit("F23", "gap"):
        step, right = last.step, percent(last.train_accuracy or 0.0)
        how = (
            f"{right} is right in training, where they are not used, and {percent(last.val_accuracy or 0.0)} with them"
        )
    left = (1 - momentum) ** step
    if step < limit("F23", "least") or left < limit("F23", "left"):
        return None
    return RuleResult(
        f"After {step:,} steps the running means of {norms[0].name} still hold {percent(left)} of their first values, "
        f"0 and 1 (momentum {momentum:.2g}): {how}.",
        step=step,
        layer=norms[0].name,
        value=left,
        threshold=limit("F23", "left"),
        evidence=f"momentum {momentum:.2g}, {step:,} steps: {percent(left)} left",
        advice="More steps, or a larger momentum (PyTorch's own is 0.1; Keras's 0.99 is 0.01 here).",
    )


def copy_lags(obs: Observations) -> RuleResult | None:
    """Find a copy of the net, evaluated in its place, that hardly follows its weights: an average over too many steps.

    (A copy that goes another way, or none, is a teacher or a saved state.)
    """
    share, along = obs.facts.copy_follows or (1.0, 0.0)
    if not limit("F23", "still") < share < limit("F23", "follows") or along < limit("F23", "along"):
        return None
    if len(obs.epochs) < limit("F23", "epochs"):
        return None
    return RuleResult(
        f"The net itself is never evaluated, and a copy of it in evaluation mode has come {percent(share)} of the way "
        f"of its weights by epoch {len(obs.epochs):,}: what the copy answers is nearly what the first weights "
        "answered.",
        step=obs.epochs[-1].step,
        value=share,
        threshold=limit("F23", "follows"),
        evidence=f"a copy has followed {percent(share)} of the way",
        name="an average of the weights that lags",
        advice="Take a smaller decay (0.99 remembers 100 steps, 0.9999 ten thousand), let it grow with the steps, or "
        "validate the net itself until the average has caught up.",
    )
