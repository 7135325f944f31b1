"""`cvtui.watch` in a job of several processes (DDP, torchrun): rank 0's run is the run, the others join it.

They meet through the key-value store that the job has anyway: torchrun's, else the process group's. That is no
collective: a script in which rank 0 alone calls `cvtui.watch` must not hang.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import torch
from torch import Tensor, distributed, nn
from torch.optim import Optimizer

from cvtui import door
from cvtui.engine.observe import copies
from cvtui.engine.observe.loop_arguments import (
    Labels,
    checked_labels,
    checked_model,
    checked_number,
    checked_optimizers,
)
from cvtui.engine.observe.rank_checks import FirstBatches
from cvtui.engine.observe.rank_times import RankTimes, rank_started
from cvtui.engine.observe.shards import is_shard
from cvtui.engine.runtime.job_rank import JobRank
from cvtui.runlog.commands import CommandReader
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.ranks import rank_file

JOIN_SECONDS = 30.0
"""How long another rank waits for rank 0 to begin its run."""
SINGLE = ("pause", "resume", "set_lr", "stop")
"""Commands that would hang the job or let its ranks drift apart, where one of them alone obeyed."""
SHARDS = ("save", "look")
"""Commands that need all of a sharded model."""
_BLOCKS = {"count": 0}
"""`with cvtui.watch(…)` blocks that this process has begun: the n-th of one rank is the n-th of all."""


class Meeting(msgspec.Struct):
    """What rank 0 tells the others."""

    folder: str
    step: int


def inside_ddp(model: nn.Module) -> nn.Module:
    """Return the module that DistributedDataParallel wraps, also where all of `model` (Fabric's) lies within it."""
    found = next((one for one in model.modules() if isinstance(one, nn.parallel.DistributedDataParallel)), None)
    if found is None or {id(p) for p in found.parameters()} != {id(p) for p in model.parameters()}:
        return model
    inside: nn.Module = found.module
    return inside


SHARDED = {
    "FullyShardedDataParallel": "FSDP1, FullyShardedDataParallel",
    "DTensor": "DTensor, as of tensor parallelism",
    "ds_id": "DeepSpeed's ZeRO stage 3",
}
"""What shards a model in a way that can't be watched, by the class of a module or parameter, or its attribute."""


def check_whole(model: nn.Module) -> None:
    """Raise ValueError for a model that is sharded over the ranks, but by fully_shard alone."""
    kinds = {base.__name__ for module in model.modules() for base in type(module).__mro__}
    by_rows = "FSDPModule" in kinds
    for parameter in model.parameters():
        kinds |= {name for name in ("ds_id",) if hasattr(parameter, name)}
        if is_shard(parameter) and not (by_rows and sum(map(_cuts, parameter.placements)) <= 1):  # type: ignore[attr-defined]
            kinds.add("DTensor")
    if found := next((words for kind, words in SHARDED.items() if kind in kinds), ""):
        raise ValueError(
            f"cvtui.watch(model, optimizer): the model is sharded over the ranks ({found}): it can't be watched; "
            "DistributedDataParallel and fully_shard (FSDP2) can"
        )


def _cuts(placement: Any) -> bool:
    return not placement.is_replicate()


def next_block() -> int:
    """Count a `with` block that begins; return its number."""
    _BLOCKS["count"] += 1
    return _BLOCKS["count"]


def tell_ranks(me: JobRank, block: int, folder: RunFolder, step: int) -> None:
    """Tell the other ranks where rank 0's run lies; nothing where they can't be reached."""
    with contextlib.suppress(Exception):  # distributed's own errors; the training comes first
        door.make_folder(folder.ranks)
        store = _store()
        if store is not None:
            store.set(_key(me, block), msgspec.json.encode(Meeting(os.path.abspath(folder.path), step)))


def _key(me: JobRank, block: int) -> str:
    return f"cvtui/watch/{me.restart}/{block}"


def _store() -> Any:
    """Return the job's key-value store; None where it has none yet."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":  # all ranks, whether or not their group is made
        return distributed.TCPStore(  # type: ignore[attr-defined]
            os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False,
            timeout=timedelta(seconds=JOIN_SECONDS), wait_for_workers=False,
        )  # fmt: skip
    if distributed.is_available() and distributed.is_initialized():
        return distributed.distributed_c10d._get_default_store()
    return None


def _meet(me: JobRank, block: int) -> tuple[Meeting | None, str]:
    """Return what rank 0 tells, or why it is not known."""
    try:
        store = _store()
        if store is None:
            return None, "call torch.distributed.init_process_group before cvtui.watch"
        store.wait([_key(me, block)], timedelta(seconds=JOIN_SECONDS))
        meeting = msgspec.json.decode(store.get(_key(me, block)), type=Meeting)
    except Exception as error:  # distributed's errors are RuntimeErrors of several kinds
        if "imeout" in str(error) or "imed out" in str(error):
            return None, f"rank 0 began no cvtui.watch within {JOIN_SECONDS:.0f} s"
        return None, f"rank 0 can't be reached ({type(error).__name__})"
    if not RunFolder(Path(meeting.folder)).ranks.is_dir():
        return None, f"rank 0's run folder {meeting.folder!r} is not on this machine ({socket.gethostname()})"
    return meeting, ""


class SafeCommands(CommandReader):
    """Commands of a run on several ranks: those that all of them would have to obey are refused, with a line."""

    def __init__(self, file: Path, world_size: int, log: Any, offset: int | None, *, sharded: bool = False) -> None:
        super().__init__(file, offset)
        self._world_size = world_size
        self._log = log
        self._refused = SINGLE + SHARDS * sharded

    def poll(self) -> list[Command]:
        found = super().poll()
        for command in found:
            if command.command in self._refused and command.command in SHARDS:
                what = "feature maps" if command.command == "look" else command.command
                self._log(f"{what}: refused, rank 0 holds a shard of the model, and the rest needs all ranks")
            elif command.command in SINGLE:
                word = {"set_lr": "a new rate"}.get(command.command, command.command)
                self._log(
                    f"{word}: refused, {self._world_size} ranks train together and a loop of your own gets commands "
                    "on rank 0 alone (the others would wait for it for ever, or drift apart)"
                )
        return [command for command in found if command.command not in self._refused]


class JoinedRun:
    """A rank above 0 in rank 0's run: it records its step times alone; `cvtui.watch` makes it.

    `folder` is rank 0's run folder; None where it could not be joined, which is said once on stderr.
    """

    def __init__(
        self,
        me: JobRank,
        model: nn.Module,
        optimizer: Optimizer | Sequence[Optimizer] | Mapping[str, Optimizer],
    ) -> None:
        self._me = me
        self.model = checked_model(model)
        check_whole(model)
        self.optimizers = list(checked_optimizers(optimizer).values())
        self.folder: RunFolder | None = None
        self.step_count = 0
        self._times: RankTimes | None = None
        self._first: FirstBatches | None = None

    def __enter__(self) -> JoinedRun:
        meeting, why = _meet(self._me, next_block())
        if meeting is None:
            print(f"cvtui: rank {self._me.rank} is not watched: {why}", file=sys.stderr)
            return self
        self.folder = RunFolder(Path(meeting.folder))
        self.step_count = meeting.step
        copies.keep_out()
        self._times = rank_times(self._me, self.folder, self.model, self.optimizers, meeting.step)
        path = rank_file(self.folder, self._me.rank)
        self._first = FirstBatches(path, self.model, inside_ddp(self.model), meeting.step)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._first is not None:
            self._first.close()
        if self._times is not None:
            copies.let_in()
            self._times.close()
            if self._times.trouble:
                print(f"cvtui: rank {self._me.rank}: {self._times.trouble}", file=sys.stderr)

    def step(
        self,
        *,
        loss: Tensor | float,
        accuracy: Tensor | float | None = None,
        labels: Labels | None = None,
    ) -> None:
        """Count one step and take its times; what it is told is recorded of the first ones, checked as on rank 0."""
        loss = checked_number("loss", loss)
        if accuracy is not None:
            checked_number("accuracy", accuracy)
        self.step_count += 1
        if self._times is not None:
            self._times.step()
        if self._first is not None:
            self._first.step(loss, checked_labels(labels))

    def epoch(self, **_results: Any) -> None:
        """Mark the end of an epoch; its results are rank 0's."""
        if self._times is not None:
            self._times.epoch()

    def log(self, text: str = "", **scalars: Tensor | float) -> None:
        """Leave it out: the log is rank 0's."""


def rank_times(
    me: JobRank, folder: RunFolder, model: nn.Module, optimizers: Sequence[Optimizer], step: int
) -> RankTimes:
    """Begin to measure this rank's steps."""
    parameter = next(model.parameters(), None)
    device = parameter.device if parameter is not None else torch.device("cpu")
    started = rank_started(me.rank, me.world_size, device, step, me.restart)
    times = RankTimes(rank_file(folder, me.rank), started)
    times.attach(model, inside_ddp(model), optimizers)
    return times
