"""The lab `optim`: update rules against the lecture's formulas, and its three problems with the issue's numbers."""

from __future__ import annotations

import pytest
import torch

from cvtui.labs.experiments.optim import RULES, walk
from cvtui.labs.experiments.surfaces import quadratic, saddle, surface
from tests.labs.conftest import Run

pytestmark = pytest.mark.long


def test_sgd_stays_at_the_saddle_momentum_does_not_and_noise_frees_both() -> None:
    """100 steps from the ridge: SGD within 1e-2, momentum further; perturbed, both leave."""
    ground = saddle(1e-5)
    sgd, momentum = (float(walk(ground, rule, 100, 0).end.norm()) for rule in ("sgd", "momentum"))
    assert sgd < 1e-2
    assert momentum > 10 * sgd
    for seed in range(5):
        for rule in ("sgd", "momentum"):
            assert walk(ground, rule, 100, seed, perturb=0.05).end.norm() > 0.1


def test_exactly_on_the_ridge_nobody_leaves() -> None:
    for rule in RULES:
        assert walk(saddle(0.0), rule, 100, 0).end[1] == 0.0


def test_the_claim_holds_at_the_defaults(run: Run) -> None:
    result = run("optim", race=False)
    assert result.claim_holds is True
    assert result.numbers["quadratic: SGD's steps that undo the last"] > 0.9
    kinds = [type(figure).__name__ for figure in result.figures]
    assert kinds == ["Heat"] * 4 + ["Table"]


def test_sgd_diverges_on_the_quadratic_beyond_two_over_the_condition_number() -> None:
    """Its fastest stable rate is 2/κ: at 1.9/κ (the lab's) it converges, at 2.1/κ it does not."""
    ground = quadratic(50.0)
    point = torch.tensor(ground.start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([point], lr=2.1 / 50.0)
    for _ in range(200):
        optimizer.zero_grad()
        ground.value(point).backward()
        optimizer.step()
    assert ground.value(point) > ground.value(torch.tensor(ground.start))
    assert ground.value(walk(ground, "sgd", 200, 0).end) < 1e-2


@pytest.mark.parametrize("name", ["quadratic", "saddle", "minimum", "noisy", "rosenbrock"])
def test_surfaces_have_their_lowest_point_where_they_say(name: str) -> None:
    ground = surface(name, 50.0, 1e-5, 1.0)
    x_low, x_high, y_low, y_high = ground.window
    grid = torch.stack(
        torch.meshgrid(torch.linspace(x_low, x_high, 201), torch.linspace(y_low, y_high, 201), indexing="ij"), -1
    )
    assert ground.value(torch.tensor(ground.goal)) <= ground.value(grid).min() + 1e-3


def test_rho_is_that_of_v_rho_v_plus_gradient() -> None:
    """By hand: v ← ρv + ∇f, x ← x − αv, along the quadratic's flat axis, where ∇f = x."""
    ground = quadratic(50.0)
    x, v = ground.start[0], 0.0
    for _ in range(20):
        v = 0.99 * v + x
        x -= ground.lr * v
    assert float(walk(ground, "momentum", 20, 0, rho=0.99).end[0]) == pytest.approx(x, rel=1e-9)


def test_the_race_on_a_net_is_fair(run: Run) -> None:
    """Same weights, same batches: the first loss is the same for all rules."""
    result = run("optim", surface="saddle", rules="sgd,momentum,adam", net_steps=30)
    curves = result.figures[-1].curves  # type: ignore[union-attr]
    assert len({curve.y[0] for curve in curves}) == 1
    sgd, momentum, _ = (curve.y[-1] for curve in curves)
    assert sgd is not None
    assert momentum is not None
    assert momentum < sgd
