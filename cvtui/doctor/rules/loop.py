"""Loops that don't train what they were meant to, by what the first steps and epochs show."""

from __future__ import annotations

from cvtui.doctor.learning import learns
from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import RuleResult, limit, percent, rule, some
from cvtui.doctor.rules.graph_signs import head_that_stays


@rule("F44", "facts", "epochs")
def never_stepped(obs: Observations) -> RuleResult | None:
    """Find no updates, updates without gradients, or one update for the gradients of many steps."""
    if obs.facts.emptied:
        return RuleResult(
            "Gradients arrive, and are deleted before the optimiser's step: zero_grad() stands between backward() and "
            "step(), so no gradient moves a weight.",
            step=0,
            value=0,
            evidence="gradients that came are gone when the optimiser's step begins",
            advice="Call optimizer.zero_grad() before loss.backward(), and optimizer.step() right behind it.",
        )
    thrown = set(obs.facts.thrown_away)
    attacked = bool(obs.facts.attacked)  # (its passes have no update of their own)
    if len(obs.facts.thrown_away) > 1 and len(thrown) == 1 and (count := thrown.pop()) > 0 and not attacked:
        return RuleResult(
            f"The optimiser makes one update in {count + 1:,} batches, and the gradients of the other {count:,} are "
            "deleted: is optimizer.step() outside of the loop over batches?",
            step=min(count, max(obs.facts.step - 1, 0)),
            value=count,
            threshold=0,
            evidence=f"one update, {count + 1:,} backward passes, {count:,} of them without effect",
            severity="warn",
        )
    if (together := _added_up_losses(obs)) is not None:
        return together
    if obs.facts.updates != 0:
        return None
    if obs.facts.moved_otherwise:
        return RuleResult(
            f"In {obs.facts.step:,} steps the optimiser that is watched made no update, and the weights move: another "
            "one steps them. Is an optimiser made anew in each step or epoch? It then forgets its means each time.",
            step=max(obs.facts.step - 1, 0),
            value=0,
            threshold=1,
            evidence=f"0 updates in {obs.facts.step:,} steps",
            severity="warn",
            name="another optimiser steps",
            advice="Construct the optimiser once, before the loop, and give that one to cvtui.watch and to schedules.",
        )
    return RuleResult(
        f"In {obs.facts.step:,} steps the optimiser made no update: no weight has moved.",
        step=max(obs.facts.step - 1, 0),
        value=0,
        threshold=1,
        evidence=f"0 updates in {obs.facts.step:,} steps",
    )


def _added_up_losses(obs: Observations) -> RuleResult | None:
    """Find one backward pass, through the losses of a whole epoch, for each update."""
    counts, epochs = obs.facts.steps_together, obs.epochs
    if len(counts) < 2 or min(counts) < limit("F44", "together") or not epochs or epochs[0].epoch != 1:
        return None
    if abs(counts[-1] - epochs[0].step) > 1:
        return None  # (losses of a few batches, added up on purpose)
    return RuleResult(
        f"The optimiser makes one update an epoch, by one backward pass through {counts[-1]:,} steps: their losses are "
        "added up. Are backward() and step() outside of the loop over batches?",
        step=counts[-1],
        value=counts[-1],
        threshold=1,
        evidence=f"{counts[-1]:,} steps for one backward pass",
        severity="note" if learns(obs) else "warn",
        name="one update an epoch",
        advice="Call zero_grad(), backward() and step() for each batch; add up loss.item() for the mean that is told.",
    )


@rule("F45", "facts")
def python_list(obs: Observations) -> RuleResult | None:
    names = obs.facts.unlisted
    if obs.facts.plain_tensors:
        return RuleResult(
            f"{some(obs.facts.plain_tensors)}: a plain tensor with a gradient, no nn.Parameter. model.parameters() "
            "does not hold it, no optimiser moves it, and it is not saved.",
            value=len(obs.facts.plain_tensors),
            threshold=0,
            evidence=f"{len(obs.facts.plain_tensors)} tensors with gradients that the model does not hold",
            name="weights that are no parameters",
            advice="Wrap it: self.weight = nn.Parameter(torch.randn(…)).",
        )
    if obs.facts.fresh_leaves and not names:
        count = obs.facts.fresh_leaves
        return RuleResult(
            f"{count:,} parameters that the loss depends on are new in each step and held by nothing: a layer is "
            "constructed in forward(), random each time, and is never trained.",
            step=1,
            value=count,
            threshold=0,
            evidence=f"{count:,} parameters in the loss's graph, others in the second step than in the first",
            name="layer made anew in each step",
            advice="Construct layers in __init__ and keep them as attributes.",
        )
    if not names and (other := head_that_stays(obs)) is not None:
        return other
    if not names or not obs.facts.foreign_leaves:
        return None  # (a teacher is hidden in a list on purpose: the loss's gradient does not reach it)
    return RuleResult(
        f"{some(names)} {'are' if len(names) > 1 else 'is'} kept in a plain Python list or dict, where PyTorch does "
        "not find layers: they are not among model.parameters(), and stay as they were drawn.",
        value=len(names),
        threshold=0,
        evidence=f"{len(names)} layers that the model does not hold",
    )


@rule("F56", "facts")
def one_autocast_for_all(obs: Observations) -> RuleResult | None:
    behind = obs.facts.stale_casts
    if behind is None or behind < limit("F56", "updates"):
        return None
    return RuleResult(
        "One autocast context stands around the training loop: the optimiser moves the weights, and the net goes on "
        f"computing with copies of them that were {behind} updates old after a few steps.",
        step=max(obs.facts.step - 1, 0),
        value=behind,
        threshold=limit("F56", "updates"),
        evidence=f"a weight read under autocast was that of {behind} updates before",
    )


def has_modes(obs: Observations) -> bool:
    """Return True if the model has a layer that differs between training and evaluation."""
    return any("BatchNorm" in m.kind or ("Dropout" in m.kind and m.options.get("p")) for m in obs.facts.modules)


@rule("F46", "facts")
def trained_in_eval(obs: Observations) -> RuleResult | None:
    facts = obs.facts
    if facts.updates_in_eval:
        return _trained_in_validation(*facts.updates_in_eval)
    step = 0 if facts.training_mode is False else facts.eval_step
    if facts.idle_norms and (step is None or not has_modes(obs)):
        return RuleResult(
            f"{facts.idle_norms:,} of the batch norms are in evaluation mode in the first training step, and no batch "
            "ever went through them: they divide by 1, and normalise nothing.",
            step=0,
            value=facts.idle_norms,
            threshold=0,
            evidence=f"{facts.idle_norms:,} batch norms with mean 0 and variance 1 in evaluation mode",
            advice="Call model.train() for the whole model; eval() is for batch norms that were trained before.",
        )
    if step is None or not has_modes(obs):
        return None
    if not step and _norms_frozen(obs):
        return None
    since = f"from step {step:,} on" if step else "from the first step on"
    return RuleResult(
        f"The model is trained in evaluation mode {since}: batch norm keeps its old means, and dropout does nothing.",
        step=step,
        value=0,
        evidence=f"model.training is False in training step {step:,}",
    )


def _trained_in_validation(step: int, updates: int) -> RuleResult:
    return RuleResult(
        f"Before step {step:,} the optimiser made {updates:,} update{'s' if updates > 1 else ''} of which no step was "
        "told, each behind a pass in evaluation mode, and training mode came back: the validation trains.",
        step=step,
        value=updates,
        threshold=0,
        evidence=f"{updates:,} updates in evaluation mode before step {step:,}",
        name="trained in the validation",
        advice="Leave backward() and step() out of the validation's loop, and put it under torch.no_grad().",
    )


def _norms_frozen(obs: Observations) -> bool:
    """Return True where all batch norms were trained before and none is trained now: eval mode is what they want."""
    facts, kept = obs.facts, {*obs.facts.frozen, *obs.facts.left_out}
    norms = [one.name for one in facts.modules if "BatchNorm" in one.kind]
    if not norms or facts.fresh_norms or any("Dropout" in m.kind and m.options.get("p") for m in facts.modules):
        return False
    return all(f"{name}.weight" in kept for name in norms) or (facts.frozen_count or 0) > len(facts.frozen)


@rule("F47", "facts")
def dropout_alive(obs: Observations) -> RuleResult | None:
    apart, facts = obs.facts.evaluations_differ, obs.facts
    if facts.validation_mode is True and any("Dropout" in m.kind and m.options.get("p") for m in facts.modules):
        return RuleResult(
            "The model is validated in training mode: dropout stays active.",
            step=max(facts.step, 0),
            value=1,
            evidence="model.training is True in a pass without gradients",
            advice="Call model.eval() before the validation, and model.train() after it.",
        )
    if apart is None or apart <= limit("F47", "apart"):
        return None
    draws = facts.target_kind == "numbers"  # a variational autoencoder does so on purpose
    return RuleResult(
        f"In evaluation mode the same images were answered differently twice (by {percent(apart)} of the outputs' "
        "spread): something random goes on, such as F.dropout without training=self.training.",
        step=max(obs.facts.step - 1, 0),
        value=apart,
        threshold=limit("F47", "apart"),
        evidence=f"two evaluations of the same images lie {apart:.3g} apart",
        severity="note" if draws else None,
        advice="Nothing, if the net draws on purpose, as a variational autoencoder does." if draws else "",
    )


@rule("F57", "facts")
def images_mixed(obs: Observations) -> RuleResult | None:
    """Find answers that depend on the other images of the batch, in evaluation mode."""
    if obs.facts.across_images:
        return _in_turn(obs)
    apart, pull = obs.facts.neighbours_matter, obs.facts.neighbours_pull or 0.0
    if apart is None or apart <= limit("F57", "apart"):
        return None
    return RuleResult(
        "In evaluation mode the answer to an image depends on the images beside it in the batch (by "
        f"{percent(apart)} of the outputs' spread): something in the model mixes the batch's images, such as an LSTM "
        "or attention without batch_first, or a reshape that takes the batch for another dimension.",
        step=max(obs.facts.step - 1, 0),
        value=apart,
        threshold=limit("F57", "apart"),
        evidence=f"the same images in a smaller batch are answered {apart:.3g} apart",
        # (Activations rounded by the largest of the batch, as in quantisation, pass no gradient to the others.)
        severity="note" if apart < limit("F57", "slight") and not pull > limit("F57", "pull") else None,
    )


def _in_turn(obs: Observations) -> RuleResult:
    """Tell of sequence layers that take the images of the batch for the places of a sequence."""
    names = obs.facts.across_images
    have, takes = ("have", "take") if len(names) > 1 else ("has", "takes")
    return RuleResult(
        f"{some(names)} {have} batch_first=False, and {takes} the images of the batch for the places of a sequence: "
        "dimension 0 of what comes in is the batch.",
        step=0,
        layer=names[0],
        value=len(names),
        threshold=0,
        evidence=f"dimension 0 of {some(names)} is the batch",
        advice="Make the layer with batch_first=True, or move the axes before it: x.transpose(0, 1).",
    )


@rule("F58", "facts")
def axes_mixed(obs: Observations) -> RuleResult | None:
    """Find a view where a permutation belongs."""
    if len(obs.facts.moved_axes) != 2:
        return None
    before, after = (" x ".join(f"{size:,}" for size in sizes) for sizes in obs.facts.moved_axes)
    return RuleResult(
        f"A tensor of {before} is viewed as {after}: view and reshape keep the order of the numbers and move no axis, "
        "so what stood in one axis is mixed with another.",
        step=0,
        value=0,
        evidence=f"{before} as {after}",
    )


@rule("F50", "facts")
def undivided(obs: Observations) -> RuleResult | None:
    """Find gradients of mean losses that are added up over several batches, and not divided by their number."""
    facts = obs.facts
    counts = set(facts.accumulated)
    if len(counts) != 1 or facts.optimizers > 1 or facts.loss_scale is None:
        return None
    count = counts.pop()
    times = f"{count:,}"
    added = f"Before each update the gradients of {times} batches are added up, and no loss is divided by {times}:"
    if facts.attacked:
        return None  # an attack's pass, left over (F25), or meant
    if count < 2 or abs(facts.loss_scale - 1) > limit("F50", "tolerance"):
        return None
    return RuleResult(
        f"{added} they are "
        f"{times} times those of the mean, and so is what weight decay, clipping and the rate are set for.",
        step=0,
        value=facts.loss_scale,
        threshold=1 / count,
        evidence=f"{times} backward passes an update, each of a loss times {facts.loss_scale:.3g}",
        severity="note" if count < limit("F50", "batches") else None,
    )
