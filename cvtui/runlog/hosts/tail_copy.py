"""The copy of one file of another host that only grows, continued at the byte it has reached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cvtui import door
from cvtui.runlog.hosts.connection import Connection, quoted
from cvtui.runlog.hosts.listing import FileThere

COMPARED = 64
"""Bytes before our place that must be the same there for a file to be continued."""


class TailCopy:
    """Copy of the file `name` of a run folder there in `path`.

    script: makes a reader in the run's folder there a script that fails where the file is none.
    """

    def __init__(self, path: Path, name: str, script: Callable[[str, str], str]) -> None:
        self.path = path
        self.name = name
        self._script = script
        self._inode = 0
        """Of the file there that is known to continue ours; 0: must be compared."""
        self.there: FileThere | None = None
        found = door.state(path)
        self.size = found.st_size if found is not None else 0

    @property
    def behind(self) -> bool:
        """Return True if the file there has more than ours."""
        there = self.there
        return there is not None and (there.inode != self._inode or there.size != self.size)

    @property
    def missing(self) -> int:
        """Bytes that are not here yet."""
        return max(0, self.there.size - self.size) if self.there is not None else 0

    def bring(self, line: Connection, most: int) -> int:
        """Append up to `most` bytes; return how many came. LineBroken: what had come is kept."""
        there = self.there
        if there is None or not self.behind:
            return 0
        if there.inode != self._inode or there.size < self.size:
            self._compare(line, there)
        wanted = min(most, there.size - self.size)
        if wanted <= 0:
            return 0
        before = self.size
        with door.opened(self.path, "ab") as file:

            def append(data: bytes) -> None:
                file.write(data)
                file.flush()
                self.size += len(data)

            code = line.ask(self._read(self.size, wanted), append, wanted)
        if code or self.size == before:
            self._inode = 0  # it was replaced meanwhile: the next listing says by what
        return self.size - before

    def _compare(self, line: Connection, there: FileThere) -> None:
        """See whether the file there begins with ours, by the bytes before our place; else begin anew."""
        start = max(0, self.size - COMPARED)
        if self.size and there.size >= self.size:
            parts: list[bytes] = []
            line.ask(self._read(start, self.size - start), parts.append)
            with door.opened(self.path) as file:
                file.seek(start)
                same = file.read(COMPARED) == b"".join(parts)
        else:
            same = not self.size
        if not same:
            door.remove(self.path)
            self.size = 0
        self._inode = there.inode

    def _read(self, start: int, count: int) -> str:
        return self._script(f"tail -c +{start + 1} {quoted('./' + self.name)} | head -c {count}", self.name)
