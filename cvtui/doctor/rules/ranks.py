"""Several processes that train together: other weights, other data, a larger batch, one that the rest waits for.

They read `ranks/N.jsonl`, so they answer where the run folder is read (the screen, `cvtui doctor`), not in the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import median

import numpy as np

from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import RuleResult, limit, percent, rule, some
from cvtui.recipe.learning_rate import images_per_step
from cvtui.runlog.ranks import Rank, RankChecks, WeightSum, straggler


@rule("F54", "ranks")
def other_weights(obs: Observations) -> RuleResult | None:
    """Find ranks whose weights differ: from the first step on, or because no gradient is averaged."""
    looks = [(rank.started.rank, rank.checks) for rank in obs.ranks if rank.checks is not None and rank.checks.weights]
    if len(looks) < 2 or len({checks.parameters for _, checks in looks}) > 1:
        return None  # (another number of weights on each rank is a model cut over the ranks)
    shared = set.intersection(*({look.step for look in checks.weights} for _, checks in looks))
    wrapped = all(checks.wrapped for _, checks in looks)
    for step in sorted(shared):
        sums = [(rank, next(look for look in checks.weights if look.step == step)) for rank, checks in looks]
        apart = [(rank, _apart(look, sums[0][1])) for rank, look in sums[1:]]
        ranks = [rank for rank, far in apart if far > limit("F54", "apart")]
        if not ranks:
            continue
        start = step == min(shared)
        when = "before the first step" if start else f"after step {step - 1:,}, equal before"
        who = f"rank{'s' if len(ranks) > 1 else ''} {some([str(rank) for rank in ranks])}"
        how = "" if wrapped else " The model was given to cvtui.watch without DistributedDataParallel around it."
        far = max(far for _, far in apart)
        return RuleResult(
            f"The weights of {who} are not those of rank {sums[0][0]} ({when}): each trains a model of its own.{how}",
            step=-1 if start else step - 1,
            value=far,
            threshold=limit("F54", "apart"),
            evidence=f"sum and norm of all weights {far:.2g} of the norm apart",
            severity="stop" if wrapped else "warn",
            advice="" if wrapped else "Train through DistributedDataParallel(model), made once the weights are loaded.",
        )
    return None


def _apart(one: WeightSum, other: WeightSum) -> float:
    """Return how far two sums of weights lie apart, in norms."""
    far = max(abs(one.sum - other.sum), abs(one.norm - other.norm))
    return far / max(one.norm, other.norm) if far else 0.0


@rule("F53", "ranks")
def other_data(obs: Observations) -> RuleResult | None:
    """Find ranks that train on the same images, or one whose images, classes or losses are not like the others'."""
    looks = [(rank.started.rank, rank.checks) for rank in obs.ranks if rank.checks is not None]
    return _same_batches(looks) or _other_count(obs.ranks) or _other_classes(looks) or _other_losses(looks)


def _same_batches(looks: Sequence[tuple[int, RankChecks]]) -> RuleResult | None:
    """Find two ranks whose first batches are the same, where DDP averages what they give."""
    for (one, first), (other, second) in combinations(looks, 2):
        sums = first.inputs
        if sums != second.inputs or None in sums or not (first.wrapped and second.wrapped):
            continue
        if len(sums) >= limit("F53", "batches") and len(set(sums)) > 1:  # (the same batch at each step is a benchmark)
            return RuleResult(
                f"Ranks {one} and {other} train on the same images: in each of their first {len(sums)} batches the "
                "inputs add up to the same number.",
                step=first.step + len(sums) - 1,
                value=len(sums),
                threshold=limit("F53", "batches"),
                evidence=f"{len(sums)} equal sums of inputs",
                advice="Give each loader a DistributedSampler, or another way to take its own part of the images.",
            )
    return None


def _other_count(ranks: Sequence[Rank]) -> RuleResult | None:
    """Find a rank with more images a step: DDP lets each rank count alike."""
    known = [
        (rank.started.rank, middle)
        for rank in ranks
        if rank.checks is not None
        and rank.checks.wrapped in ("ddp", "fsdp")
        and (middle := rank.median(lambda step: step.images))
    ]
    if len(known) < 2:
        return None
    (low, few), (high, many) = (pick(known, key=lambda one: one[1]) for pick in (min, max))
    if many <= limit("F53", "times") * few:
        return None
    return RuleResult(
        f"Rank {high} has {many:g} images a step, rank {low} {few:g}: their gradients are averaged with equal weight, "
        f"so each image of rank {low} counts {many / few:.3g} times as much.",
        step=0,
        value=many / few,
        threshold=limit("F53", "times"),
        evidence=f"{many:g} and {few:g} images a step (medians)",
        advice="Cut each batch into equal parts, or weigh each rank's loss by its images.",
    )


def _other_classes(looks: Sequence[tuple[int, RankChecks]]) -> RuleResult | None:
    """Find the rank whose classes are farthest from the others', beyond chance."""
    known = [(rank, checks) for rank, checks in looks if sum(checks.labels) >= limit("F53", "labels")]
    if len(known) < 2:
        return None
    width = max(len(checks.labels) for _, checks in known)
    table = np.array([[*checks.labels, *[0] * (width - len(checks.labels))] for _, checks in known], float)
    found = [(_cramer(table[place], table.sum(0) - table[place]), place) for place in range(len(known))]
    far, place = max(found)
    if far <= limit("F53", "cramer"):
        return None
    own, others = table[place], table.sum(0) - table[place]
    gap = own / own.sum() - others / others.sum()
    label = int(np.argmax(np.abs(gap)))
    shares = percent(own[label] / own.sum()), percent(others[label] / others.sum())
    return RuleResult(
        f"Rank {known[place][0]} sees other classes than the other ranks: {shares[0]} of its first {int(own.sum()):,} "
        f"labels are class {label}, {shares[1]} of theirs.",
        step=known[place][1].step + len(known[place][1].losses) - 1,
        value=far,
        threshold=limit("F53", "cramer"),
        evidence=f"Cramér's V {far:.2g} between its labels and the others'",
        advice="Shuffle before the images are cut over the ranks, as DistributedSampler does.",
    )


def _cramer(one: np.ndarray, other: np.ndarray) -> float:
    """Return Cramér's V of two counts of classes (0: equal shares, 1: none in common); 0 where chance explains it."""
    table = np.stack([one, other])[:, one + other > 0]
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    chi, freedom = float(((table - expected) ** 2 / expected).sum()), table.shape[1] - 1
    beyond = freedom > 0 and chi > freedom + limit("F53", "deviations") * (2 * freedom) ** 0.5
    return (chi / float(table.sum())) ** 0.5 if beyond else 0.0


def _other_losses(looks: Sequence[tuple[int, RankChecks]]) -> RuleResult | None:
    """Find a rank whose first losses all lie beyond the others', with the same weights."""
    known = [(rank, [loss for loss in checks.losses if loss is not None]) for rank, checks in looks]
    known = [(rank, losses) for rank, losses in known if len(losses) >= limit("F53", "losses")]
    found: list[tuple[float, float, int]] = []
    for rank, losses in known:
        others = [loss for other, more in known if other != rank for loss in more]
        if others and min(*losses, *others) > 0 and (min(losses) > max(others) or max(losses) < min(others)):
            times = median(losses) / median(others)
            found.append((max(times, 1 / times), median(losses), rank))  # (of two ranks the one with the higher loss)
    if not found or max(found)[0] <= limit("F53", "loss"):
        return None
    times, own, rank = max(found)
    rest = median([loss for other, more in known if other != rank for loss in more])
    steps = min(len(losses) for _, losses in known)
    return RuleResult(
        f"The first losses of rank {rank} lie at {own:.3g}, those of the others at {rest:.3g} (medians of {steps} "
        "steps): its images or labels are not like theirs.",
        step=steps - 1,
        value=times,
        threshold=limit("F53", "loss"),
        evidence=f"loss {own / rest:.3g} times the others'",
    )


@rule("F55", "ranks", "steps")
def grown_batch(obs: Observations) -> RuleResult | None:
    """Find a global batch that grew, by more ranks or in a fork, at an unchanged rate."""
    return _grown_by_restart(obs) or _grown_by_fork(obs)


def _grown_by_restart(obs: Observations) -> RuleResult | None:
    rank = next((rank for rank in obs.ranks if rank.before is not None), None)
    if rank is None or rank.before is None or not obs.own_loop:
        return None
    world, step, images = rank.before
    now = rank.median(lambda one: one.images if one.images else None)
    before, after = obs.rate_at(step - 1), obs.rate_at(step)
    if not images or not now or not abs(after - before) <= limit("F55", "moved") * before:
        return None
    old, new = world * images, rank.started.world_size * now
    if new < limit("F55", "times") * old:
        return None
    return RuleResult(
        f"From step {step:,} on {rank.started.world_size} ranks train in place of {world}: a global batch of {new:g} "
        f"images in place of {old:g}, at the same rate ({after:.3g}). {_fits(obs, after, new / old)}",
        step=step,
        value=new / old,
        threshold=limit("F55", "times"),
        evidence=f"{new:g} images a step, {old:g} before",
    )


def _grown_by_fork(obs: Observations) -> RuleResult | None:
    parent, run = obs.parent, obs.run
    if parent is None or run is None or not parent.lr or not run.lr or obs.own_loop:
        return None
    old, new = images_per_step(parent.recipe), images_per_step(obs.recipe)
    same = abs(run.lr - parent.lr) <= limit("F55", "moved") * parent.lr
    if not same or not old or not new or new < limit("F55", "times") * old:
        return None
    return RuleResult(
        f"The run that this one was forked from had {old:,} images a step, this one has {new:,}, at the same rate "
        f"({run.lr:.3g}). {_fits(obs, run.lr, new / old)}",
        value=new / old,
        threshold=limit("F55", "times"),
        evidence=f"{new:,} images a step, {old:,} before",
    )


def _fits(obs: Observations, rate: float, times: float) -> str:
    power, name = (0.5, "square root") if obs.adaptive else (1.0, "linear")
    return f"By the {name} rule {rate * times**power:.3g} fits."


@rule("F52", "ranks")
def slow_rank(obs: Observations) -> RuleResult | None:
    """Find the rank that the others wait for."""
    if min((len(rank.steps) for rank in obs.ranks), default=0) < limit("F52", "steps"):
        return None
    slow = straggler(obs.ranks)
    if slow is None or slow.lost < limit("F52", "lost"):
        return None
    last = max(max(rank.steps) for rank in obs.ranks)
    known = min(len(rank.steps) for rank in obs.ranks)
    data = slow.why == "data"
    return RuleResult(
        f"{slow.sentence[0].upper()}{slow.sentence[1:]} (the last {known:,} steps).",
        step=last,
        value=slow.lost,
        threshold=limit("F52", "lost"),
        evidence=f"{percent(slow.lost)} of the time lost to rank {slow.rank}",
        advice="More workers for its loader, or its data on a faster disk." if data else "",
    )
