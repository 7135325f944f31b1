"""Adafactor, Lion and LAMB against their papers' formulas, what decays, what is said where timm is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cvtui.engine.optim import factory
from cvtui.engine.optim.groups import parameter_groups
from cvtui.errors import RequestError
from cvtui.recipe.choices import optimizers as choices
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import override, usual_decay
from cvtui.recipe.validation import check
from tests import extra
from tests.engine.choosing import make_optimizer
from tests.engine.making import recipe

LR = 0.03
Rule = Callable[[Tensor, Tensor, dict[str, Any], int, float], Tensor]


def lion(x: Tensor, dx: Tensor, memory: dict[str, Any], _t: int, decay: float) -> Tensor:
    before = memory.get("m", torch.zeros_like(dx))
    memory["m"] = 0.95 * before + 0.05 * dx
    return x - LR * decay * x - LR * torch.sign(0.8 * before + (1 - 0.8) * dx)


def lamb(x: Tensor, dx: Tensor, memory: dict[str, Any], t: int, decay: float) -> Tensor:
    memory["m1"] = 0.85 * memory.get("m1", 0) + (1 - 0.85) * dx
    memory["m2"] = 0.99 * memory.get("m2", 0) + (1 - 0.99) * dx**2
    update = memory["m1"] / (1 - 0.85**t) / ((memory["m2"] / (1 - 0.99**t)).sqrt() + 1e-7) + decay * x
    trust = x.norm() / update.norm() if x.dim() > 1 else 1.0
    return x - LR * trust * update


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        pytest.param("lion(0.8, 0.95)", lion, marks=extra.skip_without("lion")),
        pytest.param("lamb(beta1=0.85, beta2=0.99, eps=1e-7)", lamb, marks=extra.skip_without("lamb")),
    ],
)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_the_papers_rule_for_fifty_steps(text: str, rule: Rule, decay: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 3)).double()
    optimizer = make_optimizer(model, Recipe(optimizer=text, lr=LR, weight_decay=decay))
    ours = {id(p): (p.detach().clone(), dict[str, Any]()) for p in model.parameters()}
    for t in range(1, 51):
        x, y = torch.randn(16, 5, dtype=torch.float64), torch.randint(3, (16,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        for p in model.parameters():
            value, memory = ours[id(p)]
            assert p.grad is not None
            ours[id(p)] = (rule(value, p.grad.clone(), memory, t, decay if p.dim() > 1 else 0.0), memory)
        optimizer.step()
        for p in model.parameters():
            assert torch.allclose(p, ours[id(p)][0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_adafactor_is_pytorchs_on_a_conv_as_one_row_per_channel(layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 3)).to(memory_format=layout)
    optimizer = make_optimizer(model, Recipe(optimizer="adafactor(0.7, clip=2)", lr=LR, weight_decay=0.1))
    weight = model.get_parameter("0.weight")
    axes = (0, 2, 3, 1) if layout == torch.channels_last else (0, 1, 2, 3)
    flat = nn.Parameter(weight.detach().permute(axes).reshape(8, 27).clone())
    theirs = torch.optim.Adafactor([flat], lr=LR, weight_decay=0.1, beta2_decay=-0.7, d=2.0)
    for _ in range(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(torch.randn(16, 3, 6, 6)), torch.randint(3, (16,))).backward()
        assert weight.grad is not None
        flat.grad = weight.grad.permute(axes).reshape(8, 27).clone()
        optimizer.step()
        theirs.step()
        assert torch.allclose(weight.detach().permute(axes).reshape(8, 27), flat.detach(), rtol=1e-6, atol=1e-7)
    held = sum(value.numel() for value in optimizer.state[weight].values() if isinstance(value, Tensor) and value.dim())
    assert held == 8 + 27, "a number per row and per column"
    assert held < 0.2 * weight.numel()


@pytest.mark.parametrize("name", ["lion", "lamb"])
def test_a_library_that_is_not_there_is_named_with_the_way_to_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = r"pip install 'cvtui\[optimizers\]'"
    monkeypatch.setattr(choices, "find_spec", lambda _name: None)
    with pytest.raises(RequestError, match=rf"^optimizer: {name} is timm's, which is not installed: {words}$"):
        check(recipe(optimizer=name))
    monkeypatch.setitem(sys.modules, "timm.optim", None)
    with pytest.raises(RequestError, match=rf"^optimizer: {name} is timm's, which can't be imported .*{words}$"):
        getattr(factory, name)([], recipe(), *([0.9] * (2 if name == "lion" else 3)))


def test_their_usual_rates_and_decays_are_known() -> None:
    rates = {name: choices.OPTIMIZERS[name].usual_lr for name in ("adafactor", "lion", "lamb", "adamw")}
    assert rates["lion"] < rates["adamw"] < rates["lamb"] < rates["adafactor"]
    assert override(Recipe(), {"optimizer": "sgd"}).weight_decay == usual_decay("sgd") == 5e-4
    assert override(Recipe(), {"optimizer": "adafactor"}).weight_decay == 0.2


def test_weights_decay_and_norms_biases_tokens_and_frozen_ones_do_not() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.zeros(1, 1, 4))
            self.attention = nn.MultiheadAttention(4, 2)
            self.norm = nn.LayerNorm([4, 4])
            self.embedding = nn.Embedding(3, 4)
            self.up = nn.ConvTranspose2d(4, 4, 2)
            self.frozen = nn.Linear(4, 4).requires_grad_(False)

    model = Mixed()
    decaying, rest = parameter_groups(model, 0.1)
    names = {id(p): name for name, p in model.named_parameters()}
    assert {names[id(p)] for p in decaying["params"]} == {
        "attention.in_proj_weight", "attention.out_proj.weight", "up.weight",
    }  # fmt: skip
    assert {names[id(p)] for p in rest["params"]} == {
        "token", "attention.in_proj_bias", "attention.out_proj.bias", "norm.weight", "norm.bias", "embedding.weight",
        "up.bias",
    }  # fmt: skip
