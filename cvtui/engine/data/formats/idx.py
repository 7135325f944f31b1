"""Reader of the idx format of MNIST and its like.

Two zero bytes, the type (8: bytes), the number of dimensions, each dimension as a big-endian 32-bit number, the values.
Perhaps packed with gzip.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from cvtui.engine.data.formats.errors import MOST_BYTES, DamagedError


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Read the uint8 array of that many dimensions from an idx file (packed: .gz). DamagedError."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(4 + 4 * dimensions)
            if head[:4] != bytes((0, 0, 8, dimensions)):
                raise DamagedError(
                    path, f"it begins with {head[:4].hex(' ') or 'nothing'} where 00 00 08 {dimensions:02x} belongs"
                )
            if len(head) < 4 + 4 * dimensions:
                raise DamagedError(path, "it ends within its header")
            shape = struct.unpack(f">{dimensions}I", head[4:])
            length = math.prod(shape)
            if length > (MOST_BYTES if path.suffix == ".gz" else path.stat().st_size):
                raise DamagedError(path, f"its header speaks of {length:,} bytes, which it doesn't hold")
            values = np.empty(length, np.uint8)
            came = file.readinto(values.data) if length else 0
            if came != length or file.read(1):
                raise DamagedError(path, f"it holds {'more' if came == length else f'{came:,}'} bytes of {length:,}")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedError(path, str(error)) from error
    return values.reshape(shape)
