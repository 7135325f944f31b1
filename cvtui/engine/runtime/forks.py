"""Forks of a process with threads: none while another thread is amid an import.

A module that is half imported at the fork stays so in the child, with its lock held by a thread that is not there: the
child's own import of it never returns (seen with a decoding process and Pillow's plugins, in one start of four on an
idle machine). Importing this module is enough: it holds for each `os.fork` from then on.
"""

from __future__ import annotations

import os
import sys
import time
from types import FrameType

LONGEST_WAIT = 2.0
"""Seconds: an import that takes longer may wait for the fork itself (a module that forks while it is imported)."""
BETWEEN_LOOKS = 0.002
"""Seconds: the thread that imports goes on meanwhile. A look takes 0.8 ms at 2,000 modules."""


def being_imported() -> list[str]:
    """Name the modules that are imported just now, this thread's own among them."""
    return [name for name, module in list(sys.modules.items())
            if getattr(getattr(module, "__spec__", None), "_initializing", False)]  # fmt: skip


def wait_for_imports() -> None:
    """Return when no other thread imports: between the last look and the fork that follows no other thread runs."""
    mine = _own()
    until = time.monotonic() + LONGEST_WAIT
    while set(being_imported()) - mine and time.monotonic() < until:
        time.sleep(BETWEEN_LOOKS)


def _own() -> set[str]:
    """Name the modules that this thread is amid importing: those whose code stands on its stack."""
    found = set()
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            found.add(frame.f_globals.get("__name__", ""))
        frame = frame.f_back
    return found


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=wait_for_imports)
