"""Processes that a failed test leaves behind."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil


def end_processes_in(folder: Path) -> None:
    """Kill what works in a folder or below it, or was given a path in it (that of a run may be relative).

    This process is spared, and those that started it: a test may have gone into its folder itself.
    """
    own = psutil.Process()
    spared = {own.pid, *(parent.pid for parent in own.parents())}
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if process.pid in spared:
            continue
        places = [f"{process.info['cwd']}{os.sep}", *(process.info["cmdline"] or ())]
        if process.info["cmdline"] == own.cmdline():  # a fork (tests/forked.py): known by its log
            with contextlib.suppress(psutil.Error):
                places += [file.path for file in process.open_files()]
        if any(place.startswith(f"{folder}{os.sep}") for place in places):
            with contextlib.suppress(psutil.Error):
                process.kill()
