"""Frozen parts: what is trained, batch norm's mode, refusals, resume and fork; PyTorch's plain loop is the oracle."""

from __future__ import annotations

import copy
import signal
from pathlib import Path

import pytest
import torch
from torch import nn

from cvtui.engine.nn.freeze import freeze, keep_frozen_norms, train_mode
from cvtui.engine.nn.layer_rates import rate_factors
from cvtui.engine.train.control import Signals
from cvtui.engine.train.forecast import forecast
from cvtui.engine.train.preparation import prepare
from cvtui.engine.train.state import TrainingState
from cvtui.engine.train.step import training_step
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.recipe.memory_check import memory_need
from cvtui.recipe.toml import dumps
from cvtui.recipe.validation import check
from cvtui.runlog.fork import fork, pick
from tests.engine.making import folder, history, recipe, train, training

pytestmark = pytest.mark.torch

NET = "conv4s2-bn-relu-conv4-bn-relu-fc"


def names(model: nn.Module) -> list[str]:
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


@pytest.mark.parametrize(
    ("how", "left"),
    [
        ("all-but-head", ["fc1.weight", "fc1.bias"]),
        ("until:bn2", ["fc1.weight", "fc1.bias"]),
        ("until:relu1", ["conv2.weight", "conv2.bias", "bn2.weight", "bn2.bias", "fc1.weight", "fc1.bias"]),
        ("bn?.*", ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "fc1.weight", "fc1.bias"]),
    ],
)
def test_what_is_left_to_train(how: str, left: list[str]) -> None:
    made = training(net=NET, freeze=how)
    every = [name for name, _ in made.model.named_parameters()]
    assert names(made.model) == [name for name in every if name in left]
    held = {id(p) for group in made.optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in made.model.parameters() if p.requires_grad}


def test_steps_are_those_of_a_plain_loop_and_frozen_statistics_stay() -> None:
    made = training(net=NET, freeze="all-but-head", optimizer="sgd", lr=0.1, weight_decay=0.0)
    plain, before = copy.deepcopy(made.model), copy.deepcopy(made.model.state_dict())
    train_mode(made.model)
    plain.eval()  # no dropout: batch norm is all that has modes
    optimizer = torch.optim.SGD([p for p in plain.parameters() if p.requires_grad], lr=0.1)
    assert made.model.training
    for _, images in zip(range(3), made.batches(1), strict=False):
        for group in made.optimizer.param_groups:
            group["lr"] = 0.1
        loss = training_step(made, images).loss
        optimizer.zero_grad()
        expected = nn.functional.cross_entropy(plain(made.preprocess(images.pixels)), images.labels)
        expected.backward()
        optimizer.step()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    after = made.model.state_dict()
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert moved == {"fc1.weight", "fc1.bias"}


def test_the_forecast_of_the_first_loss_is_that_of_the_first_step() -> None:
    """Batch norms of frozen parts keep their statistics in it."""
    made = training(net="conv4-bn-relu-pool-fc", freeze="all-but-head", batch_size=16)
    told, modes = forecast(made), [module.training for module in made.model.modules()]
    assert modes == [True] * len(modes), "the modes are left as they were"
    train_mode(made.model)
    assert told["start_loss"] == pytest.approx(training_step(made, next(made.batches(1)))[0].item(), rel=1e-5)


def test_a_run_keeps_frozen_parts_through_validation_and_resumes_to_the_same_bits(tmp_path: Path) -> None:
    whole, half = (folder(tmp_path, name, net=NET, freeze="until:bn1") for name in ("whole", "half"))
    assert train(whole)[0] == 0
    stop = Signals()
    stop.number = signal.SIGTERM
    assert train_folder(half.path, stop) == 128 + signal.SIGTERM
    assert train(half, resume=True)[0] == 0
    assert history(half).steps.loss.tolist() == history(whole).steps.loss.tolist()
    last = torch.load(whole.checkpoints / "last.pt", weights_only=True)["model"]
    first = prepare(check(recipe(net=NET))).model.state_dict()
    for name in ("conv1.weight", "bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked"):
        assert torch.equal(last[name], first[name]), name
    assert not torch.equal(last["bn2.running_mean"], first["bn2.running_mean"])
    assert "freeze until:bn1: 4 of 10 parameter tensors" in whole.events.read_text()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("until:convv1", "no layer 'convv1'; did you mean 'conv1'"),
        ("conv1.weigth", "freezes no parameter of this net; did you mean 'conv1.weight'"),
        ("all-but-heads", "freezes no parameter of this net; did you mean 'all-but-head'"),
        ("conv1", "freezes no parameter of this net; a layer's parameters are 'conv1.*'"),
        ("*", "leaves nothing to train"),
        ("until:fc1", "leaves nothing to train"),
    ],
)
def test_refusals(how: str, words: str) -> None:
    with pytest.raises(RequestError, match=words.replace("?", r"\?")):
        training(net=NET, freeze=how)


def test_the_head_of_code_is_the_one_that_is_called_last() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out, self.body, self.unused = nn.Linear(6, 3), nn.Linear(64, 6), nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.body(x.flatten(1)))

    model = Odd()
    told = freeze(model, "all-but-head", "mine:Odd", (8, 8, 1)).told
    assert names(model) == ["out.weight", "out.bias"]
    assert "4 of 6 parameter tensors" in told
    assert "trained: out" in told


def test_a_head_is_whole_behind_weight_norm_and_heads_side_by_side_are_one() -> None:
    """Distilled DeiT and LeViT take the mean of two heads."""

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.a, self.b = nn.Linear(64, 6), nn.Linear(6, 3), nn.Linear(6, 3)
            nn.utils.parametrizations.weight_norm(self.b)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.body(x.flatten(1))
            return (self.a(y) + self.b(y)) / 2

    model, other = Two(), Two()
    freeze(model, "all-but-head", "mine:Two", (8, 8, 1))
    assert {name.partition(".")[0] for name in names(model)} == {"a", "b"}
    assert len(names(model)) == 5
    factors = rate_factors(other, recipe(net="mine:Two", lr_backbone="0.1x"), (8, 8, 1))
    assert factors.keys() == {"body.weight", "body.bias"}


def test_batch_norms_that_the_nets_own_code_froze_keep_their_statistics() -> None:
    made = training(net=NET)
    for parameter in (*made.model.conv1.parameters(), *made.model.bn1.parameters()):  # type: ignore[union-attr]
        parameter.requires_grad_(False)
    told = keep_frozen_norms(made.model)
    assert told == (
        "frozen by the net's own code (requires_grad is False): 4 parameter tensors; its batch norms keep their "
        "statistics there: 1"
    )
    before = copy.deepcopy(made.model.state_dict())
    train_mode(made.model)
    made.model(torch.randn(8, 1, 8, 8))
    after = made.model.state_dict()
    assert torch.equal(after["bn1.running_mean"], before["bn1.running_mean"])
    assert not torch.equal(after["bn2.running_mean"], before["bn2.running_mean"])
    assert keep_frozen_norms(training(net=NET).model) == ""


def test_a_fork_may_unfreeze_and_a_resume_may_not(tmp_path: Path) -> None:
    run = folder(tmp_path, net=NET, freeze="all-but-head", epochs=1)
    assert train(run)[0] == 0
    run.recipe.write_text(dumps(recipe(net=NET, epochs=2)))
    assert train_folder(run.path, Signals(), resume=True) == 2
    parent = history(run)
    child = fork(run, pick(parent, epoch=1), tmp_path, "", dumps(recipe(net=NET, epochs=2)))
    assert train(child)[0] == 0
    before, after = (torch.load(one.checkpoints / "last.pt", weights_only=True)["model"] for one in (run, child))
    assert not torch.equal(before["conv1.weight"], after["conv1.weight"])
    kept = "freeze all-but-head → nothing: of 10 trained parameter tensors 2 keep the optimizer's state"
    assert kept in child.events.read_text()


def test_the_running_mean_leaves_frozen_weights_to_the_last_bit() -> None:
    made = training(net=NET, freeze="all-but-head", ema=0.9)
    train_mode(made.model)
    frozen = made.model.state_dict()["conv1.weight"].clone()
    made.update_lr()
    training_step(made, next(made.batches(1)))
    assert torch.equal(made.eval_model.state_dict()["conv1.weight"], frozen)


def kept_for_the_backward_pass(made: TrainingState) -> int:
    """Bytes that autograd keeps of a batch of 4, without parameters and buffers."""
    made.model.to(memory_format=torch.contiguous_format)  # else flattening copies
    own = {t.untyped_storage().data_ptr() for t in (*made.model.parameters(), *made.model.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    train_mode(made.model)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = made.model(torch.rand(4, 1, 8, 8))
    held = sum(storage.nbytes() for storage in kept.values())
    del output
    return held


CODE = """
from torch import nn

def build(num_classes=10):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(64, num_classes),
    )
"""


@pytest.mark.parametrize(
    ("net", "how"),
    [
        (NET, ""), (NET, "all-but-head"), (NET, "until:bn1"), (NET, "conv1.*"),
        ("frozen_for_a_test:build", "all-but-head"), ("frozen_for_a_test:build", "until:2"),
    ],
)  # fmt: skip
def test_memory_leaves_out_what_is_frozen(net: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "frozen_for_a_test.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    made = training(net=net, init="own" if ":" in net else "he", freeze=how, optimizer="adamw", ema=0.9, batch_size=4)
    need = memory_need(made.checked)
    whole, trained = (sum(p.numel() for p in group) for group in (
        made.model.parameters(), [p for group in made.optimizer.param_groups for p in group["params"]]
    ))  # fmt: skip
    assert (need.weights, need.gradients, need.optimizer) == (4 * whole, 4 * trained, 8 * trained + 4 * whole)
    assert need.activations == kept_for_the_backward_pass(made)
    if how:
        thaws = training(net=net, init=made.recipe.init, freeze=how, unfreeze_at=2, epochs=2, batch_size=4, ema=0.9,
                         optimizer="adamw")  # fmt: skip
        assert memory_need(thaws.checked).optimizer == 12 * whole, "what is thawed later is trained, too"
