"""Training images that are validated on as well."""

from __future__ import annotations

from collections.abc import Sequence

from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import RuleResult, limit, percent, rule, some


@rule("F20", "facts", "epochs")
def overlap(obs: Observations) -> RuleResult | None:
    facts = obs.facts
    if facts.overlap is None:
        return _evaluated_again(obs)
    if not facts.overlap or not facts.validation:
        return None
    share = facts.overlap / facts.validation
    if share <= limit("F20", "share"):
        return None
    return RuleResult(
        f"{facts.overlap:,} of the {facts.validation:,} validation images ({percent(share)}) are also training images "
        f"({_twins(facts.overlap_pairs[:3])}).",
        value=share,
        threshold=limit("F20", "share"),
        evidence=f"{facts.overlap:,} images in both sets",
        files=tuple(" = ".join(pair) for pair in facts.overlap_names),
        severity="note" if share < limit("F20", "small") else None,
    )


def _twins(pairs: Sequence[Sequence[int]]) -> str:
    """Name equal images by their numbers, in words: 0 of the one set may equal 0 of the other."""
    if not pairs:
        return "their numbers are not known"
    (first, second), *more = pairs
    told = f"number {first} of the training images is number {second} of the validation images"
    return some([told, *(f"{one} is {other}" for one, other in more)])


def _evaluated_again(obs: Observations) -> RuleResult | None:
    """Find training images among those that were evaluated, where no dataset is given.

    A loop may evaluate its training images as well, in batches of their own: that is no fault.
    """
    facts = obs.facts
    seen, count = facts.evaluated_seen or 0, facts.evaluated or 0
    told = any(epoch.val_accuracy is not None or epoch.val_loss is not None for epoch in obs.epochs)
    if count < limit("F20", "images") or not told or not (seen or facts.mirrored_seen):
        return None
    turned = facts.mirrored_seen or 0
    if turned >= limit("F20", "share") * count and turned >= limit("F20", "mixed") and not seen:
        return _mirror_images(obs, turned, count)
    mixed = facts.evaluated_together or 0
    if seen < count and mixed < max(limit("F20", "mixed"), limit("F20", "small") * count):
        return None
    return RuleResult(
        f"{seen:,} of the {count:,} images that were evaluated after the first epoch had been trained on in it, value "
        "for value.",
        step=obs.epochs[0].step,
        value=seen / count,
        threshold=limit("F20", "share"),
        evidence=f"{seen:,} of {count:,} evaluated images were training images",
    )


def _mirror_images(obs: Observations, turned: int, count: int) -> RuleResult:
    return RuleResult(
        f"{turned:,} of the {count:,} images that were evaluated after the first epoch are mirror images, value for "
        "value, of images that had been trained on in it: were copies made before the split?",
        step=obs.epochs[0].step,
        value=turned / count,
        threshold=limit("F20", "share"),
        evidence=f"{turned:,} of {count:,} evaluated images are mirror images of training images",
    )
