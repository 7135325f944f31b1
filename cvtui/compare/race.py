"""A fair race: several recipes, each in a process of its own or a cluster's job, `jobs` of them at once."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec

from cvtui.compare.cluster import Cluster, ClusterJob
from cvtui.compare.gpus import Gpus
from cvtui.compare.grid import Entrant
from cvtui.errors import RequestError
from cvtui.recipe.toml import dumps
from cvtui.runlog.events import Command, RunEnded
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.worker_process import launch, usable_cores
from cvtui.runlog.writer import EventWriter
from cvtui.text import harmless

TIMEOUT_SECONDS = 10.0
CANCEL_SECONDS = 5.0
"""How long a cancelled job is waited for."""


def chooses_gpu(entrant: Entrant) -> bool:
    """Return True for a recipe of one process that leaves its GPU open."""
    recipe = entrant.checked.asked
    return recipe.device in ("auto", "cuda") and getattr(recipe, "nproc", 1) == 1


class Racer:
    """One entrant: its folder, its history and, while it runs, its process (or its job)."""

    def __init__(self, entrant: Entrant, folder: RunFolder) -> None:
        self.label = entrant.label
        self.total_steps = entrant.checked.total_steps
        self.anywhere = chooses_gpu(entrant)
        """Its recipe names no GPU, so that the race may choose one."""
        self.gpu = ""
        """The one that it has to itself, as CUDA_VISIBLE_DEVICES names it."""
        self.folder = folder
        self.history = History(folder)
        self.process: subprocess.Popen[bytes] | ClusterJob | None = None

    @property
    def state(self) -> str:
        if self.process is None:
            return "waiting"
        if isinstance(self.process, ClusterJob) and not self.over:
            return self.process.state(self.history)
        return self.history.state()

    @property
    def where(self) -> str:
        """`on GPU 1`, `as job 4711`; "" for a process of this machine that chooses its device itself."""
        if isinstance(self.process, ClusterJob):
            return f"as job {self.process.number}"
        return f"on GPU {self.gpu}" if self.gpu else ""

    @property
    def over(self) -> bool:
        if isinstance(self.process, ClusterJob):  # (a scheduler says a minute later that it is)
            return self.history.end is not None or (self.process.poll() is not None and not self.folder.alive())
        return self.process is not None and self.process.poll() is not None

    @property
    def share(self) -> float:
        """Of its steps that are done, 0..1."""
        if self.over:
            return 1.0
        return min(1.0, self.history.steps_done / max(1, self.total_steps))


class StoppedByErrors:
    """Context that is stopped where an exception (ctrl+c) leaves it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.stop()

    def stop(self) -> None:
        raise NotImplementedError


class Race(StoppedByErrors):
    """Starts entrants in their order, `jobs` at once; they share the cores evenly instead of fighting for them.

    gpus: of this machine, one for each (those whose recipe names none). cluster: where they become jobs instead, with
    the cores of their nodes.

    with Race(entrants, runs, jobs) as race:
        while race.step(): …show race.racers…

    Leaving the block by an exception (ctrl+c) asks every running one to stop and waits: what was trained stays.
    """

    def __init__(
        self,
        entrants: Sequence[Entrant],
        runs: Path,
        stem: str,
        jobs: int,
        *,
        gpus: Sequence[str] = (),
        cluster: Cluster | None = None,
    ) -> None:
        self._gpus = Gpus(list(gpus))
        self._cluster = cluster
        self._holds: list[Racer] = []
        """Those that run in processes here."""
        self.jobs = max(1, min(jobs, len(entrants)))
        threads = max(1, (usable_cores() - 1) // self.jobs)
        self.racers = []
        for number, entrant in enumerate(entrants, 1):
            recipe = entrant.checked.asked
            if not recipe.threads and cluster is None:
                recipe = msgspec.structs.replace(recipe, threads=threads)
            folder = RunFolder.fresh(runs, entrant.name or f"{stem}-{number:02d}", dumps(recipe))
            self.racers.append(Racer(entrant, folder))

    def step(self) -> bool:
        """Read new records and start the next run where there is room; False once all are over and read."""
        waiting = [racer for racer in self.racers if racer.process is None]
        running = [racer for racer in self.racers if racer.process is not None and not racer.over]
        for racer in waiting[: max(0, self.jobs - len(running))]:
            self._start(racer)
            running.append(racer)
        over = not running and not any(racer.process is None for racer in self.racers)
        for racer in self.racers:
            if racer.process is not None:
                racer.history.poll()
                self._settle(racer)
        return not over

    def _start(self, racer: Racer) -> None:
        if self._cluster is not None:
            racer.process = self._cluster.start(racer.folder)
            return
        racer.gpu = self._gpus.take() if racer.anywhere else ""
        racer.process = launch(racer.folder, detached=True, gpu=racer.gpu)
        self._holds.append(racer)

    def _settle(self, racer: Racer) -> None:
        """Give back the GPU of one that is over; say in its log why a job came to nothing."""
        if racer in self._holds and racer.over:
            self._holds.remove(racer)
            self._gpus.give_back(racer.gpu)
        job, history = racer.process, racer.history
        if isinstance(job, ClusterJob) and racer.over and history.end is None:
            history.poll()  # what it wrote last
            if history.end is None:
                last = next((line for line in reversed(history.last_log_lines()) if line.strip()), "")
                reason = job.trouble() or harmless(last.strip()) or "it ended without an error message"
                _write_end(racer, "failed", f"job {job.number}: {reason}")

    def stop(self) -> None:
        """Ask running ones to save and stop, wait for them, and cancel the others; all log it.

        A second ctrl+c, or ten seconds, end what still runs at once.
        """
        left = [racer for racer in self.racers if not racer.over]
        for racer in left:
            _ask(racer)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        try:
            for racer in left:
                if racer.process is not None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        racer.process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            for racer in left:
                _end(racer)


def _ask(racer: Racer) -> None:
    if isinstance(racer.process, ClusterJob) and racer.history.run is None:
        racer.process.cancel()
        return
    try:
        racer.folder.send(Command(command="stop", time=time.time()))
    except RequestError:  # a full disk
        if isinstance(racer.process, ClusterJob):
            racer.process.cancel()
        elif racer.process is not None:
            racer.process.terminate()


def _end(racer: Racer) -> None:
    """Write the end record of a run whose process could not."""
    process = racer.process
    if isinstance(process, ClusterJob):
        if not racer.over:
            process.cancel()
            process.wait(CANCEL_SECONDS)
    elif process is not None and process.poll() is None:
        process.kill()
        process.wait()
    racer.history.poll()
    if racer.history.end is None and not racer.folder.alive():
        reason = "the race was stopped before it began" if racer.history.run is None else "the race was stopped"
        _write_end(racer, "stopped", reason)


def _write_end(racer: Racer, status: Literal["stopped", "failed"], reason: str) -> None:
    with EventWriter(racer.folder) as writer:
        writer.write(RunEnded(time=time.time(), step=racer.history.steps_done, status=status, reason=reason))
    racer.history.poll()
