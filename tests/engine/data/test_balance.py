"""Class weights and the balanced sampler against PyTorch and worked values."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional
from torch.utils.data import WeightedRandomSampler

from cvtui.engine.data.balance import class_weights, shown_share, told_balance
from cvtui.engine.data.batching import balanced_order, batches
from cvtui.engine.data.images import Images
from cvtui.engine.optim.loss import denominator, make_loss
from cvtui.engine.train.evaluate import evaluate
from cvtui.recipe.choices.losses import LOSSES
from cvtui.recipe.choices.spec import parse_choice
from tests.engine.making import training

RARE = torch.tensor([0] * 990 + [1] * 10)
"""99:1."""


def test_weights_are_inverse_to_how_often_a_class_occurs() -> None:
    """N / (classes with images · count): what scikit-learn calls "balanced"."""
    labels = torch.tensor([0] * 50 + [2] * 30 + [3])
    found = class_weights(labels, "abcd")
    assert found[[0, 2, 3]].tolist() == pytest.approx([81 / (3 * 50), 81 / (3 * 30), 81 / 3])
    assert found[1] == 0
    assert found[labels].mean().item() == pytest.approx(1)


def test_the_loss_is_pytorchs_with_weights() -> None:
    weight, labels, logits = class_weights(RARE, "ab"), torch.tensor([0, 1, 0, 0]), torch.randn(4, 2)
    loss = make_loss(parse_choice("cross-entropy", LOSSES), weight)
    assert loss(logits, labels).item() == pytest.approx(functional.cross_entropy(logits, labels, weight).item())
    assert float(denominator(loss, labels)) == pytest.approx(float(weight[labels].sum()))
    assert denominator(functional.cross_entropy, labels) == 4


@pytest.mark.parametrize("text", ["cross-entropy", "cross-entropy(0.1)", "focal", "bce", "mse", "hinge"])
@pytest.mark.parametrize("ones", [0, 1, 32])
def test_the_first_loss_is_that_of_the_loss_whatever_the_batch(text: str, ones: int) -> None:
    """PyTorch's own is 0.35 or 1.42 for ln 2 with mixed labels, and 2.37 with smoothed ones."""
    choice = parse_choice(text, LOSSES, "loss")
    loss, zeros = make_loss(choice, class_weights(RARE, "ab")), torch.zeros(32, 2)
    labels = torch.tensor([1] * ones + [0] * (32 - ones))
    expected = choice.spec.guess(choice.values, 2).value
    assert loss(zeros, labels).item() == pytest.approx(expected, rel=1e-5)
    if choice.spec.soft and text != "mse":  # whose first loss follows from the shares
        shares = 0.7 * functional.one_hot(labels, 2) + 0.3 * functional.one_hot(labels.roll(1), 2)
        assert loss(zeros, shares).item() == pytest.approx(expected, rel=1e-5)
        assert float(denominator(loss, shares)) > 0
    wrong = functional.cross_entropy(zeros, functional.one_hot(labels, 2).float(), class_weights(RARE, "ab"))
    assert (wrong.item() == pytest.approx(math.log(2) * 0.505, rel=0.01)) == (ones == 0)


def test_mixed_labels_weigh_by_their_shares() -> None:
    """Worked by hand: losses ln 2 and −log σ(2)·0.75 − log σ(−2)·0.25, weights 1 and 0.75·1 + 0.25·5."""
    weight, logits = torch.tensor([1.0, 5.0]), torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    shares = torch.tensor([[1.0, 0.0], [0.75, 0.25]])
    second = 0.75 * math.log(1 + math.exp(-2)) + 0.25 * math.log(1 + math.exp(2))
    loss = make_loss(parse_choice("cross-entropy", LOSSES), weight)
    assert loss(logits, shares).item() == pytest.approx((math.log(2) * 1 + second * 2) / 3, rel=1e-6)


def test_the_sampler_draws_every_class_alike_and_as_pytorchs_does() -> None:
    order = balanced_order(RARE, 7, 1)
    assert len(order) == 1000
    assert torch.equal(order, balanced_order(RARE, 7, 1))
    assert not torch.equal(order, balanced_order(RARE, 7, 2))
    drawn = torch.cat([balanced_order(RARE, 0, epoch) for epoch in range(1, 41)])
    assert (RARE[drawn] == 1).float().mean().item() == pytest.approx(0.5, abs=0.01)
    each = torch.bincount(drawn[RARE[drawn] == 1] - 990).double()
    assert each.min() > 0.9 * each.mean()
    weights = class_weights(RARE, "ab")[RARE]
    theirs = WeightedRandomSampler(weights.tolist(), 1000, generator=torch.Generator().manual_seed(0))
    shares = [len(set(some)) / 1000 for some in ([*theirs], order.tolist())]
    assert shares == pytest.approx([0.4, 0.4], abs=0.03)
    assert shown_share(RARE) == pytest.approx(0.4, abs=0.01)


def test_classes_without_images_are_never_drawn_and_batches_follow_the_order() -> None:
    labels = torch.tensor([0, 0, 0, 3, 3, 5])
    images = Images(torch.arange(6).view(6, 1, 1, 1).to(torch.uint8), labels)
    found = list(batches(images, 4, 1, 2, balanced=True))
    assert torch.cat([one.pixels.flatten() for one in found]).tolist() == balanced_order(labels, 1, 2).tolist()
    assert [one.size for one in found] == [4, 2]
    rest = list(batches(images, 4, 1, 2, 1, balanced=True))
    assert torch.equal(rest[0].pixels, found[1].pixels)


def test_how_often_each_class_is_seen_is_told() -> None:
    assert told_balance("none", RARE, "ab") == []
    (weights,) = told_balance("weights", RARE, ["cat", "dog"])
    assert weights.endswith("training loss: dog (10 images) 50, cat (990 images) 0.505")
    (sampler,) = told_balance("sampler", RARE, ["cat", "dog"])
    assert "about 500 images of each class" in sampler
    assert "dog (10 images) 50 times, cat (990 images) 0.505 times; it shows about 40% of all images" in sampler


def test_validation_has_no_weights() -> None:
    fields = {"imbalance": 0.1, "limit": 200}
    plain, weighted = training(**fields), training(balance="weights", **fields)
    assert evaluate(weighted, lambda: None) == evaluate(plain, lambda: None)
    first = next(plain.batches(1))
    assert weighted.loss(torch.randn(128, 10), first.labels) != plain.loss(torch.randn(128, 10), first.labels)
