"""The copy of one run of another host: a run folder here, brought up to date by offset, that every reader can open.

`worker.lock` is held here as long as a process trains the run there, so that `RunFolder.alive` is true of it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable
from pathlib import Path

from cvtui import door
from cvtui.runlog import disk_note, lock
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.hosts.address import Address
from cvtui.runlog.hosts.connection import Connection, quoted
from cvtui.runlog.hosts.listing import EVENTS, LOGS, RANKS, SMALL, FileThere, RunThere, unix_time
from cvtui.runlog.hosts.tail_copy import TailCopy

PIECE = 4 << 20
"""Bytes of a log that one request brings: a command waits for no more than that."""
LARGEST, LOG_END = 1 << 20, 1 << 16
PICTURES, LARGEST_PICTURE = "pictures", 4 << 20
_END = b'{"type":"end"'


class RunCopy:
    """One run's copy in `folder`, and what has been brought of it."""

    def __init__(self, address: Address, base: Path, path: str) -> None:
        self.address = address
        self.path = path
        self.folder = RunFolder(base.joinpath(*path.split("/")))
        self.there = RunThere(path)
        self._brought: dict[str, FileThere] = {}
        self._lock: lock.WorkerLock | None = None
        self._log = TailCopy(self.folder.events, EVENTS, self._there)
        self._ranks: dict[str, TailCopy] = {}
        """Step times of its ranks, by the file's name."""

    @property
    def alive(self) -> bool:
        return self._lock is not None

    @property
    def behind(self) -> bool:
        """Return True if the log there, or a rank's file, has more than ours."""
        return any(one.behind for one in self._tails())

    @property
    def folder_time(self) -> float:
        """Unix time of its recipe (or log) there, to the minute; 0 where it can't be told."""
        file = self.there.files.get("recipe.toml") or self.there.files.get(EVENTS)
        return unix_time(file.date) or 0.0 if file is not None else 0.0

    @property
    def missing(self) -> int:
        """Bytes of its log and its ranks' files that are not here yet."""
        return sum(one.missing for one in self._tails())

    @property
    def ended(self) -> bool:
        """Return True if all of its log is here and its last record is the end."""
        return not self.behind and not self.alive and self._last_line().startswith(_END)

    def update(self, there: RunThere, *, new: bool = False) -> None:
        """Take over a listing; `new`: the run wasn't there a moment ago, so it began just now."""
        self.there = there
        self.folder.path.mkdir(door.FOLDER_MODE, parents=True, exist_ok=True)
        if there.alive and self._lock is None:
            with contextlib.suppress(lock.Busy, OSError):
                self._lock = lock.take(self.folder.lock_file, 0.5)
        self._log.there = there.files.get(EVENTS)
        if there.ranks is not None:
            self._update_ranks(there.ranks)
        if new:
            self._brought.setdefault("recipe.toml", FileThere(0, -1, ""))

    def _tails(self) -> list[TailCopy]:
        return [self._log, *self._ranks.values()]

    def _update_ranks(self, there: dict[str, FileThere]) -> None:
        """Take over which files of ranks are there."""
        for name in {*self._ranks, *door.names(self.folder.ranks, ".jsonl")} - there.keys():
            self._ranks.pop(name, None)
            door.remove(self.folder.ranks / name)
        if there:
            door.make_folder(self.folder.ranks)
        for name, file in there.items():
            if name not in self._ranks:
                self._ranks[name] = TailCopy(self.folder.ranks / name, f"{RANKS}/{name}", self._there)
            self._ranks[name].there = file

    def settle(self) -> None:
        """Let the lock go once all that a trainer wrote before its end is here."""
        if not self.there.alive and not self.behind:
            self.release()

    def release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # ------------------------------------------------------------------ bringing

    def bring_small(self, line: Connection) -> None:
        """Copy the small files that have changed; remove those that are gone. LineBroken."""
        for name in (*SMALL, *LOGS):
            file, brought = self.there.files.get(name), self._brought.get(name)
            if file == brought and (file is not None or brought is None):
                continue
            if file is None:
                self._write(name, None)
            else:
                reader = f"tail -c {LOG_END}" if name in LOGS else f"head -c {LARGEST}"
                parts: list[bytes] = []
                if line.ask(self._there(f"{reader} {quoted('./' + name)}", name), parts.append, LARGEST) == 0:
                    self._write(name, b"".join(parts))
            if name == "recipe.toml" and file is not None and brought is None:
                self._date(file)
            if file is None:
                self._brought.pop(name, None)
            else:
                self._brought[name] = file

    def bring_log(self, line: Connection, most: int = PIECE) -> int:
        """Append up to `most` bytes to the log, and to each rank's file; return how many came. LineBroken."""
        return sum([one.bring(line, most) for one in self._tails()])

    def bring_picture(self, line: Connection, name: str) -> str:
        """Copy one file of `pictures` there; return why not, or "". LineBroken."""
        parts: list[bytes] = []
        place = f"{PICTURES}/{name}"
        reader = f"head -c {LARGEST_PICTURE} {quoted('./' + place)}"
        if line.ask(self._there(reader, place), parts.append, LARGEST_PICTURE) or not parts:
            return f"{place} is not there any more"
        try:
            door.make_folder(self.folder.pictures)
        except OSError as error:
            return f"it can't be written here: {error.strerror}"
        self._write(place, b"".join(parts))
        return ""

    def append_command(self, line: Connection, words: bytes) -> str:
        """Append one line to commands.jsonl there; return why not, or "". LineBroken."""
        text = shlex.quote(words.decode())
        file = "./commands.jsonl"
        code, said = line.text(
            f"( cd -- {quoted(self.address.path)} && cd -- {quoted('./' + self.path)} && [ ! -L {file} ] || exit 4\n"
            f'[ ! -s {file} ] || [ -z "$(tail -c 1 {file})" ] || echo >>{file}\n'
            f"printf '%s\\n' {text} >>{file} ) </dev/null 2>&1"
        )
        return "" if code == 0 else said.strip().splitlines()[-1] if said.strip() else "the run folder is gone there"

    def _there(self, reader: str, name: str) -> str:
        """Return a script that runs `reader` in the run's folder there, where `name` is a regular file."""
        place = f"cd -- {quoted(self.address.path)} && cd -- {quoted('./' + self.path)}"
        file, (folder, inner, _) = quoted(f"./{name}"), name.partition("/")
        inside = f" && [ ! -L ./{folder} ]" if inner else ""
        return f"( {place}{inside} && [ -f {file} ] && [ ! -L {file} ] && {reader} ) </dev/null 2>/dev/null"

    # ------------------------------------------------------------------ here

    def _write(self, name: str, data: bytes | None) -> None:
        with contextlib.suppress(OSError):
            if data is None:
                door.remove(self.folder.path / name)
            else:
                door.write(self.folder.path / name, data)

    def _date(self, file: FileThere) -> None:
        """Give the recipe its date there: lists are sorted by it."""
        when = unix_time(file.date)
        if when is not None:
            with contextlib.suppress(OSError):
                os.utime(self.folder.recipe, (when, when))

    def tell(self, trouble: str) -> None:
        """Show `trouble` where a full disk is told; "": what the run's own note says, again."""
        if trouble:
            self._write("worker.note", trouble.encode("utf-8", "replace")[: disk_note.LENGTH].ljust(disk_note.LENGTH))
        else:
            self._write("worker.note", None)
        self._brought.pop("worker.note", None)

    def _last_line(self) -> bytes:
        try:
            with door.opened(self.folder.events) as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
                lines = file.read().rstrip(b"\n").split(b"\n")
        except OSError:
            return b""
        return lines[-1]


def progress_of(copies: list[RunCopy]) -> tuple[int, int]:
    """Return how many of the runs are here in full, and the bytes that are missing of the others."""
    return sum(not copy.behind for copy in copies), sum(copy.missing for copy in copies)


Progress = Callable[[int, int, int], None]
"""Called with the runs that are here in full, all of them, and the bytes missing."""
