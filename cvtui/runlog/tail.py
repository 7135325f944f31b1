"""Read a file of lines while another process appends to it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cvtui import door

CHUNK = 1 << 20
"""Read at a time: 4 MB, which leave the processor's cache and the heap, take 1.15 times as long on a log of 100 MB."""


class Tail:
    """Reader that returns each whole line of a growing file once, with its byte offset.

    A torn last line waits for its end. A file that was truncated, replaced or rewritten is noticed (its inode, its
    size, or the bytes before our place): `restarted` becomes True and reading begins again at 0. A file that is gone
    keeps what was read. The file is opened for each read, so a deleted folder is never held.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.offset = offset
        self.restarted = False
        self._seen: tuple[int, int, int] = (-1, -1, -1)
        self._before = b""
        self._stopped = False

    def behind(self) -> bool:
        """Return True if the file has changed since the last read. One `stat`."""
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and _stamp(found) != self._seen

    def lines(self, most: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, line without its newline) for each whole line since the last call. Run it to its end.

        With `most`, it stops after about so many bytes; `behind` is True then, and the next call goes on.
        """
        self.restarted = False
        if not self.behind():
            return
        try:
            file = door.descriptor(self.path)
        except OSError:
            return
        try:
            found = os.fstat(file)
            if self._is_another(file, found):
                self.offset = 0
                self.restarted = True
            self._seen = _stamp(found)
            start = self.offset
            enough = found.st_size if most is None else min(found.st_size, start + most)
            yield from self._read(file, found.st_size, enough)
            if self._stopped:
                self._seen = (found.st_ino, -1, -1)
            if self.offset > start:
                self._before = self._bytes_before(file)
        except OSError:  # the disk went away in the middle: what was read stays, the rest is tried next time
            self._seen = (self._seen[0], -1, -1)
        finally:
            os.close(file)

    def _is_another(self, file: int, found: os.stat_result) -> bool:
        """Return True if this is another file than the one read last time."""
        if self.offset == 0:
            return False
        if not self._before:  # begun at a given offset
            return found.st_size < self.offset
        return found.st_ino != self._seen[0] or found.st_size < self.offset or self._bytes_before(file) != self._before

    def _bytes_before(self, file: int) -> bytes:
        """Return up to 64 bytes before our place."""
        start = max(0, self.offset - 64)
        os.lseek(file, start, os.SEEK_SET)
        return os.read(file, self.offset - start)

    def _read(self, file: int, size: int, enough: int) -> Iterator[tuple[int, bytes]]:
        os.lseek(file, self.offset, os.SEEK_SET)
        kept: list[bytes] = []  # pieces of a line that is longer than a chunk: joined once
        place = self.offset
        while place < size and self.offset < enough:
            chunk = os.read(file, min(CHUNK, max(enough - place, 4096), size - place))
            if not chunk:
                break
            place += len(chunk)
            if b"\n" not in chunk:
                kept.append(chunk)
                continue
            lines = chunk.split(b"\n")
            lines[0] = b"".join([*kept, lines[0]])  # not the whole chunk: copying it again takes as long as reading it
            kept = [lines.pop()]
            for line in lines:
                start = self.offset
                self.offset += len(line) + 1
                yield start, line
        self._stopped = place < size


def _stamp(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


def append_line(path: Path, line: bytes) -> None:
    """Append one line in one write (O_APPEND: two writers never mix within a line). OSError when it fails.

    Where the file ends in a torn line, a newline goes first, so that the torn line spoils only itself.
    """
    file = door.descriptor(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    try:
        if ends_torn(file):
            line = b"\n" + line
        os.write(file, line + b"\n")
    finally:
        os.close(file)


def ends_torn(file: int) -> bool:
    """Return True if this open file ends in the middle of a line."""
    size = os.fstat(file).st_size
    if size == 0:
        return False
    os.lseek(file, size - 1, os.SEEK_SET)
    return os.read(file, 1) != b"\n"
