"""A net that is run beside its training draws from no generator of the training."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import nn

from cvtui.engine.observe.both_modes import losses_of_both
from cvtui.engine.observe.untouched import untouched


def test_a_net_that_draws_leaves_all_generators_as_they_were() -> None:
    def draws() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    expected = draws()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    with untouched(nn.BatchNorm2d(2)):
        draws()
    assert draws() == expected


def test_a_call_that_stands_for_another_method_is_not_used_up() -> None:
    """Lightning puts `training_step` in `forward`'s place for the next call, where DDP wraps the net."""
    net, calls = nn.Linear(2, 2), []

    def redirected(x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return x

    redirected.__module__ = "lightning.pytorch.strategies.strategy"
    vars(net)["forward"] = redirected
    assert losses_of_both(nn.Sequential(net), torch.ones(4, 2), torch.zeros(4, dtype=torch.long)) is None
    assert calls == []
