"""`cvtui run` under a real torchrun: the doctor's last word is rank 0's alone."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = [pytest.mark.torch, pytest.mark.long]  # 10 CPU seconds

JOB = """
    import torch
    import torch.distributed as dist
    from torch import nn

    dist.init_process_group("gloo")
    torch.manual_seed(dist.get_rank())
    model = nn.parallel.DistributedDataParallel(nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(12):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(torch.randn(6, 8)), torch.arange(6) % 3).backward()
        optimizer.step()
    dist.destroy_process_group()
"""


def test_rank_0_alone_tells_the_findings(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(textwrap.dedent(JOB))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
               "-m", "cvtui", "run", "--name", "ddp", "--doctor", str(script)]  # fmt: skip
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=surroundings, cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = [line for line in done.stderr.splitlines() if line.startswith("cvtui doctor ddp: ")]
    assert len(told) == len(set(told)) > 0
    assert (tmp_path / "runs" / "ddp" / "ranks" / "1.jsonl").is_file()
