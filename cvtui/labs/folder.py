"""The run folder of a lab: made, started and read like every other, with `lab.toml` in place of `recipe.toml`.

Labs lie in `RUNS/labs/`, one folder below the runs, so that the list of runs stays a list of trainings.
"""

from __future__ import annotations

import subprocess
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from cvtui import door
from cvtui.draw.figures import LabShown
from cvtui.errors import RequestError
from cvtui.labs.lookup import check, threads_of
from cvtui.runlog.events import Command, Log, RunEnded
from cvtui.runlog.folder import LABS, RunFolder
from cvtui.runlog.record_limits import sanitized
from cvtui.runlog.tail import Tail
from cvtui.runlog.worker_process import start, worker_threads

LABS_FOLDER = LABS


class LabFolder(RunFolder):
    """A run folder whose request is `lab.toml`: the lab's name and every knob."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.request = self.path / "lab.toml"

    @classmethod
    def make(cls, runs: Path, name: str, knobs: Mapping[str, object]) -> LabFolder:
        """Make a folder under `runs`/labs that asks for lab `name`. RequestError for a wrong lab, knob or path."""
        text = request_text(name, check(name, knobs))
        base = Path(runs) / LABS_FOLDER
        stem = f"{time.strftime('%Y-%m-%d-%H%M%S')}-{name}"
        number = 1
        while True:
            folder = cls(base / (stem if number == 1 else f"{stem}-{number}"))
            try:
                base.mkdir(door.FOLDER_MODE, parents=True, exist_ok=True)
                folder.path.mkdir(door.FOLDER_MODE)
                door.write(folder.request, text.encode())
                return folder
            except FileExistsError as error:
                if not folder.path.is_dir() or number >= 1000:
                    raise RequestError(f"--runs: {str(error.filename or base)!r} exists and is no folder") from None
                number += 1
            except OSError as error:
                raise RequestError(f"--runs: can't write {str(folder.path)!r}: {error.strerror}") from None

    def asked(self) -> tuple[str, dict[str, Any]]:
        """Return (name, all knobs) from lab.toml, checked. RequestError where it can't be read or is wrong."""
        try:
            request = tomllib.loads(door.read(self.request).decode())
        except OSError as error:
            raise RequestError(f"can't read {str(self.request)!r}: {error.strerror}") from None
        except ValueError as error:
            raise RequestError(f"{str(self.request)!r} is no TOML: {error}") from None
        name, knobs = request.get("lab"), request.get("knobs", {})
        if not isinstance(name, str) or not isinstance(knobs, dict):
            raise RequestError(f'{str(self.request)!r} needs lab = "NAME" and a table [knobs]')
        return name, check(name, knobs)

    def start(self, *, detached: bool = True) -> subprocess.Popen[bytes]:
        """Start `python -m cvtui.labs FOLDER`, its output to worker.log. Detached: ctrl+c here does not reach it."""
        name, knobs = self.asked()
        threads = worker_threads(threads_of(name, int(knobs["threads"])))
        return start(self, ["cvtui.labs", str(self.path)], threads, detached)

    def stop(self) -> None:
        """Asks the lab to stop; it does within about 0.2 s."""
        self.send(Command(command="stop", time=time.time()))


def request_text(name: str, knobs: Mapping[str, Any]) -> str:
    """lab.toml: the lab and every knob."""
    lines = [f"lab = {_toml(name)}", "", "[knobs]"]
    lines += [f"{key} = {_toml(value)}" for key, value in knobs.items()]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    # JSON's strings, numbers and booleans are TOML's too.
    return msgspec.json.encode(value).decode()


_shown = msgspec.json.Decoder(LabShown)
_ended = msgspec.json.Decoder(RunEnded)
_logged = msgspec.json.Decoder(Log)


class LabHistory:
    """What a lab has shown so far, read while it works or long after. Only the newest picture is decoded.

    shown   the latest `LabShown`, or None        end   RunEnded once it is over
    logs    the lines it said
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.shown: LabShown | None = None
        self.end: RunEnded | None = None
        self.logs: list[Log] = []
        self.skipped = 0
        self._tail = Tail(folder.events)

    def poll(self) -> bool:
        """Read new records; return True if anything changed. Nothing in the file makes it raise."""
        picture = b""
        changed = False
        for _, line in self._tail.lines():
            changed = True
            try:
                if line.startswith(b'{"type":"lab"'):
                    picture = line
                elif line.startswith(b'{"type":"end"'):
                    self.end = sanitized(_ended.decode(line))
                elif line.startswith(b'{"type":"log"'):
                    self.logs.append(sanitized(_logged.decode(line)))
            except (msgspec.MsgspecError, ValueError, RecursionError):
                self.skipped += 1
        if picture:
            try:
                self.shown = sanitized(_shown.decode(picture))
            except (msgspec.MsgspecError, ValueError, RecursionError):
                self.skipped += 1
        return changed
