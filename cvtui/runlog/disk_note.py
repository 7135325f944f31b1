"""`worker.note`: the message that a trainer can still write when its disk is full.

The file is as long as it will ever be from the start, so saying something takes no room: the bytes are overwritten.
"""

from __future__ import annotations

import os
from pathlib import Path

from cvtui import door

LENGTH = 256


def prepare(path: Path) -> None:
    """Allocate the file's bytes, while there is room. OSError when there is none."""
    door.write(path, b" " * LENGTH)


def write(path: Path, text: str) -> bool:
    """Overwrite the note; "" clears it. Return False where that fails (a folder that is gone, or read-only)."""
    data = text.encode("utf-8", "replace")[:LENGTH].ljust(LENGTH)
    try:
        file = door.descriptor(path, os.O_WRONLY)
    except OSError:
        return False
    try:
        return os.pwrite(file, data, 0) == LENGTH
    except OSError:
        return False
    finally:
        os.close(file)


def read(path: Path) -> str:
    """Return the note; "" where there is none."""
    try:
        file = door.descriptor(path)
    except OSError:
        return ""
    try:
        return os.read(file, LENGTH).decode("utf-8", "replace").strip(" \0")
    except OSError:
        return ""
    finally:
        os.close(file)
