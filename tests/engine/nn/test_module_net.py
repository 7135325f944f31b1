"""Nets that are PyTorch code: built, fitted with a head, trained like a plain loop, watched, saved and resumed."""

from __future__ import annotations

import importlib
import signal
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cvtui.engine.nn.module_net import build_module
from cvtui.engine.nn.summary import summarize_target
from cvtui.engine.runtime.seeds import WEIGHTS, stream_seed
from cvtui.engine.train import checkpoint
from cvtui.engine.train.control import Signals
from cvtui.engine.train.preparation import prepare
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps, from_table, loads, override
from cvtui.recipe.validation import check
from cvtui.runlog.folder import RunFolder
from cvtui.tui.panes.prediction import compare
from cvtui.tui.panes.predictions import predict
from tests.engine.making import history, train

pytestmark = pytest.mark.torch

CODE = """
import random
import numpy
import torch
from collections import namedtuple
from torch import nn

class Small(nn.Module):
    def __init__(self, width=8, num_classes=3, channels=1):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )
        self.out = nn.Linear(width, num_classes)
    def forward(self, x):
        return self.out(self.body(x).flatten(1))

Nested = Small
model = Small(4, 10)

def fixed():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 7))

def conv_head():
    return nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 5, 1), nn.AdaptiveAvgPool2d(1))

class Answers(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.net, self.kind = Small(4, 10), kind
    def forward(self, x):
        y = self.net(x)
        Pair = namedtuple("Pair", "logits aux")
        return {"dict": {"aux": y * 2, "logits": y}, "named": Pair(y, y * 2), "tuple": (y, y * 2)}[self.kind]

def answers(kind):
    return Answers(kind)

def reads_numbers():
    class Reads(Small):
        def forward(self, x):
            return super().forward(x) + float(x.sum().item() * 0)
    return Reads(4, 5)

def raises():
    raise ValueError("no such luck")

class Leaves(Small):
    def forward(self, x):
        raise SystemExit(9)

def with_backbone(weights_backbone="fetched"):
    assert weights_backbone is None
    return fixed()

def maps():
    return nn.Conv2d(1, 10, 3, padding=1)

def words():
    return nn.Module

def needs(depth, width):
    return fixed()

def double():
    model = fixed()
    model.register_buffer("scale", torch.zeros(2, dtype=torch.float64))
    return model

def half():
    return fixed().half()

def still():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).requires_grad_(False)

def backbone():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 1000))
    return net.requires_grad_(False)

def lazy():
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))

def deep():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 9), nn.Flatten(), nn.Linear(4, 10))

class Flat(nn.Module):
    def __init__(self, kind="", num_classes=10):
        super().__init__()
        self.a, self.b, self.kind = nn.Linear(64, num_classes), nn.Linear(64, num_classes), kind
    def forward(self, x):
        a, b = self.a(x.flatten(1)), self.b(x.flatten(1))
        if self.kind == "auxiliary":
            return (a, b) if self.training else a
        return {"": (a + b) / 2, "detached": a.detach(), "one row": a.mean(0, keepdim=True), "bare": a[0]}[self.kind]

def two_heads():
    return Flat(num_classes=1000)

def norm():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.BatchNorm1d(10))

class Masked(Small):
    def forward(self, x, mask):
        return super().forward(x) * mask

class Rows(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.rows, self.out = nn.GRU(9, 4), nn.Linear(4, num_classes)
    def forward(self, x):
        return self.out(self.rows(x[:, 0])[0][:, -1])

class Volumes(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.conv, self.maps, self.out = nn.Conv3d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Linear(2, num_classes)
    def forward(self, x):
        return self.out(self.maps(self.conv(x[:, None].expand(-1, -1, 3, -1, -1))[:, :, 0]).mean((2, 3)))

def spectral(num_classes=10):
    conv = nn.utils.parametrizations.spectral_norm(nn.Conv2d(1, 4, 3))
    return nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.Linear(144, num_classes))

def scripted(num_classes=10):
    return torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes)))

def nowhere(num_classes=10):
    with torch.device("meta"):
        return Flat(num_classes=num_classes)

class Patches(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.embed, self.mix, self.out = nn.Linear(4, 6), nn.Linear(9, 9), nn.Linear(6, num_classes)
    def forward(self, x):
        tokens = self.embed(nn.functional.unfold(x, 2, stride=2).transpose(1, 2))
        return self.out(self.mix(tokens.transpose(1, 2)).mean(2))

class Draws(Small):
    "Stochastic depth and noise by the generators of Python and NumPy, as many a repository has it."
    def forward(self, x):
        if self.training:
            x = x * (0.5 + random.random()) + numpy.random.rand()
        return super().forward(x)

class MadeInForward(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.classes, self.out = num_classes, None
    def forward(self, x):
        if self.out is None:
            self.out = nn.Linear(x[0].numel(), self.classes, device=x.device)
        return self.out(x.flatten(1))

class Viewed(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.conv, self.more, self.out = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4 * 4 * 4, num_classes)
    def forward(self, x):
        return self.out(self.more(self.conv(x)).view(x.size(0), -1))

def hooked(num_classes=10):
    return nn.Sequential(nn.Flatten(), nn.utils.weight_norm(nn.Linear(64, num_classes)))

def complex():
    model = fixed()
    model.phase = nn.Parameter(torch.zeros(2, dtype=torch.complex64))
    return model

number = 3
"""


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put a module `mine_for_a_test` into the working directory."""
    (tmp_path / "mine_for_a_test.py").write_text(textwrap.dedent(CODE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("mine_for_a_test", None)


def recipe(net: str, **changes: Any) -> Recipe:
    usual = {"net": f"mine_for_a_test:{net}" if ":" not in net else net, "limit": 96, "epochs": 1, "batch_size": 32}
    return from_table({**usual, "device": "cpu", "threads": 1, **changes})


def plain_losses(model: nn.Module, made: Recipe) -> list[float]:
    """Return the losses of a loop in plain PyTorch, on the same batches, by torch's own AdamW."""
    training = prepare(check(made))
    model = model.to(memory_format=torch.channels_last).train()
    weights = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": weights, "weight_decay": made.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=made.lr, fused=True)
    torch.manual_seed(0)
    losses: list[float] = []
    for images in training.batches(1):
        loss = nn.functional.cross_entropy(model(training.preprocess(images.pixels)), images.labels)
        for group in optimizer.param_groups:
            group["lr"] = training.schedule.lr_at(len(losses))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def logged_losses(tmp_path: Path, made: Recipe) -> list[float]:
    run = RunFolder.create(tmp_path / "runs", "one", dumps(made))
    code, _, err = train(run)
    assert code == 0, err
    return [float(loss) for loss in history(run).steps.loss]


def test_pictures_and_samples_leave_spectral_norm_alone(tmp_path: Path) -> None:
    """A look at weights that it works out is a step of its power method."""
    plain = {"optimizer": "sgd", "lr": 0.05, "schedule": "constant", "weight_decay": 0.0}
    made = recipe("spectral", epochs=2, watch_every=1, **plain)
    training = prepare(check(made))
    model = training.model.train()
    optimizer = torch.optim.SGD(model.parameters(), made.lr)
    losses: list[float] = []
    for epoch in (1, 2):
        for images in training.batches(epoch):
            loss = nn.functional.cross_entropy(model(training.preprocess(images.pixels)), images.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert logged_losses(tmp_path, made) == pytest.approx(losses, rel=1e-7)


def test_a_torchvision_net_trains_as_a_plain_loop_does(tmp_path: Path) -> None:
    models = pytest.importorskip("torchvision.models")
    made = recipe("torchvision:squeezenet1_1", size="", limit=64, data="shapes", loss="cross-entropy", seed=3)
    torch.manual_seed(stream_seed(3, WEIGHTS))
    model = models.squeezenet1_1(num_classes=len(check(made).data.classes))
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    ours = recipe("torchvision:squeezenet1_1(dropout=0.0)", limit=64, data="shapes", seed=3)
    channels = check(ours).data.size[-1]
    if channels != 3:
        pytest.skip("made for pictures in colour")
    assert logged_losses(tmp_path, ours) == pytest.approx(plain_losses(model, ours), rel=1e-7)


def test_your_own_net_trains_as_a_plain_loop_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = recipe("Small(width=6)")
    monkeypatch.syspath_prepend(tmp_path)
    build = importlib.import_module("mine_for_a_test").Small
    torch.manual_seed(stream_seed(0, WEIGHTS))
    model = build(6, 10)
    assert logged_losses(tmp_path, made) == pytest.approx(plain_losses(model, made), rel=1e-8)


@pytest.mark.parametrize(
    ("net", "head"),
    [("fixed", "3"), ("conv_head", "2"), ("reads_numbers", "out"), ("Nested(num_classes=4)", "out")],
)
def test_a_head_of_another_width_is_replaced_and_told(net: str, head: str) -> None:
    made = build_module(f"mine_for_a_test:{net}", (8, 8, 1), 10)
    assert len(made.told) == 1
    assert made.told[0].startswith(f"head {head}: ")
    assert made.told[0].endswith("→ 10, drawn anew")
    assert made.model(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_heads_side_by_side_are_replaced_together_and_one_image_is_too_few_for_a_batch_norm() -> None:
    made = build_module("mine_for_a_test:two_heads", (8, 8, 1), 10)
    assert made.told == ("head a, b: 1,000 outputs → 10, drawn anew",)
    with pytest.raises(RequestError, match="batch_size: 1 image a batch is too small for mine_for_a_test:norm"):
        prepare(check(recipe("norm", batch_size=1)))
    prepare(check(recipe("Small", batch_size=1)))


def test_a_frozen_net_whose_head_is_replaced_trains_that_head() -> None:
    """The usual transfer learning: all is frozen, and the new head is not."""
    model = build_module("mine_for_a_test:backbone", (8, 8, 1), 10).model
    assert [name for name, p in model.named_parameters() if p.requires_grad] == ["3.weight", "3.bias"]


@pytest.mark.parametrize("net", ["answers(kind='dict')", "answers(kind='named')", "answers(kind='tuple')",
                                 "Flat(kind='auxiliary')", "Volumes"])  # fmt: skip
def test_an_output_with_logits_in_it_is_reduced_to_them_in_copies_too(net: str, tmp_path: Path) -> None:
    """Auxiliary outputs, which there are in training alone, too; weights of five axes don't hinder."""
    made = recipe(net, ema=0.9)
    run = RunFolder.create(tmp_path / "runs", "one", dumps(made))
    code, _, err = train(run)
    assert code == 0, err
    assert history(run).epochs


def test_a_model_that_is_there_already_is_trained() -> None:
    made = build_module("mine_for_a_test:model", (8, 8, 1), 10)
    assert made.told == ()
    assert made.table.parameters == sum(p.numel() for p in made.model.parameters())


@pytest.mark.parametrize("net", ["Small", "lazy"])
def test_the_seed_decides_the_weights(net: str) -> None:
    def weights(seed: int) -> Tensor:
        state = torch.get_rng_state()
        model = build_module(f"mine_for_a_test:{net}", (8, 8, 1), 10, seed).model
        assert torch.equal(torch.get_rng_state(), state), "the process's own random numbers are as they were"
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


@pytest.mark.parametrize(
    ("net", "words"),
    [
        ("mine_for_a_test:raises", "raised ValueError: no such luck"),
        ("mine_for_a_test:Leaves", "SystemExit: 9"),
        ("mine_for_a_test:maps", "puts out N x 10x8x8; an image classifier gives N x classes"),
        ("mine_for_a_test:words", "gives the class Module, no model: add brackets, `return Module()` in words"),
        ("mine_for_a_test:double", "has a float64 buffer scale; training is in float32: return model.float()"),
        ("mine_for_a_test:half", "has float16 weights; training is in float32: return model.float()"),
        ("mine_for_a_test:still", "none of its parameters requires a gradient, so there is nothing to train"),
        ("mine_for_a_test:number", "is of type int"),
        ("mine_for_a_test:needs", "needs depth, width; write mine_for_a_test:needs(depth=…, width=…)"),
        ("mine_for_a_test:Small(channels=3)", "wants images of 3 channels; these have 1"),
        ("torchvision:alexnet", "images of 8x8x1 are too small for it; a larger --size"),
        ("mine_for_a_test:deep", "images of 8x8x1 are too small for it; a larger --size"),
        ("mine_for_a_test:Smal", "has no 'Smal'; did you mean 'Small'?"),
        ("nowhere_at_all:Small", "there is no module 'nowhere_at_all'"),
        ("mine_for_a_test:Flat(kind='detached')", "its outputs have no gradient"),
        ("mine_for_a_test:Flat(kind='one row')", "puts out 1x10 for 2 images; an image classifier gives N x classes"),
        ("mine_for_a_test:Flat(kind='bare')", "puts out 10 for 2 images; an image classifier gives N x classes"),
        ("mine_for_a_test:Masked", "its forward takes x, mask; in training it gets the images alone"),
        ("mine_for_a_test:Rows", "on images of 8x8x1: RuntimeError: input.size(-1) must be equal to input_size"),
        ("mine_for_a_test:Patches", "mat1 and mat2 shapes cannot be multiplied (12x16 and 9x9)"),
        ("mine_for_a_test:scripted", "is TorchScript, which calc counts"),
        ("mine_for_a_test:nowhere", "its weights have no numbers (device meta); build it on the CPU"),
        ("mine_for_a_test:complex", "has complex64 weights phase"),
        ("torchvision:raft_small", "is a model for optical flow; what is trained here classifies images"),
        ("torchvision:fcn_resnet50", "is a model for segmentation"),
        ("torchvision:resnet19", "no such model; did you mean 'resnet18'?"),
    ],
)
def test_what_cannot_be_trained_is_one_line(net: str, words: str) -> None:
    with pytest.raises(RequestError) as raised:
        build_module(net, (8, 8, 1), 10)
    assert words in raised.value.message
    assert "\n" not in raised.value.message


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
@pytest.mark.parametrize(
    "net", ["Small(channels=1, num_classes=10)", "Draws(num_classes=10)", "MadeInForward", "Viewed", "hooked"]
)
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(net: str, tmp_path: Path) -> None:
    made = recipe(net, epochs=2, ema=0.9)
    whole, half = (RunFolder.create(tmp_path / "runs", name, dumps(made)) for name in ("whole", "half"))
    assert train(whole)[0] == 0
    stop = Signals()
    stop.number = signal.SIGTERM
    assert train_folder(half.path, stop) == 128 + signal.SIGTERM
    assert train(half, resume=True)[0] == 0
    assert history(half).steps.loss.tolist() == history(whole).steps.loss.tolist()
    first, last = (checkpoint.load(run.checkpoints / "last.pt") for run in (whole, half))
    assert all(torch.equal(value, last["model"][name]) for name, value in first["model"].items())
    assert all(state["step"] > 0 for state in last["optimizer"]["state"].values())
    assert sum(len(group["params"]) for group in last["optimizer"]["param_groups"]) >= 2


def test_the_screen_expects_no_number_of_parameters_that_it_cannot_count(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "runs", "one", dumps(recipe("Small")))
    assert train(run)[0] == 0
    found = history(run)
    (line,) = (line for line in compare(found, predict(found)) if line.what == "parameters")
    assert (line.predicted, line.measured, line.agree) == ("–", "186", None)


def test_its_own_weights_are_the_usual_beginning() -> None:
    assert recipe("Small").init == "own"
    assert override(Recipe(), {"net": "torchvision:resnet18"}).init == "own"
    assert override(Recipe(), {"net": "torchvision:resnet18", "init": "he"}).init == "he"
    assert override(override(Recipe(), {"net": "torchvision:resnet18"}), {"net": "conv8-fc"}).init == "he"
    made = recipe("Small(width=6)")
    assert loads(dumps(made)) == made


def test_another_beginning_is_drawn_where_it_is_asked_for() -> None:
    training = prepare(check(recipe("Small(width=64)", init="normal(0.5)")))
    weight = dict(training.model.named_parameters())["body.0.weight"]
    assert weight.std().item() == pytest.approx(0.5, rel=0.1)
    with pytest.raises(RequestError, match="fixup is for the residual blocks of a net expression"):
        check(recipe("Small", init="fixup"))


def test_code_that_leaves_and_code_with_a_backbone_are_counted_or_refused_without_a_download() -> None:
    with pytest.raises(RequestError, match="SystemExit: 9"):
        summarize_target("mine_for_a_test:Leaves", (8, 8, 1))
    assert summarize_target("mine_for_a_test:with_backbone", (8, 8, 1)).parameters == 64 * 16 + 16 + 16 * 7 + 7
