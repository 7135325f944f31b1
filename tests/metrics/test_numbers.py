"""Numbers of a classifier against small values worked by hand, and where it is installed against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cvtui.metrics.calibration import calibration_error, fit_temperature, log_losses, reliability, softmax
from cvtui.metrics.counts import class_counts, confusion_matrix, macro, wilson
from cvtui.metrics.paired import mcnemar
from cvtui.metrics.ranking import in_top, pr_auc, roc_auc


def test_wilson_s_interval_of_8_of_10() -> None:
    """(p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n), z = 1.96: 0.4902 to 0.9433 (Wilson 1927)."""
    assert wilson(8, 10) == pytest.approx((0.4901624715366418, 0.9433178485456248), abs=1e-12)
    assert wilson(0, 5)[0] == 0.0
    assert wilson(5, 5)[1] == 1.0
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(5, 5)
    assert (1 - low, 1 - high) == pytest.approx(tuple(reversed(wilson(0, 5))))


def test_scores_of_each_class_and_their_means_without_an_absent_class() -> None:
    truth = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1, 1])
    said = np.array([0, 0, 2, 1, 1, 1, 1, 1, 0, 1])
    matrix = confusion_matrix(truth, said, 3)
    assert matrix.tolist() == [[2, 0, 1], [1, 6, 0], [0, 0, 0]]
    first, second, absent = class_counts(matrix)
    assert (first.precision, first.recall, first.f1, first.support, first.predicted) == (2 / 3, 2 / 3, 2 / 3, 3, 3)
    assert (second.precision, second.recall) == (1.0, 6 / 7)
    assert (absent.precision, absent.recall, absent.f1, absent.support, absent.predicted) == (0.0, None, 0.0, 0, 1)
    means = macro([first, second, absent])  # its false alarm does not make the absent class one of the mean
    assert means.recall == pytest.approx((2 / 3 + 6 / 7) / 2)
    assert means.f1 == pytest.approx((2 / 3 + 12 / 13) / 2)


def test_a_class_that_is_never_predicted_has_no_precision_and_counts_as_0_in_the_mean() -> None:
    scores = class_counts(confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 0]), 2))
    assert scores[1].precision is None
    assert scores[1].f1 == 0.0
    assert macro(scores).precision == pytest.approx(1 / 6)


def test_the_area_under_the_roc_curve_is_the_share_of_pairs_in_order() -> None:
    score, positive = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    assert roc_auc(score, positive) == 0.75
    assert roc_auc(np.array([0.5, 0.5, 0.2]), np.array([True, False, False])) == 0.75  # a tie counts half
    assert roc_auc(score, np.zeros(4, bool)) is None
    assert roc_auc(score, np.ones(4, bool)) is None


def test_average_precision_by_hand() -> None:
    score, positive = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    assert pr_auc(score, positive) == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)
    assert pr_auc(np.array([0.5, 0.5]), np.array([True, False])) == 0.5
    assert pr_auc(score, np.zeros(4, bool)) is None


def test_a_sure_net_has_its_exact_area() -> None:
    """With 100 thresholds on 0..1 these scores are one: the area would be 0.5 (torchmetrics' thresholds=100)."""
    score = 1 - np.array([1e-6, 2e-6, 3e-6, 4e-6])
    assert roc_auc(score, np.array([True, True, False, False])) == 1.0


def test_the_true_class_among_the_first_k() -> None:
    scores = np.array([[0.1, 0.3, 0.2], [0.3, 0.3, 0.3]])
    assert in_top(scores, np.array([2, 0]), 2).tolist() == [True, False]
    assert in_top(scores, np.array([0, 1]), 3).tolist() == [True, True]


def test_the_calibration_error_by_hand_and_a_confidence_of_1_in_the_last_bin() -> None:
    """Facts: torchmetrics gives 1.0 a bin of its own (0.515 there, 0.4845 here)."""
    confidence = np.array([0.97, 1.0, 0.55, 0.55])
    right = np.array([False, True, True, False])
    bins = reliability(confidence, right)
    assert bins[14].images == 2
    assert bins[14].confidence == pytest.approx(0.985)
    assert calibration_error(bins) == pytest.approx(2 / 4 * abs(0.5 - 0.985) + 2 / 4 * abs(0.5 - 0.55))
    assert sum(one.images for one in bins) == 4
    edge = reliability(np.array([1 / 15, 0.0]), np.array([True, True]))
    assert edge[0].images == 2  # (low, high]


def test_two_classes_take_the_larger_probability() -> None:
    shares = softmax(np.log(np.array([[0.7, 0.3], [0.3, 0.7]])))
    right = shares.argmax(1) == np.array([0, 1])
    assert calibration_error(reliability(shares.max(1), right)) == pytest.approx(0.3)


def test_logits_between_0_and_1_are_logits() -> None:
    assert softmax(np.array([[0.2, 0.8]]))[0, 1] == pytest.approx(1 / (1 + math.exp(-0.6)))


def test_the_temperature_of_logits_that_are_three_times_too_large() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(4000, 5))
    truth = np.array([random.choice(5, p=row) for row in softmax(logits)])
    assert fit_temperature(3 * logits, truth) == pytest.approx(3 * fit_temperature(logits, truth), rel=1e-9)
    assert fit_temperature(3 * logits, truth) == pytest.approx(3, rel=0.1)
    best = fit_temperature(logits, truth)
    for other in (best * 0.99, best * 1.01):
        assert log_losses(logits, truth, other).mean() > log_losses(logits, truth, best).mean()


def test_a_perfect_model_has_the_coldest_temperature() -> None:
    logits = np.eye(3) * 5
    assert fit_temperature(logits, np.arange(3)) == pytest.approx(0.01)


def test_mcnemar_by_hand() -> None:
    """1 against 5 of 6: 2 · (C(6,0) + C(6,1)) / 2⁶ = 14/64."""
    assert mcnemar(1, 5) == mcnemar(5, 1) == 14 / 64
    assert mcnemar(0, 0) == mcnemar(7, 7) == 1.0
    assert mcnemar(0, 10) == 2 / 2**10
    assert mcnemar(1490, 1510) == pytest.approx(0.7287, abs=1e-3)  # beyond whole numbers


def test_equal_scikit_learn_to_9_digits() -> None:
    """Run with PYTHONPATH where it is installed; torchmetrics' areas differ by 4e-8 (they are sums in float32)."""
    sk = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    random = np.random.default_rng(1)
    count, classes = 3000, 7
    truth = random.integers(0, classes - 1, count)  # the last class is absent
    logits = (3 * random.normal(size=(count, classes))).astype(np.float32)
    logits[np.arange(count), truth] += 3
    logits[:50] = np.round(logits[:50])  # ties
    shares, there = softmax(logits), range(classes - 1)
    said = shares.argmax(1)
    scores = class_counts(confusion_matrix(truth, said, classes))
    assert (
        confusion_matrix(truth, said, classes).tolist()
        == sk.confusion_matrix(truth, said, labels=range(classes)).tolist()
    )
    close = pytest.approx
    for number in there:
        own = truth == number
        assert roc_auc(shares[:, number], own) == close(sk.roc_auc_score(own, shares[:, number]), abs=1e-9)
        assert pr_auc(shares[:, number], own) == close(sk.average_precision_score(own, shares[:, number]), abs=1e-9)
    report = sk.precision_recall_fscore_support(truth, said, labels=list(there), zero_division=0)
    for number, values in enumerate(zip(*report, strict=True)):
        one = scores[number]
        assert (one.precision, one.recall, one.f1, one.support) == close(values, abs=1e-9)
    means = macro(scores)
    for value, name in ((means.precision, "precision"), (means.recall, "recall"), (means.f1, "f1")):
        of_sk = getattr(sk, f"{name}_score")(truth, said, labels=list(there), average="macro", zero_division=0)
        assert value == close(of_sk, abs=1e-9)
    with pytest.warns(UserWarning, match="y_pred contains classes"):
        assert means.recall == close(sk.balanced_accuracy_score(truth, said), abs=1e-9)
    top = sk.top_k_accuracy_score(truth, logits, k=5, labels=range(classes))
    assert in_top(logits, truth, 5).mean() == close(top, abs=1e-9)
    assert log_losses(logits, truth).mean() == close(sk.log_loss(truth, shares, labels=range(classes)), abs=1e-9)
