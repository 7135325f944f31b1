"""Labels that don't belong to their images, all of them or some."""

from __future__ import annotations

import math

from cvtui.doctor.first_epoch import errors, learnable, shares_told, validated
from cvtui.doctor.learning import beyond
from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import RuleResult, limit, percent, rule
from cvtui.doctor.rules.image_signs import noise
from cvtui.doctor.rules.symptoms import not_learning
from cvtui.doctor.step_size import too_fast, too_slow
from cvtui.runlog.events import EpochDone


def neighbours(obs: Observations) -> tuple[float, float, float, int]:
    """Return (training, validation, chance, images compared); 0 images where it is not known."""
    facts = obs.facts
    numbers = (facts.neighbours_train, facts.neighbours_validation, facts.neighbours_chance)
    if any(number is None for number in numbers) or not facts.neighbours_count:
        return 0.0, 0.0, 0.0, 0
    train, other, chance = (float(number or 0.0) for number in numbers)
    return train, other, chance, facts.neighbours_count if facts.neighbours_count >= limit("F13", "count") else 0


@rule("F13", "facts", "epochs", "steps", "layers", "end")
def foreign_labels(obs: Observations) -> RuleResult | None:
    """Neighbours that agree by chance alone are no evidence: textures look like that. The net must fail too."""
    train, other, chance, count = neighbours(obs)
    if (same := _one_image(obs)) is not None:
        return same
    if any((e.val_accuracy or 0.0) > beyond(obs, limit("F13", "learnt")) for e in obs.epochs):
        return None
    by_heart, strewn = _learnt_by_heart(obs), noise(obs)
    if not count:
        return by_heart or strewn or _beside(obs)
    if strewn is not None and strewn.severity != "note":
        by_heart = by_heart or strewn
    least = chance + limit("F13", "errors") * math.sqrt(max(chance * (1 - chance), 1e-6) / count)
    if max(train, other) >= least:
        return None
    failed = by_heart.step if by_heart is not None else _guesses_on(obs)
    words = (
        "the labels seem to have nothing to do with the images, and the net finds nothing either."
        if failed is not None
        else "pixel by pixel nothing shows that labels and images belong together. Textures are like that too; if the "
        "net learns nothing, look there first."
    )
    return RuleResult(
        f"{percent(max(train, other))} of similar images share a label ({percent(chance)} expected by chance): {words}",
        step=-1 if failed is None else failed,
        value=max(train, other),
        threshold=least,
        evidence=f"agreement of nearest neighbours {max(train, other):.3g}, chance {chance:.3g}",
        files=_doubtful(obs),
        test="overfit",
        severity="note" if failed is None else None,
        name="labels that near neighbours do not share" if failed is None else "",
    )


def _beside(obs: Observations) -> RuleResult | None:
    """Find labels that images of one batch share by chance alone though they lie close together, and a net that fails.

    (Images that lie no closer to one than to another, as under noise, say nothing.)
    """
    share, chance, near, count = obs.facts.batch_neighbours or (0.0, 1.0, 1.0, 0.0)
    if count < limit("F13", "count") or near > limit("F13", "near") or obs.facts.label_smoothing:
        return None
    least = chance + limit("F13", "errors") * math.sqrt(max(chance * (1 - chance), 1e-6) / count)
    failed = _guesses_on(obs) if share < least else None
    if failed is None:
        return None
    return RuleResult(
        f"Of {count:,.0f} images of the first batches {percent(share)} have the label of the nearest one in their "
        f"batch ({percent(chance)} by chance), though those lie close together: the labels seem to have nothing to do "
        "with the images, and the net finds nothing either.",
        step=failed,
        value=share,
        threshold=least,
        evidence=f"agreement of nearest images in a batch {share:.3g}, chance {chance:.3g}",
    )


def _one_image(obs: Observations) -> RuleResult | None:
    """Find a first epoch that holds hardly any image but one, with more labels than images."""
    different, images = obs.facts.distinct_images or (0, 0)
    if images < limit("F13", "count") or different > limit("F13", "different") * images:
        return None
    if different >= sum(count > 0 for count in obs.facts.batch_labels or obs.label_counts):
        return None  # (a few images again and again, each with its own label: a test of the loop)
    return RuleResult(
        f"The {images:,} images of the first epoch hold {different:,} different one{'s' if different > 1 else ''}, "
        "value for value: labels can have nothing to do with them.",
        step=obs.epochs[0].step if obs.epochs else -1,
        value=different / images,
        threshold=limit("F13", "different"),
        evidence=f"{different:,} different images of {images:,}",
        name="the same image again and again",
        advice="Look at what the dataset's __getitem__ reads: does its path depend on the index?",
    )


def _doubtful(obs: Observations) -> tuple[str, ...]:
    """Name training images whose nearest images have another label."""
    return tuple(f"{name} ({label}; its neighbours: {said})" for name, label, said in obs.facts.doubtful)


def _guesses_on(obs: Observations) -> int | None:
    """Return the step by which the net, at a rate that fits, still guessed; None: it is too early."""
    if too_fast(obs) is not None or too_slow(obs) is not None:
        return None
    stuck = not_learning(obs)
    if stuck is not None:
        return stuck.step
    ended = obs.end is not None and obs.end.status in ("finished", "stopped")
    enough = obs.steps_done >= limit("F36", "steps") and bool(obs.epochs)
    best = max((epoch.val_accuracy or 0.0 for epoch in obs.epochs), default=1.0)
    return obs.steps_done - 1 if ended and enough and best < beyond(obs, limit("F13", "guess")) else None


def _images(obs: Observations) -> float:
    """About how many images an epoch has."""
    last = obs.epochs[-1]
    return obs.facts.train or last.step / max(last.epoch, 1) * (obs.batch_size or 32)


def _learnt_by_heart(obs: Observations) -> RuleResult | None:
    guess, learns = obs.label_entropy, learnable(obs)
    if learns:
        return None
    if not guess or (obs.epochs and _images(obs) < limit("F13", "images") * obs.classes):
        return None  # so few images are learnt by heart whatever their labels
    bad = []
    for epoch in obs.epochs:
        train, val, loss = epoch.train_accuracy, epoch.val_accuracy, epoch.val_loss
        known = train is not None and val is not None
        bad.append(
            known
            and (val or 0.0) < beyond(obs, limit("F13", "guess"))
            and (train or 0.0) > beyond(obs, limit("F13", "learnt"))
            and (loss is None or loss > limit("F13", "loss") * guess or (learns is False and _by_chance(obs, epoch)))
        )
        if len(bad) > 1 and bad[-1] and bad[-2]:
            return RuleResult(
                f"By epoch {epoch.epoch} training accuracy is {percent(train or 0)}, validation accuracy still that "
                f"of a guess ({percent(val or 0)}): the net memorises. The labels may not belong to the images.",
                step=epoch.step,
                value=val,
                threshold=beyond(obs, limit("F13", "guess")),
                evidence=f"validation accuracy {val or 0:.3g}, training {train or 0:.3g}",
                test="overfit",
            )
    return None


def _by_chance(obs: Observations, epoch: EpochDone) -> bool:
    """Return True where training is far above a guess and validation, of enough images, no better than one."""
    count, chance = validated(obs), obs.largest_class
    by_heart = (epoch.train_accuracy or 0.0) > beyond(obs, limit("F13", "heart"))
    return by_heart and bool(count) and errors(epoch.val_accuracy or 0.0, chance, count) < limit("F13", "errors")


@rule("F14", "facts", "steps", "epochs")
def noisy_labels(obs: Observations) -> RuleResult | None:
    train, other, chance, count = neighbours(obs)
    if not count:
        return _never_right(obs)
    gap = other - train
    error = math.sqrt(max(other * (1 - other), 0.01) / count + max(train * (1 - train), 0.01) / count)
    if gap < limit("F14", "gap") or gap < limit("F14", "errors") * error or train < chance:
        return None
    return RuleResult(
        f"{percent(other)} of the validation images have the label of their nearest training images, but only "
        f"{percent(train)} of the training images themselves: about {percent(min(1.0, gap / other))} of the training "
        "labels seem wrong.",
        value=gap,
        threshold=limit("F14", "gap"),
        evidence=f"agreement with neighbours: validation {other:.3g}, training {train:.3g}",
        files=_doubtful(obs),
    )


def _never_right(obs: Observations) -> RuleResult | None:
    """Find training images that come unchanged each epoch and are right far more seldom than validation images.

    Dropout, small batches under batch norm, and augmentation do that too: it is silent with any of them.
    """
    facts, last = obs.facts, obs.epochs[-int(limit("F14", "epochs")) :]
    if (facts.repeated or 0.0) < limit("F14", "repeated") or facts.loss_value != "cross-entropy":
        return None
    if any("Drop" in m.kind for m in facts.modules) or facts.evaluations_differ or (obs.batch_size or 0) < 16:
        return None
    train = [epoch.train_accuracy for epoch in last if epoch.train_accuracy is not None]
    val = [epoch.val_accuracy for epoch in last if epoch.val_accuracy is not None]
    if len(train) < limit("F14", "epochs") or len(val) < len(train) or not shares_told(obs):
        return None
    gap = min(val) - max(train)
    if gap < limit("F14", "apart") or max(train) - min(train) > limit("F14", "still") or facts.evaluated_seen:
        return None
    return RuleResult(
        f"In the last {len(train)} epochs at most {percent(max(train))} of the training images were right, which come "
        f"unchanged each time, but at least {percent(min(val))} of the validation images: about "
        f"{percent(1 - max(train) / min(val))} of the training labels seem wrong.",
        step=last[-1].step,
        value=gap,
        threshold=limit("F14", "apart"),
        evidence=f"training {max(train):.3g}, validation {min(val):.3g}",
    )
