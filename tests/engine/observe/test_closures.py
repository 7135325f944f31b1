"""Optimizers that are given a closure, as Lightning's are: the gradients of a step come within it, not before."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import cvtui
from cvtui.doctor import Doctor
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History

pytestmark = pytest.mark.torch


def test_the_norms_are_those_of_the_step_and_none_is_missing_where_gradients_were_emptied(tmp_path: Path) -> None:
    """Emptied after an evaluation, as Lightning does it: that was told as a gradient that is NaN (F03)."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 5), nn.ReLU(), nn.Linear(5, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    norms: list[float] = []
    layers: list[float] = []

    with cvtui.watch(model, optimizer, name="run", every=1, runs=tmp_path) as run:
        for number in range(12):
            x, y = torch.randn(8, 1, 6, 6), torch.arange(8) % 2
            if number == 6:
                optimizer.zero_grad()

            def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
                loss = nn.functional.cross_entropy(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                grads = [p.grad for p in model.parameters() if p.grad is not None]
                norms.append(float(torch.linalg.vector_norm(torch.cat([one.flatten() for one in grads]))))
                layers.append(float(grads[0].norm()))
                return loss

            if number == 0:  # what lies there before the first step is of another one
                closure()
                for p in model.parameters():
                    assert p.grad is not None
                    p.grad.neg_()
                norms.clear()
                layers.clear()
            run.step(loss=optimizer.step(closure))  # type: ignore[arg-type, call-overload, unused-ignore]
    history = History(RunFolder.open(tmp_path / "run"))
    history.poll()
    assert history.steps.grad_norm.tolist() == pytest.approx(norms, rel=1e-4)
    sampled = history.latest_layers
    assert sampled is not None
    first = next(one for one in sampled.layers if one.name == "1")
    assert first.grad_norm == pytest.approx(layers[sampled.step], rel=1e-4)
    assert first.grad_histogram is not None
    assert first.update_ratio is not None
    assert not {"F03", "F17"} & {one.id for one in Doctor(history).update()}
