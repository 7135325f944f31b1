"""How many bits a value of a JPEG 2000 picture has, which Pillow doesn't tell."""

from __future__ import annotations

import struct
from typing import Any

START = b"\xff\x4f\xff\x51"
"""A codestream begins so; in a .jp2 after boxes with colour profiles and the like."""
LONGEST_HEAD = 1 << 20


def bits_of(opened: Any) -> int:
    """Return the bits of a value in a JPEG 2000 picture that Pillow has opened, of its deepest band; 0 of others."""
    if opened.format != "JPEG2000" or opened.fp is None:
        return 0
    place = opened.fp.tell()
    opened.fp.seek(0)
    head = opened.fp.read(LONGEST_HEAD)
    opened.fp.seek(place)
    begin = head.find(START)
    if begin < 0 or len(head) < begin + 42:
        return 0
    (bands,) = struct.unpack_from(">H", head, begin + 40)
    depths = head[begin + 42 : begin + 42 + 3 * bands : 3]
    return max(((one & 0x7F) + 1 for one in depths), default=0)
