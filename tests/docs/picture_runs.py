"""Runs made for pictures alone: of two processes (F52 to F54), a fork (F55), a loop with a bad shard (F07)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

JOBS = {
    "F52": "rank 1 waits 20 ms for each batch",
    "F53": "both ranks load the same batches",
    "F54": "rank 1 begins at weights of its own",
}
"""Fault → what is wrong in the loop."""
FORK = "batch 32, then a fork with batch 256 at the same rate"
SHARD = "from step 120 on a shard of images whose values are 250 times as large"
STEPS = 70


def words(fault: str) -> str:
    """Return what the run is, "" where none is made for the fault."""
    if fault in JOBS:
        return f"Two ranks on gloo under `cvtui.watch`, an MLP on digits: {JOBS[fault]}"
    return {
        "F55": f"A recipe of cvtui, digits: {FORK}",
        "F07": f"A loop under `cvtui.watch`, an MLP on digits: {SHARD}",
    }.get(fault, "")


def train(fault: str, folder: Path) -> Path:
    """Train the run that is made for a fault; return its folder."""
    if fault == "F07":
        return train_shard(folder)
    return train_fork(folder) if fault == "F55" else train_ranks(fault, folder)


def train_shard(folder: Path) -> Path:
    import torch
    from torch import nn

    import cvtui
    from tests.benchmarks.doctor.sets import digits

    torch.manual_seed(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.02)
    data = digits(1)
    with cvtui.watch(model, optimizer, name="shard", runs=folder) as run:
        for step in range(180):
            chosen = torch.randperm(len(data.train))[:32]
            images, labels = data.train[chosen] * (250 if step >= 120 else 1), data.train_labels[chosen]
            _step(run, model, optimizer, images, labels)
    return folder / "shard"


def _step(run: Any, model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> None:
    from torch.nn.functional import cross_entropy

    outputs = model(images)
    loss = cross_entropy(outputs, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    run.step(loss=loss, accuracy=float((outputs.argmax(1) == labels).float().mean()))


def train_ranks(fault: str, folder: Path) -> Path:
    """Train two ranks under torchrun and `cvtui.watch`; return the run's folder."""
    under = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    _quietly([*under, "-m", __name__, fault, str(folder)])
    return folder / fault


def train_fork(folder: Path) -> Path:
    """Train a recipe and a fork of it with a larger batch; return the fork's folder."""
    where = ["--runs", str(folder), "--no-ui", "--quiet"]
    first = ["--data", "digits", "--epochs", "3", "--lr", "0.05", "--batch-size", "32", "--name", "before"]
    _quietly(["-m", "cvtui", "train", *first, *where])
    _quietly(["-m", "cvtui", "fork", "before", "--batch-size", "256", "--epochs", "12", "--name", "after", *where])
    return folder / "after"


def _quietly(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, *arguments], env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True,
                          text=True, check=False)  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])


def main(fault: str, folder: Path) -> None:
    """Train as one of two ranks."""
    import torch
    from torch import distributed as dist
    from torch import nn

    import cvtui
    from tests.benchmarks.doctor.sets import digits

    dist.init_process_group("gloo")
    rank = dist.get_rank()
    torch.manual_seed(1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))
    model = nn.parallel.DistributedDataParallel(net)
    if fault == "F54" and rank == 1:
        torch.manual_seed(2)
        for layer in net:
            if isinstance(layer, nn.Linear):
                layer.reset_parameters()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    data = digits(1)
    order = torch.Generator().manual_seed(0 if fault == "F53" else rank)
    with cvtui.watch(model, optimizer, name=fault, runs=folder) as run:
        for _ in range(STEPS):
            chosen = torch.randperm(len(data.train), generator=order)[:16]
            images, labels = data.train[chosen], data.train_labels[chosen]
            if fault == "F52" and rank == 1:
                time.sleep(0.02)
            _step(run, model, optimizer, images, labels)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
