"""Command lines of cvtui's own processes, which import nothing from the working directory by accident."""

from __future__ import annotations

import functools
import importlib.machinery
import os
import sys


def own_module(module: str, *words: str) -> list[str]:
    """Return the command line of `python -m MODULE WORDS…`.

    With -P: a `random.py` or `torch.py` in the working directory is not taken for Python's or PyTorch's. Without, where
    cvtui itself is found there alone (an archive that is not installed).
    """
    return [sys.executable, *(["-P"] if is_installed() else []), "-m", module, *words]


@functools.cache
def is_installed() -> bool:
    """Return True if cvtui is found without the working directory."""
    path = sys.path if sys.flags.safe_path else sys.path[1:]  # the first is the working directory, or the script's
    here = {"", os.getcwd()} if sys.path[:1] == [""] else {""}
    return importlib.machinery.PathFinder.find_spec("cvtui", [part for part in path if part not in here]) is not None
