"""What the first steps and epochs show of images, random numbers, shared layers and options; no data are needed."""

from __future__ import annotations

import math

from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import RuleResult, limit, percent, rule, some
from cvtui.doctor.rules.count_signs import too_low_a_loss
from cvtui.doctor.rules.loss_signs import one_label_for_all


@rule("F60", "facts", "epochs")
def few_images(obs: Observations) -> RuleResult | None:
    """Find a first epoch of a few images again and again, fewer than are validated."""
    different, images = obs.facts.distinct_images or (0, 0)
    evaluated, batch = obs.facts.evaluated or 0, obs.facts.batch_size or 0
    if not 1 < different < limit("F60", "share") * images or not batch:
        return None
    if different > batch or different >= evaluated or images // batch < limit("F60", "batches"):
        return None  # a small set, several times an epoch; all that there are; or a test of the loop
    if different == batch and len(obs.epochs) < limit("F60", "epochs"):
        return None  # a test on one batch
    how = "each batch is the same one" if different == batch else "the same ones are drawn again and again"
    return RuleResult(
        f"The {images:,} images of the first epoch are {different:,} different ones, value for value, and "
        f"{evaluated:,} are validated: {how}.",
        step=obs.epochs[0].step if obs.epochs else -1,
        value=different / images,
        threshold=limit("F60", "share"),
        evidence=f"{different:,} different images of {images:,}",
    )


@rule("F61", "facts")
def images_change(obs: Observations) -> RuleResult | None:
    """Find images that come in the second epoch as all of them times one number plus another, or are drawn anew."""
    if len(obs.facts.images_changed) not in (3, 4):
        return _drawn_anew(obs)
    factor, shift, share, *channels = obs.facts.images_changed
    if abs(math.log(max(factor, 1e-9))) < limit("F61", "least") and abs(shift) < limit("F61", "least"):
        return None
    sign = "-" if shift < 0 else "+"
    own = f" (mean of {channels[0]:.0f} channels)" if channels else ""
    return RuleResult(
        f"In the second epoch {percent(share)} of the images are those of the first one times {factor:.4g} {sign} "
        f"{abs(shift):.4g}{own}: something writes into the dataset, such as a normalisation in place.",
        step=obs.epochs[0].step if obs.epochs else -1,
        value=factor,
        threshold=1,
        evidence=f"images times {factor:.4g} {sign} {abs(shift):.4g} an epoch later",
    )


def _drawn_anew(obs: Observations) -> RuleResult | None:
    """Find validation images that are others at each reading."""
    changed, tried = obs.facts.validation_changes or (0, 0)
    if not changed or changed < limit("F61", "most") * tried:
        return None
    return RuleResult(
        f"Of {tried:,} validation images that were read twice {changed:,} came out otherwise: a random transform is "
        "among theirs. The accuracy is that of changed images, and differs from epoch to epoch.",
        value=changed / tried,
        threshold=0,
        evidence=f"{changed:,} of {tried:,} images differ at a second reading",
        name="random validation images",
        advice="Give the validation set transforms of its own, without random ones: parts of one dataset "
        "(random_split, Subset) share them.",
    )


@rule("F62", "facts")
def broadcast(obs: Observations) -> RuleResult | None:
    """Find a loss that compares each output with each label."""
    if len(obs.facts.broadcast) != 2:
        return one_label_for_all(obs)
    first, second = (" x ".join(f"{size:,}" for size in sizes) for sizes in obs.facts.broadcast)
    rows = max(sizes[1] for sizes in obs.facts.broadcast if len(sizes) > 1)
    if rows > 1:
        if obs.facts.outputs != 1:
            return None  # (one score of several, which a margin is put on)
        return RuleResult(
            f"The loss takes sizes {first} and {second} together: one output an image is compared with each of "
            f"{rows:,} places of a one-hot row, of which one is 1 and the others are 0, whatever the image.",
            step=0,
            value=rows,
            threshold=1,
            evidence=f"{first} and {second}",
            name="one output against one-hot rows",
            advice='Take class numbers as the target (class_mode="binary"), or give the model one output a class.',
        )
    images = max(obs.facts.broadcast, key=len)[0]
    return RuleResult(
        f"The loss takes sizes {first} and {second} together, which makes {images:,} x {images:,}: each output is "
        "compared with the labels of all images, and is pulled to their mean.",
        step=0,
        value=images,
        threshold=1,
        evidence=f"{first} and {second}",
    )


@rule("F64", "facts")
def same_random(obs: Observations) -> RuleResult | None:
    """Find first steps that all draw the same random numbers."""
    if not obs.facts.same_random:
        return None
    return RuleResult(
        "Each of the first steps begins with the same random state and draws from it: a seed is set in the loop, and "
        "dropout leaves out the same units each time.",
        step=max(obs.facts.step - 1, 0),
        evidence="one random state at each step's beginning",
    )


@rule("F65", "facts")
def shared_layer(obs: Observations) -> RuleResult | None:
    """Find a layer that stands in several places of one nn.Sequential."""
    names = obs.facts.repeated_layers
    if len(names) < 2:
        return None
    return RuleResult(
        f"{some(names)} are one and the same layer, with one set of weights.",
        layer=names[0],
        value=len(names),
        threshold=1,
        evidence=f"one layer in {len(names)} places",
    )


@rule("F66", "facts", "epochs")
def set_back(obs: Observations) -> RuleResult | None:
    """Find weights that are those of the first step again when the second epoch begins."""
    step = obs.facts.set_back
    if step is None or not obs.facts.first_update:
        return None
    different, images = obs.facts.distinct_images or (0, 0)
    if 1 < different <= images / limit("F66", "passes"):
        return None  # an "epoch" of several passes over its images: a whole training, of a fold
    return RuleResult(
        f"When the second epoch began (step {step:,}), the weights were those of the first step again, value for "
        "value: what an epoch learns is lost. Are weights loaded or drawn inside the loop over epochs?",
        step=step,
        evidence=f"first weights again at step {step:,}",
    )


@rule("F67", "facts")
def smoothed_away(obs: Observations) -> RuleResult | None:
    """Find a label smoothing that leaves less than half of each label."""
    share = obs.facts.label_smoothing or 0.0
    if share < limit("F67", "share"):
        return _smoothed_to_another(obs, share)
    return RuleResult(
        f"label_smoothing is {share:.3g}: so much of each label is spread over all classes, and {1 - share:.3g} is "
        "left for the true one.",
        step=0,
        value=share,
        threshold=limit("F67", "share"),
        evidence=f"label_smoothing {share:.3g}",
    )


def _smoothed_to_another(obs: Observations, share: float) -> RuleResult | None:
    """Find class weights under which a smoothed label's best answer is another class.

    PyTorch weighs each class of the smoothed label by that class's own weight: what is spread over a rare class, whose
    weight is large, outweighs the image's own.
    """
    weights, counts = obs.facts.class_weights, obs.label_counts or obs.facts.batch_labels
    if not 0 < share < 1 or len(weights) < 2:
        return None
    for number, own in enumerate(weights):
        wanted = [share / len(weights) * one for one in weights]
        wanted[number] += (1 - share) * own
        best = max(range(len(weights)), key=wanted.__getitem__)
        if number >= len(counts) or not counts[number] or wanted[best] <= wanted[number]:
            continue
        return RuleResult(
            f"With label_smoothing {share:.3g} and class weights of {min(weights):.3g} to {max(weights):.3g} the loss "
            f"of an image of class {number:,} is lowest where class {best:,} is answered with "
            f"{percent(wanted[best] / sum(wanted))}: what is spread over a class counts with that class's weight.",
            step=0,
            value=wanted[best] / sum(wanted),
            threshold=wanted[number] / sum(wanted),
            evidence=f"best answer to class {number:,}: class {best:,}",
            name="smoothed labels of weighted classes",
            advice="Leave out label_smoothing, or the weights (draw the rare classes more often).",
        )
    return None


@rule("F68", "facts")
def betas_swapped(obs: Observations) -> RuleResult | None:
    """Find an optimizer of Adam's kind that remembers gradients far longer than their sizes."""
    if len(obs.facts.betas) != 2:
        return None
    first, second = obs.facts.betas
    if not 0 < (1 - first) * limit("F68", "times") < 1 - second:
        return None
    return RuleResult(
        f"betas are ({first:.4g}, {second:.4g}): the mean of gradients goes back {1 / (1 - first):,.0f} steps, that of "
        f"their squares {1 / (1 - second):,.0f}. Adam's own are (0.9, 0.999).",
        value=first,
        threshold=second,
        evidence=f"betas {first:.4g} and {second:.4g}",
    )


@rule("F70", "epochs", "facts")
def loss_counted(obs: Observations) -> RuleResult | None:
    """Find validation losses far above those of training, and of a guess, where as many answers are right."""
    guess, bad = obs.label_entropy, []
    if not guess or not obs.is_cross_entropy:
        return None
    if (low := too_low_a_loss(obs)) is not None:
        return low
    for epoch in obs.epochs:
        trained, told = epoch.train_loss, epoch.val_loss
        right, others = epoch.val_accuracy, epoch.train_accuracy
        if trained is None or told is None or right is None or others is None:
            return None
        if right < others - 0.01 or told < limit("F70", "times") * trained:
            return None
        if told > guess and right > limit("F70", "right"):
            bad.append(epoch)
    if len(obs.epochs) < limit("F70", "epochs") or not bad:
        return None
    worst = bad[0]
    return RuleResult(
        f"After epoch {worst.epoch:,} {percent(worst.val_accuracy or 0.0)} of the validation images are right "
        f"and their loss is told as {worst.val_loss:.3g} (training {worst.train_loss:.3g}, a guess {guess:.3g}): it "
        "is no mean over the images. Is it a sum over batches?",
        step=worst.step,
        value=worst.val_loss,
        threshold=guess,
        evidence=f"validation loss {worst.val_loss:.3g} at an accuracy of {worst.val_accuracy:.3g}",
    )
