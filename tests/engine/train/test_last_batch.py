"""An epoch whose last batch would be a single image, before a batch norm that needs two: known before the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cvtui.engine.data.batching import batches, epoch_order
from cvtui.engine.data.images import Images
from cvtui.engine.observe.recorder import StepRecorder
from cvtui.engine.train import trainer as looping
from cvtui.engine.train.control import Signals, StopRequested
from cvtui.engine.train.evaluate import evaluate
from cvtui.engine.train.preparation import make_net
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.recipe.validation import check, flat_norm, joins_last, steps_of
from cvtui.runlog.axes import position
from tests.cli.running import cvtui, within
from tests.engine.making import folder, history, recipe, train, training

FLAT = "fc32-bn-relu-fc"
NETS = [
    FLAT,
    "fc32-ln-relu-fc",
    "conv8-bn-relu-pool-fc",
    "conv8-relu-gap-bn-fc",
    "conv8f8p0-bn-relu-fc",
    "conv8f7p0-bn-relu-fc",
    "conv8-bn-relu-res(conv8-bn)-fc16-relu-fc",
    "conv8-relu-cat(fc8|fc8-bn)-fc",
    "fc",
]


@pytest.mark.parametrize("net", NETS)
def test_a_net_that_takes_no_batch_of_one_is_known(net: str) -> None:
    """PyTorch itself is asked."""
    checked = check(recipe(net=net))
    table, model = checked.table, make_net(checked).train()
    try:
        model(torch.randn(1, 1, 8, 8))
        takes_one = True
    except ValueError:
        takes_one = False
    assert takes_one == (not flat_norm(table))


@pytest.mark.parametrize("net", [FLAT, "fc8-relu-fc"])
def test_every_image_once_and_no_batch_of_one(net: str) -> None:
    table = check(recipe(net=net)).table
    for count in range(2, 40):
        images = Images(torch.arange(count, dtype=torch.uint8).view(count, 1, 1, 1), torch.arange(count))
        for size in range(2, count + 1):
            joins = joins_last(count, size, table)
            assert joins == (net == FLAT and size < count and count % size == 1)
            every = list(batches(images, size, 3, 2, joins=joins))
            assert len(every) == steps_of(count, size, table)
            assert torch.equal(torch.cat([labels for _, labels in every]), epoch_order(count, 3, 2))
            assert all(torch.equal(pixels.flatten(), labels) for pixels, labels in every)
            sizes = [len(labels) for _, labels in every]
            if joins:
                assert sizes == [size] * (len(sizes) - 1) + [size + 1]
            for first in range(len(every) + 1):  # going on in the middle, or behind the last
                rest = list(batches(images, size, 3, 2, first, joins=joins))
                assert [labels.tolist() for _, labels in rest] == [labels.tolist() for _, labels in every[first:]]


LINE = ("--data", "digits", "--net", FLAT, "--batch-size", "359", "--epochs", "2", "--threads", "1")
"""1,437 = 4 · 359 + 1."""


@pytest.mark.long
def test_from_the_command_line(tmp_path: Path) -> None:
    found = cvtui("--no-ui", *LINE, "--name", "run", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert "2 epochs of 4 steps (the last of 360 images) = 8 steps" in found.stdout
    assert (tmp_path / "runs" / "run" / "checkpoints" / "last.pt").exists()


def test_it_is_told_in_the_log_and_counts_every_image(tmp_path: Path) -> None:
    run = folder(tmp_path, net=FLAT, batch_size=359)
    assert train(run) == (0, "", "")
    found = history(run)
    assert found.steps_done == 8
    assert any("joins the batch before it (360 images)" in log.text for log in found.logs)
    assert position(found, "samples", [4, 5, 8]).tolist() == [1437, 1437 + 359, 2 * 1437]
    shares = np.array(found.steps.accuracy[:4]) * [359, 359, 359, 360]
    assert shares == pytest.approx(np.round(shares), abs=2e-3), "the last batch's share is of 360 images"
    assert found.epochs[0].train_accuracy == pytest.approx(shares.sum() / 1437, abs=1e-5)
    assert "F22" not in [finding.id for finding in found.findings], "no batch holds a single image"


@pytest.mark.parametrize("command", [("check",), ("--no-ui",)])
def test_a_batch_of_one_is_refused_with_the_way_out(tmp_path: Path, command: tuple[str, ...]) -> None:
    found = within(*command, "--net", FLAT, "--batch-size", "1", cwd=tmp_path)
    assert found.returncode == 2
    assert "batch" in found.stderr
    assert "1 is too small for bn1" in found.stderr
    assert "allowed: 2 to 1,437 (or ln in its place)" in found.stderr


def test_other_nets_keep_their_batches() -> None:
    for net in ("conv8-bn-relu-pool-fc", "fc8-relu-fc"):
        checked = check(recipe(net=net, batch_size=359))
        assert (checked.steps_per_epoch, checked.joins) == (5, False)
        assert check(recipe(net=net, batch_size=1)).steps_per_epoch == 1437


def test_a_net_whose_norm_needs_two_images_fits_a_run_of_two() -> None:
    with pytest.raises(RequestError, match="batch_size"):
        check(recipe(net=FLAT, batch_size=1, limit=20))
    assert check(recipe(net=FLAT, batch_size=2, limit=21)).steps_per_epoch == 10


def test_the_first_batch_that_is_looked_at_is_the_one_that_is_trained_on() -> None:
    made = training(net=FLAT, batch_size=1436)
    assert made.checked.total_steps == 2
    assert next(made.batches(1)).size == 1437


@pytest.mark.parametrize("step", [3, 4, 7])
def test_stopped_and_resumed_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Also behind the last batch of an epoch, while it is validated."""
    whole, stopped = (folder(tmp_path, name, net=FLAT, batch_size=359) for name in ("whole", "stopped"))
    assert train(whole) == (0, "", "")

    def evaluating(t: Any, *arguments: Any) -> Any:
        if t.step == step:
            raise StopRequested("stopped", 143)
        return evaluate(t, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(looping, "evaluate", evaluating)
        if step != 4:
            recorder_step = StepRecorder.step

            def stepping(self: Any, *args: Any, **more: Any) -> None:
                recorder_step(self, *args, **more)
                if self.training.step == step:
                    raise StopRequested("stopped", 143)

            patch.setattr(StepRecorder, "step", stepping)
        assert train_folder(stopped.path, Signals()) == 143
    assert history(stopped).steps_done == step
    assert train(stopped, resume=True) == (0, "", "")
    np.testing.assert_array_equal(history(whole).steps.loss, history(stopped).steps.loss)
    weights = [torch.load(run.checkpoints / "last.pt", weights_only=True)["model"] for run in (whole, stopped)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
