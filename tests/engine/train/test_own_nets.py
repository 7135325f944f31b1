"""Nets of PyTorch code that keep more than weights: trained like a plain loop, stopped anywhere, resumed, evaluated."""

from __future__ import annotations

import contextlib
import io
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cvtui.engine.infer.evaluate import evaluations
from cvtui.engine.infer.opened import open_model
from cvtui.engine.nn import module_net
from cvtui.engine.nn.memory_order import in_order, keep_order
from cvtui.engine.nn.module_net import build_module
from cvtui.engine.observe.both_modes import losses_of_both, mixing, neighbours_matter, repeats_differ
from cvtui.engine.observe.first_batch import FirstBatch
from cvtui.engine.observe.held_values import HeldValues, put_values
from cvtui.engine.observe.untouched import untouched
from cvtui.engine.runtime.model_tensors import deep_copy
from cvtui.engine.runtime.plain_random import seed_global
from cvtui.engine.runtime.seeds import DROPOUT, WEIGHTS, stream_seed
from cvtui.engine.train import checkpoint
from cvtui.engine.train.export_weights import write_safetensors
from cvtui.engine.train.preparation import prepare
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps, from_table
from cvtui.recipe.validation import check
from cvtui.runlog.evaluation import EvaluateAsk, Evaluation
from cvtui.runlog.folder import RunFolder
from tests.engine.making import history, records, train
from tests.engine.stopping import stop_after

pytestmark = pytest.mark.torch

CODE = """
import random
from collections import deque
from dataclasses import dataclass
import numpy as np
import torch
from torch import nn

@dataclass
class Config:
    heat: float = 3.0

class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.was = x.shape
        return x.view(x.shape[0], -1) * 2
    @staticmethod
    def backward(ctx, slope):
        return slope.reshape(ctx.was) * 2

def own_function(x):
    return x * torch.sigmoid(x)

class Keeps(nn.Module):
    "What many a repository does, and no state dict holds."
    def __init__(self, num_classes=10):
        super().__init__()
        self.steps, self.mean, self.seen, self.recent = 0, torch.zeros(16), {"mean": []}, deque(maxlen=3)
        self.config, self.made = Config(), torch.Generator().manual_seed(5)
        self.numbers, self.old, self.plain = np.random.default_rng(3), np.random.RandomState(4), random.Random(6)
        self.scale, self.sum = np.float32(1.0), np.zeros(2)
        self.register_buffer("square", torch.zeros(16), persistent=False)
        self.act = torch.jit.script(own_function)
        self.conv, self.more = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.filter = nn.Parameter(torch.randn(4, 8, 5, 2) * 0.1)
        self.body, self.out = nn.Linear(256, 16), nn.Linear(16, num_classes)
        self.tied = self.out

    def get_extra_state(self):
        return {"calls": self.steps}

    def set_extra_state(self, state):
        assert state["calls"] >= 0

    def forward(self, x):
        x = torch.fft.rfft2(self.more(self.conv(x))) * (1 + torch.view_as_complex(self.filter))
        h = self.act(self.body(Twice.apply(torch.fft.irfft2(x, s=(8, 8)))))
        with torch.enable_grad():
            slope, = torch.autograd.grad((h if h.requires_grad else h.requires_grad_()).pow(2).sum(), h,
                                         create_graph=self.training)
        h = nn.functional.dropout(h + 0.01 * slope, 0.1, training=True) * (0.9 + 0.2 * random.random())
        if self.training:
            self.steps += 1
            self.mean = 0.9 * self.mean + 0.1 * h.detach().mean(0)
            self.square.mul_(0.9).add_(h.detach().pow(2).mean(0), alpha=0.1)
            self.seen["mean"].append(float(h.detach().mean()))
            self.recent.append(self.steps)
            self.config.heat *= 0.9
            self.sum += 1
            self.scale = np.float32(1 + 1 / self.steps)
            h = h * (torch.rand(h.shape, generator=self.made) > 0.1) * float(self.numbers.uniform(0.9, 1.1))
            h = h * self.old.uniform(0.9, 1.1) * self.plain.uniform(0.9, 1.1)
        lately = 1 + (sum(self.recent) + sum(self.seen["mean"][-3:]) + self.sum[0]) / 100
        h = (h - self.mean) / (1 + self.square.sqrt())
        return {"features": h, "answer": self.out(h) / lately / self.config.heat}

class InTraining(nn.Module):
    "Its maps are flattened by `view`, in training alone."
    def __init__(self, num_classes=10):
        super().__init__()
        self.conv, self.more, self.out = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(64, num_classes)
    def forward(self, x):
        maps = self.more(self.conv(x))
        return self.out(Twice.apply(maps) if self.training else maps.flatten(1))

class Rows(nn.Module):
    "A recurrent layer that takes its rows out of an image by itself."
    def __init__(self, num_classes=10):
        super().__init__()
        self.rows, self.out = nn.LSTM(8, 6, batch_first=True, bidirectional=True), nn.Linear(12, num_classes)
    def forward(self, x):
        return {"out": {"logits": self.out(self.rows(x[:, 0])[0].mean(1))}}
"""


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "kept_for_a_test.py").write_text(textwrap.dedent(CODE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    yield
    sys.modules.pop("kept_for_a_test", None)


def recipe(net: str = "Keeps", **changes: Any) -> Recipe:
    usual = {"net": f"kept_for_a_test:{net}", "limit": 96, "epochs": 2, "batch_size": 16, "device": "cpu", "threads": 1}
    return from_table({**usual, "optimizer": "sgd", "lr": 0.02, "schedule": "constant", "weight_decay": 0.0, **changes})


def plain_losses(made: Recipe, net: type[nn.Module]) -> list[float]:
    """Return the losses of a loop that only trains."""
    training = prepare(check(made))
    torch.manual_seed(stream_seed(0, WEIGHTS))
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), made.lr)
    seed_global(stream_seed(0, DROPOUT))
    losses = []
    for epoch in (1, 2):
        for images in training.batches(epoch):
            answer = model(training.preprocess(images.pixels).clone(memory_format=torch.contiguous_format))["answer"]
            loss = nn.functional.cross_entropy(answer, images.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_what_a_net_keeps_in_python_is_kept(tmp_path: Path) -> None:
    """Looks and validations are no step of it; what it keeps is in checkpoints; a validation is repeated as it was."""
    made = recipe()
    run = RunFolder.create(tmp_path / "runs", "whole", dumps(made))
    code, _, err = train(run)
    assert code == 0, err
    whole, last = history(run), checkpoint.load(run.checkpoints / "last.pt")
    net = sys.modules["kept_for_a_test"].Keeps
    assert whole.steps.loss.tolist() == pytest.approx(plain_losses(made, net), rel=1e-7)
    for times, place in ((4, 4), (6, 6), (7, 6)):  # within an epoch, before a validation, in it
        half = stop_after(RunFolder.create(tmp_path / "runs", f"half{times}", dumps(made)), times)
        stopped = checkpoint.load(half.checkpoints / "last.pt")
        assert (stopped["epoch"], stopped["place"]) == (0, place)
        assert train(half, resume=True)[0] == 0
        assert history(half).steps.loss.tolist() == whole.steps.loss.tolist()
        assert [one.val_loss for one in history(half).epochs] == [one.val_loss for one in whole.epochs]
        found = checkpoint.load(half.checkpoints / "last.pt")
        assert checkpoint.checksum({"held": found["held"]}) == checkpoint.checksum({"held": last["held"]})
        assert not [one for one in records(half) if "does not hold" in getattr(one, "text", "")]
    written = write_safetensors(run, tmp_path / "w.safetensors")
    assert written.about.left[0] == "_extra_state"
    assert {"steps", "mean", "square", "made"} <= set(written.about.left)
    assert (
        "not in the file, since no state dict holds it: _extra_state" in open_model(tmp_path / "w.safetensors").notes[0]
    )
    pixels = prepare(check(made)).data.validation.part(0, 5).pixels
    ours, again = (open_model(run.path, "last").logits(pixels) for _ in range(2))
    assert torch.equal(ours, again), "the same draws each time"
    begun: Any = prepare(check(recipe(weights=str(run.path)))).model  # weights alone: what it counts begins anew
    assert begun.steps == 0
    for name in ("out.weight", "tied.weight"):  # which the net's code shares: each name is in the file
        assert torch.equal(begun.out.weight, written.weights[name])
    (told,) = evaluations(EvaluateAsk(run=str(run.path), checkpoint="last"), lambda _: None)
    assert isinstance(told, Evaluation)
    assert told.accuracy == whole.epochs[-1].val_accuracy
    assert told.log_loss == pytest.approx(whole.epochs[-1].val_loss, rel=1e-6)


def test_code_that_no_order_of_memory_but_the_usual_suits_gets_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried where the code asks how numbers lie, in training too, and nowhere else: a pass of a copy costs."""
    asked: list[bool] = []

    def noted(model: nn.Module, asks: bool, runs: Any) -> None:
        asked.append(asks)
        keep_order(model, asks, runs)

    monkeypatch.setattr(module_net, "keep_order", noted)
    for net, ordered in (("Keeps", False), ("InTraining", True), ("Rows", False)):
        made = build_module(f"kept_for_a_test:{net}", (8, 8, 1), 10)
        assert (in_order in made.model._forward_pre_hooks.values()) == ordered, net
        assert made.told == ()
    assert made.table.rows[0].output == (8, 12)
    assert asked == [True, True, False]


class WritesOver(nn.Module):
    """Changes its images in place."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.out = nn.BatchNorm1d(4), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.norm(x.mul_(2).sub_(1)))


def test_looks_write_over_no_images() -> None:
    model, images = WritesOver(), torch.rand(8, 4)
    before = images.clone()
    for look in (repeats_differ, neighbours_matter):
        assert look(model, images) == pytest.approx(0, abs=1e-6)
    assert losses_of_both(model, images, torch.zeros(8, dtype=torch.int64)) is not None
    assert torch.equal(images, before)
    for kind, kept in ((WritesOver, False), (nn.Flatten, True)):
        first, batch = FirstBatch([], contextlib.nullcontext), before.clone()
        first.take_inputs(kind(), batch)
        kind()(batch)
        first.end(0.0, None, None)
        assert (first.images is not None) == kept, "what was written over is no batch to look at again"


class OfTheBatch(nn.Module):
    """Divides by the mean of the whole batch, or rounds by its largest."""

    def __init__(self, rounds: bool) -> None:
        super().__init__()
        self.rounds = rounds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.rounds:
            return torch.fake_quantize_per_tensor_affine(x, float(x.detach().abs().amax()) / 127, 0, -128, 127)
        return x / x.square().mean()


def test_a_mean_over_the_batch_pulls_at_the_other_images_and_a_rounding_does_not() -> None:
    images = torch.rand(8, 4, generator=torch.Generator().manual_seed(3))
    images[0] *= 4
    assert mixing(nn.Flatten(), images) == {"neighbours_matter": 0.0}
    rounded, divided = (mixing(OfTheBatch(rounds), images) for rounds in (True, False))
    assert rounded["neighbours_matter"] > 0 == rounded["neighbours_pull"]
    x = images.double().requires_grad_()
    (((x / x.square().mean())[2:6]).flatten() * torch.linspace(-1, 1, 16).double()).sum().backward()
    assert x.grad is not None
    by_hand = float(x.grad[[0, 1, 6, 7]].abs().sum() / x.grad.abs().sum())
    assert divided["neighbours_pull"] == pytest.approx(by_hand, rel=1e-3)


class Odd(nn.Module):
    """Holds whatever a class may hold."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.few: Any = (1, {"a": [1.0]})
        self.members, self.generator = {1}, np.random.Generator(np.random.MT19937(1))
        self.large, self.lock = torch.zeros(70_000), sys.stderr
        self.parts: dict[str, Any] = {"made": torch.Generator().manual_seed(2), "code": len}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.few = (2, {"a": [2.0], "b": torch.ones(2)})
        self.members.add(7)
        self.large = self.large + 1
        self.late = self.generator.random() + float(torch.rand(1, generator=self.parts["made"]))
        return x + float(self.generator.random())


def test_values_of_every_kind_are_noted_put_back_and_told_where_no_checkpoint_holds_them() -> None:
    model, image = Odd(), torch.zeros(1, 2)
    held, before = HeldValues(model), {name: id(value) for name, value in vars(model).items()}
    with untouched(model):
        model(image)
    assert (held.changed(), held.lost()) == ({}, [])
    assert {name: id(value) for name, value in vars(model).items()} == before
    deep_copy(model)  # an open file can't be copied
    model(image)
    assert set(held.changed()) == {"few", "members", "generator", "parts", "late"}
    assert held.lost() == ["large (a tensor of 70000)"]
    file = io.BytesIO()
    torch.save(held.changed(), file)
    file.seek(0)
    other = Odd()
    put_values(other, torch.load(file, weights_only=True))
    assert torch.equal(other(image), model(image))
    assert other.late == model.late
    assert (other.members, other.few[1]["a"]) == ({1, 7}, [2.0])
