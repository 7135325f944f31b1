"""Rank 0 of a watched job: its run is the run of all ranks. Of a process that trains alone it does nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.custom_loop.ranks import SafeCommands, check_whole, inside_ddp, next_block, rank_times, tell_ranks
from cvtui.engine.custom_loop.restart import FormerRun, former_run
from cvtui.engine.observe.rank_checks import FirstBatches
from cvtui.engine.observe.rank_times import RankTimes
from cvtui.engine.observe.shards import is_sharded
from cvtui.engine.runtime.job_rank import JobRank
from cvtui.runlog.commands import CommandReader
from cvtui.runlog.events import Log
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.ranks import rank_file


class Leader:
    """What `cvtui.watch` does beyond a single process's run, on rank 0 of several; `me` is None for one alone."""

    def __init__(self, me: JobRank | None, model: nn.Module) -> None:
        self._me = me
        self._outer = model
        self._block = 0
        self._times: RankTimes | None = None
        self._first: FirstBatches | None = None
        self.former: FormerRun | None = None
        """Where this job's run had come to before torchrun restarted it."""
        check_whole(model)
        self._sharded = is_sharded(model)
        synchronised = any(isinstance(one, nn.SyncBatchNorm) for one in model.modules())
        self.synchronous = me is not None and (synchronised or self._sharded)
        """A forward pass in training mode needs all ranks: rank 0 must make none of its own."""

    @property
    def is_alone(self) -> bool:
        """True for a process that is none of several ranks."""
        return self._me is None

    @property
    def model(self) -> nn.Module:
        """The model whose layers are watched: without DDP around it, whose forward passes need all ranks."""
        return inside_ddp(self._outer)

    def run_folder(self, runs: Path, stem: str, recipe: str) -> RunFolder:
        """Make the run's folder, or return the one that this job had before a restart."""
        if self._me is not None:
            self._block = next_block()
            self.former = former_run(runs, self._me, self._block)
        return RunFolder.fresh(runs, stem, recipe) if self.former is None else self.former.folder

    def record(self) -> dict[str, Any]:
        """Return what the run's first record says of the ranks."""
        me = self._me
        if me is None:
            return {}
        ranks = {"world_size": me.world_size, "host": socket.gethostname(), "job": me.job, "block": self._block}
        ranks |= {"shard": True} if self._sharded else {}
        return ranks | ({"restart": me.restart} if me.restart else {})

    def begin(self, folder: RunFolder, optimizers: Sequence[Optimizer], step: int) -> None:
        """Let the other ranks join, and begin to measure this one's steps."""
        if self._me is not None:
            tell_ranks(self._me, self._block, folder, step)
            self._times = rank_times(self._me, folder, self._outer, optimizers, step)
            self._first = FirstBatches(rank_file(folder, self._me.rank), self._outer, self.model, step)

    def lines(self) -> Iterator[Log]:
        """Yield what the log says at the start."""
        if self._me is None:
            return
        if self.former is not None:
            text = f"torchrun restarted the job (restart {self._me.restart}): steps are counted on from"
            yield Log(time=time.time(), text=f"{text} {self.former.step:,}, whatever your script begins with")
        text = f"{self._me.world_size} ranks: losses, accuracies and layer statistics are rank 0's"
        yield Log(time=time.time(), text=f"{text}; `cvtui ranks` shows the steps of each")
        if self._sharded:
            size = self._me.world_size
            text = (
                f"fully_shard: weights, gradients and their norms are those of rank 0's shard (of {size}); outputs are"
            )
            yield Log(time=time.time(), text=f"{text} whole, of rank 0's images")

    def commands(self, folder: RunFolder, log: Callable[[str], None]) -> CommandReader:
        """Return the reader of what screens ask for; after a restart not of what was asked before."""
        if self._me is None:
            return CommandReader(folder.commands)
        offset = 0 if self.former is None else None
        return SafeCommands(folder.commands, self._me.world_size, log, offset, sharded=self._sharded)

    def step(self, loss: Tensor | float, labels: Tensor | None) -> None:
        """Close a step."""
        if self._times is not None:
            self._times.step()
        if self._first is not None:
            self._first.step(loss, labels)

    def epoch(self) -> None:
        """Mark the end of an epoch."""
        if self._times is not None:
            self._times.epoch()

    def close(self) -> str:
        """End the measuring; return what could not be written, "" where all was."""
        if self._first is not None:
            self._first.close()
        if self._times is None:
            return ""
        self._times.close()
        return self._times.trouble
