"""Forks of a process with threads: none while another thread is amid an import.

A module that is half imported at the fork stays so in the child, with its lock held by a thread that is not there: the
child's own import of it never returns (seen with a decoding process and Pillow's ImageOps, in one start of six on a
busy machine). Importing this module is enough: it holds for each `os.fork` from then on.

To look and then to fork would not do: other hooks of a fork wait for locks (that of `concurrent.futures`), and other
threads go on meanwhile. So the lock that each import takes as it begins is held from the look until after the fork.
"""

from __future__ import annotations

import _imp
import importlib
import os
import threading
import time
from typing import Any

LONGEST_WAIT = 2.0
"""Seconds: an import that takes longer may wait for the fork itself (a module that forks while it is imported)."""
BETWEEN_LOOKS = 0.002
"""Seconds: the thread that imports goes on meanwhile."""

_module_locks: dict[str, Any] = getattr(getattr(importlib, "_bootstrap", None), "_module_locks", {})
"""Of each module that is being looked for or imported: a reference to its lock (none where a Python lacks it)."""
_holding: list[int] = []
"""The thread that holds the lock of imports for its fork, where one does."""


def being_imported() -> list[str]:
    """Name the modules that other threads look for or import just now."""
    mine = threading.get_ident()
    locks = [(name, reference()) for name, reference in list(_module_locks.items())]
    return [name for name, lock in locks if lock is not None and lock.owner != mine]


def hold_imports() -> None:
    """Return when no other thread imports, and let none begin."""
    until = time.monotonic() + LONGEST_WAIT
    while True:
        _imp.acquire_lock()
        if not being_imported():
            _holding.append(threading.get_ident())
            return
        _imp.release_lock()
        if time.monotonic() > until:
            return
        time.sleep(BETWEEN_LOOKS)


def _let_go() -> None:
    if threading.get_ident() in _holding:
        _holding.clear()
        _imp.release_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=hold_imports, after_in_parent=_let_go, after_in_child=_let_go)
