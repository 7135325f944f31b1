"""Loops of other forms under `cvtui.watch`: several optimizers and groups, other losses, a head alone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import cvtui
from cvtui.doctor import examine
from cvtui.runlog.commands import send
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History


def history_at(path: Path) -> History:
    history = History(RunFolder.open(path))
    history.poll()
    return history


def alarms(history: History) -> list[str]:
    return [f"{one.id}: {one.sentence}" for one in examine(history) if one.severity != "note"]


def test_two_nets_against_each_other_are_no_fault(tmp_path: Path) -> None:
    torch.manual_seed(0)
    nets = nn.ModuleDict({"g": nn.Sequential(nn.Linear(4, 8)), "d": nn.Sequential(nn.Linear(8, 1))})
    opts = {name: torch.optim.Adam(nets[name].parameters(), rate) for name, rate in (("g", 1e-3), ("d", 2e-3))}
    with cvtui.watch(nets, opts, every=5, runs=tmp_path, name="gan") as run:
        heard, squares = 0, list[float]()
        for step in range(100_000):  # commands are read twice a second
            fake = nets["g"](torch.randn(16, 4))
            real_said, fake_said = nets["d"](torch.randn(16, 8) + 1), nets["d"](fake.detach())
            one, zero = torch.ones(16, 1), torch.zeros(16, 1)
            bce = functional.binary_cross_entropy_with_logits
            d_loss = bce(real_said, one) + bce(fake_said, zero)
            opts["d"].zero_grad()
            d_loss.backward()
            opts["d"].step()
            g_loss = bce(nets["d"](fake), one)
            opts["g"].zero_grad()
            g_loss.backward()
            squares.append(sum(float(p.grad.square().sum()) for p in nets["g"].parameters() if p.grad is not None))
            opts["g"].step()
            run.step(loss=d_loss + g_loss)
            if step == 20:
                send(run.folder.commands, Command(command="set_lr", time=0.0, value=5e-3, group="d"))
            heard += opts["d"].param_groups[0]["lr"] == 5e-3
            if heard == 20:
                break
    history = history_at(run.folder.path)
    assert alarms(history) == []
    assert history.facts is not None
    assert history.facts.loss_terms == ["binary cross-entropy"] * 3
    assert (history.facts.linear_pairs, history.facts.left_out_count) == ([], 0)
    assert history.group_rates == {"g": 1e-3, "d": 5e-3}
    assert history.steps.lr[-1] == pytest.approx(1e-3)
    last = int(np.flatnonzero(np.isfinite(history.steps.grad_norm))[-1])
    assert float(history.steps.grad_norm[last]) > math.sqrt(squares[last])
    sample = history.latest_layers
    assert sample is not None
    moved = {row.name: row.update_ratio for row in sample.layers if row.update_ratio is not None}
    assert set(moved) == {"g.0", "d.0"}


def test_groups_are_named_and_scaled_together(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    head = {"params": model[2].parameters(), "lr": 0.1, "name": "head"}
    optimizer = torch.optim.SGD([{"params": model[0].parameters(), "lr": 0.01}, head])
    with cvtui.watch(model, optimizer, runs=tmp_path, name="w") as run:
        for step in range(5000):  # a command is looked for now and then
            loss = functional.cross_entropy(model(torch.randn(8, 4)), torch.arange(8) % 3)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step == 1:
                send(run.folder.commands, Command(command="set_lr", time=0.0, value=0.02))
            run.step(loss=loss)
            if optimizer.param_groups[0]["lr"] != 0.01:
                break
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.02, 0.2])
    history = history_at(run.folder.path)
    assert set(history.group_rates) == {"0", "head"}
    assert history.facts is not None
    assert history.facts.layer_rates == {"2": 0.1}


def test_labels_for_each_class_are_no_wrong_cross_entropy(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 20))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    x = torch.randn(32, 6)
    labels = (torch.rand(32, 20) < 0.1).float()
    with cvtui.watch(model, optimizer, every=5, runs=tmp_path, name="w") as run:
        for _ in range(60):
            loss = functional.binary_cross_entropy_with_logits(model(x), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.step(loss=loss)
    assert alarms(history_at(run.folder.path)) == []


def test_a_head_alone_of_a_deep_net_is_a_note(tmp_path: Path) -> None:
    layers = [nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(30)]
    model = nn.Sequential(*layers, nn.Linear(4, 3))
    optimizer = torch.optim.Adam(model[-1].parameters(), 1e-3)
    with cvtui.watch(model, optimizer, runs=tmp_path, name="w") as run:
        for _ in range(12):
            loss = functional.cross_entropy(model(torch.randn(8, 4)), torch.arange(8) % 3)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.step(loss=loss)
    found = {one.id: one.severity for one in examine(history_at(run.folder.path))}
    assert found.get("F26") == "note"


@pytest.mark.parametrize("told", [True, False])
def test_a_model_that_returns_its_own_loss(tmp_path: Path, told: bool) -> None:
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(6, 3)

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return functional.cross_entropy(self.head(x), y)

    torch.manual_seed(0)
    model = Whole()
    optimizer = torch.optim.SGD(model.parameters(), 0.02)
    with cvtui.watch(model, optimizer, every=2, runs=tmp_path, name="whole") as run:
        for _ in range(20):
            y = torch.randint(3, (8,))
            x = torch.randn(8, 6) + functional.one_hot(y, 6)
            optimizer.zero_grad()
            loss = model(x, y)
            loss.backward()
            optimizer.step()
            run.step(loss=loss, labels=y if told else None)
    history = history_at(run.folder.path)
    assert history.end is not None
    assert (history.end.status, history.steps.end) == ("finished", 20)
    assert history.facts is not None
    assert history.facts.batch_size == 8
    assert not alarms(history)
