"""Reading a file of lines while somebody appends to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

CHUNK = 4 << 20


class Tail:
    """Hands out each whole line of a growing file once, with its byte offset. A torn last line waits for its end.

    A file that was truncated, replaced or rewritten is noticed (its inode, its size, or the byte before our place that
    is no longer a line's end): `restarted` becomes True and reading begins again at 0. A file that is gone keeps what
    was read. The file is opened for each read, so a deleted folder is never held.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.offset = offset
        self.restarted = False
        self._inode = 0
        self._seen = -1

    def behind(self) -> bool:
        """Is there something that the last read has not looked at? One `stat`."""
        try:
            found = os.stat(self.path)
        except OSError:
            return False
        return found.st_size != self._seen or found.st_ino != self._inode

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """(offset, line without its newline) for each whole line since the last call. Must be run to its end."""
        self.restarted = False
        if not self.behind():
            return
        try:
            file = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
        except OSError:
            return
        try:
            found = os.fstat(file)
            if (self._inode and found.st_ino != self._inode) or found.st_size < self.offset or not self._at_line(file):
                self.offset = 0
                self.restarted = True
            self._inode, self._seen = found.st_ino, found.st_size
            yield from self._read(file, found.st_size)
        except OSError:  # the disk went away in the middle: what was read stays, the rest is tried next time
            self._seen = -1
        finally:
            os.close(file)

    def _at_line(self, file: int) -> bool:
        if self.offset == 0:
            return True
        os.lseek(file, self.offset - 1, os.SEEK_SET)
        return os.read(file, 1) == b"\n"

    def _read(self, file: int, size: int) -> Iterator[tuple[int, bytes]]:
        os.lseek(file, self.offset, os.SEEK_SET)
        kept: list[bytes] = []  # pieces of a line that is longer than a chunk: joined once
        place = self.offset
        while place < size:
            chunk = os.read(file, min(CHUNK, size - place))
            if not chunk:
                break
            place += len(chunk)
            if b"\n" not in chunk:
                kept.append(chunk)
                continue
            lines = (b"".join([*kept, chunk]) if kept else chunk).split(b"\n")
            kept = [lines.pop()]
            for line in lines:
                start = self.offset
                self.offset += len(line) + 1
                yield start, line


def append_line(path: Path, line: bytes) -> None:
    """Appends one line in one write (O_APPEND: two writers never mix within a line). OSError when it can't be done.

    Where the file ends in a torn line, a newline goes first, so that the torn line spoils only itself.
    """
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
    try:
        if ends_torn(file):
            line = b"\n" + line
        os.write(file, line + b"\n")
    finally:
        os.close(file)


def ends_torn(file: int) -> bool:
    """Does this open file end in the middle of a line?"""
    size = os.fstat(file).st_size
    if size == 0:
        return False
    os.lseek(file, size - 1, os.SEEK_SET)
    return os.read(file, 1) != b"\n"
