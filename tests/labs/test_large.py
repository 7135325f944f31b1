"""The labs `batch` and `landscape`."""

from __future__ import annotations

import math

import pytest
import torch

from cvtui.labs.experiments.data import build
from cvtui.labs.experiments.landscape import directions, principal, project, weights
from tests.labs.conftest import Run


def test_batch_times_n_rate_times_n(run: Run) -> None:
    """The scaled run follows the small batch's curve; the gradient's noise falls with 1/sqrt(B)."""
    result = run("batch", epochs=5, draws=40)
    apart = result.numbers["factor off the small batch's curve"]
    assert apart["scaled rate"] < math.exp(0.35)
    assert apart["same rate"] > math.e
    assert result.numbers["noise slope"] == pytest.approx(-0.5, abs=0.05)
    assert result.claim_holds is True


def test_the_trained_net_lies_at_the_bottom(run: Run) -> None:
    result = run("landscape", side=11, epochs=6, images=200)
    assert result.claim_holds is True
    assert min(result.numbers["rim / loss"]) > math.e
    assert min(result.numbers["share of the path in its own plane"]) > 0.8
    assert max(result.numbers["share of the path in the random plane"]) < 0.1


def test_directions_are_as_long_as_the_filters() -> None:
    """Li et al. 2018: each filter of the direction has the norm of the net's filter; biases stay."""
    net = build("conv4-relu-fc", (6, 6, 1), 3, 0)
    for way in directions(net, 0):
        for part, parameter in zip(way, net.parameters(), strict=True):
            if parameter.dim() > 1:
                assert torch.allclose(part.flatten(1).norm(dim=1), parameter.flatten(1).norm(dim=1), rtol=1e-4)
            else:
                assert torch.all(part == 0)


def test_directions_are_not_the_first_weights_again() -> None:
    """Drawn from the same seed as the weights, they were: what was called a random direction stretched the filters."""
    net = build("conv8-relu-fc", (8, 8, 1), 10, 0)
    for way in directions(net, 0):
        for part, parameter in zip(way, net.parameters(), strict=True):
            if parameter.dim() > 1:
                assert (
                    abs(float(torch.nn.functional.cosine_similarity(part.flatten(), parameter.detach().flatten(), 0)))
                    < 0.3
                )


def test_a_straight_path_lies_in_its_own_plane() -> None:
    net = build("fc", (4,), 3, 0)
    middle = weights(net)
    path = [[part + 0.1 * step for part in middle] for step in range(5, -1, -1)]
    places, held = project(path, middle, principal(path, middle))
    assert held == pytest.approx(1.0, abs=1e-5)
    assert places[-1].abs().max() < 1e-6
