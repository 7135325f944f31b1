"""How many bands a TIFF file has that Pillow can't open: those of satellites have a dozen."""

from __future__ import annotations

import contextlib
import struct

from cvtui import door

SAMPLES_PER_PIXEL = 277
MOST_TAGS = 4096


def bands_of(path: str) -> int:
    """Return the number of bands in a TIFF file with more than Pillow reads; 0 of any other."""
    with contextlib.suppress(OSError, struct.error), door.opened_input(path) as file:
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(file.read(4))
        if order is None:
            return 0
        file.seek(*struct.unpack(f"{order}I", file.read(4)))
        (tags,) = struct.unpack(f"{order}H", file.read(2))
        for _ in range(min(tags, MOST_TAGS)):
            tag, _kind, _count, value = struct.unpack(f"{order}HHIH", file.read(10))
            file.read(2)
            if tag == SAMPLES_PER_PIXEL:
                return int(value) if value > 4 else 0
    return 0
