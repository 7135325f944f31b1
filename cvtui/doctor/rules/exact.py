"""Broken invariants: no tuning, no doubt."""

from __future__ import annotations

from cvtui.doctor.learning import log_of_zero
from cvtui.doctor.observations import Observations
from cvtui.doctor.phrases import change
from cvtui.doctor.registry import RuleResult, limit, percent, rule, some
from cvtui.doctor.rules.image_signs import cut_to_white, wrapped_in_training
from cvtui.doctor.rules.static import is_auxiliary
from cvtui.doctor.rules.symptoms import not_learning

TAIL = 20
"""Tensors left out before the last layers: training only the head of so deep a net is meant so."""
HEAD = 2
"""Tensors of one layer: an optimizer of the last layer alone is meant, however deep the net is."""
SMALLEST = 1e-7
"""Of a weight's size: a smaller step is rounded away in float32."""
NO_GRADIENT = (
    "Is the layer called in forward(), and do its answers reach the loss (no detach, no_grad, .data, argmax)? One that "
    "is not used does no harm: leave it out."
)
UNUSED_HEAD = "Add the auxiliary head's loss to the other, or leave the head out: unused it does no harm."
FIRST_LOOKS = 5
"""Steps after which the trainer tells which parameters got no gradient."""


def _blank(obs: Observations) -> RuleResult | None:
    """Find images that are one value all over: files that could not be read."""
    count, images = obs.facts.blank_images or (0, 0)
    if images < limit("F28", "images") or count < limit("F28", "blank") * images:
        return None
    return RuleResult(
        f"{count:,} of the {images:,} first images are one value all over, and have labels like the "
        "others: can their files not be read?",
        step=len(obs.facts.batch_sizes) - 1,
        value=count / images,
        threshold=limit("F28", "blank"),
        evidence=f"{count:,} of {images:,} images with one value",
        severity="warn",
        name="blank images",
        advice="Raise an error where a file can't be read (cv2.imread returns None), and leave these images out.",
    )


@rule("F28", "facts")
def bad_values(obs: Observations) -> RuleResult | None:
    facts = obs.facts
    if (blank := _blank(obs) or _wrapped(obs)) is not None and not facts.bad_count and facts.bad_batch is None:
        return blank
    if facts.bad_count:
        numbers = some([str(number) for number in facts.bad_items], 5, facts.bad_count)
        return RuleResult(
            f"{facts.bad_count:,} of the {facts.train or 0:,} training images hold a value that is NaN or infinite "
            f"(numbers {numbers}).",
            value=facts.bad_count,
            threshold=0,
            evidence=f"{facts.bad_count:,} images with values that are not finite",
            files=tuple(facts.bad_names),
        )
    if facts.bad_batch is not None:
        return RuleResult(
            f"The batch of step {facts.bad_batch:,} held a value that is NaN or infinite before the model saw it.",
            step=facts.bad_batch,
            value=1,
            threshold=0,
            evidence=f"input of step {facts.bad_batch:,} not finite",
        )
    return None


def _wrapped(obs: Observations) -> RuleResult | None:
    """Find bytes that are far smoother once they are turned by 128."""
    rough = obs.facts.byte_roughness or 0.0
    if rough < limit("F28", "rough"):
        return cut_to_white(obs) or wrapped_in_training(obs)
    return RuleResult(
        f"Neighbouring pixels of the first images differ {rough:.3g} times as much as those of the same bytes turned "
        "by 128: middle greys lie at both ends, as where 128 is taken off in a type without numbers below 0.",
        step=0,
        value=rough,
        threshold=limit("F28", "rough"),
        evidence=f"{rough:.3g} times as rough as the bytes turned by 128",
        severity="warn",
        name="bytes that wrapped round",
        advice="Make floats of the bytes before anything is taken off: images.astype(np.float32) - 128.",
    )


@rule("F17", "facts", "steps")
def flipped_sign(obs: Observations) -> RuleResult | None:
    """Find a cross-entropy below 0, which it never is: not of hard labels and not of smoothed ones."""
    facts = obs.facts
    first, expected = facts.first_loss, facts.cross_entropy
    if facts.first_update is not None and facts.first_update >= limit("F17", "along") and facts.loss_sign <= 0:
        return None  # a log-likelihood that is made larger
    if first is not None and expected is not None and expected > 1e-3 and abs(first + expected) < 1e-3 * expected:
        return RuleResult(
            f"The first loss was {first:.3g}: exactly the negative of the cross-entropy ({expected:.3g}). "
            "Training makes the loss smaller, so it makes the answers worse.",
            step=0,
            value=first,
            threshold=0,
            evidence=f"first loss {first:.3g}, cross-entropy {expected:.3g}",
        )
    if (uphill := _uphill(obs)) is not None:
        return uphill
    if obs.first_step or obs.negative_step is None or obs.classes < 2 or not _may_be_flipped(obs):
        return None
    if obs.negative_step > 0 and obs.own_loop:
        return None  # it began above 0: what was subtracted later may be meant
    if obs.other_objective or (not obs.own_loop and not obs.is_cross_entropy):
        return None
    return RuleResult(
        f"At step {obs.negative_step:,} the loss was {obs.negative_loss:.3g}: a cross-entropy is never below 0, "
        "so its sign was flipped.",
        step=obs.negative_step,
        value=obs.negative_loss,
        threshold=0,
        evidence=f"loss {obs.negative_loss:.3g} at step {obs.negative_step:,}",
    )


def _uphill(obs: Observations) -> RuleResult | None:
    """Find a first update along the gradient of a loss whose sign is known to be right."""
    along, facts = obs.facts.first_update, obs.facts
    if along is None or along < limit("F17", "along") or facts.loss_sign <= 0 or not facts.loss_wants:
        return None
    if (facts.loss_scale or 0.0) <= 0:
        return None  # (its negative may be what backward() was called on)
    return RuleResult(
        f"The first update moved the weights along their gradient (cosine {along:.3g}), not against it: each update "
        "makes the loss larger.",
        step=0,
        value=along,
        threshold=limit("F17", "along"),
        evidence=f"cosine of first update and gradient {along:.3g}",
        name="weights go uphill",
        advice="Leave out maximize=True; in an update of your own take the gradient off: p -= rate * p.grad.",
    )


def _may_be_flipped(obs: Observations) -> bool:
    """Return False where the loss and its sign are known: something else takes it below 0."""
    facts = obs.facts
    if facts.loss_given is None:
        return True
    return facts.loss_sign < 0 or facts.loss_value.startswith("-")


@rule("F25", "facts")
def not_zeroed(obs: Observations) -> RuleResult | None:
    share, counts = obs.facts.stale_gradient, set(obs.facts.accumulated)
    if obs.facts.attacked and counts == {2}:
        return RuleResult(
            "Each update adds up the gradients of two passes, and one of them asked for the gradient of the images: "
            "what an attack's backward() leaves in the weights is not zeroed.",
            step=1,
            value=2,
            threshold=1,
            evidence="two backward passes an update, one through images with gradients",
            severity="note",  # (some train on both on purpose)
            name="an attack's gradients not zeroed",
            advice="Ask for the image's gradient alone: torch.autograd.grad(loss, images); or zero_grad() behind it.",
        )
    if share is None or share <= limit("F25", "share"):
        return None
    return RuleResult(
        "When a new backward pass began, the gradients of the step before were still there "
        f"({share:.2g} times as large as the new ones), so every step adds up all gradients so far.",
        step=1,
        value=share,
        threshold=limit("F25", "share"),
        evidence=f"left-over gradient {share:.2g} x the new one",
    )


@rule("F26", "facts", "steps", "layers")
def not_trained(obs: Observations) -> RuleResult | None:
    if obs.facts.left_out:
        return _left_out(obs)
    if obs.facts.no_gradient and not obs.facts.emptied:  # (deleted before the update: F44)
        return _without_gradient(obs)
    return _frozen(obs) if obs.facts.frozen else _stands_still(obs)


def _left_out(obs: Observations) -> RuleResult | None:
    """Judge parameters that the optimizer does not hold."""
    facts, count = obs.facts, obs.facts.parameters or 0
    missing = max(facts.left_out_count or 0, len(facts.left_out))
    everything = missing >= count
    if not everything and not facts.batch_sizes and obs.steps_done <= FIRST_LOOKS:
        return None  # whether they get gradients is known after so many steps
    idle = facts.left_out_idle
    if not everything and (set(facts.left_out) <= set(facts.no_gradient) if idle is None else idle == missing):
        words = "left out of the optimiser and get no gradient (no_grad or detach)"
        return _kept(facts.left_out, missing, count, words)
    if not everything and facts.holds_tail and (missing >= TAIL or count - missing <= HEAD < missing):
        if facts.fresh_norms:
            words = "are not in the optimiser, which holds the last layers alone"
            return _random(facts.left_out, missing, count, words)
        if (stuck := not_learning(obs)) is not None:
            return _body_left_out(facts.left_out, missing, count, stuck.sentence)
        return _kept(facts.left_out, missing, count, "not in the optimiser, which holds the last layers alone,")
    whose = " It holds the parameters of another model." if facts.foreign else ""
    which = "any parameter of the model" if everything else some(facts.left_out, count=missing)
    return RuleResult(
        f"The optimiser does not hold {which}: {'nothing will ever' if everything else 'that part will never'} "
        f"move.{whose}",
        layer="" if everything else facts.left_out[0].rpartition(".")[0],
        value=missing,
        threshold=0,
        evidence=f"{missing:,} of {count:,} parameters are not in the optimiser",
        severity="stop" if everything else "warn",
    )


def _without_gradient(obs: Observations) -> RuleResult:
    """Judge parameters that got no gradient in the first steps."""
    facts, count = obs.facts, obs.facts.parameters or 0
    missing = max(facts.no_gradient_count or 0, len(facts.no_gradient))
    whole = missing == len(facts.no_gradient)
    idle = whole and all(map(is_auxiliary, facts.no_gradient))
    unused = whole and missing < count and _never_called(obs)
    return RuleResult(
        f"In the first steps {some(facts.no_gradient, count=missing)} got no gradient at all: nothing of the loss "
        "depends on it, or the graph was cut (detach, no_grad).",
        step=0,
        layer=facts.no_gradient[0].rpartition(".")[0],
        value=missing,
        threshold=0,
        evidence=f"{missing:,} parameters without a gradient",
        severity="stop" if missing >= count else "note" if idle or unused else "warn",
        advice=UNUSED_HEAD if idle else NO_GRADIENT,
    )


def _frozen(obs: Observations) -> RuleResult:
    """Tell of parameters that are frozen on purpose."""
    facts, count = obs.facts, obs.facts.parameters or 0
    frozen = max(facts.frozen_count or 0, len(facts.frozen))
    at = obs.recipe.get("unfreeze_at")
    until = at if isinstance(at, int) and not obs.own_loop else 0
    if facts.fresh_norms and obs.own_loop and _is_body(obs):
        return _random(facts.frozen, frozen, frozen + count, "are frozen (requires_grad is False)")
    asked = "" if obs.own_loop else str(obs.recipe.get("freeze", ""))
    advice = f"The recipe's freeze is {asked}: a fork with another one, or with none, trains more." if asked else ""
    return _kept(facts.frozen, frozen, frozen + count, "frozen (requires_grad is False)", until, advice)


def _never_called(obs: Observations) -> bool:
    """Return True where all without a gradient are vectors of modules that forward() leaves out: norms as a rule.

    (A matrix that is left out may be a layer that was forgotten; a norm that is left out takes nothing from the rest.)
    """
    called, matrices = {one.name for one in obs.facts.modules}, {one.name for one in obs.facts.weights}
    owners = {name.rpartition(".")[0] for name in obs.facts.no_gradient}
    return bool(matrices and called) and not owners & (called | {""}) and matrices.isdisjoint(obs.facts.no_gradient)


def _is_body(obs: Observations) -> bool:
    """Return True where batch norms are frozen and layers beside them: neither a fixed filter nor norms alone."""
    norms = {one.name for one in obs.facts.modules if "BatchNorm" in one.kind}
    frozen = {name.rpartition(".")[0] for name in obs.facts.frozen}
    return bool(frozen & norms) and bool(frozen - norms)


def _kept(names: list[str], kept: int, count: int, how: str, until: int = 0, advice: str = "") -> RuleResult:
    """Note parameters that are frozen: it takes a line that says so, so it is no fault.

    `names`: the first of the `kept`, of `count` in all; `how`: what follows "are"; `until`: the epoch that thaws them.
    """
    verb = f"are {how}" if kept > 1 else f"is {how.replace('get', 'gets', 1)}"
    before = f" before epoch {until:,}" if until else ""
    return RuleResult(
        f"{some(names, count=kept)} {verb} and will not change{before}; all is well if that is meant.",
        layer=names[0].rpartition(".")[0],
        value=kept,
        threshold=0,
        evidence=f"{percent(kept / max(count, 1))} of the parameter tensors are frozen",
        severity="note",
        advice=advice,
    )


def _body_left_out(names: list[str], kept: int, count: int, stuck: str) -> RuleResult:
    """Warn of an optimizer of the last layers alone, where these learn nothing from the others' answers."""
    return RuleResult(
        f"{some(names, count=kept)} get gradients and never move: the optimiser that is watched holds the last layers "
        f"alone, and no other moves them. {stuck}",
        layer=names[0].rpartition(".")[0],
        value=kept,
        threshold=0,
        evidence=f"{kept:,} of {count:,} parameter tensors are not in the optimiser",
        severity="warn",
        advice="Give the optimiser model.parameters(); where there are two, step both and name both to watch.",
    )


def _random(names: list[str], kept: int, count: int, how: str) -> RuleResult:
    """Warn of a body that stays random: it is not trained, and no weights were loaded."""
    return RuleResult(
        f"{some(names, count=kept)} {how}, and the net is as it was drawn: no batch has ever gone through its batch "
        "norms. Were weights to be loaded?",
        layer=names[0].rpartition(".")[0],
        value=kept,
        threshold=0,
        evidence=f"{kept:,} of {count:,} parameter tensors stay random",
        severity="warn",
        advice="Load weights first, or give the optimiser model.parameters().",
    )


def _stands_still(obs: Observations) -> RuleResult | None:
    """Find a layer whose weights stood still in three samples, while others moved and it had a gradient."""
    places = obs.layers.weighted()
    if len(obs.layers) < 3 or len(places) < 2 or not (obs.rate or 0) > 0:
        return None
    ratios = obs.layers.of("update_ratio")[:3][:, places]
    norms = obs.layers.of("grad_norm")[:3][:, places]
    still = (ratios == 0).all(0) & (norms > 0).all(0)
    if not still.any() or still.all() or not (ratios > 0).any():
        return None
    layer = obs.layers.names[places[int(still.argmax())]]
    place = places[int(still.argmax())]
    sizes = obs.layers.of("weight_norm")[:3, place]
    if (norms[:, int(still.argmax())] * (obs.rate or 0.0) < SMALLEST * sizes).all():
        return None  # a gradient that is lost in rounding: why it is so small is the question
    looks = [f"{int(step):,}" for step in obs.layers.steps[:3]]
    return RuleResult(
        f"At each of the steps {some(looks)} {layer} had a gradient, but its weights did not change by one bit.",
        step=int(obs.layers.steps[2]),
        layer=layer,
        value=0.0,
        threshold=0.0,
        evidence=f"update ratio of {layer} exactly 0 in three samples",
        severity="warn",
    )


def _validation_not_finite(obs: Observations) -> RuleResult | None:
    """Find a validation loss that is NaN or infinite while training goes on."""
    by_chance = 1.5 * obs.largest_class
    bad = [
        epoch
        for epoch in obs.epochs
        if (what := epoch.not_finite.get("val_loss")) and epoch.val_accuracy is not None
        # (NaN answers are right by chance; with others NaN stands for a loss that was not computed)
        if what != "nan" or epoch.val_accuracy <= by_chance
    ]
    if not bad or len(bad) < min(2, len(obs.epochs)):
        return None
    return RuleResult(
        f"The validation loss of epoch {bad[0].epoch:,} was NaN or infinite, and no training loss was: something is "
        "not finite in evaluation alone.",
        step=bad[0].step,
        evidence=f"validation loss not finite in {len(bad):,} epochs",
        name="validation loss not finite",
        advice="Look for log(0) and for rows that a mask hides whole: attention over nothing is NaN in evaluation.",
    )


@rule("F03", "facts", "steps", "end", "epochs")
def not_finite(obs: Observations) -> RuleResult | None:
    step = obs.bad_step
    if step is None:
        return _validation_not_finite(obs)
    before = obs.before_bad
    if log_of_zero(obs) and before:
        return RuleResult(
            f"At step {step:,} the {obs.bad_what} was NaN or infinite; at step {before[0]:,} the loss was "
            f"{before[1]:.3g}, better than a guess. It takes the logarithm of a softmax or sigmoid as it is, which is "
            "infinite, as is its gradient, where a share is too small for a float.",
            step=step,
            evidence="before the logarithm: a softmax or sigmoid, no clamp, no epsilon",
            name="logarithm of a share that is 0",
            advice="Use log_softmax (or cross_entropy, or binary_cross_entropy_with_logits) of the scores themselves.",
        )
    if eps := obs.facts.zero_eps:
        return RuleResult(
            f"At step {step:,} the {obs.bad_what} was NaN or infinite. The optimiser's eps is {eps:.3g}, which is 0 in "
            "the weights' own float16: a weight whose gradient is 0 is moved by 0/0.",
            step=step,
            evidence=f"eps {eps:.3g} is 0 in float16",
            name="eps that is 0 in float16",
            advice="Keep the weights in float32 and use torch.autocast; else eps=1e-4, or fused=True.",
        )
    had = f"; at step {before[0]:,} it was {before[1]:.3g}" if before and obs.bad_what == "loss" else ""
    rate = obs.rate
    early = step == 0 and not obs.own_loop  # (another program's log may count epochs)
    where = f" It came first in {obs.autopsy.sentence.partition(': ')[2]}." if obs.autopsy and obs.autopsy.layer else ""
    return RuleResult(
        f"At step {step:,} the {obs.bad_what} was NaN or infinite{had}.{where}{change(obs, step)}",
        step=step,
        layer=obs.autopsy.layer if obs.autopsy else "",
        evidence=f"{obs.bad_what} not finite at step {step:,}",
        cure={"lr": float(f"{rate / 10:.3g}")} if rate and not (obs.own_loop or early or obs.raised_by(step)) else {},
        test="" if early else "rate/10",
        advice="No step was taken: no rate helps. Look for NaN in weights and images, and for log(0)." if early else "",
    )
