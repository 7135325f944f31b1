"""`worker.note`: the one thing that a trainer can still say when its disk is full.

The file is as long as it will ever be from the start, so saying something takes no room: the bytes are overwritten.
"""

from __future__ import annotations

import os
from pathlib import Path

LENGTH = 256


def prepare(path: Path) -> None:
    """Takes the file's room, while there is some. OSError when there is none."""
    path.write_bytes(b" " * LENGTH)


def write(path: Path, text: str) -> bool:
    """Overwrites the note; "" clears it. False where even that can't be done (a folder that is gone, or read-only)."""
    data = text.encode("utf-8", "replace")[:LENGTH].ljust(LENGTH)
    try:
        file = os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
    except OSError:
        return False
    try:
        return os.pwrite(file, data, 0) == LENGTH
    except OSError:
        return False
    finally:
        os.close(file)


def read(path: Path) -> str:
    """What the note says; "" where there is none."""
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return ""
    try:
        return os.read(file, LENGTH).decode("utf-8", "replace").strip(" \0")
    except OSError:
        return ""
    finally:
        os.close(file)
