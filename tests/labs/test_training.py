"""The labs `lr`, `schedule` and `preprocess`: the lecture's claims about training, measured."""

from __future__ import annotations

import pytest
import torch

from cvtui.labs.experiments.preprocess import bowl, derivatives, pictures, two_features
from cvtui.labs.experiments.train import batches, smooth
from tests.labs.conftest import Run

pytestmark = pytest.mark.long


def test_four_rates_four_shapes(run: Run) -> None:
    result = run("lr", steps=200)
    assert result.numbers["shapes"] == ["low", "good", "high", "very high"]
    assert result.claim_holds is True


def test_decay_ends_lower_than_constant(run: Run) -> None:
    result = run("schedule", epochs=8)
    ends = dict(zip(result.numbers["schedules"], result.numbers["loss at the end"], strict=True))
    for name in ("step", "cosine", "linear"):
        assert ends[name] < 0.5 * ends["constant"], name
    assert result.claim_holds is True


def test_all_positive_inputs_give_gradients_of_one_sign(run: Run) -> None:
    """Share of same-sign gradients: 1.0 against about 0.5."""
    result = run("preprocess", data="cifar-like", images=40)
    signs = dict(zip(result.numbers["preprocess"], result.numbers["same sign"], strict=True))
    assert signs["none"] == signs["scale"] == 1.0
    assert signs["centre"] == pytest.approx(0.5, abs=0.05)
    assert signs["standardise"] == pytest.approx(0.5, abs=0.05)
    first, last = result.numbers["condition of the loss"][0], result.numbers["condition of the loss"][-1]
    assert last < 2.0 < 20.0 < first
    assert result.claim_holds is True


def test_cifar_like_pictures_have_cifars_three_means_and_stds() -> None:
    images = pictures("cifar-like", 200, 0)
    assert images.mean((0, 2, 3)).tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=0.02)
    assert images.std((0, 2, 3)).tolist() == pytest.approx([0.2470, 0.2435, 0.2616], abs=0.025)
    assert float(images.min()) > 0.0


def test_the_bowls_derivatives_are_autograds() -> None:
    shape = bowl("", *two_features(50, 0), most=1)
    weights = torch.tensor([0.3, -0.2], dtype=torch.float64)
    slope, curvature = derivatives(shape, weights)
    assert torch.allclose(slope, torch.autograd.functional.jacobian(shape.loss, weights))
    assert torch.allclose(curvature, torch.autograd.functional.hessian(shape.loss, weights))


def test_batches_cover_everything_once_an_epoch() -> None:
    order = batches(10, 4, 0)
    epochs = [[next(order) for _ in range(3)] for _ in range(2)]
    assert [sorted(torch.cat(epoch).tolist()) for epoch in epochs] == [list(range(10))] * 2
    assert torch.cat(epochs[0]).tolist() != torch.cat(epochs[1]).tolist()


def test_smoothing_is_unbiased() -> None:
    assert smooth([2.0] * 20) == pytest.approx([2.0] * 20)
