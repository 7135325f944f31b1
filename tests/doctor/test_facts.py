"""What is found out of loops, models and data: each fact against a loop that has it and one that doesn't."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

import cvtui
from cvtui.doctor import Diagnosis, examine
from cvtui.engine.observe import both_modes
from cvtui.engine.observe.data_checks import data_facts
from cvtui.engine.observe.first_steps import Probe
from cvtui.runlog.events import Facts
from cvtui.runlog.history import History, merged

CLASSES = 4


def blobs(count: int = 240, seed: int = 0, noise: float = 0.0) -> tuple[Tensor, Tensor]:
    """Clouds of 12 numbers, one a class."""
    random = torch.Generator().manual_seed(seed)
    centres = 3 * torch.randn(CLASSES, 12, generator=torch.Generator().manual_seed(99))
    labels = torch.arange(count) % CLASSES
    points = centres[labels] + torch.randn(count, 12, generator=random)
    wrong = torch.rand(count, generator=random) < noise
    return points / points.std(), torch.where(wrong, (labels + 1) % CLASSES, labels)


def net(*between: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(12, 24), *(between or (nn.ReLU(),)), nn.Linear(24, CLASSES))


def cost(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(model(x), y)


def watched(
    base: Path,
    *,
    model: nn.Module | None = None,
    loss: Callable[[nn.Module, Tensor, Tensor], Tensor] = cost,
    data: tuple[Tensor, Tensor] | None = None,
    zero: bool = True,
    shuffle: bool = True,
    of: Callable[[nn.Module], list[Any]] = lambda model: list(model.parameters()),
    steps: int = 24,
    **options: Any,
) -> tuple[Facts, dict[str, Diagnosis]]:
    """Run a loop under cvtui.watch; its facts and the doctor's findings."""
    model = model or net()
    x, y = data or blobs()
    optimizer = SGD(of(model), lr=0.05)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(1)) if shuffle else y.argsort()
    with cvtui.watch(model, optimizer, runs=base, name="run", **options) as run:
        for step in range(steps):
            index = order[torch.arange(step * 32, step * 32 + 32) % len(y)]
            value = loss(model, x[index], y[index])
            if zero:
                optimizer.zero_grad()
            value.backward()
            optimizer.step()
            run.step(loss=value, labels=y[index])
    history = History(run.folder)
    history.poll()
    assert history.facts is not None
    return history.facts, {one.id: one for one in examine(history)}


def test_a_sound_loop_has_nothing_to_hide(tmp_path: Path) -> None:
    facts, found = watched(tmp_path, train=blobs(), validation=blobs(120, seed=7))
    assert [one for one in found.values() if one.severity != "note"] == []
    assert facts.first_loss == pytest.approx(facts.cross_entropy, rel=1e-5)
    assert (facts.stale_gradient or 0.0) == 0.0
    assert (facts.left_out, facts.frozen, facts.no_gradient, facts.foreign) == ([], [], [], 0)
    assert (facts.outputs, facts.classes, facts.batch_size, facts.overlap) == (CLASSES, CLASSES, 32, 0)
    assert [module.kind for module in facts.modules] == ["Linear", "ReLU", "Linear"]
    assert facts.linear_pairs == []
    assert facts.neighbours_train is not None
    assert facts.neighbours_train > 0.9


def test_later_facts_take_nothing_back_that_they_do_not_speak_of() -> None:
    """Fields whose default is a number or False as well: two optimizers stay two, a flipped sign stays flipped."""
    first = Facts(step=5, optimizers=2, loss_sign=-1, holds_tail=True, parameters=8, loss_kind="nll", left_out=["a"])
    later = merged(merged(first, Facts(step=9, updates=0)), Facts(step=20, holds_tail=False))
    assert (later.step, later.updates, later.parameters, later.loss_kind, later.left_out) == (20, 0, 8, "nll", ["a"])
    assert (later.optimizers, later.loss_sign, later.holds_tail) == (2, -1, False)


def test_the_first_input_is_described_as_the_model_gets_it(tmp_path: Path) -> None:
    x, y = blobs()
    facts, found = watched(tmp_path, data=(100 + 50 * x, y))
    index = torch.randperm(len(y), generator=torch.Generator().manual_seed(1))[:32]
    first = 100 + 50 * x[index]
    assert facts.input_mean == pytest.approx(first.mean().item(), rel=1e-4)
    assert facts.input_std == pytest.approx(first.std(correction=0).item(), rel=1e-4)
    assert facts.input_shape == [12]
    assert "F11" in found


def test_weights_are_measured_before_the_first_step(tmp_path: Path) -> None:
    model = net()
    before = model.get_parameter("0.weight").detach().clone()
    facts, _ = watched(tmp_path, model=model)
    first = facts.weights[0]
    assert (first.layer, first.fan_in) == ("0", 12)
    assert first.std == pytest.approx(before.std(correction=0).item(), rel=1e-4)


def constant(model: nn.Sequential, value: float) -> nn.Sequential:
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.constant_(layer.weight, value)
    return model


def freed(model: nn.Sequential) -> nn.Sequential:
    model[0].weight.requires_grad_(False)
    return model


def cut(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    hidden = model[0](x).detach()  # type: ignore[index]
    return nn.functional.cross_entropy(model[2](model[1](hidden)), y)  # type: ignore[index]


def spoilt() -> tuple[Tensor, Tensor]:
    x, y = blobs()
    x[5, 3] = math.nan
    return x, y


BROKEN: dict[str, tuple[str, dict[str, Any]]] = {
    "gradients not zeroed": ("F25", {"zero": False}),
    "sorted": ("F12", {"shuffle": False}),
    "softmax in the model": ("F15", {"model": nn.Sequential(net(), nn.Softmax(1))}),
    "softmax in the loss": (
        "F15", {"loss": lambda m, x, y: nn.functional.cross_entropy(m(x).softmax(1), y)}
    ),
    "summed": ("F16", {"loss": lambda m, x, y: nn.functional.cross_entropy(m(x), y, reduction="sum")}),
    "negative": ("F17", {"loss": lambda m, x, y: -cost(m, x, y)}),
    "another model's optimiser": ("F26", {"of": lambda _: list(net().parameters())}),
    "one layer left out": ("F26", {"of": lambda model: list(model[2].parameters())}),
    "frozen": ("F26", {"model": freed(net())}),
    "cut off": ("F26", {"loss": cut}),
    "zeros": ("F08", {"model": constant(net(), 0.0)}),
    "constant": ("F09", {"model": constant(net(), 0.02)}),
    "no activation": ("F35", {"model": net(nn.Identity())}),
    "a bad value, in the data": ("F28", {"train": spoilt()}),
    "a bad value, in a batch": ("F28", {"data": spoilt()}),
    "foreign labels": ("F13", {"train": (blobs()[0], blobs()[1][torch.randperm(240)]), "validation": blobs(120, 7)}),
    "noisy labels": ("F14", {"train": blobs(1200, noise=0.4), "validation": blobs(600, 7)}),
    "other labels in the validation": ("F21", {"train": blobs(), "validation": (blobs(120)[0], 3 - blobs(120)[1])}),
    "the same images": ("F20", {"train": blobs(), "validation": blobs()}),
    "too many outputs": ("F27", {
        "model": nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 40)), "train": blobs()
    }),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_loop_is_named(what: str, tmp_path: Path) -> None:
    fault, options = BROKEN[what]
    _, found = watched(tmp_path, **options)
    assert fault in found, sorted(found)
    assert next(iter(found)) == fault or fault in ("F20", "F13", "F27")


class Functional(nn.Module):
    """Activations that are no modules."""

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(12, 24), nn.Linear(24, CLASSES)
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        return self.second(nn.functional.relu(self.first(x), inplace=self.in_place))


@pytest.mark.parametrize("in_place", [False, True])
def test_a_relu_that_is_no_module_counts(in_place: bool, tmp_path: Path) -> None:
    facts, found = watched(tmp_path, model=Functional(in_place))
    assert facts.linear_pairs == []
    assert "F35" not in found


def test_probabilities_with_their_own_logarithm_are_no_fault(tmp_path: Path) -> None:
    def nll(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return nn.functional.nll_loss(model(x).log(), y)

    _, found = watched(tmp_path, model=nn.Sequential(net(), nn.Softmax(1)), loss=nll)
    assert "F15" not in found


def test_accumulated_gradients_are_no_fault(tmp_path: Path) -> None:
    model = net()
    optimizer = SGD(model.parameters(), lr=0.05)
    x, y = blobs()
    with cvtui.watch(model, optimizer, runs=tmp_path, name="run") as run:
        for step in range(20):
            optimizer.zero_grad()
            for half in (0, 16):
                index = torch.arange(step * 8 + half, step * 8 + half + 16) % len(y)
                value = cost(model, x[index], y[index]) / 2
                value.backward()
            optimizer.step()
            run.step(loss=2 * value)
    history = History(run.folder)
    history.poll()
    assert history.facts is not None
    assert not history.facts.stale_gradient


def test_gradients_that_are_put_in_place_by_hand_are_no_stale_ones(tmp_path: Path) -> None:
    """`autograd.grad` hands them out; PyTorch calls the parameters' hooks, and adds none."""
    model = net()
    optimizer = SGD(model.parameters(), lr=0.05)
    x, y = blobs()
    with cvtui.watch(model, optimizer, runs=tmp_path, name="run") as run:
        for step in range(20):
            index = torch.arange(step * 16, step * 16 + 16) % len(y)
            value = cost(model, x[index], y[index])
            given = torch.autograd.grad(value, list(model.parameters()))
            for parameter, gradient in zip(model.parameters(), given, strict=True):
                parameter.grad = gradient
            optimizer.step()
            run.step(loss=value)
    history = History(run.folder)
    history.poll()
    assert history.facts is not None
    assert not history.facts.stale_gradient
    assert {1} >= set(history.facts.accumulated)
    assert "F25" not in {one.id for one in examine(history)}


def test_both_modes_are_compared_and_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(both_modes, "MODE_SHARE", 1e9)  # at each epoch's end, however short the epoch was
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 24), nn.BatchNorm1d(24, momentum=1e-4), nn.ReLU(), nn.Linear(24, CLASSES))
    optimizer = SGD(model.parameters(), lr=0.1)
    x, y = blobs()
    x = 5 + 4 * x
    with cvtui.watch(model, optimizer, runs=tmp_path, name="run") as run:
        for _ in range(3):
            for step in range(40):
                index = torch.arange(step * 32, step * 32 + 32) % len(y)
                value = cost(model, x[index], y[index])
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
                run.step(loss=value, labels=y[index])
            before = [tensor.clone() for tensor in model.state_dict().values()], torch.get_rng_state()
            run.epoch()
            after = list(model.state_dict().values())
            assert all(torch.equal(a, b) for a, b in zip(before[0], after, strict=True))
            assert torch.equal(before[1], torch.get_rng_state())
            assert model.training
    history = History(run.folder)
    history.poll()
    assert history.facts is not None
    assert len(history.facts.mode_losses) == 3
    assert "F23" in {one.id for one in examine(history)}


def test_data_that_can_not_be_read_are_left_alone() -> None:
    class Broken:
        def __len__(self) -> int:
            return 10

        def __getitem__(self, place: int) -> Any:
            raise RuntimeError("no")

    assert data_facts(None, None) is None
    assert data_facts(Broken(), None) is None
    assert data_facts("a word", 3) is None


def test_a_dataset_is_read_item_by_item() -> None:
    x, y = blobs()
    items = [(x[place], int(y[place])) for place in range(len(y))]
    facts = data_facts(items, torch.utils.data.TensorDataset(*blobs(120, seed=7)))
    assert facts is not None
    assert (facts.train, facts.validation, facts.overlap) == (240, 120, 0)
    assert facts.label_counts == [60] * 4


def test_a_scale_is_no_layers_weights() -> None:
    """ConvNeXt's layer_scale (C x 1 x 1) begins alike in all channels, by design; a linear layer does not."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 8, 3, padding=1)
            self.layer_scale = nn.Parameter(torch.full((8, 1, 1), 1e-6))
            self.token = nn.Parameter(torch.zeros(1, 1, 8))
            self.head = nn.Linear(1, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head((x + self.layer_scale * self.conv(x)).mean((1, 2, 3))[:, None])

    model = Block()
    optimizer = SGD(model.parameters(), 0.1)
    probe = Probe(model, optimizer)
    loss = model(torch.randn(4, 1, 8, 8)).square().mean()
    loss.backward()
    optimizer.step()
    probe.step(loss, None)
    found = probe.take()
    probe.close()
    assert found is not None
    assert [weight.name for weight in found.weights] == ["conv.weight", "head.weight"]
