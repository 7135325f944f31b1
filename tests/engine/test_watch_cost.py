"""What a custom loop is told that watching costs, beside a clock around its calls."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from torch import nn

import cvtui


def test_the_cost_that_is_told_holds_the_loop_s_calls(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 4))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    images, labels = torch.randn(32, 64), torch.arange(32) % 4
    spent = 0.0
    with cvtui.watch(model, optimizer, name="cost", runs=tmp_path) as run:
        for number in range(300):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            begun = time.thread_time()
            run.step(loss=loss)
            if number % 100 == 99:
                run.epoch()
            spent += time.thread_time() - begun
        budget = run._recorder.watch.budget
        told = budget.share() * budget.elapsed()
        assert budget.calls is not None
        assert 0.7 * spent < told < budget.elapsed()
        # Charged once: what reading samples took inside of a call is part of that call.
        assert budget.within <= budget.calls.taken()
