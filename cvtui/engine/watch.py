"""`cvtui.watch`: two lines around a PyTorch training loop, and every screen of cvtui shows it.

with cvtui.watch(model, optimizer, name="mine") as run:
    for epoch in range(10):
        for x, y in loader:
            loss = step(x, y)
            run.step(loss=loss, accuracy=acc)     # tensors stay on their device; nothing is read back here
        run.epoch(val_loss=…, val_accuracy=…)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import nn
from torch.optim import Optimizer

from cvtui.engine.custom_loop.ranks import JoinedRun
from cvtui.engine.custom_loop.watched_run import WatchedRun
from cvtui.engine.runtime.job_rank import job_rank


def watch(
    model: nn.Module, optimizer: Optimizer | Sequence[Optimizer] | Mapping[str, Optimizer], **options: Any
) -> WatchedRun:
    """Record your own training loop into a run folder; `cvtui attach` shows it live, from any terminal.

    model: any nn.Module (also in DataParallel, or under torch.compile if it was not called yet).
    optimizer: the one that trains it, also in accelerate's wrapper; or several, in a list or by name in a dict (of a
    GAN, say: {"g": …, "d": …}). The rates of all their parameter groups are recorded; a rate set from a screen is the
    first group's, and the others are scaled along.
    name: the run folder's name (-2, -3 … where it is taken); made of date and model without one.
    every: look at all layers at every N-th step at most (10; 0 is never). runs: the folder of all runs ("runs").
    total_steps, steps_per_epoch: for the progress bar and the epoch axis (0: not known). classes: their names.
    train, validation: (images, labels) as tensors, or a Dataset of such pairs: looked through once before the first
    step, for what the doctor can tell of them (labels, duplicates, values that are not finite). With `validation` the
    screen can also show every layer's output for one of its images, while the script runs.

    In a job of several processes (torchrun, DistributedDataParallel) rank 0's run is the run; the others join it with
    the times of their steps (`cvtui ranks`). Give the model as it is called, in its DDP.

    Looking changes nothing: weights, losses, buffers, modes and random states are bit-equal with and without it.
    """
    me = job_rank()
    if me is not None and me.rank:
        return cast(WatchedRun, JoinedRun(me, model, optimizer))  # a loop makes the same calls
    return WatchedRun(model, optimizer, **options)
