"""The losses against the lecture's loops and PyTorch's own, and what a classifier loses that knows nothing."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from cvtui.engine.optim.loss import LOSSES
from cvtui.errors import RequestError
from cvtui.recipe.choices.losses import LOSSES as CHOICES
from cvtui.recipe.first_loss import first_loss_or_none
from tests.engine.choosing import first_loss, make_loss


def lecture_hinge(scores: Tensor, labels: Tensor, margin: float) -> float:
    """L_i_vectorized of the lecture, image by image."""
    losses = []
    for row, label in zip(scores.tolist(), labels.tolist(), strict=True):
        losses.append(sum(max(0.0, s - row[label] + margin) for j, s in enumerate(row) if j != label))
    return sum(losses) / len(losses)


def test_cross_entropy_is_minus_the_log_of_the_softmax() -> None:
    logits, labels = torch.randn(8, 10, dtype=torch.float64), torch.randint(10, (8,))
    shares = logits.exp() / logits.exp().sum(1, keepdim=True)
    assert torch.allclose(make_loss("cross-entropy")(logits, labels), -shares.log()[range(8), labels].mean())
    target = 0.9 * nn.functional.one_hot(labels, 10) + 0.1 / 10
    assert torch.allclose(make_loss("cross-entropy(0.1)")(logits, labels), -(target * shares.log()).sum(1).mean())
    assert set(LOSSES) == set(CHOICES)


def test_hinge_on_the_lectures_cat_car_and_frog() -> None:
    scores = torch.tensor([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
    labels = torch.tensor([0, 1, 2])
    each = [make_loss("hinge")(scores[i : i + 1], labels[i : i + 1]).item() for i in range(3)]
    assert each == pytest.approx([2.9, 0.0, 12.9], abs=1e-5)
    assert make_loss("hinge")(scores, labels).item() == pytest.approx(5.27, abs=0.005)


@pytest.mark.parametrize("margin", [1.0, 0.3, 5.0])
def test_hinge_is_the_lectures_loop_and_pytorchs_times_the_classes(margin: float) -> None:
    logits = torch.randn(16, 7, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(7, (16,))
    loss = make_loss(f"hinge({margin})")(logits, labels)
    assert loss.item() == pytest.approx(lecture_hinge(logits, labels, margin), rel=1e-9)
    theirs = 7 * nn.functional.multi_margin_loss(logits, labels, margin=margin)
    (ours,), (pytorchs,) = torch.autograd.grad(loss, logits), torch.autograd.grad(theirs, logits)
    assert torch.allclose(loss, theirs)
    assert torch.allclose(ours, pytorchs)


def test_mse_is_the_squared_distance_from_one_hot_labels() -> None:
    logits, labels = torch.randn(16, 5, dtype=torch.float64), torch.randint(5, (16,))
    wanted = torch.zeros(16, 5, dtype=torch.float64)
    wanted[range(16), labels] = 1
    assert torch.allclose(make_loss("mse")(logits, labels), ((logits - wanted) ** 2).mean())


def test_focal_is_cross_entropy_by_its_definition() -> None:
    logits, labels = torch.randn(16, 5, dtype=torch.float64), torch.randint(5, (16,))
    right = logits.softmax(1)[range(16), labels]
    for gamma in (0.0, 0.5, 2.0):
        loss = make_loss(f"focal({gamma})")
        assert torch.allclose(loss(logits, labels), (-((1 - right) ** gamma) * right.log()).mean())
        hard = torch.nn.functional.one_hot(labels, 5).double()
        assert torch.allclose(loss(logits, hard), loss(logits, labels))
    sure = torch.tensor([[200.0, 0.0]], requires_grad=True)  # (1 - p)^(gamma - 1) is infinite there
    make_loss("focal(0.5)")(sure, torch.tensor([0])).backward()
    assert sure.grad is not None
    assert sure.grad.isfinite().all()


def test_bce_is_pytorchs_which_takes_floats_alone() -> None:
    logits, several = torch.randn(16, 5), torch.randint(2, (16, 5))
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, several.float())
    for labels in (several, several.to(torch.uint8), several.float()):
        assert torch.equal(make_loss("bce")(logits, labels), expected)
    one = torch.randint(5, (16,))
    hard = torch.nn.functional.one_hot(one, 5)
    assert torch.equal(make_loss("bce")(logits, one), make_loss("bce")(logits, hard))


@pytest.mark.parametrize(
    "text", ["cross-entropy", "cross-entropy(0.2)", "hinge", "hinge(2.5)", "mse", "focal", "focal(0.5)", "bce"]
)
@pytest.mark.parametrize("classes", [2, 10])
def test_the_foretold_first_loss_is_that_of_zeros(text: str, classes: int) -> None:
    loss = make_loss(text)(torch.zeros(32, classes), torch.randint(classes, (32,)))
    found = first_loss(text, classes)
    assert loss.item() == pytest.approx(found.value, rel=1e-6)


def test_the_words_for_the_first_loss() -> None:
    assert first_loss("hinge", 10)[1:] == ("C − 1", "10 − 1")
    assert first_loss("mse", 10)[1:] == ("1/C", "1/10")
    assert first_loss("hinge(0.5)", 10)[1:] == ("(C − 1) · 0.5", "(10 − 1) · 0.5")
    assert first_loss("cross-entropy", 10) == (math.log(10), "ln C", "ln 10")
    assert first_loss_or_none("somebody's own", 10) is None
    assert first_loss_or_none(None, 10) == first_loss("cross-entropy", 10)


@pytest.mark.parametrize("text", ["cross-entropy(0.1)", "hinge", "mse", "focal", "bce"])
def test_half_precision_is_left_for_the_sum(text: str) -> None:
    logits, labels = torch.randn(64, 10).bfloat16(), torch.randint(10, (64,))
    with torch.autocast("cpu", torch.bfloat16):
        loss = make_loss(text)(logits, labels)
    assert loss.dtype == torch.float32
    assert torch.allclose(loss, make_loss(text)(logits.float(), labels))


@pytest.mark.parametrize(
    "text", ["hinge(0)", "hinge(-1)", "focal(-1)", "bce(1)", "cross-entropy(1)", "mse(2)", "hinges"]
)
def test_what_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="loss: "):
        make_loss(text)
