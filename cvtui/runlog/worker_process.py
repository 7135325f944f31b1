"""Start and stop the process that trains."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cvtui import door
from cvtui.errors import RequestError
from cvtui.own_python import own_module
from cvtui.runlog import lock
from cvtui.runlog.folder import RunFolder

if TYPE_CHECKING:
    from cvtui.runlog.explanation import Request


def usable_cores() -> int:
    """Count the CPU cores that this process may use: its affinity, and a container's CPU quota."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        cores = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        if quota != "max":
            cores = min(cores, max(1, round(int(quota) / int(period))))
    except (OSError, ValueError):
        pass
    return cores


def worker_threads(asked: int) -> int:
    """Return the threads to train on: as asked, or for 0 all cores but one (left for the screen)."""
    return asked if asked > 0 else max(1, usable_cores() - 1)


def worker_environment(threads: int) -> dict[str, str]:
    """Build the environment of a training process; OpenMP reads it once, before torch loads.

    GOMP_SPINCOUNT: waiting threads of OpenMP spin; beside any other busy program a small net's step goes from 2.2 ms to
    489 ms. 10,000 turns cost nothing on a quiet machine (2.1 ms) and give 36 ms there.
    """
    environment = dict(os.environ)
    environment["GOMP_SPINCOUNT"] = "10000"
    environment["OMP_NUM_THREADS"] = str(threads)
    environment.setdefault("PYTHONUNBUFFERED", "1")
    return environment


def launch(
    folder: RunFolder, *, detached: bool, resume: bool = False, rate: str = "", gpu: str = ""
) -> subprocess.Popen[bytes]:
    """Start `python -m cvtui.engine FOLDER`, with stdout and stderr in worker.log: never over a screen.

    With `resume` it goes on from the newest checkpoint, at another `rate` (0.001, /10) where one is given. Detached, it
    gets a session of its own: ctrl+c and a closed terminal don't reach it. RequestError when worker.log can't be
    written. gpu: the only one that it sees, as CUDA_VISIBLE_DEVICES names it.
    """
    return _engine(folder, resume_words(resume, rate), worker_threads(threads_of(folder)), detached, gpu)


def resume_words(resume: bool, rate: str = "") -> list[str]:
    """Return what follows the folder on the engine's command line."""
    return ["--resume", *([rate] if rate else [])] if resume else []


def launch_look(folder: RunFolder, number: int) -> subprocess.Popen[bytes]:
    """Start `python -m cvtui.engine FOLDER --look N`: feature maps of validation image N of a run that has ended.

    They come from its newest checkpoint, as `picture` records. Exit code 0, or 2 with the reason as worker.log's last
    line.
    """
    return _engine(folder, ["--look", str(number)], 1, detached=True)


def mistakes_command(folder: RunFolder, checkpoint: str = "") -> tuple[list[str], dict[str, str]]:
    """Return command and environment of `python -m cvtui.engine FOLDER --mistakes` (see `runlog/mistakes.py`).

    Beside a training it takes one thread.
    """
    words = [str(folder.path), "--mistakes", *([checkpoint] if checkpoint else [])]
    threads = 1 if folder.alive() else worker_threads(threads_of(folder))
    return own_module("cvtui.engine", *words), worker_environment(threads)


def explain_command(folder: RunFolder, request: Request) -> tuple[list[str], dict[str, str]]:
    """Return command and environment of `python -m cvtui.engine FOLDER --explain …` (see `runlog/explanation.py`)."""
    import msgspec

    words = [str(folder.path), "--explain", msgspec.json.encode(request).decode()]
    threads = 1 if folder.alive() else worker_threads(threads_of(folder))
    return own_module("cvtui.engine", *words), worker_environment(threads)


def _engine(
    folder: RunFolder, words: list[str], threads: int, detached: bool, gpu: str = ""
) -> subprocess.Popen[bytes]:
    module = ["cvtui.engine", str(folder.path), *words]
    return start(folder, module, threads, detached, lives="--look" not in words, gpu=gpu)


def start(
    folder: RunFolder, module: list[str], threads: int, detached: bool, *, lives: bool = True, gpu: str = ""
) -> subprocess.Popen[bytes]:
    """Start `python -m MODULE…` on a run folder.

    One that `lives` holds worker.lock from before its first breath (it takes 2 s to load PyTorch): it is taken here and
    handed on, so that a run that starts is never taken for dead, deleted, or started twice. RequestError where another
    process holds it, or worker.log can't be written.
    """
    log = opened_log(folder)
    held = folder.lock() if lives and lock.fcntl is not None else lock.WorkerLock(-1)
    more = {lock.HANDED_ON: str(held.number)} if held.number >= 0 else {}
    device = {"CUDA_VISIBLE_DEVICES": gpu} if gpu else {}
    try:
        with log:
            return subprocess.Popen(
                own_module(*module),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=detached,
                env={**worker_environment(threads), **more, **device},
                pass_fds=[held.number] if more else [],
            )
    finally:
        held.forget()


def opened_log(folder: RunFolder) -> IO[bytes]:
    """Open worker.log to append to. RequestError where that can't be."""
    try:
        return door.opened(folder.log, "ab")
    except OSError as error:
        raise RequestError(f"can't write {str(folder.log)!r}: {error.strerror}") from None


def stop(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Send SIGTERM and wait; after `seconds` SIGKILL."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def threads_of(folder: RunFolder) -> int:
    """`threads` of the folder's recipe; 0 where it can't be read."""
    return number_in(folder, "threads")


def number_in(folder: RunFolder, field: str) -> int:
    """Return a whole number of the folder's recipe; 0 where it can't be read (the engine says why)."""
    try:
        number = tomllib.loads(door.text(folder.recipe)).get(field, 0)
    except (OSError, ValueError, RecursionError):
        return 0
    return number if isinstance(number, int) and 0 <= number <= 1024 else 0
