"""Whoever takes part in a race, seen from the runner: `turn(seconds)` trains that long and gives steps per second."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.recipe.validation import check
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.worker_process import launch
from tests.benchmarks.cases import Case


class Missing(Exception):
    """It is not installed here."""


class Contestant(Protocol):
    name: str

    def turn(self, seconds: float) -> float:
        """Measure steps a second over a turn of about so many seconds."""

    def close(self) -> None: ...


def clean_environment() -> dict[str, str]:
    """As a user has it: nobody has said anything about threads."""
    names = {"OMP_NUM_THREADS", "GOMP_SPINCOUNT", "MKL_NUM_THREADS"}
    return {name: value for name, value in os.environ.items() if name not in names}


_ENVIRONMENT = threading.Lock()


@contextlib.contextmanager
def as_a_user() -> Iterator[None]:
    """Our own environment is the clean one meanwhile: `launch` hands it on to the engine."""
    with _ENVIRONMENT:
        kept, clean = dict(os.environ), clean_environment()
        os.environ.clear()
        os.environ.update(clean)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(kept)


class Peer:
    """A process of peers.py."""

    def __init__(self, name: str, case: Case, device: str, threads: int = 0) -> None:
        self.name = name
        environment = clean_environment()
        if threads:
            environment["OMP_NUM_THREADS"] = str(threads)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.peers", name, case.name, device],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=environment,
        )  # fmt: skip
        answer = self._answer()
        if "missing" in answer:
            raise Missing(str(answer["missing"]))

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            found: dict[str, Any] = json.loads(line)
            return found
        self._errors.seek(0)
        raise Missing(self._errors.read().decode(errors="replace").strip().splitlines()[-1][:200])

    def turn(self, seconds: float) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"seconds": seconds}) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        return float(answer["steps"] / answer["seconds"])

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Engine:
    """A run of cvtui as `cvtui --no-ui` starts it: the real engine, watching every tenth step; paused between turns.

    A step's time is that of the run's own clock, which stands still in a pause, from step to step within an epoch: so
    flushing, logging, watching and the thread tuner count, and what the others don't do (validation and the checkpoint
    after an epoch) does not.
    """

    def __init__(
        self,
        name: str,
        case: Case,
        device: str,
        base: Path,
        screen: bool = False,
        fields: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        recipe = Recipe(**{**case.fields, "epochs": 100_000, "device": device, **(fields or {})})
        self._per_epoch = check(recipe).steps_per_epoch
        self._folder = RunFolder.create(base, name.replace(" ", "-"), dumps(recipe))
        with as_a_user():
            self._worker = launch(self._folder, detached=False)
        self._history = History(self._folder)
        self._wait(lambda: self._history.steps_done > 3)
        self._screen = Screen(self._folder) if screen else None
        self._first = 0
        self._pause()

    def _wait(self, until: Any, seconds: float = 120.0) -> None:
        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() > end or self._worker.poll() is not None:
                raise RuntimeError(f"{self.name}: {self._folder.log.read_text()[-1000:]}")
            time.sleep(0.01)
            self._history.poll()

    def _send(self, command: Any) -> None:
        self._folder.send(Command(command=command, time=time.time()))

    def _pause(self) -> None:
        told = len(self._history.commands)
        self._send("pause")
        self._wait(lambda: any(word.command == "pause" for word in self._history.commands[told:]))
        if self._screen is not None:
            self._screen.stop()

    def turn(self, seconds: float) -> float:
        self.begin()
        time.sleep(seconds)
        return self.end()

    def begin(self) -> None:
        self._first = self._history.steps_done
        if self._screen is not None:
            self._screen.go_on()
        self._send("resume")

    def end(self) -> float:
        self._pause()
        times = self._history.steps.seconds[self._first - 1 :]
        steps = np.arange(self._first, self._first + len(times) - 1)
        within = np.diff(times)[steps % self._per_epoch != 0]
        return float(len(within) / within.sum())

    def threads(self) -> str:
        """Return what the thread tuner last said."""
        said = [log.text for log in self._history.logs if log.threads]
        return said[-1] if said else ""

    def close(self) -> None:
        if self._screen is not None:
            self._screen.close()
        self._send("stop")
        try:
            self._worker.wait(20)
        except subprocess.TimeoutExpired:
            self._worker.kill()
            self._worker.wait()


class Screen:
    """`cvtui attach` in a pseudo-terminal of 160 x 45, whose output is read and thrown away as a terminal would."""

    def __init__(self, folder: RunFolder) -> None:
        ours, theirs = pty.openpty()
        with contextlib.suppress(ImportError, OSError):
            import fcntl
            import struct
            import termios

            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 160, 0, 0))
        environment = {**clean_environment(), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cvtui", "attach", str(folder.path)],
            stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self._ours = ours
        self.bytes = 0
        threading.Thread(target=self._read, daemon=True).start()
        end = time.monotonic() + 30
        while self.bytes < 5_000 and time.monotonic() < end:
            time.sleep(0.05)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._ours, 65536):
                self.bytes += len(data)

    def stop(self) -> None:
        """Its turn is over: a stopped process takes nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


class Spinners:
    """Processes that keep a core each busy while they are on."""

    def __init__(self, count: int) -> None:
        self._processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
        self.off()

    def off(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGSTOP)

    def on(self, count: int) -> None:
        self.off()
        for process in self._processes[:count]:
            process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
