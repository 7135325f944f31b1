"""What the ranks of a run tell each other, once a flush: sums for the log, signals, and what rank 0 decides.

All ranks exchange at the same step, because each exchange says how many steps are done before the next one. That is one
all-reduce about every 100 ms; only where rank 0 has something to say in words (a command) a broadcast follows.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import torch
from torch import distributed

from cvtui.engine.ranks.attempt import agree
from cvtui.engine.ranks.network import choose_interface
from cvtui.engine.runtime.job_rank import JobRank, ranks_here
from cvtui.engine.train.control import STOPPING, Signals
from cvtui.runlog.events import Command

EXCHANGE_SECONDS = 0.1
"""Between two exchanges, about."""
MOST_STEPS = 1000
"""Between two exchanges, at most."""
WAIT_SECONDS = 0.05
"""Between two looks of a rank that waits for another one's word."""
GONE = "the process that started the ranks (torchrun) is gone"
DATA_SECONDS = 24 * 3600.0
"""How long the others wait for the first process of their machine to read the data."""


class Decided(msgspec.Struct, omit_defaults=True):
    """What rank 0 decides for all."""

    commands: list[Command] = []
    save: bool = False
    """A checkpoint is due."""
    pictures: bool = False
    """Pictures follow the validation that begins."""
    stop: str = ""
    """Why the run ends here."""


class Link:
    """Process group of a run."""

    def __init__(self, me: JobRank, signals: Signals) -> None:
        self.rank, self.world = me.rank, me.world_size
        self.me = me
        self._signals = signals
        self._parent = os.getppid()
        self.device = torch.device("cpu")
        self.agreed = Signals()
        """The signal that all ranks know of."""
        self.decide: Callable[[], Decided] = Decided
        """Of rank 0: asked at each exchange."""
        self.decided: list[Decided] = []
        """What was decided and not yet done."""
        self.next_step = 0
        """Steps at which the next exchange is due."""
        self.exchanges = 0
        self._store: Any = None
        self._job: Any = None
        self._first = 0
        """Process number of this machine's first rank, for the others."""
        self._addresses: list[str] = []
        self.waited = 0.0
        """Seconds in exchanges so far."""
        self._step = 0
        self._when = time.perf_counter()

    def meet(self, seconds: float) -> int:
        """Meet the other ranks that torchrun has started; return how often they had met before.

        Raises NotMet, StopRequested.
        """
        start = agree(self.me, seconds, self._signals)
        self._store, self._addresses, self._job = start.store, start.addresses, start.job
        return start.number

    def join(self, device: torch.device, timeout: float) -> None:
        """Make the process group: NCCL for GPUs, gloo for CPUs."""
        self.device = device
        backend = "nccl" if device.type == "cuda" else "gloo"
        if not distributed.is_initialized():
            if backend == "gloo" and ranks_here() < self.world:
                choose_interface(self._addresses)
            distributed.init_process_group(
                backend, timeout=timedelta(seconds=timeout), store=self._store, rank=self.rank, world_size=self.world
            )
        self._meet_first()

    def _meet_first(self) -> None:
        """Tell the others of this machine which process is its first one, or learn it."""
        key = f"first/{os.environ.get('GROUP_RANK', '0')}"
        if self.me.local_rank == 0:
            self.tell(key, str(os.getpid()))
        else:
            self.wait_for(key)
            self._first = int(self.store.get(f"cvtui/run/{key}"))

    def leave(self) -> None:
        """Close the process group of ranks that have all come to the end."""
        if distributed.is_initialized():
            distributed.destroy_process_group()

    @property
    def store(self) -> Any:
        """Key-value store of this start of the job."""
        return self._store or distributed.distributed_c10d._get_default_store()

    def tell(self, key: str, text: str = "1") -> None:
        """Put a value into the job's store, for this life of the ranks."""
        self.store.set(f"cvtui/run/{key}", text)

    def wait_for(self, key: str, seconds: float = DATA_SECONDS) -> None:
        """Wait until another rank has told `key`.

        Raises DistError where the first process of this machine, which is waited for, has died.
        """
        until = time.monotonic() + seconds
        while not self.told(key):
            if time.monotonic() > until:
                raise distributed.DistStoreError(f"timed out waiting for {key}")
            if self._first and not _lives(self._first):  # not in the store's own wait, which hears no signal
                raise distributed.DistError("another rank is gone")
            time.sleep(WAIT_SECONDS)

    def told(self, key: str) -> bool:
        """Return True if a rank has told `key`."""
        return bool(self.store.check([f"cvtui/run/{key}"]))

    def remember(self, key: str, text: str) -> None:
        """Put a value where a restart of the ranks finds it."""
        if self._job is not None:
            self._job.set(f"cvtui/kept/{key}", text)

    def recall(self, key: str) -> str:
        """Return what the ranks remembered before they were restarted; "" without."""
        kept = f"cvtui/kept/{key}"
        return self._job.get(kept).decode() if self._job is not None and self._job.check([kept]) else ""

    def due(self, step: int) -> bool:
        """Return True at the step of an exchange."""
        return step >= self.next_step

    def exchange(self, step: int, sums: Sequence[float] = ()) -> list[float]:
        """Add up `sums` over all ranks, which call this at the same step; note what is decided and which signal came.

        step: steps done.
        """
        words = msgspec.json.encode(self.decide()) if self.rank == 0 else b""
        words = b"" if words == b"{}" else words
        ahead = self._steps_ahead(step) if self.rank == 0 else 0
        came = [float(self._signals.number == number) for number in STOPPING]
        gone = float(os.getppid() != self._parent)
        head = [*came, gone, float(ahead), float(len(words))]
        vector = torch.tensor([*head, *sums], dtype=torch.float64, device=self.device)
        begun = time.perf_counter()
        if self.world > 1:
            distributed.all_reduce(vector)
        self.waited += time.perf_counter() - begun
        found: list[float] = vector.tolist()
        self._note_signals(found[: len(came)], found[len(came)])
        self.next_step, self._step, self._when = step + int(found[len(came) + 1]), step, time.perf_counter()
        if length := int(found[len(came) + 2]):
            self.decided.append(msgspec.json.decode(self._broadcast(words, length), type=Decided))
        self.exchanges += 1
        return found[len(head) :]

    def _steps_ahead(self, step: int) -> int:
        """Return how many steps take about EXCHANGE_SECONDS, by those since the last exchange."""
        done, seconds = step - self._step, time.perf_counter() - self._when
        if done <= 0:
            return 1
        return max(1, min(MOST_STEPS, 4 * done, round(EXCHANGE_SECONDS * done / max(seconds, 1e-6))))

    def _note_signals(self, came: Sequence[float], gone: float) -> None:
        if self.agreed.number:
            return
        number = next((number for number, count in zip(STOPPING, came, strict=True) if count), 0)
        self.agreed.number = int(number)
        if gone and not number:
            self.decided.append(Decided(stop=GONE))

    def _broadcast(self, words: bytes, length: int) -> bytes:
        data = torch.tensor(list(words) or [0] * length, dtype=torch.uint8, device=self.device)
        if self.world > 1:
            distributed.broadcast(data, 0)
        return bytes(data.tolist())

    def total(self, numbers: torch.Tensor) -> torch.Tensor:
        """Add up float64 numbers over all ranks, in place."""
        if self.world > 1:
            distributed.all_reduce(numbers)
        return numbers


def _lives(pid: int) -> bool:
    if sys.platform == "win32":  # signal 0 is ctrl+c there
        return True
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
