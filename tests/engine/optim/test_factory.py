"""The update rules against the lecture's, written out here, over fifty steps; what is left out leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cvtui.engine.optim import skippable
from cvtui.engine.optim.factory import OPTIMIZERS, fuses_adagrad
from cvtui.engine.optim.groups import load_state, parameter_groups
from cvtui.errors import RequestError
from cvtui.recipe.choices.losses import LOSSES
from cvtui.recipe.choices.optimizers import OPTIMIZERS as CHOICES
from cvtui.recipe.choices.schedules import SCHEDULES
from cvtui.recipe.recipe import Recipe
from tests import extra
from tests.engine import making
from tests.engine.choosing import make_optimizer
from tests.engine.making import gradient_of

LR = 0.02
Rule = Callable[[Tensor, Tensor, dict[str, Any], int], Tensor]
"""(x, dx, memory, t from 1) -> the new x."""


def sgd(x: Tensor, dx: Tensor, _memory: dict[str, Any], _t: int) -> Tensor:
    return x - LR * dx


def momentum(x: Tensor, dx: Tensor, memory: dict[str, Any], _t: int) -> Tensor:
    memory["v"] = 0.8 * memory.get("v", 0) + dx
    return x - LR * memory["v"]


def dampened(x: Tensor, dx: Tensor, memory: dict[str, Any], _t: int) -> Tensor:
    memory["v"] = 0.8 * memory.get("v", 0) + (1 - 0.3) * dx
    return x - LR * memory["v"]


def nesterov(x: Tensor, dx: Tensor, memory: dict[str, Any], _t: int) -> Tensor:
    memory["v"] = 0.8 * memory.get("v", 0) + dx
    return x - LR * (dx + 0.8 * memory["v"])


def adagrad(x: Tensor, dx: Tensor, memory: dict[str, Any], _t: int) -> Tensor:
    memory["g"] = memory.get("g", 0) + dx * dx
    return x - LR * dx / (memory["g"].sqrt() + 1e-7)


def adagrad_decaying(x: Tensor, dx: Tensor, memory: dict[str, Any], t: int) -> Tensor:
    memory["g"] = memory.get("g", 0.1) + dx * dx
    return x - LR / (1 + 0.05 * (t - 1)) * dx / (memory["g"].sqrt() + 1e-7)


def rmsprop(x: Tensor, dx: Tensor, memory: dict[str, Any], _t: int) -> Tensor:
    memory["g"] = 0.9 * memory.get("g", 0) + (1 - 0.9) * dx * dx
    return x - LR * dx / (memory["g"].sqrt() + 1e-7)


def rmsprop_with_all(x: Tensor, dx: Tensor, memory: dict[str, Any], _t: int) -> Tensor:
    memory["g"] = 0.9 * memory.get("g", 0) + (1 - 0.9) * dx * dx
    memory["mean"] = 0.9 * memory.get("mean", 0) + (1 - 0.9) * dx
    memory["v"] = 0.5 * memory.get("v", 0) + dx / ((memory["g"] - memory["mean"] ** 2).sqrt() + 1e-7)
    return x - LR * memory["v"]


def adam(x: Tensor, dx: Tensor, memory: dict[str, Any], t: int) -> Tensor:
    memory["m1"] = 0.85 * memory.get("m1", 0) + (1 - 0.85) * dx
    memory["m2"] = 0.99 * memory.get("m2", 0) + (1 - 0.99) * dx**2
    unbiased_1, unbiased_2 = memory["m1"] / (1 - 0.85**t), memory["m2"] / (1 - 0.99**t)
    return x - LR * unbiased_1 / (unbiased_2.sqrt() + 1e-7)


def amsgrad(x: Tensor, dx: Tensor, memory: dict[str, Any], t: int) -> Tensor:
    memory["m1"] = 0.85 * memory.get("m1", 0) + (1 - 0.85) * dx
    memory["m2"] = 0.99 * memory.get("m2", 0) + (1 - 0.99) * dx**2
    memory["most"] = torch.maximum(memory.get("most", torch.zeros_like(dx)), memory["m2"])
    root = (memory["most"] / (1 - 0.99**t)).sqrt()
    return x - LR * memory["m1"] / (1 - 0.85**t) / (root + 1e-7)


RULES: list[tuple[str, Rule, bool]] = [
    ("sgd", sgd, False),
    ("momentum", momentum, False),
    ("momentum(dampening=0.3)", dampened, False),
    ("nesterov", nesterov, False),
    ("adagrad(eps=1e-7)", adagrad, False),
    ("adagrad(1e-7, 0.1, 0.05)", adagrad_decaying, False),
    ("rmsprop(0.9, 1e-7)", rmsprop, False),
    ("rmsprop(alpha=0.9, eps=1e-7, momentum=0.5, centred=1)", rmsprop_with_all, False),
    ("adam(beta1=0.85, beta2=0.99, eps=1e-7)", adam, False),
    ("adam(0.85, 0.99, 1e-7, amsgrad=1)", amsgrad, False),
    ("adamw(beta1=0.85, beta2=0.99, eps=1e-7)", adam, True),
]


@pytest.mark.parametrize(("text", "rule", "decoupled"), RULES, ids=[text for text, _, _ in RULES])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_the_lectures_rule_for_fifty_steps(text: str, rule: Rule, decoupled: bool, decay: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 3)).double()
    optimizer = make_optimizer(model, Recipe(optimizer=text, lr=LR, momentum=0.8, weight_decay=decay))
    decaying = {id(model[0].weight), id(model[3].weight)}
    ours = {id(p): (p.detach().clone(), dict[str, Any]()) for p in model.parameters()}
    for t in range(1, 51):
        x, y = torch.randn(16, 5, dtype=torch.float64), torch.randint(3, (16,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        for p in model.parameters():
            value, memory = ours[id(p)]
            assert p.grad is not None
            gradient, strength = p.grad.clone(), decay if id(p) in decaying else 0.0
            if decoupled:
                value = value - LR * strength * value
            else:
                gradient = gradient + strength * value
            ours[id(p)] = (rule(value, gradient, memory, t), memory)
        optimizer.step()
        for p in model.parameters():
            assert torch.allclose(p, ours[id(p)][0], rtol=1e-6, atol=1e-6)


def test_each_choice_has_its_function_and_is_fused_where_pytorch_can() -> None:
    assert set(OPTIMIZERS) == set(CHOICES)
    for name in set(OPTIMIZERS) - {
        "rmsprop",
        "muon",
        "adafactor",
        "lion",
        "lamb",
    }:  # PyTorch has no fused kernel for these
        optimizer = make_optimizer(small(), Recipe(optimizer=name))
        assert all(group["fused"] for group in optimizer.param_groups), name


# ---------------------------------------------------------------- Muon


def test_muon_is_pytorchs_for_hidden_weights_and_adamw_for_the_rest() -> None:
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
    theirs = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
    theirs.load_state_dict(ours.state_dict())
    options: dict[str, Any] = {"momentum": 0.9, "nesterov": False, "ns_steps": 4, "adjust_lr_fn": "match_rms_adamw"}
    muon = torch.optim.Muon([theirs.get_parameter(f"{i}.weight") for i in (0, 2)], lr=LR, weight_decay=0.1, **options)
    rest = [theirs[0].bias, theirs[2].bias, theirs[4].bias]
    adamw = torch.optim.AdamW(
        [{"params": [theirs[4].weight], "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=LR
    )
    optimizer = make_optimizer(ours, Recipe(optimizer="muon(0.9, 0, 4)", lr=LR, weight_decay=0.1))
    for _ in range(50):
        x, y = torch.randn(16, 6), torch.randint(3, (16,))
        for model in (ours, theirs):
            model.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
        for each in (optimizer, muon, adamw):
            each.step()
    for name, value in theirs.state_dict().items():
        assert torch.allclose(ours.state_dict()[name], value, rtol=1e-6, atol=1e-6), name


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_muon_sees_a_conv_as_one_row_per_channel(layout: torch.memory_format) -> None:
    """The first step is lr · 0.2 sqrt(max(rows, columns)) · UVᵀ of the gradient, as far as five iterations get."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 3)).to(memory_format=layout)
    optimizer = make_optimizer(model, Recipe(optimizer="muon", lr=LR, weight_decay=0))
    before = model.get_parameter("0.weight").detach().clone()
    nn.functional.cross_entropy(model(torch.randn(64, 3, 6, 6)), torch.randint(3, (64,))).backward()
    gradient = gradient_of(model.get_parameter("0.weight")).reshape(8, 27)
    optimizer.step()
    step = (before - model.get_parameter("0.weight").detach()).reshape(8, 27) / (LR * 0.2 * 27**0.5)
    u, _, v = torch.linalg.svd(gradient, full_matrices=False)
    inside = u.T @ step @ v.T
    assert (inside.diagonal() > 0.6).all()
    assert (inside.diagonal() < 1.3).all()
    assert (inside - inside.diagonal().diag()).abs().max() < 0.05


def test_muon_with_nothing_but_a_last_layer_is_adamw() -> None:
    one, other = nn.Linear(4, 3), nn.Linear(4, 3)
    other.load_state_dict(one.state_dict())
    for model, name in ((one, "muon"), (other, "adamw")):
        optimizer = make_optimizer(model, Recipe(optimizer=name))
        model(torch.ones(2, 4)).square().sum().backward()
        optimizer.step()
    assert torch.equal(one.weight, other.weight)


def test_a_pytorch_without_muon_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    assert not skippable.has_muon()
    with pytest.raises(RequestError, match=r"muon needs a PyTorch that has torch\.optim\.Muon"):
        make_optimizer(small(), Recipe(optimizer="muon"))


# ---------------------------------------------------------------- state, and updates that are left out

EVERY = [*OPTIMIZERS, "momentum(0.5)", "rmsprop(momentum=0.9,centred=1)", "adam(amsgrad=1)", "adagrad(initial=0.1)"]


def small() -> nn.Sequential:
    torch.manual_seed(0)
    conv = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.Flatten(), nn.Linear(128, 6), nn.ReLU())
    return conv.append(nn.Linear(6, 3)).to(memory_format=torch.channels_last)


def go(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range, bad: tuple[int, ...] = ()) -> None:
    """Take steps of fixed batches; before each of `bad` comes a flagged one with NaN in it."""
    flagged: Any = optimizer
    for number in steps:
        draw = torch.Generator().manual_seed(number)
        x, y = torch.randn(8, 3, 8, 8, generator=draw), torch.randint(3, (8,), generator=draw)
        for spoil in [True, False] if number in bad else [False]:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x * float("nan") if spoil else x), y).backward()
            flagged.found_inf = torch.ones(()) if spoil else None
            optimizer.step()


@pytest.mark.parametrize("text", extra.optimizers(EVERY))
def test_an_update_that_is_left_out_leaves_no_trace(text: str) -> None:
    recipe = Recipe(optimizer=text, lr=0.01, weight_decay=0.01)
    plain, flawed = small(), small()
    go(plain, make_optimizer(plain, recipe), range(8))
    go(flawed, make_optimizer(flawed, recipe), range(8), bad=(0, 3, 4))
    for name, value in plain.state_dict().items():
        assert torch.equal(value, flawed.state_dict()[name]), name


@pytest.mark.parametrize("text", extra.optimizers(EVERY))
def test_saved_and_loaded_it_goes_on_to_the_last_bit(text: str, tmp_path: Any) -> None:
    recipe = Recipe(optimizer=text, lr=0.01, weight_decay=0.01)
    model, fresh = small(), small()
    optimizer = make_optimizer(model, recipe)
    go(model, optimizer, range(5))
    torch.save([model.state_dict(), optimizer.state_dict()], tmp_path / "state.pt")
    go(model, optimizer, range(5, 10))
    weights, state = torch.load(tmp_path / "state.pt", weights_only=True)
    again = make_optimizer(fresh, recipe)
    fresh.load_state_dict(weights)
    load_state(again, state)  # as a resume does
    go(fresh, again, range(5, 10))
    for name, value in model.state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name]), name


@pytest.mark.parametrize("text", extra.optimizers(["rmsprop(momentum=0.9)", "muon", "adagrad", "adafactor", "lion"]))
def test_on_a_device_that_nobody_waits_for_what_was_changed_is_put_back(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way of the GPUs, gone on the CPU."""

    def step(together: skippable.Together, *_: Any) -> None:
        flag = together.found_inf
        together._update_on_device(torch.zeros(()) if flag is None else flag)

    def made(model: nn.Module) -> torch.optim.Optimizer:
        recipe = Recipe(optimizer=text, lr=0.01, weight_decay=0.01)
        if text == "adagrad":
            return skippable.Together([torch.optim.Adagrad(parameter_groups(model, 0.01), lr=0.01, foreach=True)])
        return make_optimizer(model, recipe)

    monkeypatch.setattr(skippable.Together, "step", step)
    plain, flawed = small(), small()
    go(plain, made(plain), range(8))
    go(flawed, made(flawed), range(8), bad=(0, 3, 4))
    for name, value in plain.state_dict().items():
        assert torch.equal(value, flawed.state_dict()[name]), name


def test_adagrad_trains_where_pytorch_has_no_fused_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch 2.11 refuses it on CUDA, at the first step."""
    step = torch.optim.Adagrad.step

    def refuses(self: torch.optim.Adagrad, closure: Any = None) -> Any:
        if any(group["fused"] for group in self.param_groups):
            raise RuntimeError("`fused=True` requires all the params to be floating point Tensors of …")
        return step(self, closure)

    def trained() -> torch.Tensor:
        t = making.training(optimizer="adagrad", net="fc8-relu-fc")
        batch = t.data.train.batch(torch.arange(64))
        for _ in range(3):
            t.optimizer.zero_grad()
            t.loss(t.model(t.preprocess(batch.pixels)), batch.labels).backward()
            t.optimizer.step()
        return torch.cat([p.detach().flatten() for p in t.model.parameters()])

    fused = trained()
    assert fuses_adagrad(torch.device("cpu"))
    monkeypatch.setattr(torch.optim.Adagrad, "step", refuses)
    assert not fuses_adagrad(torch.device("cpu"))
    torch.testing.assert_close(trained(), fused)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("text", extra.optimizers(EVERY))
def test_no_step_waits_for_the_gpu(text: str, tmp_path: Any) -> None:
    from cvtui.engine.train.control import Signals
    from cvtui.engine.train.trainer import Trainer
    from cvtui.runlog.writer import EventWriter
    from tests.engine.making import folder, training

    changes: dict[str, Any] = {"net": "conv8-bn-relu-fc16-relu-fc", "device": "cuda", "clip": 0.1, "ema": 0.9}
    t = training(optimizer=text, watch_every=0, **changes)
    batch = t.data.train.batch(torch.arange(64, device="cuda"))
    run = folder(tmp_path, **changes)
    with EventWriter(run) as writer:
        trainer = Trainer(t, run, writer, Signals())
        for number in range(6):
            torch.cuda.set_sync_debug_mode("error" if number else "default")
            try:
                loss = t.loss(t.model(t.preprocess(batch.pixels)), batch.labels)
                t.optimizer.zero_grad()
                loss.backward()
                assert trainer.guard is not None
                assert trainer.clip is not None
                assert t.ema is not None
                trainer.guard.expect(loss)
                trainer.clip.arm()
                t.optimizer.step()
                t.ema.update(number)
            finally:
                torch.cuda.set_sync_debug_mode("default")
        trainer.close()


# ---------------------------------------------------------------- whole runs

GOOD = {"sgd": 0.3, "momentum": 0.05, "nesterov": 0.05, "adagrad": 0.03, "muon": 0.01}
GOOD |= {"adafactor": 0.03, "lamb": 0.02, "lion": 3e-3, "mse": 0.03}
"""A rate with which each learns; 0.01 for the others."""


@pytest.mark.parametrize(
    "choice",
    [
        *(pytest.param(("optimizer", name), marks=extra.skip_without(name)) for name in OPTIMIZERS),
        *(("loss", name) for name in LOSSES),
        *(("schedule", name) for name in SCHEDULES),
    ],
    ids="-".join,
)
def test_every_choice_trains(choice: tuple[str, str], tmp_path: Any) -> None:
    """Three epochs of the digits: better than guessing by far."""
    from cvtui.engine.train.control import Signals
    from cvtui.engine.worker import train_folder
    from tests.engine.making import folder, history

    field, name = choice
    run = folder(
        tmp_path,
        net="conv8s2-relu-fc",
        epochs=3,
        batch_size=64,
        weight_decay=1e-4,
        watch_every=0,
        lr=GOOD.get(name, 0.1 if name == "range-test" else 0.01),
        **{field: name},
    )
    assert train_folder(run.path, Signals()) == 0
    found = history(run)
    assert found.epochs[-1].val_accuracy is not None
    assert found.epochs[-1].val_accuracy > 0.6
    assert found.run is not None
    assert found.run.prediction["memory"] > 0


@pytest.mark.parametrize("text", ["momentum", "rmsprop(momentum=0.9,centred=1)", "adam(amsgrad=1)", "adagrad", "adamw"])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_the_foretold_memory_holds_all_that_is_kept_per_parameter(text: str, ema: float) -> None:
    from cvtui.recipe.choices.optimizers import copies_of
    from cvtui.recipe.choices.spec import parse_choice
    from tests.engine.making import pixels_of, training

    t = training(optimizer=text, ema=ema)
    t.loss(t.model(t.preprocess(pixels_of(t.data.train)[:4])), t.data.train.labels[:4]).backward()
    t.optimizer.step()
    held = [value for state in t.optimizer.state.values() for value in state.values() if value.dim()]
    mean = [] if t.ema is None else list(t.ema.model.parameters())
    copies = sum(value.numel() for value in (*held, *mean)) / t.checked.table.parameters
    assert copies == copies_of(parse_choice(text, CHOICES)) + (ema > 0)
