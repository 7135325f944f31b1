"""Progress of a command for the screen that started it: one line in a file that both hold open."""

from __future__ import annotations

import contextlib
import os

VARIABLE = "CVTUI_SHARE"
"""In the environment of such a command: the open file's number."""
WIDTH = 128

_number = os.environ.pop(VARIABLE, "")  # not for the processes that this one starts


def tell_share(share: float, words: str = "") -> None:
    """Tell the share that is done (0..1), and what is being done; nothing where no screen asked."""
    if not _number.isdecimal():
        return
    text = f"{min(1.0, max(0.0, share)):.4f} {words}".encode()[: WIDTH - 1]
    with contextlib.suppress(OSError):
        os.pwrite(int(_number), text.ljust(WIDTH), 0)


def parse_share(data: bytes) -> tuple[float, str] | None:
    """Return (share, words) of what was told; None for nothing."""
    number, _, words = data.decode("utf-8", "replace").partition(" ")
    try:
        return min(1.0, max(0.0, float(number))), words.strip()
    except ValueError:
        return None
