"""Numbers of a model's answers to pictures in several classes: a yes or no for each class."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvtui.engine.infer.answers import Answers, large_array
from cvtui.engine.infer.numbers import LISTED, mean
from cvtui.engine.infer.slices import all_slices
from cvtui.metrics import calibration
from cvtui.metrics.counts import ClassCounts, macro, wilson
from cvtui.metrics.ranking import pr_auc, roc_auc
from cvtui.runlog.evaluation import Case, ClassScore, Evaluation
from cvtui.text import encodable, rounded_or_none, rounded_share

Bools = NDArray[np.bool_]
Doubles = NDArray[np.float64]


def set_numbers(found: Answers, **about: Any) -> Evaluation:
    """Return the evaluation of answers to pictures in several classes; about: the fields that say what was evaluated.

    Answered yes is a class with a probability above 1/2. mAP is `pr_auc`: the mean over the classes with images.
    """
    truth, said, right = found.sets, found.logits > 0, found.right
    images, classes, hits = len(truth), len(found.classes), int(right.sum())
    counts = [_counts(truth[:, number], said[:, number]) for number in range(classes)]
    means = macro(counts)
    not_finite = int((~np.isfinite(found.logits)).any(1).sum())
    shares = _probabilities(found) if not not_finite and images else None
    areas = [_areas(shares, truth, number) for number in range(classes)]
    wrong = int((truth != said).sum())
    both = int((truth & said).sum())
    return Evaluation(
        **about,
        **({} if shares is None else _cases(found, shares, truth, right)),
        activation="sigmoid",
        several=True,
        images=images,
        unread=[(encodable(name), why) for name, why in found.unread],
        classes=list(found.classes),
        right=hits,
        accuracy=hits / max(1, images),
        interval=wilson(hits, images),
        top_k=0,
        top_k_accuracy=0.0,
        balanced_accuracy=means.recall,
        precision=means.precision,
        recall=means.recall,
        f1=means.f1,
        hamming_loss=wrong / max(1, truth.size),
        micro_f1=2 * both / max(1, int(truth.sum()) + int(said.sum())),
        not_finite=not_finite,
        roc_auc=mean([one for one, _ in areas]),
        pr_auc=mean([one for _, one in areas]),
        per_class=[
            ClassScore(name=name, **score._asdict(), roc_auc=area[0], pr_auc=area[1])
            for name, score, area in zip(found.classes, counts, areas, strict=True)
        ],
        confusion=[],
        slices=all_slices(found.names, found.files, [""] * images, right, found.brightness),
    )


def _counts(truth: Bools, said: Bools) -> ClassCounts:
    hits, support, predicted = int((truth & said).sum()), int(truth.sum()), int(said.sum())
    return ClassCounts(
        hits / predicted if predicted else None,
        hits / support if support else None,
        2 * hits / (support + predicted) if support + predicted else None,
        support,
        predicted,
    )


def _probabilities(found: Answers) -> Doubles:
    shares = large_array(found.logits.shape, np.float64)
    for start in range(0, len(shares), calibration.ROWS):
        place = slice(start, start + calibration.ROWS)
        shares[place] = calibration.sigmoid(found.logits[place])
    return shares


def _areas(shares: Doubles | None, truth: Bools, number: int) -> tuple[float | None, float | None]:
    if shares is None:
        return None, None
    column, own = np.ascontiguousarray(shares[:, number]), truth[:, number]
    return roc_auc(column, own), pr_auc(column, own)


def _cases(found: Answers, shares: Doubles, truth: Bools, right: Bools) -> dict[str, Any]:
    """Return the mean loss, and the images that are worst and least certain."""
    pieces = [slice(start, start + calibration.ROWS) for start in range(0, len(truth), calibration.ROWS)]
    losses = np.concatenate([calibration.yes_no_losses(found.logits[some], truth[some]) for some in pieces])
    wrong = np.flatnonzero(~right)
    nearest = np.abs(shares - 0.5).min(1)
    worst = wrong[np.argsort(-losses[wrong], kind="stable")][:LISTED]
    least = np.argsort(nearest, kind="stable")[:LISTED]
    return {
        "log_loss": math.fsum(losses.tolist()) / len(losses),
        "worst": [_case(found, shares, truth, place) for place in worst.tolist()],
        "uncertain": [_case(found, shares, truth, place) for place in least.tolist()],
    }


def _case(found: Answers, shares: Doubles, truth: Bools, place: int) -> Case:
    """Name an image: `share` is the probability of its surest wrong answer, or of its least sure right one."""
    row, wanted = shares[place], truth[place]
    of_truth = np.where(wanted, row, 1 - row)
    least = float(of_truth.min())
    name = encodable(found.names[place])
    share = 1 - least if least <= 0.5 else least
    return Case(
        image=name, number=place, truth=found.truth_words(place), said=found.said_words(place),
        share=rounded_share(share, 9), truth_share=rounded_share(least, 9),
        margin=rounded_or_none(float(np.abs(row - 0.5).min()), 9), file=found.files and name == found.names[place],
    )  # fmt: skip
