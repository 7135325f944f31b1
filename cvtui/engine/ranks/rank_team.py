"""One rank of a run: what it does otherwise than a process that trains alone."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import distributed, nn

from cvtui.engine.ranks.attempt import NotMet
from cvtui.engine.ranks.link import Link
from cvtui.engine.ranks.notes import AGENT, LastWords, leave_exit_code, leave_words
from cvtui.engine.ranks.share import rows_of
from cvtui.engine.ranks.trainer import RankTrainer, SilentWriter
from cvtui.engine.runtime.device import pick_device
from cvtui.engine.runtime.job_rank import JobRank
from cvtui.engine.train.control import Signals, StopRequested
from cvtui.engine.train.state import TrainingState
from cvtui.engine.train.team import RunResult, Team
from cvtui.engine.train.trainer import Trainer
from cvtui.errors import RequestError
from cvtui.recipe.ending import seconds_of
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import load
from cvtui.recipe.validation import Checked
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.lock import WorkerLock, take_over
from cvtui.runlog.lottery_note import ticket_of
from cvtui.runlog.writer import EventWriter
from cvtui.text import error_line

OTHERS_SECONDS = 3.0
"""How long one that has waited in vain waits for the others to say so too: who does not, hangs."""


class RankTeam(Team):
    """One rank of several."""

    shares = True
    again = "--resume at the end of torchrun's line continues"

    def __init__(self, me: JobRank, signals: Signals) -> None:
        self.me = me
        self.rate = ""
        """Another rate that the run is resumed at."""
        self.leads = me.rank == 0
        self.link = Link(me, signals)
        self._timeout = Recipe().rank_timeout
        self._restart = me.restart
        """torchrun's count, on this machine."""

    def meet(self, path: Path) -> int:
        """Meet the other ranks of the run folder `path`; return an exit code, 0 for well met."""
        with contextlib.suppress(RequestError):  # which is told later
            self._timeout = load(path / "recipe.toml").rank_timeout
        try:
            number = self.link.meet(seconds_of(self._timeout))
        except StopRequested as asked:
            return asked.code
        except (NotMet, distributed.DistError) as error:
            silent = isinstance(error, NotMet)
            words = f"{error} within {self._timeout} (--rank-timeout)" if silent else error_line(error)
            self._leave_words(error, words, lost=True, silent=silent)
            print(f"cvtui: rank {self.me.rank}: {words}", file=sys.stderr, flush=True)
            return 1
        self.me = self.link.me = replace(self.me, restart=number)
        return 0

    def lock(self, folder: RunFolder) -> AbstractContextManager[WorkerLock | None]:
        """Rank 0 holds the run's lock; where our own agent has it, from the moment on when that is gone."""
        if not self.leads:
            return nullcontext()
        if os.environ.get(AGENT) == str(os.getppid()):
            take_over(folder.lock_file)
            return nullcontext()
        return folder.lock()

    def check(self, checked: Checked, folder: RunFolder) -> Checked:
        """Check what several ranks can't train, and join the others. RequestError."""
        recipe = checked.recipe
        if checked.auto:
            raise RequestError("batch_size: auto tries batches in one process; with several ranks give a number")
        if ticket_of(folder) is not None:
            raise RequestError("nproc: a lottery ticket is trained in one process")
        if recipe.batch_size < self.me.world_size:
            raise RequestError(
                f"nproc: a batch of {recipe.batch_size:,} can't be cut over {self.me.world_size:,} ranks"
            )
        self._timeout = recipe.rank_timeout
        self.link.join(pick_device(recipe.device), seconds_of(recipe.rank_timeout))
        return checked

    def prepare(self, make: Callable[[], tuple[TrainingState, str]]) -> tuple[TrainingState, str]:
        """Prepare the training; the first process of a machine reads the data before the others do.

        So files are decoded once, and the others find them in the cache.
        """
        key = f"data/{os.environ.get('GROUP_RANK', '0')}"
        if self.me.local_rank:
            self.link.wait_for(key)
        made = make()
        if not self.me.local_rank:
            self.link.tell(key)
        return made

    def record(self) -> dict[str, Any]:
        me = self.me
        ranks = {"world_size": me.world_size, "host": socket.gethostname(), "job": me.job}
        return ranks | ({"restart": me.restart} if me.restart else {})

    def lines(self, training: TrainingState) -> list[str]:
        found = [f"torchrun restarted the ranks (restart {self.me.restart})"] if self.me.restart else []
        return [*found, *start_lines(training, self.me.world_size)]

    def trainer(self, training: TrainingState, folder: RunFolder, writer: EventWriter, signals: Signals) -> Trainer:
        trainer = RankTrainer(training, folder, writer, signals, self.link)
        if self.rate:  # ranks that are started anew go on with it
            trainer.checkpoint_files.save([("last", "last.pt")], training.accuracy)
        return trainer

    def writer(self, folder: RunFolder) -> EventWriter:
        return super().writer(folder) if self.leads else SilentWriter(folder)

    def failed(self, error: BaseException, message: str) -> bool:
        """Leave this rank's last words for the agent; return True if rank 0 has to end the log."""
        lost = is_lost(error)
        text = self._who_is_silent(error) if lost else message
        self._leave_words(error, text, lost=lost, silent=lost and is_timeout(error))
        restarts = os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")
        more = restarts.isdecimal() and self._restart < int(restarts)
        return not more and AGENT not in os.environ

    def _leave_words(self, error: BaseException, text: str, *, lost: bool, silent: bool) -> None:
        words = LastWords(
            rank=self.me.rank, restart=self._restart, time=time.time(), text=text, lost=lost, silent=silent
        )
        leave_words(words, error)

    def exit_code(self, outcome: RunResult) -> int:
        """Return the exit code; of a run that has ended as all ranks agreed rank 0's is that of the whole."""
        if self.leads and outcome.ends:
            leave_exit_code(outcome.code)
        return outcome.code if self.leads or outcome.status == "failed" else 0

    def _who_is_silent(self, error: BaseException) -> str:
        """Say who did not answer: those who don't say themselves that they have waited in vain."""
        if not is_timeout(error):
            return "another rank is gone"
        others = set(range(self.me.world_size)) - {self.me.rank}
        with contextlib.suppress(Exception):  # the store may be gone as well
            self.link.tell(f"waited/{self.me.rank}")
            until = time.monotonic() + OTHERS_SECONDS
            while time.monotonic() < until and len(others) > 1:
                others = {rank for rank in others if not self.link.told(f"waited/{rank}")}
                time.sleep(0.05)
        names = ", ".join(map(str, sorted(others)))
        who = f"rank {names}" if len(others) == 1 else f"ranks {names}"
        return f"{who} did not answer for {self._timeout} (--rank-timeout)"


def is_lost(error: BaseException) -> bool:
    """Return True for an error of the collective itself: another rank is gone, or hangs."""
    words = str(error)
    return isinstance(error, distributed.DistError) or (
        isinstance(error, RuntimeError)
        and any(word in words for word in ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer"))
    )


def is_timeout(error: BaseException) -> bool:
    return "imed out" in str(error) or "imeout" in str(error)


def start_lines(training: TrainingState, world: int) -> list[str]:
    """Say how the batch is cut, what the rate would be of a larger one, and what is not the same as in one process."""
    recipe = training.recipe
    size = recipe.step_images
    shares = sorted({rows_of(size, rank, world, 0)[1] for rank in range(world)})
    share = "-".join(f"{one:,}" for one in shares)
    rate, larger = training.checked.lr, size * world
    lines = [
        f"{world} ranks share each step's {size:,} images, {share} a rank: rate {rate:.3g}, as in one process "
        f"({size:,} images a rank would be {larger:,} a step, and {rate * world:.3g} by the linear rule)"
    ]
    modules = list(training.model.modules())
    if any(isinstance(one, nn.modules.batchnorm._BatchNorm) for one in modules):
        lines.append(_norms_line(recipe.sync_bn == "on", training.device.type == "cuda", share))
    if any(isinstance(one, nn.modules.dropout._DropoutNd) for one in modules):
        lines.append("dropout: each rank draws its own; losses are not those of one process to the last digits")
    if training.device.type == "cuda" and recipe.graph == "auto":
        lines.append("graph: steps of several ranks are not captured")
    return lines


def _norms_line(wanted: bool, on_gpu: bool, share: str) -> str:
    if wanted and on_gpu:
        return "batch norm: over the whole batch (SyncBatchNorm); the facts of evaluation mode are left out"
    why = "; --sync-bn: PyTorch has SyncBatchNorm for GPUs alone" if wanted else ""
    return f"batch norm: mean and deviation over each rank's own {share} images; validated with those of rank 0{why}"
