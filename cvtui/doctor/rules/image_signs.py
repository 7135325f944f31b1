"""What the pixels of the first images tell."""

from __future__ import annotations

from cvtui.doctor.learning import beyond, learns
from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import RuleResult, limit, percent
from cvtui.doctor.step_size import too_fast, too_slow


def noise(obs: Observations) -> RuleResult | None:
    """Find images whose neighbouring pixels have nothing in common, in a run at a fitting rate that still guesses.

    Images of a first try are often drawn at random: of values as they come from a generator it is a note.
    """
    alike, last = obs.facts.neighbours_alike, obs.epochs[-1] if obs.epochs else None
    if alike is None or abs(alike) > limit("F13", "alike") or last is None or last.epoch < limit("F13", "epochs"):
        return None
    best = max((epoch.val_accuracy or 0.0 for epoch in obs.epochs), default=0.0)
    if last.val_accuracy is None or best > beyond(obs, limit("F13", "guess")) or obs.steps_done < 60:
        return None
    if too_fast(obs) is not None or too_slow(obs) is not None:
        return None
    drawn = not obs.facts.picture_values
    why = "numbers drawn at random have nothing to be learnt; of pictures, " if drawn else ""
    return RuleResult(
        f"Pixels of the images have nothing in common with those beside them (a correlation of {alike:.2g}; of "
        f"pictures it is near 1), and by epoch {last.epoch:,} validation accuracy is that of a guess "
        f"({percent(best)}): {why}was an array reshaped where its axes were to be moved?",
        step=last.step,
        value=alike,
        threshold=limit("F13", "alike"),
        evidence=f"correlation of neighbouring pixels {alike:.2g}",
        severity="note" if drawn else None,
        name="images that are noise",
        advice="Look at sixteen images as the model gets them; move axes by transpose or permute, not by reshape.",
    )


def wrapped_in_training(obs: Observations) -> RuleResult | None:
    """Find training images that jump from one end to the other between neighbours, while validation's don't.

    (Where light is only cut off, many pixels lie at the end.)
    """
    if len(obs.facts.jumps) != 3:
        return None
    trained, validated, ends = obs.facts.jumps
    if trained < max(limit("F28", "jumps"), limit("F28", "more") * validated) or ends > limit("F28", "ends"):
        return None
    return RuleResult(
        f"Of the neighbouring pixels of training's first images {percent(trained)} lie three quarters of the range "
        f"apart, of validation's {percent(validated)}, and few are at an end ({percent(ends)}): light pixels have "
        "become dark ones, as where an augmentation goes beyond what a byte can hold.",
        step=obs.epochs[0].step if obs.epochs else 0,
        value=trained,
        threshold=limit("F28", "jumps"),
        evidence=f"{percent(trained)} far neighbours in training, {percent(validated)} in validation",
        severity="warn",
        name="augmentation that wraps round",
        advice="Compute in floats and clip (np.clip(x, 0, 255)) before anything makes bytes of them.",
    )


def cut_to_white(obs: Observations) -> RuleResult | None:
    """Find images nearly all of whose pixels are the largest value, the others strewn among them, of a bad run."""
    top, alike = obs.facts.at_the_top or 0.0, obs.facts.neighbours_alike
    if top < limit("F28", "top") or alike is None or alike > limit("F28", "strewn"):
        return None  # (a drawing's lines hang together)
    if len(obs.epochs) < 2 or learns(obs):
        return None
    return RuleResult(
        f"{percent(top)} of the pixels of the first images are the largest value, and the others lie among them "
        f"without order (neighbours' correlation {alike:.2g}): are values cut off, as 16 bits are in a type of 8?",
        step=0,
        value=top,
        threshold=limit("F28", "top"),
        evidence=f"{percent(top)} of the pixels at the largest value",
        severity="warn",
        name="images cut to white",
        advice="Look at the range of the files' values, and divide by it before anything makes bytes of them.",
    )
