"""Gradients cut value by value, and those that are all one number by themselves."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cvtui.engine.observe.capped_gradients import all_alike, capped, largest_and_share


def gradients(model: nn.Module, loss: torch.Tensor) -> list[torch.Tensor]:
    loss.backward()
    return [one.grad for one in model.parameters() if one.grad is not None]


@pytest.mark.parametrize("limit", [1e-3, 1.0])
def test_a_cut_leaves_most_entries_at_plus_and_minus_one_size(limit: float):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 10))
    found = gradients(model, nn.functional.cross_entropy(model(torch.randn(8, 16)), torch.arange(8)))
    nn.utils.clip_grad_value_(model.parameters(), limit)
    told = capped(largest_and_share(found))
    if limit == 1.0:
        assert told == [], "nothing was cut"
        return
    assert not all_alike(largest_and_share(found))
    every = torch.cat([one.flatten() for one in found])
    assert told == pytest.approx([1e-3, float((every.abs() >= 0.9999e-3).float().mean())], rel=1e-4)
    assert 0.5 < told[1] < 1


def test_a_toy_whose_gradients_are_all_one_number_is_not_cut():
    model = nn.Linear(8, 8, bias=False)
    numbers = largest_and_share(gradients(model, model(torch.ones(4, 8)).mean()))
    assert (capped(numbers), all_alike(numbers)) == ([], True)
