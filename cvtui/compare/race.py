"""A fair race: several recipes, each in a process of its own, at most so many at once."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from cvtui.compare.grid import Entrant
from cvtui.errors import RequestError
from cvtui.recipe.toml import dumps
from cvtui.runlog.events import Command, RunEnded
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.worker_process import launch, usable_cores
from cvtui.runlog.writer import EventWriter

TIMEOUT_SECONDS = 10.0


class Racer:
    """One entrant: its folder, its history and, while it runs, its process."""

    def __init__(self, entrant: Entrant, folder: RunFolder) -> None:
        self.label = entrant.label
        self.total_steps = entrant.checked.total_steps
        self.folder = folder
        self.history = History(folder)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def state(self) -> str:
        return "waiting" if self.process is None else self.history.state()

    @property
    def over(self) -> bool:
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

    with Race(entrants, runs, jobs) as race:
        while race.step(): …show race.racers…

    Leaving the block by an exception (ctrl+c) asks every running one to stop and waits: what was trained stays.
    """

    def __init__(self, entrants: Sequence[Entrant], runs: Path, stem: str, jobs: int) -> None:
        self.jobs = max(1, min(jobs, len(entrants)))
        threads = max(1, (usable_cores() - 1) // self.jobs)
        self.racers = []
        for number, entrant in enumerate(entrants, 1):
            recipe = entrant.checked.asked
            if not recipe.threads:
                recipe = msgspec.structs.replace(recipe, threads=threads)
            folder = RunFolder.fresh(runs, entrant.name or f"{stem}-{number:02d}", dumps(recipe))
            self.racers.append(Racer(entrant, folder))

    def step(self) -> bool:
        """Read new records and start the next run where there is room; False once all are over and read."""
        waiting = [racer for racer in self.racers if racer.process is None]
        running = [racer for racer in self.racers if racer.process is not None and not racer.over]
        for racer in waiting[: max(0, self.jobs - len(running))]:
            racer.process = launch(racer.folder, detached=True)
            running.append(racer)
        over = not running and not any(racer.process is None for racer in self.racers)
        for racer in self.racers:
            if racer.process is not None:
                racer.history.poll()
        return not over

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
    try:
        racer.folder.send(Command(command="stop", time=time.time()))
    except RequestError:  # a full disk
        if racer.process is not None:
            racer.process.terminate()


def _end(racer: Racer) -> None:
    """Write the end record of a run whose process could not."""
    if racer.process is not None and racer.process.poll() is None:
        racer.process.kill()
        racer.process.wait()
    racer.history.poll()
    if racer.history.end is None and not racer.folder.alive():
        reason = "the race was stopped before it began" if racer.history.run is None else "the race was stopped"
        with EventWriter(racer.folder) as writer:
            writer.write(RunEnded(time=time.time(), step=racer.history.steps_done, status="stopped", reason=reason))
        racer.history.poll()
