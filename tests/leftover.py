"""Processes that a failed test leaves behind."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil


def end_processes_in(folder: Path) -> None:
    """Kill what works in a folder or below it, or was given a path in it (that of a run may be relative)."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        places = (f"{process.info['cwd']}{os.sep}", *(process.info["cmdline"] or ()))
        if any(place.startswith(f"{folder}{os.sep}") for place in places):
            with contextlib.suppress(psutil.Error):
                process.kill()
