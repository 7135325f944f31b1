"""GPUs of this machine, one for each run of a race."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

DRIVERS = ("/dev/nvidiactl", "/proc/driver/nvidia/version")
_COUNT = "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)"


def visible_gpus() -> list[str]:
    """Return what CUDA_VISIBLE_DEVICES would name each GPU that PyTorch can use here; [] without any.

    PyTorch is asked, in a process of its own (2 s), where NVIDIA's driver is there.
    """
    if not any(Path(name).exists() for name in DRIVERS):
        return []
    asked = subprocess.run([sys.executable, "-c", _COUNT], capture_output=True, text=True, check=False)
    count = int(asked.stdout) if asked.stdout.strip().isdecimal() else 0
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return (named or [str(number) for number in range(count)])[:count]


class Gpus:
    """Hands out GPUs: to each the one that the fewest have."""

    def __init__(self, names: list[str]) -> None:
        self._taken: Counter[str] = Counter(dict.fromkeys(names, 0))

    def __len__(self) -> int:
        return len(self._taken)

    def take(self) -> str:
        """Return the name of a GPU; "" where there is none."""
        if not self._taken:
            return ""
        name = min(self._taken, key=lambda name: self._taken[name])
        self._taken[name] += 1
        return name

    def give_back(self, name: str) -> None:
        if name:
            self._taken[name] -= 1
