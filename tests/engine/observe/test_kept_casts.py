"""One autocast context around the whole loop: the net keeps the weights of its first step, and the doctor names it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import cvtui
from cvtui.doctor.doctor import examine
from cvtui.runlog.history import History


def trained(where: str, folder: Path | None, steps: int = 12) -> tuple[list[float], list[Tensor], History | None]:
    """Train 20-64-4 under bfloat16 autocast; where: "loop", "step" (update within it), "forward", "off", "no cache"."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 4))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    x = torch.randn(64, 20)
    y = x[:, :4].argmax(1)
    losses = []

    def cast(wanted: bool, cache: bool = True) -> contextlib.AbstractContextManager[object]:
        return torch.autocast("cpu", torch.bfloat16, cache_enabled=cache) if wanted else contextlib.nullcontext()

    with contextlib.ExitStack() as stack:
        run = stack.enter_context(cvtui.watch(net, optimizer, runs=folder)) if folder else None
        stack.enter_context(cast(where in ("loop", "no cache"), where == "loop"))
        for _ in range(steps):
            optimizer.zero_grad()
            with cast(where == "step"):
                with cast(where == "forward"):
                    loss = F.cross_entropy(net(x), y)
                loss.backward()
                optimizer.step()
            losses.append(loss.item())
            if run is not None:
                run.step(loss=loss)
    history = None
    if run is not None:
        history = History(run.folder)
        history.poll()
    return losses, [p.detach().clone() for p in net.parameters()], history


@pytest.mark.parametrize("where", ["loop", "step", "forward", "off", "no cache"])
def test_it_is_named_and_nothing_else_is_taken_for_it(where: str, tmp_path: Path) -> None:
    losses, weights, _ = trained(where, None)
    assert len(set(losses)) == (1 if where == "loop" else 12)  # what PyTorch does
    again, watched, history = trained(where, tmp_path)
    assert again == losses
    assert all(torch.equal(one, other) for one, other in zip(weights, watched, strict=True))
    assert history is not None
    assert history.facts is not None
    found = [one.id for one in examine(history) if one.severity != "note"]
    if where == "loop":
        assert found == ["F56"]
        assert history.facts.stale_casts is not None
        assert history.facts.stale_casts >= 3
    else:
        assert found == []
        assert history.facts.stale_casts == (None if where in ("off", "no cache") else 0)


def test_a_context_of_a_step_with_two_updates_is_no_fault(tmp_path: Path) -> None:
    """Of a GAN one context often holds both updates: the second pass reads weights of one update before."""
    net, other = nn.Linear(8, 3), nn.Linear(8, 3)
    optimizers = [torch.optim.SGD(one.parameters(), lr=0.01) for one in (net, other)]
    with cvtui.watch(net, optimizers, runs=tmp_path) as run:
        for _ in range(12):
            with torch.autocast("cpu", torch.bfloat16):
                for optimizer in optimizers:
                    optimizer.zero_grad()
                    loss = F.cross_entropy(net(torch.randn(16, 8)) + other(torch.randn(16, 8)), torch.arange(16) % 3)
                    loss.backward()
                    optimizer.step()
            run.step(loss=loss)
    history = History(run.folder)
    history.poll()
    assert history.facts is not None
    assert history.facts.stale_casts is not None
    assert history.facts.stale_casts < 3
    assert "F56" not in [one.id for one in examine(history)]
