"""Protocol buffer messages without their schema: numbered fields, as far as the readers here need them."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (number, value) of each field of a message: bytes, or an int for varints and fixed sizes (raw bits).

    ValueError where the message is cut off or is none.
    """
    place, end = 0, len(data)
    while place < end:
        key, place = varint(data, place)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, place = varint(data, place)
            yield number, value
            continue
        if wire == 2:
            size, place = varint(data, place)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if place + size > end:
            raise ValueError("cut off")
        piece = data[place : place + size]
        place += size
        yield number, piece if wire == 2 else int.from_bytes(piece, "little")


def varint(data: bytes, place: int) -> tuple[int, int]:
    """Return the number at `place` and where it ends. ValueError where it is cut off."""
    value = shift = 0
    while place < len(data) and shift < 70:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
    raise ValueError("cut off")


def signed(value: int) -> int:
    """Return an int64 field as the number that it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value


def float32(bits: int) -> float:
    """Return a fixed 32-bit field as a float."""
    return float(struct.unpack("<f", bits.to_bytes(4, "little"))[0])
