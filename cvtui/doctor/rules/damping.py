"""Rules on what holds the weights back: decay and clipping."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cvtui.doctor.catalogue import TYPICAL_RATES
from cvtui.doctor.learning import learns
from cvtui.doctor.observations import Observations
from cvtui.doctor.phrases import change, rise
from cvtui.doctor.phrases import guess as guess_words
from cvtui.doctor.registry import RuleResult, limit, percent, rule, short
from cvtui.doctor.step_size import middles, ratios
from cvtui.recipe.choices.optimizers import OPTIMIZERS


@rule("F29", "facts", "steps", "layers", "end", "epochs")
def decay_too_large(obs: Observations) -> RuleResult | None:
    decay, rate = obs.weight_decay, obs.rate
    if (by_hand := _penalty(obs)) is not None:
        return by_hand
    if not decay or not rate:
        return None
    entry = OPTIMIZERS.get(obs.optimizer)
    if obs.adaptive and not (entry is not None and entry.decoupled):
        shrink = 0.0  # coupled: the step's size does not follow the decay's
    elif (obs.times_typical or 0.0) > limit("F29", "rate"):
        shrink = 0.0  # at such a rate any decay is too large: the rate is the fault
    else:
        usual = 2 * TYPICAL_RATES.get(obs.optimizer, rate)
        shrink = min(rate, usual) * decay / (1 - obs.momentum) if obs.momentum < 1 else 0.0
        told = rate * decay / (1 - obs.momentum) if obs.momentum < 1 else 0.0
    cure = {} if obs.own_loop else {"weight_decay": short(decay / 10)}
    if shrink > limit("F29", "shrink"):
        return RuleResult(
            f"At a rate of {rate:.3g} the weight decay alone ({decay:.3g}) takes {percent(told)} of the weights at "
            f"each step{f': half of them in {math.log(0.5) / math.log1p(-told):,.1f} steps' if told < 1 else ''}.",
            step=0 if obs.steps_done else -1,
            value=told,
            threshold=limit("F29", "shrink"),
            evidence=f"rate x decay{' / (1 - momentum)' if obs.momentum else ''} = {told:.2g}",
            cure={} if obs.own_loop else {"weight_decay": short(decay * 5e-4 / shrink)},
            severity="note" if obs.recovered and shrink < limit("F29", "anyway") else None,
        )
    return _shrunk(obs, decay, cure)


def _penalty(obs: Observations) -> RuleResult | None:
    """Find a sum of squares or sizes of the weights that costs more than the answers do."""
    first, cross = obs.first_loss, obs.facts.cross_entropy
    if (
        not obs.facts.weights_in_loss
        or first is None
        or cross is None
        or first - cross <= limit("F29", "penalty") * cross
    ):
        return None
    return RuleResult(
        f"The first loss is {first:.3g}, of which the answers cost {cross:.3g} (cross-entropy): the rest is a sum over "
        "the weights, and making these small is what is trained.",
        step=0,
        value=first - cross,
        threshold=limit("F29", "penalty") * cross,
        evidence=f"first loss {first:.3g}, cross-entropy {cross:.3g}",
        severity="note" if obs.recovered or learns(obs) else None,
        name="penalty on the weights too large",
        advice="Divide the penalty's factor by a hundred, or leave it to the optimiser's weight_decay.",
    )


def _shrunk(obs: Observations, decay: float, cure: dict[str, float]) -> RuleResult | None:
    places = obs.layers.weighted()
    guess = obs.guess
    if not places or len(obs.layers) < 3 or guess is None or obs.first_step:
        return None
    norms = obs.layers.once("norms", lambda: _norms(obs.layers.of("weight_norm")[:, places]))
    steps = obs.layers.steps
    until = max(limit("F29", "steps"), 0.15 * obs.total_steps)
    small = np.flatnonzero((norms < limit("F29", "half") * norms[0]) & (steps <= until))
    if not len(small) or obs.loss_at(steps[small[0]]) < 0.9 * guess:
        return None
    step = int(steps[small[0]])
    return RuleResult(
        f"From step {int(steps[0]):,} to {step:,} the weights shrank to {percent(norms[small[0]] / norms[0])} of their "
        f"size, and {rise(obs, step)}, where {guess_words(obs)}. The weight decay ({decay:.3g}) is probably too "
        f"large.{change(obs, step)}",
        step=step,
        value=float(norms[small[0]] / norms[0]),
        threshold=limit("F29", "half"),
        evidence=f"sum of the layers' norms {norms[0]:.3g} to {norms[small[0]]:.3g}",
        cure=cure,
        severity="note" if obs.recovered else None,
    )


def _norms(layers: np.ndarray) -> np.ndarray:
    """Return the sum of the layers' norms, look by look; NaN where one has overflowed: it did not shrink to nothing."""
    known = layers[:, np.isfinite(layers[0])]
    return np.asarray(known.sum(axis=1))


@rule("F33", "facts", "steps", "layers", "end", "epochs")
def clipped(obs: Observations) -> RuleResult | None:
    if len(obs.facts.capped_gradient) == 2:
        return _cut_by_value(obs, obs.facts.capped_gradient)
    asked = float(obs.recipe.get("clip") or 0.0)
    windows = obs.windows
    rows = max(1, int(limit("F33", "steps")) // 10)
    if len(windows) < rows or (obs.facts.gradient_of_one_number and not asked):
        return None  # their norms are all the same by themselves
    norms, cut = _cut_windows(obs, asked)
    row = np.convolve(cut.astype(float), np.ones(rows), "valid") / rows
    found = np.flatnonzero(row >= limit("F33", "share"))
    return _cut_by_norm(obs, asked, norms, int(found[0]), rows) if len(found) else None


def _cut_by_value(obs: Observations, capped: Sequence[float]) -> RuleResult:
    return RuleResult(
        f"{percent(capped[1])} of all gradients' entries have the same size, {capped[0]:.3g}, before the second "
        "update: they are cut value by value, and hardly more than their signs is left.",
        step=1,
        value=capped[1],
        threshold=limit("F33", "entries"),
        evidence=f"{percent(capped[1])} of the entries at {capped[0]:.3g}",
        severity="note" if obs.adaptive or learns(obs) else None,
        advice="Raise clip_grad_value_'s limit to what nine in ten entries stay under, or clip the norm.",
    )


def _cut_windows(obs: Observations, asked: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the windows' norms, and whether all gradients of each were cut to far less than they were."""
    windows = obs.windows
    if asked > 0:
        norms = windows.grad
        return norms, (windows.grad_low > asked) & (norms > limit("F33", "times") * asked)
    norms = windows.grad_high  # a custom training loop: the norms that arrive are all the same
    tight = (windows.grad_high - windows.grad_low < 1e-3 * windows.grad_high) & (windows.grad_high > 0)
    few = _few_norms(obs)
    if few.any():  # one norm in ten steps has no other to agree with but that of the ten before
        before = np.concatenate([[np.nan], norms[:-1]])
        tight &= ~few | (np.abs(norms - before) < 1e-3 * norms)
    if not tight.any():
        return norms, tight
    return norms, tight & ((norms < limit("F33", "norm")) | _hardly_moves(obs))


FOR_TEN_STEPS = "nearly the same for ten steps in a row each"


def _few_norms(obs: Observations) -> np.ndarray:
    """Return in which windows most steps were only noted (a short loop of one's own)."""
    return obs.windows.normed < 0.5


def _cut_by_norm(obs: Observations, asked: float, norms: np.ndarray, first: int, rows: int) -> RuleResult:
    """Tell of `rows` windows of cut gradients, from window `first` on."""
    windows = obs.windows
    place = first + rows - 1
    step = int(windows.end[place]) - 1
    bound = asked or float(windows.grad_high[place])
    begun = windows.start(first)
    low, high = windows.grad_low[first : place + 1].min(), windows.grad_high[first : place + 1].max()
    few = _few_norms(obs)[first : place + 1].any()
    agree = "of those that were looked at, each nearly that of the one before" if few else FOR_TEN_STEPS
    sentence = (
        f"The gradients of the steps {begun:,} to {step:,} had norms of {low:.3g} to {high:.3g}, {agree}: they seem to "
        "be cut."
    )
    if asked:
        sentence = (
            f"All gradients of the steps {begun:,} to {step:,} were cut to a norm of {asked:.3g}; the last "
            f"{step + 1 - windows.start(place)} of them had one of {norms[place]:.3g} on average before."
        )
    return RuleResult(
        sentence + change(obs, step),
        step=step,
        value=float(norms[place]) / asked if asked else bound,
        threshold=limit("F33", "times") if asked else limit("F33", "norm"),
        evidence=f"gradient norm / limit = {norms[place] / asked:.3g}" if asked else f"gradient norm {bound:.3g}",
        cure={"clip": short(float(np.nanpercentile(norms, 90)))} if asked else {},
        severity="note" if obs.adaptive or obs.recovered else None,  # Adam's step does not follow the size
    )


def _hardly_moves(obs: Observations) -> bool:
    values, places = ratios(obs)
    return bool(len(values) and places and middles(values[-1:])[0] < limit("F33", "ratio"))
