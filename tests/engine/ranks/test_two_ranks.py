"""One run on two ranks, this process being the first of them: the losses of one process, one log, both ranks' files.

More of it, with a real torchrun, in test_same_run.py and test_survival.py (`-m long`).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import distributed

from cvtui.engine.ranks.rank_team import RankTeam
from cvtui.engine.runtime.job_rank import JobRank
from cvtui.engine.train.control import Signals
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.ranks import read_ranks
from tests.engine.making import folder, history, train

pytestmark = pytest.mark.torch

HOW: dict[str, Any] = {
    "net": "conv4-relu-pool-fc", "limit": 100, "batch_size": 33, "augment": "shift(1)", "mix": "mixup", "ema": 0.9,
    "clip": 1.0,
}  # fmt: skip
"""Four steps an epoch, the last of one image: rank 1 has none."""
OTHER = """
    import sys
    from pathlib import Path
    from cvtui.engine.runtime.fast_start import end, loading
    with loading():  # 1.2 instead of 2.9 s
        from torch import distributed
        from cvtui.engine.ranks.rank_team import RankTeam
        from cvtui.engine.runtime.job_rank import JobRank
        from cvtui.engine.train.control import Signals
        from cvtui.engine.worker import train_folder

        distributed.init_process_group("gloo", init_method=f"file://{sys.argv[1]}", rank=1, world_size=2)
    signals = Signals()
    for path in sys.argv[2:]:
        train_folder(Path(path), signals, team=RankTeam(JobRank(1, 2, "job", local_rank=1), signals))
    distributed.destroy_process_group()
    end(0)
"""


@contextlib.contextmanager
def other_rank(base: Path, *runs: RunFolder) -> Iterator[list[str]]:
    """Start rank 1 on the run folders, and join it in a process group of two; yield what it says, once it has ended."""
    said: list[str] = []
    script, store = base / "other.py", base / "store"
    script.write_text(textwrap.dedent(OTHER))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "10000"}
    command = [sys.executable, str(script), str(store), *(str(run.path) for run in runs)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        distributed.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=2)
        yield said
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
        said += error.splitlines()
    finally:
        process.kill()
        if distributed.is_initialized():
            distributed.destroy_process_group()


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
    assert [line for line in said if "cvtui:" in line] == [f"cvtui: {told.format(1)}"]
    assert len(history(unwritten).steps.loss) == 4
    commands = history(stopped)
    assert [(command.step, command.command) for command in commands.commands] == [
        (0, "set_lr"), (0, "save"), (0, "stop"),
    ]  # fmt: skip
    assert torch.load(stopped.checkpoints / "last.pt", weights_only=True)["step"] == 0
