"""A net that is run beside its training draws from no generator of the training."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import nn

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
