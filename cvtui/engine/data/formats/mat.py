"""MATLAB's .mat files, as far as SVHN needs them: arrays of numbers in version 5 of the format, packed or not.

A file is a header of 128 bytes and elements; an element is a type, a length and data; an array is an element of
elements: flags, dimensions, name, values (MathWorks, "MAT-File Format"). SciPy reads all of it, but is large.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cvtui.calc.table import size_text
from cvtui.engine.data.formats.errors import MOST_BYTES, DamagedError

MATRIX, COMPRESSED = 14, 15
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Type of an element -> NumPy's name for its values."""
COMPLEX = 0x0800
NUMERIC_CLASSES = range(6, 16)
"""Of arrays: double, single and the whole numbers; not cells, structures, text."""


def read_mat(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of numbers in a .mat file by name, in MATLAB's order of dimensions. DamagedError."""
    data = memoryview(path.read_bytes())
    if bytes(data[:10]) != b"MATLAB 5.0" or len(data) < 128:
        seven = bytes(data[:10]) == b"MATLAB 7.3"
        raise DamagedError(path, "it is a MATLAB 7.3 file" if seven else "it does not begin with 'MATLAB 5.0'")
    order = {b"IM": "<", b"MI": ">"}.get(bytes(data[126:128]))
    if order is None:
        raise DamagedError(path, "its header does not tell the order of its bytes")
    try:
        arrays = [_array(body, order) for kind, body in _whole(data[128:], order) if kind == MATRIX]
    except (ValueError, StopIteration, struct.error, zlib.error, KeyError) as error:
        raise DamagedError(path, str(error) or "an array lacks a part") from error
    return dict(array for array in arrays if array is not None)


def _whole(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Return the elements of a file, unpacked."""
    for kind, body in _elements(data, order, padded=False):
        if kind != COMPRESSED:
            yield kind, body
            continue
        unpacker = zlib.decompressobj()
        unpacked = memoryview(unpacker.decompress(body, MOST_BYTES))
        if not unpacker.eof:
            raise ValueError("a packed array is cut off")
        yield from _elements(unpacked, order)


def _elements(data: memoryview, order: str, padded: bool = True) -> Iterator[tuple[int, memoryview]]:
    """Type and data of each element. A packed one in a file is the only kind that isn't padded to 8 bytes."""
    place = 0
    while place < len(data):
        kind, length = struct.unpack_from(f"{order}II", data, place)
        if kind >> 16:  # up to four bytes of data, which stand where the length does elsewhere
            kind, length, start, step = kind & 0xFFFF, kind >> 16, place + 4, 8
        else:
            start = place + 8
            step = 8 + (length if kind == COMPRESSED and not padded else -(-length // 8) * 8)
        if start + length > len(data):
            raise ValueError(f"it ends {start + length - len(data):,} bytes too early")
        yield kind, data[start : start + length]
        place += step


def _array(body: memoryview, order: str) -> tuple[str, np.ndarray] | None:
    """Name and values of an array; None for one that isn't of (real) numbers."""
    parts = _elements(body, order)
    flags = struct.unpack_from(f"{order}I", next(parts)[1])[0]
    if flags & 0xFF not in NUMERIC_CLASSES or flags & COMPLEX:
        return None
    shape = np.frombuffer(next(parts)[1], f"{order}i4").tolist()
    name = bytes(next(parts)[1]).decode("ascii", "replace")
    kind, raw = next(parts)
    values = np.frombuffer(raw, f"{order}{NUMBERS[kind]}")
    if any(side < 0 for side in shape) or len(values) != math.prod(shape):
        sides = size_text(shape)
        raise ValueError(f"its array {name!r} is said to be {sides}, but has {len(values):,} values")
    return name, values.reshape(shape, order="F")
