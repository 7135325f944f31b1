"""The quick optimisers are PyTorch's to the last bit, whatever happens between two steps."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from torch import nn

from cvtui.engine.optim import fused_adam, fused_sgd

PAIRS = {
    "adam": (fused_adam.Adam, torch.optim.Adam, {}),
    "adamw": (fused_adam.AdamW, torch.optim.AdamW, {}),
    "sgd": (fused_sgd.SGD, torch.optim.SGD, {}),
    "momentum": (fused_sgd.SGD, torch.optim.SGD, {"momentum": 0.9, "dampening": 0.1}),
    "nesterov": (fused_sgd.SGD, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
}


class Twins:
    """Two equal nets, one trained by each optimiser, on the same batches."""

    def __init__(self, kind: str, **options: Any) -> None:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
        self.nets = (net, copy.deepcopy(net))
        self.optimizers = [
            rule(self.groups(one), lr=0.01, **{"fused": True, **PAIRS[kind][2], **options})
            for rule, one in zip(PAIRS[kind][:2], self.nets, strict=True)
        ]
        self.random = torch.Generator().manual_seed(1)

    def groups(self, net: nn.Module) -> list[dict[str, Any]]:
        parameters = list(net.parameters())
        return [
            {"params": parameters[::2], "weight_decay": 0.1},
            {"params": parameters[1::2], "weight_decay": 0.0},
        ]

    def step(self, *, without: int | None = None, bad: bool = False) -> None:
        images = torch.randn(8, 1, 8, 8, generator=self.random)
        for net, optimizer in zip(self.nets, self.optimizers, strict=True):
            optimizer.zero_grad()
            net(images).square().mean().backward()
            if without is not None:
                list(net.parameters())[without].grad = None
            optimizer.found_inf = torch.ones(()) if bad else None
            optimizer.step()
        self.compare()

    def compare(self) -> None:
        for one, other in zip(*(net.state_dict().items() for net in self.nets), strict=True):
            assert torch.equal(one[1], other[1]), one[0]
        ours, theirs = (optimizer.state_dict()["state"] for optimizer in self.optimizers)
        assert ours.keys() == theirs.keys()
        for number in ours:
            assert ours[number].keys() == theirs[number].keys()
            for name, value in ours[number].items():
                assert torch.equal(value, theirs[number][name]), name


@pytest.mark.parametrize("kind", PAIRS)
def test_every_bit_is_pytorchs(kind: str) -> None:
    twins = Twins(kind)
    twins.step()  # (a very first step that is left out makes PyTorch's velocities of whatever lies in memory)
    for number in range(12):
        for optimizer in twins.optimizers:
            optimizer.param_groups[0]["lr"] = 0.01 / (1 + number)
            optimizer.param_groups[1]["weight_decay"] = 0.01 * (number > 5)
        twins.step(without=2 if number == 5 else None, bad=number in (4, 7))
    assert twins.optimizers[0]._gathered is not None, "it was the quick way that was compared"


def test_a_bad_first_step_is_left_out_too() -> None:
    twins = Twins("adamw")
    twins.step(bad=True)
    twins.step()
    twins.step()


@pytest.mark.parametrize("options", [{"amsgrad": True}, {"maximize": True}, {"fused": False}])
def test_unusual_options_go_pytorchs_way(options: dict[str, Any]) -> None:
    twins = Twins("adam", **options)
    for _ in range(3):
        twins.step()


def test_a_momentum_that_is_changed_on_the_way() -> None:
    twins = Twins("sgd")
    for momentum in (0.0, 0.0, 0.9, 0.9, 0.0, 0.5):
        for optimizer in twins.optimizers:
            for group in optimizer.param_groups:
                group["momentum"] = momentum
        twins.step()


@pytest.mark.parametrize("kind", ["adamw", "momentum"])
def test_a_state_that_is_saved_and_loaded_goes_on_the_same(kind: str) -> None:
    twins = Twins(kind)
    for _ in range(3):
        twins.step()
    for place, optimizer in enumerate(twins.optimizers):
        buffer = io.BytesIO()
        torch.save(optimizer.state_dict(), buffer)
        buffer.seek(0)
        state = torch.load(buffer, weights_only=True)
        optimizer.load_state_dict(state)
        assert kind == "momentum" or optimizer.state_dict()["state"][place]["step"] == 3
    for _ in range(3):
        twins.step()


@pytest.mark.parametrize(("kind", "name"), [("adam", "exp_avg"), ("momentum", "momentum_buffer")])
def test_moments_put_in_by_hand_are_used(kind: str, name: str) -> None:
    twins = Twins(kind)
    twins.step()
    twins.step()
    for optimizer in twins.optimizers:
        for state in optimizer.state.values():
            state[name] = torch.ones_like(state[name])
    twins.step()


def test_hooks_are_called_once_a_step() -> None:
    twins = Twins("adam")
    called: list[str] = []
    ours = twins.optimizers[0]
    ours.register_step_pre_hook(lambda *_: called.append("before"))
    ours.register_step_post_hook(lambda *_: called.append("after"))
    for _ in range(3):
        twins.step()
    assert called == ["before", "after"] * 3


def test_a_closure_is_asked_for_the_loss() -> None:
    twins = Twins("adam")
    twins.step()
    twins.step()
    net, optimizer = twins.nets[0], twins.optimizers[0]

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = net(torch.ones(4, 1, 8, 8)).square().mean()
        loss.backward()
        return loss

    before = [parameter.clone() for parameter in net.parameters()]
    assert optimizer.step(closure) > 0
    assert not all(torch.equal(one, other) for one, other in zip(before, net.parameters(), strict=True))
