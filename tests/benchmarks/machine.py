"""Where the figures were taken."""

from __future__ import annotations

import os
import platform
import time
from importlib import metadata
from pathlib import Path

from cvtui.runlog.worker_process import usable_cores


def facts(device: str) -> list[str]:
    """Lines for under a table."""
    versions = []
    for name in ("torch", "lightning", "fastai", "textual", "numpy"):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    where = f"{_processor()}, {usable_cores()} cores, {platform.system()} {platform.release()}"
    if device == "cuda":
        import torch

        where += f"; {torch.cuda.get_device_name(0)}"
    return [
        where,
        f"Python {platform.python_version()}, {', '.join(versions)}",
        f"load at the start {os.getloadavg()[0]:.2f}; {time.strftime('%Y-%m-%d')}",
    ]


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
