"""Frozen layers that thaw in mid-run, and parts with rates of their own: PyTorch's plain loop is the oracle."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cvtui.compare.lr_search import LrFinder
from cvtui.doctor.doctor import examine
from cvtui.engine.nn.freeze import train_mode
from cvtui.engine.nn.layer_rates import rate_factors, stages_of
from cvtui.engine.optim.groups import state_by_name
from cvtui.engine.train.resume import new_rate, restore
from cvtui.engine.train.step import training_step
from cvtui.errors import RequestError
from cvtui.recipe.toml import dumps
from cvtui.recipe.validation import check
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import fork, pick
from tests.engine.making import folder, history, recipe, train, training
from tests.engine.stopping import stop_after

pytestmark = pytest.mark.torch

NET = "conv4s2-relu-bn-conv4-relu-bn-fc"  # conv, then bn: the biases' gradients would be rounding errors
THAW: dict[str, Any] = {"net": NET, "freeze": "all-but-head", "unfreeze_at": 2, "epochs": 2, "limit": 512}
"""Four steps an epoch."""
PLAIN: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda groups, **more: torch.optim.SGD(groups, momentum=0.9, **more),
    "adagrad": lambda groups, **more: torch.optim.Adagrad(groups, eps=1e-7, **more),
    "rmsprop": lambda groups, **more: torch.optim.RMSprop(groups, alpha=0.9, eps=1e-7, **more),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


@pytest.mark.parametrize("name", PLAIN)
def test_thawed_layers_train_as_a_new_group_of_pytorchs_own_optimizer(name: str) -> None:
    lr, text = 0.01, {"adagrad": "adagrad(1e-7)", "rmsprop": "rmsprop(0.9, 1e-7)"}.get(name, name)
    made = training(**THAW, optimizer=text, lr=lr, schedule="constant", weight_decay=0.0, lr_backbone="0.1x")
    plain = copy.deepcopy(made.model)
    head = [p for p in plain.parameters() if p.requires_grad]
    oracle = PLAIN[name]([{"params": head}], lr=lr, weight_decay=0.0)
    for epoch in (1, 2):
        if epoch == 2:
            told = made.thaw()
            assert told.startswith("epoch 2: 8 frozen parameter tensors")
            assert told.endswith("statistics follow the batches again: 2")
            assert not made.thaw(), "once"
            backbone = [p for p in plain.parameters() if not p.requires_grad]
            for parameter in backbone:
                parameter.requires_grad_(True)
            fresh = PLAIN[name]([{"params": backbone}], lr=lr * 0.1, weight_decay=0.0)
        train_mode(made.model)
        plain.train(epoch == 2)  # no dropout: batch norm is all that has modes
        for images in made.batches(epoch):
            made.update_lr()
            loss = training_step(made, images).loss
            plain.zero_grad()
            expected = nn.functional.cross_entropy(plain(made.preprocess(images.pixels)), images.labels)
            expected.backward()
            oracle.step()
            if epoch == 2:
                fresh.step()
            assert loss.item() == pytest.approx(expected.item(), rel=2e-5)
        made.epoch += 1
    for ours, theirs in zip(made.model.state_dict().values(), plain.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_muon_leaves_only_the_head_to_adamw_when_the_rest_thaws() -> None:
    made = training(**THAW, optimizer="muon", lr=0.01, layer_decay=0.5)
    made.epoch = 1
    assert made.thaw()
    muon = {name for group in made.optimizer.param_groups if "ns_steps" in group for name in group["names"]}
    assert muon == {"conv1.weight", "conv2.weight"}
    train_mode(made.model)
    before = copy.deepcopy(made.model.state_dict())
    made.update_lr()
    training_step(made, next(made.batches(2)))
    moved = {name for name, value in made.model.named_parameters() if not torch.equal(value, before[name])}
    assert moved >= {"conv1.weight", "conv2.weight", "fc1.weight", "fc1.bias"}
    assert {group["factor"] for group in made.optimizer.param_groups} == {1.0, 0.5, 0.25}


RESUMED = {**THAW, "optimizer": "momentum", "lr": 0.05, "ema": 0.9, "layer_decay": 0.5, "watch_every": 2}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Train without an interruption."""
    run = folder(tmp_path_factory.mktemp("whole"), "whole", **RESUMED)
    assert train(run)[0] == 0
    return run


@pytest.mark.parametrize(("times", "at"), [(2, 2), (5, 4), (8, 6)], ids=["before", "at", "after"])
def test_a_resume_before_at_and_after_the_border_gives_the_same_bits(
    times: int, at: int, whole: RunFolder, tmp_path: Path
) -> None:
    half = stop_after(folder(tmp_path, "half", **RESUMED), times)
    end = history(half).end
    assert end is not None
    assert end.step == at
    assert train(half, resume=True)[0] == 0
    assert history(half).steps.loss.tolist() == history(whole).steps.loss.tolist()
    states = [torch.load(one.checkpoints / "last.pt", weights_only=True) for one in (whole, half)]
    for part in ("model", "ema"):
        for name, value in states[0][part].items():
            assert torch.equal(value, states[1][part][name]), (part, name)
    for run in (whole, half):
        assert run.events.read_text().count("epoch 2: 8 frozen parameter tensors") == 1


def test_a_fork_may_thaw_and_keeps_the_heads_momentum(tmp_path: Path) -> None:
    run = folder(tmp_path, **{**THAW, "unfreeze_at": 0, "epochs": 1})
    assert train(run)[0] == 0
    changed = recipe(**{**THAW, "epochs": 3, "lr_backbone": "0.1x"})
    child = fork(run, pick(history(run), epoch=1), tmp_path, "", dumps(changed))
    assert train(child)[0] == 0, child.log.read_text()
    said = child.events.read_text()
    assert "epoch 2: 8 frozen parameter tensors" in said
    assert "begins anew" not in said, "all that was trained keeps its state"
    steps = {name: [float(s["step"]) for s in saved] for name, saved in _states(run, child).items()}
    assert steps["fc1.weight"] == [4.0, 12.0]
    assert steps["conv1.weight"] == [8.0]


def _states(*runs: RunFolder) -> dict[str, list[dict[str, Any]]]:
    """State of each parameter in the last checkpoint of each run that has one of it."""
    found: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        saved = torch.load(run.checkpoints / "last.pt", weights_only=True)["optimizer"]
        for name, state in (state_by_name(saved) or {}).items():
            found.setdefault(name, []).append(state)
    return found


def test_a_checkpoint_without_names_is_taken_by_place(tmp_path: Path) -> None:
    run = stop_after(folder(tmp_path, net=NET, epochs=2, limit=512), 2)
    path = run.checkpoints / "last.pt"
    state = torch.load(path, weights_only=True)
    for group in state["optimizer"]["param_groups"]:
        for key in ("names", "factor", "table", "last"):
            del group[key]
    torch.save(state, path)  # as those of cvtui 0.4 are
    made = training(net=NET, epochs=2, limit=512)
    restore(made, state)
    assert [float(s["step"]) for s in made.optimizer.state.values()] == [float(state["step"])] * 10
    apart = training(net=NET, epochs=2, limit=512, layer_decay=0.5)
    with pytest.raises(RequestError, match="other groups of parameters"):
        restore(apart, {**state, "recipe": {}})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unfreeze_at": 2}, "unfreeze_at: epoch 2 would thaw nothing; --freeze says what is frozen until then"),
        ({"freeze": "conv1.*", "unfreeze_at": 5}, "unfreeze_at: 5 is past the last of 2 epochs; allowed: 2, or 0"),
        ({"freeze": "conv1.*", "unfreeze_at": 1}, "unfreeze_at: 1 would freeze nothing; allowed: 2, or 0"),
        ({"lr_backbone": "0x"}, "lr_backbone: '0x' is not possible; allowed: more than 0"),
        ({"lr_backbone": "0.1x", "layer_decay": 0.5}, "use one of them"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as raised:
        check(recipe(**changes))
    assert words in raised.value.message


def test_the_record_and_the_doctor_know_what_is_frozen_until_when(tmp_path: Path) -> None:
    run = folder(tmp_path, **{**THAW, "limit": 1000}, lr_backbone="0.1x")
    assert train(run)[0] == 0
    found = history(run)
    assert found.run is not None
    assert [(group.factor, group.layers, group.frozen) for group in found.run.rates] == [
        (0.1, ["conv1", "bn1", "conv2", "bn2"], True), (1.0, ["fc1"], False)
    ]  # fmt: skip
    said = [diagnosis.sentence for diagnosis in examine(found)]
    assert any("(requires_grad is False) and will not change before epoch 2; all is well if" in one for one in said)


def test_lr_find_keeps_the_share_of_the_backbone_and_thaws_nothing(tmp_path: Path) -> None:
    made = recipe(**{**THAW, "limit": 1000}, lr=0.01, lr_backbone="0.002")
    tried = LrFinder(check(made), tmp_path)._changed(lr=0.5, epochs=1)
    assert (tried.lr, tried.lr_backbone, tried.unfreeze_at, tried.freeze) == (0.5, "0.2x", 0, "all-but-head")


def test_a_net_without_a_head_has_no_backbone() -> None:
    with pytest.raises(RequestError, match="lr_backbone: this net has no last fc or 1x1 conv, so all is the backbone"):
        rate_factors(nn.Sequential(nn.BatchNorm2d(1), nn.Flatten()), recipe(lr_backbone="0.1x"), (8, 8, 1))


def test_an_absolute_rate_and_the_share_of_it_are_one_and_a_command_moves_both() -> None:
    made = training(net=NET, lr=0.01, lr_backbone="0.002", schedule="constant")
    made.update_lr()
    assert {group["names"][0]: group["lr"] for group in made.optimizer.param_groups} == pytest.approx(
        {"conv1.weight": 0.002, "fc1.weight": 0.01, "conv1.bias": 0.002, "fc1.bias": 0.01}
    )
    new_rate(made, "/10")
    made.update_lr()
    assert sorted({group["lr"] for group in made.optimizer.param_groups}) == pytest.approx([0.0002, 0.001])


def test_stages_of_expressions_and_of_blocks() -> None:
    assert stages_of(training(net=NET).model) == {
        "conv1.weight": 0, "conv1.bias": 0, "bn1.weight": 0, "bn1.bias": 0, "conv2.weight": 1, "conv2.bias": 1,
        "bn2.weight": 1, "bn2.bias": 1, "fc1.weight": 2, "fc1.bias": 2,
    }  # fmt: skip


def test_stages_of_torchvisions_nets() -> None:
    models = pytest.importorskip("torchvision.models")
    blocks = [f"layer{number}.{block}" for number in range(1, 5) for block in range(2)]
    with torch.device("meta"):
        found = stages_of(models.resnet18())
        tokens = stages_of(models.VisionTransformer(16, 8, 3, 2, 16, 32, num_classes=5))
    for name, stage in found.items():
        unit = next((number for number, block in enumerate(blocks, 1) if name.startswith(f"{block}.")), None)
        assert stage == (unit if unit is not None else 9 if name.startswith("fc.") else 0), name
    assert tokens["class_token"] == tokens["encoder.pos_embedding"] == tokens["conv_proj.weight"] == 0
    assert [tokens[f"encoder.layers.encoder_layer_{n}.mlp.0.weight"] for n in range(3)] == [1, 2, 3]
    assert tokens["heads.head.weight"] == 4


def test_stages_of_timms_nets_are_timms_own() -> None:
    timm = pytest.importorskip("timm")
    from timm.optim import param_groups_layer_decay

    for name in ("resnet18", "vit_tiny_patch16_224", "convnext_atto"):
        with torch.device("meta"):
            model = timm.create_model(name, num_classes=5)
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        theirs = {
            names[id(parameter)]: group["lr_scale"]
            for group in param_groups_layer_decay(model, layer_decay=0.75)
            for parameter in group["params"]
        }
        made = rate_factors(model, recipe(layer_decay=0.75), (224, 224, 3))
        assert {name: made[name] for name in theirs} == pytest.approx(theirs), name
