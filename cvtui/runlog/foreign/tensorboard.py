"""TensorBoard's event files, read without the package tensorboard."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from cvtui import door
from cvtui.runlog.foreign.protobuf import fields, float32, signed
from cvtui.runlog.foreign.scalars import ScalarLog

LONGEST = 1 << 16
"""Bytes of an event with a scalar; longer ones hold images, graphs, histograms."""
START = 1
"""Status of a session that begins: what was written before, from its step on, doesn't count (`purge_step`)."""
_POLYNOMIAL = 0x82F63B78


def read_events(paths: list[tuple[str, Path]]) -> ScalarLog:
    """Read the scalars of event files in the order of their names. paths: (prefix of the tags, file). OSError."""
    log = ScalarLog("TensorBoard event files" if len(paths) > 1 else "a TensorBoard event file")
    for prefix, path in paths:
        with door.opened_input(path) as file:
            damaged = False
            try:
                for event in _events(file):
                    _take(log, prefix, event)
            except ValueError:
                damaged = True
        if damaged:
            log.notes.append(f"{path.name} is damaged: what comes after the damage was left out")
    return log


def _events(file: BufferedReader) -> Iterator[bytes]:
    """Yield records: length, its CRC, data, their CRC. A record that is cut off at the end ends the file."""
    while len(head := file.read(12)) == 12:
        size, crc = struct.unpack("<QI", head)
        if _masked_crc(head[:8]) != crc:
            raise ValueError("damaged")
        if size > LONGEST:
            file.seek(size + 4, 1)
            continue
        data = file.read(size + 4)
        if len(data) < size + 4:
            return
        if _masked_crc(data[:size]) != struct.unpack("<I", data[size:])[0]:
            raise ValueError("damaged")
        yield data[:size]


def _take(log: ScalarLog, prefix: str, event: bytes) -> None:
    """Add the scalars of one event."""
    step, summary = 0, b""
    for number, value in fields(event):
        if number == 2 and isinstance(value, int):
            step = signed(value)
        elif number == 5 and isinstance(value, bytes):
            summary = value
        elif number == 7 and isinstance(value, bytes) and (1, START) in fields(value):
            log.forget(prefix, step)
    for number, one in fields(summary):
        if number == 1 and isinstance(one, bytes):
            tag, scalar = _scalar(one)
            if tag and scalar is not None:
                log.add(prefix + tag, step, scalar)


def _scalar(value: bytes) -> tuple[str, float | None]:
    """Return tag and number of a summary's value; None of an image or the like."""
    tag, scalar = "", None
    for number, one in fields(value):
        if number == 1 and isinstance(one, bytes):
            tag = one.decode("utf-8", "replace")
        elif number == 2 and isinstance(one, int):
            scalar = float32(one)
        elif number == 8 and isinstance(one, bytes):
            scalar = _number(one)
    return tag, scalar


def _number(tensor: bytes) -> float | None:
    """Return the one number of a TensorProto (float, double); None of any other."""
    kind, raw, listed = 0, b"", b""
    for number, value in fields(tensor):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 4 and isinstance(value, bytes):
            raw = value
        elif number in (5, 6):
            listed = value if isinstance(value, bytes) else value.to_bytes(4 if number == 5 else 8, "little")
    data, form = raw or listed, {1: "<f", 2: "<d"}.get(kind, "")
    if not form or len(data) != struct.calcsize(form):
        return None
    return float(struct.unpack(form, data)[0])


def _table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _table()


def _masked_crc(data: bytes) -> int:
    """Return CRC-32C, rotated and shifted as in TensorFlow's records."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
