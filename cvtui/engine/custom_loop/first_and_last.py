"""First and last record of a watched loop: what it is, and how it ended."""

from __future__ import annotations

import time
from typing import Any, Protocol

import torch
from torch import nn
from torch.optim import Optimizer

from cvtui.engine.custom_loop.extras import layers_of
from cvtui.engine.observe.feature_map_writer import UserImages
from cvtui.engine.observe.shards import class_name
from cvtui.engine.runtime.device import describe
from cvtui.engine.runtime.versions import libraries
from cvtui.runlog.events import RunStarted
from cvtui.runlog.folder import RunFolder
from cvtui.text import error_line


class Stopped(Exception):
    """Stop asked for on a screen; it ends the `with` block and is not seen outside."""


class Watched(Protocol):
    """What is told of the watched run (watched_run.py)."""

    model: nn.Module
    optimizer: Optimizer
    optimizers: list[Optimizer]
    every: int
    folder: RunFolder
    steps_per_epoch: int
    total_steps: int
    classes: list[str]
    step_count: int


def started(run: Watched, images: UserImages, ranks: dict[str, Any]) -> RunStarted:
    """Return the record of a run that begins."""
    parameter = next(run.model.parameters(), None)
    device = parameter.device if parameter is not None else torch.device("cpu")
    group = run.optimizer.param_groups[0]
    return RunStarted(
        time=time.time(),
        recipe={
            "data": "your own",
            "net": class_name(run.model),
            "optimizer": ", ".join(dict.fromkeys(type(one).__name__.lower() for one in run.optimizers)),
            "lr": float(group["lr"]),
            "watch_every": run.every,
            "name": run.folder.name,
        },
        layers=layers_of(run.model),
        parameters=sum(p.numel() for p in run.model.parameters()),
        steps_per_epoch=run.steps_per_epoch,
        total_steps=run.total_steps,
        device=describe(device),
        threads=torch.get_num_threads(),
        libraries=libraries(),
        data=({"classes": run.classes} if run.classes else {})
        | ({} if images.missing else {"validation": images.size}),
        step=run.step_count or None,
        ranks=ranks,
        kind="watch",
    )


def ending(error: BaseException | None) -> tuple[Any, str]:
    """Return the status and the reason of a run that ended so."""
    if error is None:
        return "finished", ""
    if isinstance(error, Stopped):
        return "stopped", str(error)
    if isinstance(error, KeyboardInterrupt):
        return "stopped", "stopped by ctrl+c"
    return "failed", error_line(error, 300)
