"""What the training takes of its machine, measured every few seconds where the log is flushed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import psutil
import torch

from cvtui.engine.runtime.idle_cores import IdleCores
from cvtui.recipe.free_memory import free_memory
from cvtui.runlog.events import Gpu, Machine
from cvtui.runlog.worker_process import usable_cores
from cvtui.text import rounded

EVERY_SECONDS = 5.0
"""Between two records. One takes about 1 ms, so they cost 0.02 % of the time."""


class WaitMeter(Protocol):
    """What knows how long the steps waited for their data."""

    def take(self) -> float | None:
        """Return the share of the time since the last call, 0..1; None where it is not known."""


class MachineMeter:
    """Fact source: a `Machine` record every EVERY_SECONDS, the first after as long."""

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        step: Callable[[], int],
        seconds: Callable[[], float],
        waits: WaitMeter,
    ) -> None:
        """step, seconds: steps done, and seconds of training without pauses."""
        self._folder, self._step, self._seconds, self._waits = folder, step, seconds, waits
        self._idle = IdleCores()
        self._gpu = GpuMeter(device) if device.type == "cuda" else None
        self._process = psutil.Process()
        self._idle()
        self._mark = self._now()
        self._due = time.monotonic() + EVERY_SECONDS

    def _now(self) -> tuple[float, float, int, float]:
        """Return wall seconds, CPU seconds of this process, steps, and seconds of training."""
        return time.monotonic(), time.process_time(), self._step(), self._seconds()

    def take(self) -> Machine | None:
        """Return the next record, when it is due."""
        if time.monotonic() < self._due:
            return None
        before, self._mark = self._mark, self._now()
        wall, spent, step, seconds = (now - then for now, then in zip(self._mark, before, strict=True))
        self._due = self._mark[0] + EVERY_SECONDS
        cores, idle, waited = usable_cores(), self._idle(), self._waits.take()
        return Machine(
            time=time.time(),
            step=int(self._mark[2]),
            cores=cores,
            cpu=None if idle is None else rounded(min(1.0, max(0.0, 1 - idle / cores)), 3),
            process=rounded(spent / wall, 3) if wall > 0 else None,
            memory=_of_system(lambda: int(self._process.memory_info().rss)),
            memory_free=_of_system(free_memory),
            disk_free=_of_system(lambda: shutil.disk_usage(self._folder).free),
            waited=None if waited is None else rounded(min(1.0, max(0.0, waited)), 3),
            step_seconds=rounded(seconds / step, 4) if step > 0 else None,
            gpus=[self._gpu.read()] if self._gpu is not None else [],
        )


def _of_system(read: Callable[[], int]) -> int | None:
    """Return a number of the system's; None where it is not to be had (a container that hides /proc)."""
    try:
        return read()
    except (OSError, RuntimeError, ValueError, psutil.Error):
        return None


class GpuMeter:
    """One GPU: its memory from CUDA, its use from NVML where nvidia-ml-py (extra `gpu`) is installed."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        facts = torch.cuda.get_device_properties(device)
        self._name = str(facts.name)
        self._nvml, self._handle, self._why = _nvml_handle(str(getattr(facts, "uuid", "")))

    def read(self) -> Gpu:
        """Read its memory and use now. Waits for no kernel."""
        try:
            free, total = torch.cuda.mem_get_info(self._device)
        except RuntimeError:
            return Gpu(name=self._name)
        use, why = self._use()
        return Gpu(name=self._name, memory=total - free, memory_total=total, use=use, why=why)

    def _use(self) -> tuple[float | None, str]:
        """Return its use, or why it is not known."""
        if self._nvml is None:
            return None, self._why
        try:
            return rounded(self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu / 100, 3), ""
        except self._nvml.NVMLError as error:  # a MIG slice has no figure of its own; a card may be lost
            return None, f"NVML: {error}"


def _nvml_handle(uuid: str) -> tuple[Any, Any, str]:
    """Return NVML and its handle of a GPU; (None, None, why) without library, driver or such a GPU.

    NVML counts all GPUs of the machine and CUDA those that are visible, so the number says nothing. CUDA gives a
    MIG slice's own UUID, without the word before it.
    """
    try:
        import pynvml
    except ImportError:
        return None, None, "pip install 'cvtui[gpu]'"
    why = ""
    try:
        pynvml.nvmlInit()
        for kind in ("GPU", "MIG"):
            try:
                return pynvml, pynvml.nvmlDeviceGetHandleByUUID(f"{kind}-{uuid}"), ""
            except pynvml.NVMLError as error:
                why = f"NVML: {error}"
    except pynvml.NVMLError as error:
        why = f"NVML: {error}"
    return None, None, why
