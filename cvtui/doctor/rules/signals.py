"""What runs through the layers: initial size, explosion, saturation, death, vanishing."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cvtui.doctor.learning import learns
from cvtui.doctor.observations import Array, Observations
from cvtui.doctor.phrases import change
from cvtui.doctor.registry import RuleResult, limit, percent, rule
from cvtui.doctor.rules.loss_signs import softmax_between
from cvtui.doctor.rules.symptoms import not_learning
from cvtui.doctor.step_size import too_fast
from cvtui.runlog.kinds import ACTIVATIONS, WEIGHTED

Mask = NDArray[np.bool_]
FEW = 16


@rule("F10", "facts", "steps")
def wrong_size(obs: Observations) -> RuleResult | None:
    """Compare the first loss with that of a guess, and the weights' size with 1/sqrt(fan-in)."""
    first, guess = obs.first_loss, obs.label_entropy
    if first is None or not guess or not obs.is_cross_entropy:
        return None
    if (small := _too_small(obs)) is not None:
        return small
    share = first / guess
    layer, gain = _largest_gain(obs)
    low, high = limit("F10", "low"), limit("F10", "high")
    cross = obs.facts.cross_entropy
    if cross is not None and (cross >= low * guess if share < 1 else cross <= high * guess):
        return None  # the outputs themselves cost no less, or no more: the loss is a multiple, or holds more than that
    far = share > limit("F10", "far") and first - guess > limit("F10", "nats")
    wide = far or (share > high and gain > limit("F10", "gain"))
    if not wide and (share >= low or (obs.label_counts and not obs.facts.label_counts)):
        return None  # (labels of the first batches that are far from even: a guess by them costs less)
    if (obs.batch_size or FEW) < FEW and not gain > limit("F10", "gain"):
        return None  # the loss of a few images is anything
    if share < low and not obs.own_loop and not obs.facts.label_counts:
        return None  # they are counted beside the first steps; of labels 10 : 1 a guess may cost anything
    large, early = gain > limit("F10", "gain"), not len(obs.windows) or learns(obs) or _stays(obs, first)
    before = share < 1 and obs.own_loop and (early or too_fast(obs) is not None)
    where = f"; the weights of {layer} spread {gain:.3g}/sqrt(inputs), he draws 1.41" if large else ""
    return RuleResult(
        f"The first loss was {first:.3g}, where random guessing costs {guess:.3g}{where}. The net begins "
        + ("with strong opinions that it must first unlearn." if share > 1 else "better than a guess."),
        step=0,
        layer=layer if large else "",
        value=share,
        threshold=high if share > 1 else low,
        evidence=f"first loss / entropy of the labels = {share:.3g}",
        cure={} if obs.own_loop else {"init": "he"},
        # Weights of the usual size: the first steps mend it. Better than a guess, and right: it was trained before.
        severity="note" if (share > 1 and not large) or before else None,
        advice="Nothing, if the net was trained before; else look for what tells it the labels." if before else "",
    )


def _too_small(obs: Observations) -> RuleResult | None:
    """Find weights that all begin far below 1/sqrt(inputs), in a net without norms that learns nothing."""
    weights = [one for one in obs.facts.weights if one.std is not None and one.fan_in > 1]
    if len(weights) < limit("F10", "layers") or any("Norm" in module.kind for module in obs.facts.modules):
        return None
    gains = sorted((one.std or 0.0) * math.sqrt(one.fan_in) for one in weights)
    gain = gains[len(gains) // 2]
    if not 0 < gain < limit("F10", "small_gain") or len(obs.epochs) < 2 or obs.bad_step is not None or learns(obs):
        return None
    return RuleResult(
        f"Of {len(weights):,} layers half begin with weights that spread {gain:.2g}/sqrt(inputs) or less, where he "
        "draws 1.41: each layer's outputs, and its gradients on the way back, are that much smaller than "
        "those before.",
        step=0,
        value=gain,
        threshold=limit("F10", "small_gain"),
        evidence=f"spread of the weights times sqrt(inputs), the middle one of {len(weights):,} layers: {gain:.2g}",
        cure={} if obs.own_loop else {"init": "he"},
        name="initial weights too small",
    )


def _stays(obs: Observations, first: float) -> bool:
    """Return True if the loss is as low as at first: what is known from a training before isn't lost."""
    last = obs.windows.loss[-3:]
    return bool(np.isfinite(last).all() and last.mean() < limit("F10", "stays") * first)


def _largest_gain(obs: Observations) -> tuple[str, float]:
    """Return the layer whose weights are the largest, by 1/sqrt(inputs) and by 1/sqrt(outputs), and its gain.

    Drawn by the number of outputs (EfficientNet's he, fan-out) a layer with few of them is large by its inputs alone.
    """
    rows = {module.name for module in obs.facts.modules if module.kind.startswith("Embedding")}  # read, no sums
    large = [w for w in obs.facts.weights if w.std and w.layer not in rows]
    if not large:
        return "", math.nan
    worst = max(large, key=lambda w: (w.std or 0.0) * math.sqrt(min(w.fan_in, w.fan_out or w.fan_in)))
    fan = min(worst.fan_in, worst.fan_out or worst.fan_in)
    small = (worst.std or 0.0) * math.sqrt(fan) <= limit("F10", "gain")
    return worst.layer or worst.name, (worst.std or 0.0) * math.sqrt(fan if small else worst.fan_in)


@rule("F07", "steps", "end")
def exploding(obs: Observations) -> RuleResult | None:
    windows = obs.windows
    norms = windows.grad
    if not obs.is_cross_entropy:
        return None
    first = _first(norms > limit("F07", "norm"))
    spike = first is None
    if first is None:
        first = _spike(obs, norms)
    if first is None:
        return None
    begun, step, norm = windows.start(first), windows.last(first), float(norms[first])
    usual = float(np.nanmedian(norms[max(0, first - 21) : first - 1])) if spike else 0.0
    versus = f", {norm / usual:.3g} times what it was (median of the tens before)" if spike else (
        "; healthy runs stay under 10"
    )  # fmt: skip
    raised = obs.raised_by(step)
    average = "on average" if windows.normed[first] >= 0.5 else "where it was looked at"  # (a short custom loop)
    return RuleResult(
        f"In the steps {begun:,} to {step:,} the gradient's norm was {norm:,.3g} {average}{versus}.{change(obs, step)}",
        step=step,
        value=norm / usual if spike else norm,
        threshold=limit("F07", "times" if spike else "norm"),
        evidence=f"gradient norm {norm:.3g}" + (f", {usual:.3g} before" if spike else ""),
        cure={} if obs.own_loop or raised else {"clip": 1.0},
        severity="note" if obs.recovered else None,
    )


def _spike(obs: Observations, norms: Array) -> int | None:
    """Two windows in a row 20 times above all that came before, while the loss is worse than it was."""
    losses, guess = obs.windows.loss, obs.guess
    if len(norms) < 8 or guess is None:
        return None
    if not np.fmax.reduce(norms) > limit("F07", "times") * np.fmin.reduce(norms[:300]):
        return None
    last = min(len(norms) - 1, 300)
    lowest = np.fmin.accumulate(norms)  # no median lies below it, so most places need none
    for place in 6 + np.flatnonzero(norms[6:last] > limit("F07", "times") * lowest[5 : last - 1]):
        before = norms[max(0, place - 20) : place]
        before = before[np.isfinite(before)]
        limit_here = limit("F07", "times") * np.median(before) if len(before) else np.inf
        if norms[place] > limit_here and norms[place + 1] > limit_here:
            worse = losses[place + 1] > 1.1 * np.nanmedian(losses[max(0, place - 20) : place])
            if worse and losses[place + 1] > 0.5 * guess:
                return int(place) + 1
    return None


@rule("F05", "layers", "end")
def saturated(obs: Observations) -> RuleResult | None:
    pinned = obs.layers.of("pinned")
    if not len(pinned) or not np.isfinite(pinned).any():
        return None
    over = np.nan_to_num(pinned) > limit("F05", "share")
    both = over[1:] & over[:-1] if len(over) > 1 else over[:0]
    at = 0 if over[0].any() else None
    if at is None and both.any():
        at = int(both.any(1).argmax()) + 1
    if at is None:
        return None
    column = int(np.nan_to_num(pinned[at]).argmax())
    layer, share = obs.layers.names[column], float(pinned[at, column])
    step = int(obs.layers.steps[at])
    return RuleResult(
        f"At step {step:,} {percent(share)} of the inputs of {layer} lay beyond 5, where it is flat: hardly any "
        f"gradient gets through.{change(obs, step)}",
        step=step,
        layer=layer,
        value=share,
        threshold=limit("F05", "share"),
        evidence=f"share of pinned units {share:.3g}",
        cure={} if obs.own_loop else {"init": "xavier"},
        severity="note" if obs.recovered else None,
    )


@rule("F04", "layers", "steps", "end")
def dead(obs: Observations) -> RuleResult | None:
    layers, guess = obs.layers, obs.guess
    if not len(layers) or guess is None:
        return None
    zeros, quiet = layers.of("grad_zeros"), layers.of("zeros")
    if len(layers) < 2:
        return _dead_from_birth(obs, zeros, quiet)
    for column in np.flatnonzero((quiet > limit("F04", "quiet")).any(0)).tolist():
        before = layers.behind(column)
        if layers.kinds[column] != "relu" or before is None:
            continue
        # Units that fire for a few images come back: most must have been 0 for every image seen of late.
        gone = np.nan_to_num(layers.of("dead")[:, column], nan=1.0) >= limit("F04", "dead")
        silent = gone & (np.nan_to_num(quiet[:, column]) > limit("F04", "quiet"))
        share = np.nan_to_num(zeros[:, before])
        found = _dead_from(obs, silent & (share >= limit("F04", "zeros")), limit("F04", "loss") * guess)
        if found is None:
            found = _dead_from(obs, silent & (share >= limit("F04", "nearly_all")), 0.6 * guess)
        if found is not None:
            return _tell_dead(obs, found, column, before)
    return _dead_unseen(obs, zeros, guess)


def _dead_from_birth(obs: Observations, zeros: Array, quiet: Array) -> RuleResult | None:
    """Find ReLUs that give nothing at all in the first step, the only one looked at, of a net that goes on guessing."""
    layers = obs.layers
    for column in np.flatnonzero(np.nan_to_num(quiet[0]) >= 1).tolist():
        before = layers.behind(column)
        if layers.kinds[column] != "relu" or before is None or not zeros[0, before] >= 1:
            continue
        return _tell_dead(obs, 0, column, before) if not_learning(obs) is not None else None
    return None


def _dead_from(obs: Observations, over: Mask, loss: float) -> int | None:
    """Return the second of two samples in a row, at a loss above this (a net that has learnt all has none)."""
    for sample in np.flatnonzero(over[1:] & over[:-1]) + 1:
        if obs.loss_at(obs.layers.steps[sample]) > loss:
            return int(sample)
    return None


def _tell_dead(obs: Observations, sample: int, relu: int, before: int) -> RuleResult:
    layers = obs.layers
    step, name = int(layers.steps[sample]), layers.names[relu]
    share = float(layers.of("zeros")[sample, relu])
    first = float(layers.of("zeros")[0, relu])
    born = first > limit("F04", "quiet")
    mute = float(layers.of("grad_zeros")[sample, before])
    return RuleResult(
        f"At step {step:,} {percent(share)} of what {name} gives is 0, and {percent(mute)} of the gradients of "
        f"{layers.names[before]} are exactly 0: a unit that gives 0 gets no gradient."
        + (f" At step {int(layers.steps[0]):,} {percent(first)} of it was 0 already." if born and sample else "")
        + change(obs, step),
        step=step,
        layer=name,
        value=float(layers.of("grad_zeros")[sample, before]),
        threshold=limit("F04", "zeros"),
        evidence=f"share of gradients that are 0 in {layers.names[before]}",
        cure={"init": "he"} if born and not obs.own_loop else {} if obs.raised_by(step) else _lower(obs),
        severity="note" if obs.recovered else None,
    )


def _dead_unseen(obs: Observations, zeros: Array, guess: float) -> RuleResult | None:
    """Find dead ReLUs that are no modules by their gradients.

    In a layer that is not the first, which may be fed with zeros.
    """
    layers = obs.layers
    if not any(kind in WEIGHTED for kind in layers.kinds):
        return None
    if any(kind in ACTIVATIONS for kind in layers.kinds):
        return None
    for column in layers.weighted()[1:]:
        found = _dead_from(obs, np.nan_to_num(zeros[:, column]) >= limit("F04", "zeros"), 0.93 * guess)
        if found is not None:
            step, share = int(layers.steps[found]), float(zeros[found, column])
            return RuleResult(
                f"At step {step:,} {percent(share)} of the gradients of {layers.names[column]} are exactly 0: the "
                f"units before it seem to be dead.{change(obs, step)}",
                step=step,
                layer=layers.names[column],
                value=share,
                threshold=limit("F04", "zeros"),
                evidence=f"share of gradients that are 0 in {layers.names[column]}",
                severity="note" if obs.recovered else None,
            )
    return None


def _lower(obs: Observations) -> dict[str, float]:
    rate = obs.rate
    return {"lr": float(f"{rate / 10:.3g}")} if rate and not obs.own_loop else {}


@rule("F06", "layers", "steps", "epochs", "end")
def vanishing(obs: Observations) -> RuleResult | None:
    layers, guess = obs.layers, obs.guess
    if (between := softmax_between(obs)) is not None:
        return between
    places = layers.weighted()
    if len(layers) < 2 or len(places) < 3 or guess is None:
        return None
    norms = layers.of("grad_norm")
    first, last = norms[:, places[0]], norms[:, places[-1]]
    with np.errstate(all="ignore"):
        # (Exactly 0 it is behind units that are dead: F04.)
        faint = (first > 0) & (first < limit("F06", "norm")) & (first / last < limit("F06", "ratio")) & (last > 0)
    for sample in np.flatnonzero(faint[1:] & faint[:-1]) + 1:
        step = int(layers.steps[sample])
        if obs.loss_at(step) < 0.5 * guess:
            continue
        a, b = layers.names[places[0]], layers.names[places[-1]]
        sigmoid = "sigmoid" in layers.kinds
        return RuleResult(
            f"At step {step:,} the gradient of {a} was {first[sample]:.2g}, that of {b} {last[sample]:.2g}: on the way "
            f"back through {len(places)} layers nearly all of it is lost.{change(obs, step)}",
            step=step,
            layer=a,
            value=float(first[sample] / last[sample]),
            threshold=limit("F06", "ratio"),
            evidence=f"gradient of the first layer / of the last = {first[sample] / last[sample]:.2g}",
            advice="Use ReLU with he in place of sigmoid, or batch norm." if sigmoid else "",
            cure={} if obs.own_loop or sigmoid else {"init": "he"},
            severity="note" if obs.recovered else None,
        )
    return None


def _first(places: Mask) -> int | None:
    return int(places.argmax()) if places.any() else None
