"""Epochs of less than two seconds: last.pt is written after some of them, and at the run's end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cvtui.engine.train import checkpoint, checkpoint_files
from cvtui.engine.train.trainer import Trainer
from cvtui.runlog.folder import RunFolder
from tests.engine.making import folder, history, train

EPOCHS = 6


def short(base: Path, name: str) -> RunFolder:
    """Return a run of six epochs of two steps, none better than the first: a rate that moves nothing."""
    return folder(base, name, net="fc", epochs=EPOCHS, limit=64, batch_size=32, lr=1e-7, watch_every=0)


def saved(run: RunFolder) -> list[tuple[int, int]]:
    """(epoch, step) of each last.pt."""
    return [(one.epoch, one.step) for one in history(run).checkpoints if one.path.endswith("last.pt")]


def weights(run: RunFolder) -> dict[str, torch.Tensor]:
    model: dict[str, torch.Tensor] = checkpoint.load(run.checkpoints / "last.pt")["model"]
    return model


def test_the_last_state_is_always_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_files, "SHORT_SECONDS", 0.0)
    each = short(tmp_path, "each")
    assert train(each)[0] == 0
    assert saved(each) == [(epoch, 2 * epoch) for epoch in range(1, EPOCHS + 1)]
    monkeypatch.setattr(checkpoint_files, "SHORT_SECONDS", 1e9)
    some = short(tmp_path, "some")
    assert train(some)[0] == 0
    assert saved(some) == [(1, 2), (EPOCHS, 2 * EPOCHS)]
    last = checkpoint.load(some.checkpoints / "last.pt")
    assert (last["epoch"], last["val_accuracy"]) == (EPOCHS, history(some).epochs[-1].val_accuracy)
    assert all(torch.equal(value, weights(some)[name]) for name, value in weights(each).items())


def test_what_waits_is_written_when_its_time_has_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next step, with the place within the epoch: no more than that time and a step can be lost."""
    files: list[checkpoint_files.CheckpointFiles] = []
    make, step = Trainer._checkpoint_files, Trainer.flush_when_due

    def kept(trainer: Trainer) -> checkpoint_files.CheckpointFiles:
        files.append(make(trainer))
        return files[0]

    def later(trainer: Trainer) -> None:
        if trainer.training.step == 7:  # the first of the fourth epoch
            assert files[0]._waiting is not None
            assert 0 < files[0]._due_at - files[0]._saved_at < 1e9 + 1
            files[0]._due_at = 0.0
        step(trainer)

    monkeypatch.setattr(Trainer, "_checkpoint_files", kept)
    monkeypatch.setattr(Trainer, "flush_when_due", later)
    monkeypatch.setattr(checkpoint_files, "SHORT_SECONDS", 1e9)
    run = short(tmp_path, "run")
    assert train(run)[0] == 0
    assert saved(run) == [(1, 2), (3, 7), (EPOCHS, 2 * EPOCHS)]


def test_a_run_that_broke_off_before_repeats_the_epochs_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three epochs were not written: they are in the log once, and the weights are those of a whole run."""
    monkeypatch.setattr(checkpoint_files, "SHORT_SECONDS", 1e9)
    whole, broken = short(tmp_path, "whole"), short(tmp_path, "broken")
    assert train(whole)[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "settle_data", broken_at(9))
        assert train(broken)[0] == 1
    assert saved(broken) == [(1, 2)]
    assert train(broken, resume=True)[0] == 0
    assert [one.epoch for one in history(broken).epochs] == list(range(1, EPOCHS + 1))
    assert [one.val_loss for one in history(broken).epochs] == [one.val_loss for one in history(whole).epochs]
    assert all(torch.equal(value, weights(broken)[name]) for name, value in weights(whole).items())


def broken_at(step: int) -> Callable[[Trainer], None]:
    """Return a method that ends the process, as far as a run can tell, in the epoch of this step."""
    real = Trainer.settle_data

    def settle(trainer: Trainer) -> None:
        if trainer.training.step >= step:
            raise RuntimeError("killed")
        real(trainer)

    return settle
