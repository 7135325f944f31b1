"""The running mean of the weights against PyTorch's; and runs with all that is remembered go on exactly."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cvtui.engine.optim.ema import Ema, decay_at
from cvtui.engine.train import checkpoint
from cvtui.engine.train.control import Signals
from cvtui.engine.train.evaluate import evaluate
from cvtui.engine.train.export_weights import write_safetensors
from cvtui.engine.worker import train_folder
from cvtui.runlog.fork import fork, pick
from tests.engine.making import folder, history, training
from tests.engine.train.test_resume import assert_equal_runs

NET = "conv4s2-bn-relu-drop0.3-fc"


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))


def jog(model: nn.Module) -> None:
    """Other weights, and statistics that have seen another batch."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    model(torch.randn(8, 5))


# ---------------------------------------------------------------- the mean


def test_the_mean_is_pytorchs_once_its_decay_is_the_full_one() -> None:
    model, late = net(), 1000
    ours, theirs = Ema(model, 0.9), AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    theirs.update_parameters(model)  # the first only copies
    for step in range(late, late + 50):
        jog(model)
        ours.update(step)
        theirs.update_parameters(model)
    found, expected = ours.state(), theirs.module.state_dict()
    for name, value in found.items():
        if value.is_floating_point():
            assert torch.allclose(value, expected[name], rtol=1e-5, atol=1e-6), name
    assert found["1.num_batches_tracked"] == 50


def test_at_first_the_mean_follows_faster() -> None:
    assert [decay_at(step, 0.999) for step in (0, 90)] == [0.1, 0.91]
    assert decay_at(10**6, 0.999) == 0.999
    model = net()
    mean, value = Ema(model, 0.999), model.get_parameter("0.weight").detach().clone()
    for step in range(20):
        jog(model)
        mean.update(step)
        value = decay_at(step, 0.999) * value + (1 - decay_at(step, 0.999)) * model.get_parameter("0.weight").detach()
    assert torch.allclose(mean.state()["0.weight"], value, rtol=1e-5, atol=1e-6)


def test_the_mean_shares_nothing_with_the_model_and_changes_no_bit_of_its_training(tmp_path: Path) -> None:
    one, other = (folder(tmp_path, name, net=NET, epochs=1, ema=ema) for name, ema in (("one", 0.0), ("other", 0.9)))
    for run in (one, other):
        assert train_folder(run.path, Signals()) == 0
    assert history(one).steps.loss.tobytes() == history(other).steps.loss.tobytes()
    plain, averaged = (checkpoint.load(run.checkpoints / "last.pt") for run in (one, other))
    assert all(torch.equal(value, averaged["model"][name]) for name, value in plain["model"].items())
    assert "ema" not in plain
    assert not torch.equal(averaged["ema"]["fc1.weight"], averaged["model"]["fc1.weight"])


def test_what_is_validated_and_exported_is_the_mean(tmp_path: Path) -> None:
    run = folder(tmp_path, net=NET, ema=0.99)
    assert train_folder(run.path, Signals()) == 0
    state = checkpoint.load(run.checkpoints / "best.pt")
    best = max(history(run).epochs, key=lambda epoch: epoch.val_accuracy or 0)
    plain = training(net=NET)
    for name, equal in (("ema", True), ("model", False)):
        plain.model.load_state_dict(state[name])
        found = evaluate(plain, between=lambda: None)
        assert (found.loss == pytest.approx(best.val_loss, rel=1e-5)) == equal
    write_safetensors(run, tmp_path / "weights.safetensors", "best")
    written = load_file(tmp_path / "weights.safetensors")
    assert all(torch.equal(value, written[name]) for name, value in state["ema"].items())


def test_validation_leaves_the_trained_model_in_training_mode_and_the_mean_as_it_was() -> None:
    t = training(net=NET, ema=0.9)
    assert t.ema is not None
    before = {name: value.clone() for name, value in t.ema.state().items()}
    evaluate(t, between=lambda: None)
    assert t.model.training
    assert all(torch.equal(value, t.ema.state()[name]) for name, value in before.items())


# ---------------------------------------------------------------- going on


class StopsAfter(Signals):
    """A SIGTERM that comes when the loop has looked for signals so many times."""

    def __init__(self, looks: int) -> None:
        self.looks = looks
        super().__init__()

    @property
    def number(self) -> int:
        self.looks -= 1
        return signal.SIGTERM if self.looks < 0 else 0

    @number.setter
    def number(self, value: int) -> None: ...


CHANGES: list[dict[str, Any]] = [
    {"optimizer": "muon", "ema": 0.99, "clip": 0.1},
    {"optimizer": "rmsprop(momentum=0.9,centred=1)", "schedule": "plateau(0.5,0,0.3)", "lr": 0.01, "ema": 0.9},
    {"optimizer": "nesterov", "loss": "hinge", "scale_lr": 256, "clip": 1.0, "ema": 0.9},
    {"optimizer": "adagrad(initial=0.1)", "loss": "mse"},
    {"optimizer": "adam(amsgrad=1)", "loss": "cross-entropy(0.1)", "schedule": "step(1, 2)"},
]


@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: changes["optimizer"].partition("(")[0])
def test_stopped_anywhere_and_resumed_it_equals_the_run_that_nobody_stopped(tmp_path: Path, changes: Any) -> None:
    changes = {"net": NET, "epochs": 3, "weight_decay": 0.01, "save_every": "", **changes}
    whole, stopped = folder(tmp_path, "whole", **changes), folder(tmp_path, "stopped", **changes)
    assert train_folder(whole.path, Signals()) == 0
    assert train_folder(stopped.path, StopsAfter(18)) == 143
    assert train_folder(stopped.path, StopsAfter(15), resume=True) == 143
    assert train_folder(stopped.path, Signals(), resume=True) == 0
    assert_equal_runs(whole, stopped)
    a, b = (checkpoint.load(run.checkpoints / "last.pt") for run in (whole, stopped))
    assert (a["schedule"], a["plateau"]) == (b["schedule"], b["plateau"])
    for name, value in a.get("ema", {}).items():
        assert torch.equal(value, b["ema"][name]), name
    marks = [[(mark.step, mark.words) for mark in history(run).commands] for run in (whole, stopped)]
    assert marks[0] == marks[1]


def test_a_fork_without_a_change_keeps_the_mean_and_the_drops(tmp_path: Path) -> None:
    changes = {"net": NET, "epochs": 4, "ema": 0.95, "schedule": "plateau(0.5,0,0.3)", "keep": "last,best,every=1"}
    mother = folder(tmp_path, "mother", **changes)
    assert train_folder(mother.path, Signals()) == 0
    known = history(mother)
    assert len(known.commands) > 1
    text = mother.recipe.read_text(encoding="utf-8")
    child = fork(mother, pick(known, epoch=3), tmp_path, "", text)
    assert train_folder(child.path, Signals()) == 0
    assert [e.val_loss for e in history(child).epochs] == [e.val_loss for e in known.epochs[3:]]
    assert history(child).steps.loss.tobytes() == known.steps.loss[36:].tobytes()


def test_an_older_checkpoint_begins_its_mean_at_the_weights() -> None:
    from cvtui.engine.train.resume import restore

    t = training(net=NET)
    state = {name: value for name, value in t.state().items() if name != "plateau"}
    state["schedule"] = {name: value for name, value in state["schedule"].items() if name != "drops"}
    fresh = training(net=NET, ema=0.9)
    with torch.no_grad():
        for weight in fresh.model.parameters():
            weight.add_(1.0)
    restore(fresh, state)
    assert fresh.ema is not None
    assert all(torch.equal(value, state["model"][name]) for name, value in fresh.ema.state().items())
    assert fresh.schedule == t.schedule
