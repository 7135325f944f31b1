"""The run folder: where each file of a run lies, who is alive in it, and the list of all runs."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cvtui import door
from cvtui.errors import RequestError
from cvtui.recipe.run_name import check_name
from cvtui.runlog import lock
from cvtui.runlog.lock import WorkerLock
from cvtui.runlog.run_names import next_number, stem_of

if TYPE_CHECKING:
    from cvtui.runlog.events import Command


class RunFolder:
    """The paths of one run folder. Making one of these touches no file; `create`, `fresh` and `open` do."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.events = self.path / "events.jsonl"
        self.commands = self.path / "commands.jsonl"
        self.checkpoints = self.path / "checkpoints"
        self.pictures = self.path / "pictures"
        self.ranks = self.path / "ranks"
        self.log = self.path / "worker.log"
        self.lock_file = self.path / "worker.lock"
        self.note = self.path / "worker.note"
        self.recipe = self.path / "recipe.toml"

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunFolder) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    @property
    def name(self) -> str:
        return self.path.name

    @classmethod
    def create(cls, base: Path, name: str, recipe_toml: str) -> RunFolder:
        """Make base/name with its recipe in it. RequestError when it exists, or can't be written."""
        folder = cls(Path(base) / check_name(name))
        ours = False
        try:
            folder.path.parent.mkdir(door.FOLDER_MODE, parents=True, exist_ok=True)
            folder.path.mkdir(door.FOLDER_MODE)
            ours = True
            door.make_folder(folder.checkpoints)
            door.make_folder(folder.pictures)
            door.write(folder.recipe, recipe_toml.encode())
        except FileExistsError as error:
            if folder.path.is_dir():
                raise RequestError(
                    f"--name: the run folder {str(folder.path)!r} exists already",
                    hint="choose another --name, or look at it with `cvtui attach`",
                ) from None
            raise RequestError(f"--runs: {str(error.filename or base)!r} exists and is no folder") from None
        except (OSError, ValueError) as error:
            if ours:  # half made (a full disk): the name must stay free for the next try
                shutil.rmtree(folder.path, ignore_errors=True)
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise RequestError(f"--runs: can't write the run folder {str(folder.path)!r}: {why}") from None
        return folder

    @classmethod
    def fresh(cls, base: Path, stem: str, recipe_toml: str) -> RunFolder:
        """Make a folder as `create` does; where the name is taken, -2, -3 … is added."""
        number = 1
        while True:
            name = stem if number == 1 else f"{stem}-{number}"
            try:
                return cls.create(base, name, recipe_toml)
            except RequestError:
                if not (Path(base) / name).is_dir() or number >= 1000:
                    raise
                number += 1

    @classmethod
    def numbered(cls, base: Path, data: str, recipe_toml: str) -> RunFolder:
        """Make a folder as `create` does, called after a recipe's data (`digits-1`, `digits-2`)."""
        stem = stem_of(data)
        while True:
            name = f"{stem}-{next_number(stem, names_in(base))}"
            try:
                return cls.create(base, name, recipe_toml)
            except RequestError:
                if not (Path(base) / name).is_dir():  # else another process was faster
                    raise

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Return an existing run folder. RequestError when there is none."""
        folder = cls(Path(path))
        if not folder.path.is_dir():
            if folder.path.exists():
                raise RequestError(
                    f"the run folder {str(folder.path)!r} is a file, not a run folder",
                    hint="`cvtui runs` lists the runs; `cvtui doctor PATH` reads another program's log",
                )
            raise RequestError(
                f"the run folder {str(folder.path)!r} does not exist", hint="`cvtui runs` lists the runs"
            )
        if not is_run(folder.path):
            raise RequestError(
                f"{str(folder.path)!r} is not a run folder: it has neither recipe.toml nor events.jsonl",
                hint="`cvtui runs` lists the runs; `cvtui doctor PATH` reads another program's log",
            )
        return folder

    def discard(self) -> None:
        """Remove the folder of a run that never began."""
        shutil.rmtree(self.path, ignore_errors=True)

    def lock(self, timeout: float = 1.0) -> WorkerLock:
        """Take the worker's lock (also usable in `with`); RequestError when another process trains here.

        It tries for `timeout` seconds, because `alive` of a watching screen touches the lock for some microseconds.
        """
        mine = lock.handed_on(self.lock_file)
        if mine is not None:
            return mine
        try:
            return lock.take(self.lock_file, timeout)
        except lock.Busy:
            raise RequestError(f"another process trains in {str(self.path)!r} already (it holds worker.lock)") from None
        except OSError as error:
            raise RequestError(f"can't lock {str(self.lock_file)!r}: {error.strerror}") from None

    def alive(self) -> bool:
        """Return True if a living process holds the lock: asked of the kernel, about 10 µs."""
        return lock.is_held(self.lock_file)

    def was_taken_before(self, seconds: float) -> bool:
        """Return True if a worker took the lock at least `seconds` ago.

        Ask `alive` whether it still holds it.
        """
        found = door.state(self.lock_file)
        return found is not None and time.time() - found.st_mtime >= seconds

    def send(self, command: Command) -> None:
        """Append one command for the worker. RequestError when it can't be sent."""
        from cvtui.runlog.commands import send

        send(self.commands, command)

    def age(self) -> float:
        """Seconds since the recipe was written; infinite where nothing can be read.

        Negative for one from the future, which a copy from another clock is.
        """
        started = _started(self.path)
        return time.time() - started if started else float("inf")


def _started(path: Path) -> float:
    """Unix time at which the folder was made: of the recipe, which is written once; else of the log or the folder."""
    found = door.state(path / "recipe.toml") or door.state(path / "events.jsonl")
    try:
        return (found or path.stat()).st_mtime
    except OSError:
        return 0.0


def is_run(path: Path) -> bool:
    """Return True for a folder with a recipe or a log of its own."""
    return door.is_file(path / "recipe.toml") or door.is_file(path / "events.jsonl")


STARTING_SECONDS = 10.0


def starting(folder: RunFolder) -> bool:
    """Return True while a run without a log may still be waiting for its process.

    It is young, and no lock lies there unheld: with one, the process came, and died before it wrote anything. (A recipe
    far in the future is not young.)
    """
    return abs(folder.age()) < STARTING_SECONDS and not folder.was_taken_before(1.0)


def list_runs(base: Path) -> list[RunFolder]:
    """Return the run folders right inside `base`, newest first; [] where there is no such folder.

    Hidden ones are left out.
    """
    found: list[tuple[float, str, Path]] = []
    try:
        entries = list(os.scandir(base))
    except OSError:
        return []
    for entry in entries:
        path = Path(entry.path)
        try:
            if entry.name.startswith(".") or not entry.is_dir():
                continue
            if not is_run(path):
                continue
        except OSError:
            continue
        found.append((_started(path), entry.name, path))
    return [RunFolder(path) for _, _, path in sorted(found, reverse=True)]


@lru_cache(maxsize=4096)
def _known(path: Path) -> RunFolder:
    """Return a run folder of a list, which is asked for every second: its ten paths are joined once."""
    return RunFolder(path)


def newest(base: Path) -> RunFolder | None:
    """Return the run that was made last, or None."""
    runs = list_runs(base)
    return runs[0] if runs else None


LABS = "labs"
"""A folder whose runs are labs, no trainings: lists leave it out."""
DEEPEST = 3
"""Folders from a folder of runs down to a run, at most: NAME, SWEEP/NAME, PROJECT/SWEEP/NAME."""


def names_in(base: Path) -> list[str]:
    """Return the names that a folder of runs has taken; [] where there is none."""
    return [entry.name for entry in os.scandir(base)] if os.path.isdir(base) else []


def runs_below(bases: Sequence[Path], deepest: int = DEEPEST) -> list[RunFolder]:
    """Return the run folders in `bases` and below them, newest first, each once.

    Neither hidden folders nor links below the first floor are entered, and a run holds no other runs.
    """
    found: dict[Path, float] = {}
    waiting = [(Path(base), 1) for base in bases]
    while waiting:
        base, depth = waiting.pop()
        try:
            entries = [entry for entry in os.scandir(base) if not entry.name.startswith(".")]
        except OSError:
            continue
        for entry in entries:
            path = Path(entry.path)
            try:
                if not entry.is_dir():
                    continue
                if is_run(path):
                    found[path] = _started(path)
                elif depth < deepest and not entry.is_symlink() and entry.name != LABS:
                    waiting.append((path, depth + 1))
            except OSError:
                continue
    return [_known(path) for _, path in sorted(((when, path) for path, when in found.items()), reverse=True)]
