"""Where the time of a step goes on one rank of a distributed job: data, own passes, waiting for others, update."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.observe.forward_hooks import Handle, forward_hooks, uncompiled
from cvtui.engine.observe.shards import is_sharded
from cvtui.runlog.ranks import RankStarted, RankSteps
from cvtui.runlog.tail import append_line

WRITE_SECONDS = 1.0
WRITE_STEPS = 1000


class RankTimes:
    """Measure each step of one rank and append the times to its file, once a second.

    Nothing is read from the device, nothing is sent.
    """

    def __init__(self, path: Path, started: RankStarted) -> None:
        self._path = path
        self.trouble = ""
        """Why the file can't be written any more."""
        self._encoder = msgspec.json.Encoder()
        self._device = torch.device(started.device)
        self._next = started.step
        self._handles: list[Handle] = []
        self._fresh_lists()
        self._written = time.monotonic()
        self._append(started)
        self._data = self._passes = self._own = self._update = self._forward = 0.0
        self._images = 0
        self._reduced = False
        """The first parameter's gradient was seen in this step."""
        self._outside = True
        """Something else than the wait for data lies between the last step and the next forward pass."""
        self._last = self._began = time.perf_counter()

    def attach(self, outer: nn.Module, inner: nn.Module, optimizers: Sequence[Optimizer]) -> None:
        """Put hooks, and take off those from before.

        Of the model as it is called (`outer`), of the module inside DDP (`inner`; the same without DDP), of the first
        parameter's gradient and of the optimizers.
        """
        self._detach()
        hooks = forward_hooks(inner)
        if outer is inner:
            self._handles.append(hooks.before(uncompiled(inner), self._before_outer))
        else:
            self._handles.append(outer.register_forward_pre_hook(self._before_outer, with_kwargs=True))
            self._handles.append(hooks.before(uncompiled(inner), self._before_inner))
        self._handles.append(hooks.after(uncompiled(inner), self._after_inner))
        first = next((p for p in inner.parameters() if p.requires_grad), None)
        if first is not None and not is_sharded(inner):  # else both passes wait for other ranks' shards, layer by layer
            handle: Handle = first.register_post_accumulate_grad_hook(self._after_gradient)  # type: ignore[no-untyped-call]
            self._handles.append(handle)
        for optimizer in optimizers:
            self._handles.append(optimizer.register_step_pre_hook(self._before_update))
            self._handles.append(optimizer.register_step_post_hook(self._after_update))

    def _passed(self) -> float:
        """Return the seconds since the event before, which this one ends."""
        now = time.perf_counter()
        before, self._last = self._last, now
        return now - before

    def _before_outer(self, _module: nn.Module, inputs: Any, kwargs: Any = None) -> None:
        if not torch.is_grad_enabled():
            self._outside = True
            return
        self._data += self._passed()
        images = first_tensor((inputs, kwargs))
        self._images += len(images) if images is not None and images.dim() else 0

    def _before_inner(self, _module: nn.Module, _inputs: Any) -> None:
        if torch.is_grad_enabled():
            self._passes += self._passed()  # DDP's buffers: the wait for rank 0

    def _after_inner(self, _module: nn.Module, _inputs: Any, _output: Any) -> None:
        if torch.is_grad_enabled():
            seconds = self._passed()
            self._passes += seconds
            self._own += seconds
            self._forward += seconds

    def _after_gradient(self, _parameter: Tensor) -> None:
        seconds = self._passed()
        self._passes += seconds
        self._own += seconds
        self._reduced = True

    def _before_update(self, *_: Any) -> None:
        self._passes += self._passed()

    def _after_update(self, *_: Any) -> None:
        self._update += self._passed()

    def epoch(self) -> None:
        """Leave what comes now, up to the next forward pass, out of the wait for data."""
        self._outside = True

    def waited(self, seconds: float) -> None:
        """Count time between two steps as a wait for other ranks, in the step that follows."""
        self._last += seconds
        self._passes += seconds

    def leave_out(self, seconds: float) -> None:
        """Leave time between two steps (the log, commands, checkpoints) out of the wait for data."""
        self._last += seconds

    def step(self, images: int | None = None) -> None:
        """Close a step; images: how many of those that were passed forward count."""
        now = time.perf_counter()
        columns = self._columns
        columns["data"].append(None if self._outside else round(self._data, 6))
        columns["passes"].append(round(self._passes, 6))
        columns["own"].append(round(self._own, 6) if self._reduced else None)
        columns["forward"].append(round(self._forward, 6))
        columns["update"].append(round(self._update, 6))
        columns["seconds"].append(round(now - self._began, 6))
        columns["images"].append(self._images if images is None else images)
        self._data = self._passes = self._own = self._update = self._forward = 0.0
        self._images = 0
        self._reduced = self._outside = False
        self._last = self._began = now
        if len(columns["data"]) >= WRITE_STEPS or time.monotonic() - self._written >= WRITE_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the steps so far."""
        self._written = time.monotonic()
        columns, first = self._columns, self._next
        if count := len(columns["data"]):
            self._next += count
            self._fresh_lists()
            self._append(RankSteps(first=first, memory=memory(self._device), **columns))

    def close(self) -> None:
        """Remove the hooks and write what is left."""
        self._detach()
        self.flush()

    def _detach(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _fresh_lists(self) -> None:
        self._columns: dict[str, list[Any]] = {
            name: [] for name in ("data", "passes", "own", "update", "seconds", "images", "forward")
        }

    def _append(self, record: RankStarted | RankSteps) -> None:
        if self.trouble:
            return
        try:
            append_line(self._path, self._encoder.encode(record))
        except OSError as error:
            self.trouble = f"step times of this rank are not written any more: {error.strerror or error}"


def rank_started(rank: int, world_size: int, device: torch.device, step: int, restart: int) -> RankStarted:
    """Describe this process as a rank."""
    return RankStarted(
        time=time.time(),
        rank=rank,
        world_size=world_size,
        host=socket.gethostname(),
        pid=os.getpid(),
        device=str(device),
        step=step,
        restart=restart,
    )


def first_tensor(inputs: Any, depth: int = 4) -> Tensor | None:
    """Return the first tensor of a forward pass's inputs, also in lists and dicts (Lightning gives a whole batch)."""
    if isinstance(inputs, Tensor):
        return inputs
    parts = inputs.values() if isinstance(inputs, dict) else inputs if isinstance(inputs, list | tuple) else ()
    found = (first_tensor(part, depth - 1) for part in parts) if depth else iter(())
    return next((one for one in found if one is not None), None)


def memory(device: torch.device) -> int:
    """Return the most bytes held on the GPU so far; on a CPU those of the process now, 0 where unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
