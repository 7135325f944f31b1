"""What a rank's time between two steps is counted as, by a clock that the test sets."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from cvtui.door import make_folder
from cvtui.engine.observe import rank_times
from cvtui.engine.observe.rank_times import RankTimes, rank_started
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.ranks import rank_file, read_ranks

pytestmark = pytest.mark.torch


def test_only_the_wait_for_a_batch_is_one_for_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    clock = SimpleNamespace(perf_counter=lambda: now[0], monotonic=time.monotonic, time=time.time)
    monkeypatch.setattr(rank_times, "time", clock)
    run = RunFolder.create(tmp_path, "run", "")
    make_folder(run.ranks)
    net = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    times = RankTimes(rank_file(run, 0), rank_started(0, 2, torch.device("cpu"), 0, 0))
    times.attach(net, net, [optimizer])
    for _ in range(2):  # the first step of a run has no wait for data
        now[0] += 3.0  # the log is written, an exchange waits for the other rank
        times.waited(1.0)
        times.leave_out(2.0)
        now[0] += 0.5
        net(torch.ones(1, 2)).sum().backward()
        now[0] += 0.25
        optimizer.step()
        times.step()
    times.close()
    step = read_ranks(run)[0].steps[1]
    assert (step.data, step.passes, step.own, step.update, step.seconds) == (0.5, 1.25, 0.0, 0.0, 3.75)
