"""Outputs of frozen layers that are kept from epoch to epoch: the run that computes them in each step is the oracle."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cvtui.engine.nn.freeze import train_mode
from cvtui.engine.nn.frozen_tail import NoTail, Tail, find_tail, run_tail
from cvtui.engine.observe.watch_budget import WatchBudget
from cvtui.engine.train import feature_cache
from cvtui.runlog.folder import RunFolder
from tests.engine.making import folder, history, train, training
from tests.engine.stopping import stop_after

pytestmark = pytest.mark.torch

NET = "conv4s2-bn-relu-conv8-bn-relu-gap-drop0.2-fc16-relu-fc"
KEPT: dict[str, Any] = {
    "net": NET, "freeze": "until:bn2", "epochs": 4, "limit": 300, "batch_size": 32, "optimizer": "momentum",
    "watch_every": 5,
}  # fmt: skip
"""Ten steps an epoch; dropout is the first layer that is not kept."""


def trained(base: Path, name: str, **changes: Any) -> RunFolder:
    run = folder(base, name, **{**KEPT, **changes})
    assert train(run)[0] == 0, run.log.read_text()
    return run


def losses(run: RunFolder) -> list[float]:
    found = history(run)
    return [*found.steps.loss.tolist(), *(epoch.val_loss or 0.0 for epoch in found.epochs)]


def log_of(run: RunFolder) -> str:
    return "\n".join(line for line in run.events.read_text().splitlines() if line.startswith('{"type":"log"'))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ema": 0.9, "accumulate": 2},
        {"unfreeze_at": 3, "balance": "sampler"},
        {"net": "conv4s2-bn-relu-conv8-bn-relu-conv4s2-fc", "freeze": "until:relu2"},  # what is kept are maps
        {"data": "moons", "net": "fc8-relu-fc8-relu-fc", "freeze": "until:fc1", "limit": 0},
    ],
    ids=["dropout", "ema accumulate", "thaw sampler", "maps", "points"],
)
def test_losses_are_those_of_frozen_layers_computed_in_every_step(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = trained(tmp_path, "kept", **changes)
    assert "frozen layers are computed once" in log_of(kept)
    monkeypatch.setenv("CVTUI_PLAIN", "1")
    plain = trained(tmp_path, "plain", **changes)
    assert "computed once" not in log_of(plain)
    assert losses(kept) == pytest.approx(losses(plain), rel=1e-5)


def test_a_plain_loop_of_pytorch_has_the_same_losses(tmp_path: Path) -> None:
    changes = {"net": "conv4s2-bn-relu-fc", "freeze": "all-but-head", "optimizer": "sgd", "schedule": "constant",
               "weight_decay": 0.0, "epochs": 3, "lr": 0.05}  # fmt: skip
    run = trained(tmp_path, "kept", **changes)
    made = training(**{**KEPT, **changes})
    model = copy.deepcopy(made.model)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.05)
    expected = []
    for epoch in (1, 2, 3):
        model.eval()  # no dropout: batch norm is all that has modes
        for images in made.batches(epoch):
            loss = nn.functional.cross_entropy(model(made.preprocess(images.pixels)), images.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            expected.append(loss.item())
    assert history(run).steps.loss.tolist() == pytest.approx(expected, rel=1e-5)


def test_frozen_layers_run_once_for_each_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = 0
    forward = nn.BatchNorm2d.forward

    def counted(self: nn.BatchNorm2d, x: Tensor) -> Tensor:
        nonlocal seen
        seen += len(x) * (self.num_features == 8)
        return forward(self, x)

    monkeypatch.setattr(nn.BatchNorm2d, "forward", counted)
    counts = []
    for epochs in (4, 12):
        seen = 0
        trained(tmp_path, f"run{epochs}", epochs=epochs, watch_every=0)
        counts.append(seen)
    assert counts[0] == counts[1]


RESUMED = {**KEPT, "unfreeze_at": 3, "ema": 0.9}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Train without an interruption."""
    return trained(tmp_path_factory.mktemp("whole"), "whole", **RESUMED)


@pytest.mark.parametrize("times", [3, 15])
def test_a_resumed_run_has_the_same_bits(times: int, whole: RunFolder, tmp_path: Path) -> None:
    half = stop_after(folder(tmp_path, "half", **RESUMED), times)
    assert train(half, resume=True)[0] == 0
    assert history(half).steps.loss.tolist() == history(whole).steps.loss.tolist()
    states = [torch.load(run.checkpoints / "last.pt", weights_only=True) for run in (whole, half)]
    for name, value in states[0]["ema"].items():
        assert torch.equal(value, states[1]["ema"][name]), name


def test_a_resumed_run_keeps_to_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, half = (folder(tmp_path, name, **KEPT) for name in ("whole", "half"))
    with monkeypatch.context() as patch:
        patch.setattr(feature_cache, "free_memory", lambda: 1000)
        stop_after(half, 15)
        assert train(whole)[0] == 0
    assert "computed in every epoch: their outputs take" in log_of(half)
    assert train(half, resume=True)[0] == 0
    assert "computed once" not in log_of(half)
    assert history(half).steps.loss.tolist() == history(whole).steps.loss.tolist()
    other = stop_after(folder(tmp_path, "other", **KEPT), 15)
    monkeypatch.setattr(feature_cache, "free_memory", lambda: 1000)
    assert train(other, resume=True)[0] == 0
    assert "Before, their outputs were kept: the last bits may differ" in log_of(other)


def test_the_layers_table_says_why_frozen_layers_have_no_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WatchBudget, "allows_sample", lambda _: True)
    run = trained(tmp_path, "run", unfreeze_at=3)
    found = history(run)
    samples = [one for step in found.layer_steps.tolist() if (one := found.layers_at(step)) is not None]
    first = next(one for one in samples if one.step == 0)
    assert {layer.name for layer in first.layers if layer.mean is not None} >= {"conv1", "fc1"}, "the net ran whole"
    later = next(one for one in samples if 10 <= one.step < 20)
    assert later.unseen["conv1"] == later.unseen["relu2"] == feature_cache.KEPT
    assert {layer.name for layer in later.layers if layer.mean is not None} == {"fc1", "relu3", "fc2"}
    thawed = next(one for one in samples if one.step >= 20)
    assert "conv1" not in thawed.unseen


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"augment": "flip"}, "augmentation changes the images"),
        ({"freeze": "bn1*", "net": "conv4-bn-relu-fc"}, "only 0% of the multiply-adds lie before conv1"),
        ({"freeze": "conv1*", "net": "conv4-res(conv4-relu)-fc"}, "what is trained are not its last layers"),
    ],
)
def test_what_is_not_the_same_in_every_epoch_is_computed_and_told(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    run = trained(tmp_path, "run", **changes, epochs=2)
    assert f"frozen layers are computed in every epoch: {words}" in log_of(run)


def test_nothing_is_said_where_nothing_is_frozen_or_for_one_epoch_alone(tmp_path: Path) -> None:
    for name, changes in (("free", {"freeze": "", "epochs": 2}), ("thaw", {"unfreeze_at": 2, "epochs": 2})):
        assert "frozen layers are" not in log_of(trained(tmp_path, name, **changes))


def test_one_process_of_several_computes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CVTUI_PLAIN", raising=False)
    made = training(**KEPT)
    assert feature_cache.is_asked(made)
    made.shared_passes = lambda _: None  # as ranks/trainer.py's stepper sets it
    assert not feature_cache.is_asked(made)


# ------------------------------------------------------------------ where the frozen part ends


class Block(nn.Module):
    """Adds its input in place, as torchvision's and timm's blocks do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        out = self.drop(self.conv(x))
        out += x
        return out


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 4)
        self.last.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.first(x))
        return out


class Uncalled(nn.Module):
    """Uses a layer's weight without calling it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(x @ self.first.weight)
        return out


def nets() -> dict[str, tuple[nn.Module, Tensor, str, Tail | str]]:
    """Net, images, what is trained (a prefix of names), and the tail or why there is none."""
    pictures, rows = torch.rand(3, 3, 4, 4), torch.rand(3, 4)
    conv, norm, head = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Linear(48, 2)
    return {
        "inplace dropout": (nn.Sequential(conv, nn.Flatten(), nn.Dropout(0.5, inplace=True), head), pictures, "3",
                            Tail(("2", "3"), (False, False))),
        "block": (nn.Sequential(conv, Block(), nn.Flatten(), head), pictures, "3",
                  Tail(("1", "2", "3"), (False, False, False))),
        "inner": (nn.Sequential(conv, nn.Sequential(nn.Flatten(), head)), pictures, "1.1", Tail(("1.1",), (False,))),
        "tied": (Tied(), rows, "last", Tail(("first", "last"), (False, False))),
        "uncalled": (Uncalled(), rows, "", "what is trained are not its last layers"),
        "batch statistics": (nn.Sequential(conv, norm, nn.Flatten(), head), pictures, "3",
                             "1 is frozen, and its statistics follow the batches"),
        "batch": (nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), nn.Flatten(), head), pictures, "2",
                  "what a frozen layer gives for an image depends on the others of its batch"),
        "middle": (nn.Sequential(conv, nn.Flatten(), head), pictures, "0", Tail(("0", "1", "2"), (False,) * 3)),
    }  # fmt: skip


@pytest.mark.parametrize("name", nets())
def test_the_tail_begins_where_something_is_trained_or_drawn(name: str) -> None:
    model, images, trained_part, wanted = nets()[name]
    for key, parameter in model.named_parameters():
        parameter.requires_grad_(key.startswith(trained_part) or (name == "tied" and key == "first.weight"))
    train_mode(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    random = torch.get_rng_state()
    if isinstance(wanted, str):
        with pytest.raises(NoTail, match=wanted):
            find_tail(model, images)
    else:
        assert find_tail(model, images) == wanted
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.long
def test_torchvisions_nets_end_at_their_heads() -> None:
    models = pytest.importorskip("torchvision.models")
    for name, first in (("resnet18", "fc"), ("squeezenet1_1", "classifier.0"), ("mobilenet_v3_small", "classifier.2")):
        model = models.get_model(name, num_classes=3).requires_grad_(False).eval().train()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        head = model.fc if name == "resnet18" else model.classifier[1 if name == "squeezenet1_1" else 3]
        head.requires_grad_(True)
        images = torch.rand(3, 3, 32, 32)
        tail = find_tail(model, images)
        assert tail.first == first
        random = torch.get_rng_state()
        whole = model(images)
        torch.set_rng_state(random)
        features: list[Tensor] = []
        handle = model.get_submodule(first).register_forward_pre_hook(lambda _, x, to=features: to.append(x[0].clone()))
        model(images)
        handle.remove()
        torch.set_rng_state(random)
        assert torch.equal(run_tail(tail.layers(model), tail.flat, features[0]), whole)
