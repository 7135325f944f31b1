"""One run on two ranks, this process being the first of them: the losses of one process, one log, both ranks' files.

More of it, with a real torchrun, in test_same_run.py and test_survival.py (`-m long`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from torch import distributed

from cvtui.engine.ranks.rank_team import RankTeam
from cvtui.engine.runtime.job_rank import JobRank
from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.ranks import read_ranks
from tests.engine.making import folder, history, train
from tests.waiting import wait_until

pytestmark = pytest.mark.torch

HOW: dict[str, Any] = {
    "net": "conv4-relu-pool-fc", "limit": 100, "batch_size": 33, "augment": "shift(1)", "mix": "mixup", "ema": 0.9,
    "clip": 1.0,
}  # fmt: skip
"""Four steps an epoch, the last of one image: rank 1 has none."""


@contextlib.contextmanager
def other_rank(base: Path, *runs: RunFolder) -> Iterator[Path]:
    """Fork rank 1 for the run folders, and join it in a process group of two; yield where it says what it has to."""
    said, store = base / "said", base / "store"
    process = os.fork()
    if not process:
        _be_rank_1(said, store, runs)

    def ended() -> tuple[int, ...]:
        number, status = os.waitpid(process, os.WNOHANG)
        return (status,) if number else ()

    try:
        join(store, 0)
        yield said
        (status,) = wait_until(ended, 120, "rank 1")
    except BaseException:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        raise
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
    assert os.waitstatus_to_exitcode(status) == 0, said.read_text()


def join(store: Path, rank: int) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)


def _be_rank_1(said: Path, store: Path, runs: tuple[RunFolder, ...]) -> NoReturn:
    code = 1
    try:
        with open(said, "w") as sys.stderr:
            join(store, 1)
            signals = Signals()
            for run in runs:
                train_folder(run.path, signals, team=RankTeam(JobRank(1, 2, "job", local_rank=1), signals))
            distributed.destroy_process_group()
            code = 0
    finally:
        os._exit(code)


def test_a_run_on_two_ranks_is_that_of_one_process(tmp_path: Path) -> None:
    one, two = folder(tmp_path / "one", "run", **HOW), folder(tmp_path / "two", "run", **HOW)
    stopped = folder(tmp_path / "two", "stopped", **HOW)
    for word, value in (("set_lr", 1e-3), ("save", None), ("stop", None)):
        stopped.send(Command(command=word, value=value, time=0.0))  # type: ignore[arg-type]
    unwritten = folder(tmp_path / "two", "unwritten", **{**HOW, "epochs": 1})
    unwritten.ranks.mkdir()
    for rank in (0, 1):
        (unwritten.ranks / f"{rank}.jsonl").symlink_to(tmp_path / "elsewhere")
    assert train(one)[0] == 0
    with other_rank(tmp_path, two, stopped, unwritten) as said:
        for run in (two, stopped, unwritten):
            assert train(run, team=RankTeam(JobRank(0, 2, "job"), Signals()))[0] == 0
    first, second = history(one), history(two)
    assert len(first.steps.loss) == len(second.steps.loss) == 8
    assert np.allclose(first.steps.loss, second.steps.loss, rtol=1e-5, atol=0)
    assert np.allclose(first.steps.accuracy, second.steps.accuracy, rtol=0, atol=1e-8)
    assert np.allclose(first.steps.grad_norm, second.steps.grad_norm, rtol=1e-4, atol=0)
    assert [epoch.confusion for epoch in first.epochs] == [epoch.confusion for epoch in second.epochs]
    assert second.run is not None
    assert second.run.ranks["world_size"] == 2
    ranks = read_ranks(two)
    assert [sum(step.images for step in rank.steps.values()) for rank in ranks] == [104, 96]
    assert [rank.checks is not None and rank.checks.wrapped for rank in ranks] == ["images", "images"]
    told = "rank {}: step times of this rank are not written any more: it is a link, which is not followed"
    assert history(unwritten).logs[-1].text == told.format(0)
    assert [line for line in said.read_text().splitlines() if "cvtui:" in line] == [f"cvtui: {told.format(1)}"]
    assert len(history(unwritten).steps.loss) == 4
    commands = history(stopped)
    assert [(command.step, command.command) for command in commands.commands] == [
        (0, "set_lr"), (0, "save"), (0, "stop"),
    ]  # fmt: skip
    assert torch.load(stopped.checkpoints / "last.pt", weights_only=True)["step"] == 0
