"""Numbers of a model's answers: from logits and labels to an `Evaluation`."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cvtui.engine.infer.answers import Answers, large_array
from cvtui.engine.infer.slices import all_slices
from cvtui.engine.train.evaluate import LARGEST_CONFUSION
from cvtui.metrics import calibration
from cvtui.metrics.counts import class_counts, confusion_matrix, macro, wilson
from cvtui.metrics.ranking import in_top, pr_auc, roc_auc
from cvtui.runlog.evaluation import Case, ClassScore, Evaluation, ReliabilityBin
from cvtui.text import encodable, rounded_or_none, rounded_share

TOP = 5
LISTED = 50
"""Images that are named, worst and least sure."""
Doubles = NDArray[np.float64]


class Shares(NamedTuple):
    """Probabilities of all images."""

    of: Doubles
    """N x classes; in a temporary file where they are many."""
    losses: Doubles
    """-ln of the true class's, or of the right answers to a yes or no for each class, their mean."""


def numbers(found: Answers, temperature: float | None = None, **about: Any) -> Evaluation:
    """Return the evaluation of a model's answers.

    temperature: of its calibration, where there is one; about: the fields that say what was evaluated.
    """
    classes, truth, said = found.classes, found.truth, found.said
    images, right = len(truth), truth == said
    confusion = confusion_matrix(truth, said, len(classes))
    scores = class_counts(confusion)
    means = macro(scores)
    hits = int(right.sum())
    not_finite = sum(int((~np.isfinite(rows)).any(1).sum()) for rows, _ in calibration.pieces(found.logits, truth))
    shares = probabilities(found) if not not_finite and images else None
    k = min(TOP, len(classes))
    top = sum(int(in_top(rows, labels, k).sum()) for rows, labels in calibration.pieces(found.logits, truth))
    areas = _areas(shares, truth, len(classes))
    return Evaluation(
        **about,
        **_probable(found, shares, right, temperature),
        activation="sigmoid" if found.yes_no else "softmax",
        images=images,
        unread=[(encodable(name), why) for name, why in found.unread],
        classes=list(classes),
        right=hits,
        accuracy=hits / max(1, images),
        interval=wilson(hits, images),
        top_k=k,
        top_k_accuracy=top / max(1, images),
        balanced_accuracy=means.recall,
        precision=means.precision,
        recall=means.recall,
        f1=means.f1,
        not_finite=not_finite,
        roc_auc=mean([one for one, _ in areas]),
        pr_auc=mean([one for _, one in areas]),
        per_class=[
            ClassScore(name=name, **score._asdict(), roc_auc=area[0], pr_auc=area[1])
            for name, score, area in zip(classes, scores, areas, strict=True)
        ],
        confusion=confusion.tolist() if len(classes) <= LARGEST_CONFUSION else [],
        slices=all_slices(found.names, found.files, [classes[label] for label in truth], right, found.brightness),
    )


def probabilities(found: Answers) -> Shares:
    """Return the probabilities of all logits, some thousand images at a time."""
    shares = large_array(found.logits.shape, np.float64)
    losses = np.zeros(len(found.truth))
    start = 0
    for rows, labels in calibration.pieces(found.logits, found.truth):
        place = slice(start, start + len(labels))
        shares[place] = calibration.probabilities(rows, yes_no=found.yes_no)
        losses[place] = calibration.log_losses(rows, labels, yes_no=found.yes_no)
        start += len(labels)
    return Shares(shares, losses)


def _areas(shares: Shares | None, truth: NDArray[np.int64], classes: int) -> list[tuple[float | None, float | None]]:
    """Return the areas under the ROC and the precision-recall curve of each class against all others."""
    if shares is None:
        return [(None, None)] * classes
    found = []
    for number in range(classes):
        column, own = np.ascontiguousarray(shares.of[:, number]), truth == number
        found.append((roc_auc(column, own), pr_auc(column, own)))
    return found


def mean(values: list[float | None]) -> float | None:
    """Return the mean of the numbers among these; None without any."""
    there = [value for value in values if value is not None]
    return math.fsum(there) / len(there) if there else None


def _probable(
    found: Answers, shares: Shares | None, right: NDArray[np.bool_], temperature: float | None
) -> dict[str, Any]:
    """Return the fields that follow from probabilities; none of them where a logit is not finite."""
    if shares is None:
        return {}
    bins = _reliability(found, right, 1.0)
    fields: dict[str, Any] = {
        "log_loss": float(shares.losses.mean()), "ece": calibration.calibration_error(bins), "bins": _told(bins),
        "worst": _cases(found, shares, _worst(found, shares, right)),
        "uncertain": _cases(found, shares, np.argsort(_margins(shares), kind="stable")[:LISTED]),
    }  # fmt: skip
    if temperature is not None:
        warm = _reliability(found, right, temperature)
        fields |= {
            "temperature": temperature, "calibrated_bins": _told(warm),
            "calibrated_ece": calibration.calibration_error(warm),
            "calibrated_log_loss": log_loss(found, temperature),
        }  # fmt: skip
    return fields


def log_loss(found: Answers, temperature: float = 1.0) -> float:
    """Return the mean of -ln of each image's probability of its true class."""
    parts = calibration.pieces(found.logits, found.truth)
    total = math.fsum(
        float(calibration.log_losses(rows, labels, temperature, yes_no=found.yes_no).sum()) for rows, labels in parts
    )
    return total / max(1, len(found.truth))


def _reliability(found: Answers, right: NDArray[np.bool_], temperature: float) -> list[calibration.Bin]:
    parts = calibration.pieces(found.logits, found.truth)
    surest = [calibration.probabilities(rows, temperature, yes_no=found.yes_no).max(1) for rows, _ in parts]
    return calibration.reliability(np.concatenate(surest), right)


def expected_error(found: Answers, temperature: float = 1.0) -> float:
    """Return the expected calibration error at a temperature."""
    return calibration.calibration_error(_reliability(found, found.truth == found.said, temperature))


def _told(bins: list[calibration.Bin]) -> list[ReliabilityBin]:
    return [ReliabilityBin(**one._asdict()) for one in bins]


def _worst(found: Answers, shares: Shares, right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the mistakes with the surest first, in the order of `cvtui mistakes`."""
    wrong = np.flatnonzero(~right)
    sure = shares.of[wrong, found.said[wrong]]
    return wrong[np.argsort(-sure, kind="stable")][:LISTED]


def _margins(shares: Shares) -> Doubles:
    found = np.zeros(len(shares.of))
    for start in range(0, len(found), calibration.ROWS):
        rows = np.partition(shares.of[start : start + calibration.ROWS], -2, axis=1)
        found[start : start + len(rows)] = rows[:, -1] - rows[:, -2]
    return found


def _cases(found: Answers, shares: Shares, places: NDArray[np.int64]) -> list[Case]:
    cases = []
    for place in places.tolist():
        row, true, said = shares.of[place], int(found.truth[place]), int(found.said[place])
        two = np.sort(row)[-2:]
        name = encodable(found.names[place])
        cases.append(
            Case(
                image=name, number=place, truth=found.classes[true], said=found.classes[said],
                share=rounded_share(float(row[said]), 9), truth_share=rounded_share(float(row[true]), 9),
                margin=rounded_or_none(float(two[1] - two[0]), 9), file=found.files and name == found.names[place],
            )
        )  # fmt: skip
    return cases
