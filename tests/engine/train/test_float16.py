"""float16 with a scaled loss: PyTorch's GradScaler in a plain loop is the oracle; on the CPU, which has it too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cvtui.engine.runtime.device import make_scaler
from cvtui.engine.train import checkpoint
from cvtui.engine.train.graph import why_not
from cvtui.engine.train.step import training_step
from cvtui.errors import RequestError
from tests.engine.making import folder, history, train, training
from tests.engine.stopping import stop_after

HALF: dict[str, Any] = {"net": "conv4s2-bn-relu-fc", "precision": "float16", "limit": 300, "batch_size": 64}


def spoil(gradients: Any, steps: set[int]) -> None:
    """Let the first weight's gradient overflow at these steps, as float16 does where the scale is too large."""
    count = iter(range(1000))
    gradients.register_hook(lambda g: g * float("inf") if next(count) in steps else g)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
def test_steps_are_those_of_a_plain_loop_with_gradscaler(optimizer: str) -> None:
    """Overflowed steps too: nothing is updated, and the scale is halved."""
    changes = {**HALF, "net": "conv4s2-relu-fc", "optimizer": optimizer}
    ours, theirs = training(**changes), training(**changes)
    scaler = torch.amp.GradScaler("cpu")
    for t in (ours, theirs):
        t.model.train()
        spoil(next(iter(t.model.parameters())), {0, 3})
    scales = []
    for _, batch in zip(range(5), ours.batches(1), strict=False):
        for t in (ours, theirs):
            t.update_lr()
        loss, _ = training_step(ours, batch)
        with torch.autocast("cpu", torch.float16):
            cost = nn.functional.cross_entropy(theirs.model(theirs.preprocess(batch.pixels)), batch.labels)
        theirs.optimizer.zero_grad()
        scaler.scale(cost).backward()
        scaler.unscale_(theirs.optimizer)
        before = [p.detach().clone() for p in ours.model.parameters()]
        if not torch.stack([p.grad.isfinite().all() for p in theirs.model.parameters() if p.grad is not None]).all():
            assert all(p.grad is not None for p in theirs.model.parameters())
        else:
            theirs.optimizer.step()
        scaler.update()
        theirs.step += 1
        assert torch.equal(loss, cost)
        assert all(map(torch.equal, ours.model.parameters(), theirs.model.parameters()))
        assert len(before) == 4
        assert ours.scaler is not None
        assert ours.scaler.get_scale() == scaler.get_scale()
        scales.append(scaler.get_scale())
    assert scales == [32768.0, 32768.0, 32768.0, 16384.0, 16384.0]


def test_a_run_learns_records_true_norms_and_resumes_to_the_last_bit(tmp_path: Path) -> None:
    how = {**HALF, "epochs": 3, "clip": 0.5, "ema": 0.9, "accumulate": 2, "batch_size": 32}
    whole, halved = folder(tmp_path, "whole", **how), folder(tmp_path, "halved", **how)
    plain = folder(tmp_path, "plain", **{**how, "precision": "float32"})
    for run in (whole, plain):
        assert train(run)[0] == 0, run.log.read_text()
    stop_after(halved, 8)
    assert checkpoint.load(halved.checkpoints / "last.pt")["scaler"]["scale"] == 65536.0
    assert train(halved, resume=True)[0] == 0
    a, b, c = history(whole), history(halved), history(plain)
    assert a.steps.loss.tobytes() == b.steps.loss.tobytes()
    assert a.steps.grad_norm[0] == pytest.approx(c.steps.grad_norm[0], rel=0.02), "not that of the scaled loss"
    assert a.steps.loss[-1] == pytest.approx(c.steps.loss[-1], rel=0.1)


def test_an_overflow_is_left_out_and_no_fault_and_endless_ones_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cvtui.engine.train import trainer as module

    bad: set[int] = {1, 2}

    class Spoiled(module.Trainer):
        def _run(self) -> None:
            spoil(next(iter(self.training.model.parameters())), bad)
            super()._run()

    monkeypatch.setattr("cvtui.engine.train.team.Trainer", Spoiled)
    run = folder(tmp_path, "some", **HALF, epochs=2)
    assert train(run)[0] == 0
    found = history(run)
    assert found.end is not None
    assert (found.end.status, [finding.id for finding in found.findings if finding.severity == "stop"]) == (
        "finished",
        [],
    )
    assert np.isnan(found.steps.grad_norm).nonzero()[0].tolist() == [1, 2], "their norm is not known"
    told = [log.text for log in found.logs if "overflowed" in log.text]
    assert told == ["float16: the gradients overflowed at step 1; such an update is left out and the loss scaled less"]
    bad |= set(range(1000))
    endless = folder(tmp_path, "endless", **HALF, epochs=20)
    assert train(endless)[0] == 1
    found = history(endless)
    assert found.end is not None
    assert (found.end.status, found.end.reason) == ("diverged", "a gradient was infinite at step 24")


def test_where_it_is_not_to_be_had() -> None:
    assert make_scaler(torch.device("cpu"), "bfloat16") is None
    with pytest.raises(RequestError, match=r"^precision: float16 is for CUDA .* use float32$"):
        make_scaler(torch.device("mps"), "float16")
    assert "float16" in why_not(training(**HALF))


@pytest.mark.gpu
def test_on_a_gpu_it_learns_and_resumes(tmp_path: Path) -> None:
    """Not run where these lines were written: no GPU was lent."""
    how = {**HALF, "device": "cuda", "epochs": 3}
    whole, halved = folder(tmp_path, "whole", **how), folder(tmp_path, "halved", **how)
    assert train(whole)[0] == 0
    stop_after(halved, 8)
    assert train(halved, resume=True)[0] == 0
    assert history(whole).steps.loss.tobytes() == history(halved).steps.loss.tobytes()
