"""W&B's offline runs: `run-ID.wandb`, a log of protocol buffer records in blocks of 32 KiB."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from cvtui import door
from cvtui.runlog.foreign.protobuf import fields, signed
from cvtui.runlog.foreign.scalars import ScalarLog

BLOCK = 32 << 10
HEAD = b":W&B"
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def read_wandb(path: Path) -> ScalarLog:
    """Read the history of an offline run. OSError."""
    log = ScalarLog("a W&B offline run")
    row = -1
    with door.opened_input(path) as file:
        try:
            for record in _records(file):
                for number, value in fields(record):
                    if number == 2 and isinstance(value, bytes):
                        row = _history(log, value, row + 1)
        except ValueError:
            log.notes.append(f"{path.name} is damaged: what comes after the damage was left out")
    return log


def _records(file: BufferedReader) -> Iterator[bytes]:
    """Yield whole records; one that is cut off at the end is left out. ValueError where a checksum is wrong."""
    if file.read(7)[:4] != HEAD:
        raise ValueError("no W&B file")
    place, parts = 7, b""
    while True:
        left = BLOCK - place % BLOCK
        if left < 7:
            file.read(left)
            place += left
            continue
        head = file.read(7)
        if len(head) < 7:
            return
        crc, size, kind = struct.unpack("<IHB", head)
        data = file.read(size)
        if len(data) < size:
            return
        place += 7 + size
        if kind not in (FULL, FIRST, MIDDLE, LAST) or zlib.crc32(bytes([kind]) + data) != crc:
            raise ValueError("damaged")
        parts = data if kind in (FULL, FIRST) else parts + data
        if kind in (FULL, LAST):
            yield parts


def _history(log: ScalarLog, record: bytes, row: int) -> int:
    """Add one row of the history; return its step. row: the step where it names none."""
    step, values = row, {}
    for number, value in fields(record):
        if number == 1 and isinstance(value, bytes):
            name, told = _item(value)
            if isinstance(told, int | float) and not isinstance(told, bool):
                values[name] = float(told)
        elif number == 2 and isinstance(value, bytes):
            step = next((signed(one) for inner, one in fields(value) if inner == 1 and isinstance(one, int)), 0)
    for name, told in values.items():
        if not name.startswith("_"):
            log.add(name, step, told)
    return step


def _item(item: bytes) -> tuple[str, object]:
    """Return name and value of one item; the parts of a nested name are joined by dots."""
    parts: list[str] = []
    told: object = None
    for number, value in fields(item):
        if not isinstance(value, bytes):
            continue
        if number in (1, 2) and value:
            parts.append(value.decode("utf-8", "replace"))
        elif number == 16:
            try:
                told = json.loads(value)
            except (ValueError, RecursionError):
                told = None
    return ".".join(parts), told
