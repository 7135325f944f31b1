"""Clipping against PyTorch's; the log keeps the gradients' lengths from before it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cvtui.engine.observe.gradient_norm import GradientNorm
from cvtui.engine.observe.layer_watch import LayerWatch
from cvtui.engine.train.clip import Clip
from cvtui.engine.train.control import Signals
from cvtui.engine.train.trainer import Trainer
from cvtui.engine.worker import train_folder
from cvtui.runlog.writer import EventWriter
from tests.engine.making import folder, gradient_of, history, layers_at, training

NET = "conv4s2-bn-relu-drop0.3-fc"


@pytest.mark.parametrize("largest", [0.05, 1e6])
def test_gradients_are_clipped_as_pytorch_does_and_logged_as_they_were(tmp_path: Path, largest: float) -> None:
    run = folder(tmp_path, net=NET, clip=largest, watch_every=1)
    t, expected = training(net=NET, clip=largest), training(net=NET)
    with EventWriter(run) as writer:
        trainer = Trainer(t, run, writer, Signals())
        assert trainer.clip is not None
        batch = t.data.train.batch(torch.arange(64))
        for each in (t, expected):
            torch.manual_seed(0)
            each.loss(each.model(each.preprocess(batch.pixels)), batch.labels).backward()
        norms = torch.stack([gradient_of(p).norm() for p in expected.model.parameters()])
        trainer.clip.arm()
        t.optimizer.step()
        total = torch.nn.utils.clip_grad_norm_(expected.model.parameters(), largest)
        assert trainer.recorder.norm.whole is not None
        assert total.item() == pytest.approx(norms.norm().item())
        assert trainer.recorder.norm.whole.item() == pytest.approx(total.item())
        expected.optimizer.step()
        trainer.close()
    for (name, ours), theirs in zip(t.model.named_parameters(), expected.model.parameters(), strict=True):
        assert torch.equal(ours, theirs), name
        assert torch.equal(gradient_of(ours), gradient_of(theirs)), name
    assert not t.optimizer._optimizer_step_pre_hooks


def test_the_logged_norms_are_those_before_clipping(tmp_path: Path) -> None:
    plain: Any = {"optimizer": "sgd", "lr": 0.1, "weight_decay": 0}
    clipped = folder(tmp_path, "clipped", net=NET, clip=0.01, epochs=1, watch_every=1, **plain)
    whole = folder(tmp_path, "whole", net=NET, epochs=1, watch_every=1, **plain)
    for run in (clipped, whole):
        assert train_folder(run.path, Signals()) == 0
    a, b = history(clipped), history(whole)
    assert a.steps.grad_norm[0] == b.steps.grad_norm[0] > 0.1
    first = [layers_at(h, 0) for h in (a, b)]
    assert [layer.grad_norm for layer in first[0]] == [layer.grad_norm for layer in first[1]]
    moved = [[layer.update_ratio for layer in layers if layer.update_ratio] for layers in first]
    assert max(moved[0]) < 0.05 * max(moved[1])


def test_a_gradient_that_is_not_finite_is_left_out_with_clipping_too(tmp_path: Path) -> None:
    t = training(net=NET, clip=0.1)
    run = folder(tmp_path, net=NET, clip=0.1)
    with EventWriter(run) as writer:
        trainer = Trainer(t, run, writer, Signals())
        assert trainer.clip is not None
        assert trainer.guard is not None
        before = {name: value.clone() for name, value in t.model.state_dict().items()}
        loss = t.loss(t.model(t.preprocess(t.data.train.batch(torch.arange(8)).pixels)), torch.arange(8))
        loss.backward()
        gradient_of(next(t.model.parameters())).view(-1)[0] = math.inf
        trainer.guard.expect(loss)
        trainer.clip.arm()
        t.optimizer.step()
        trainer.close()
    moving = {"bn1.num_batches_tracked"}
    assert all(torch.equal(value, before[name]) for name, value in t.model.state_dict().items() if name not in moving)


def test_clip_needs_no_gradient_at_all() -> None:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    clip = Clip(optimizer, GradientNorm([optimizer], LayerWatch(model, optimizer, 0)), 1.0)
    clip.arm()
    optimizer.step()
    clip.close()
    clip.close()
