"""The record of the machine that trains: processor, memory, GPUs, disk, and what a step waits for data."""

from __future__ import annotations

import msgspec

from cvtui.runlog.record import Record

INPUT_BOUND = 0.2
"""Share of a step that waits for data from which on a run is called input-bound."""


class Gpu(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One GPU that the run trains on."""

    name: str
    """As the driver calls it."""
    memory: int | None = None
    """Bytes in use on it, by all processes."""
    memory_total: int | None = None
    """Bytes that it has."""
    use: float | None = None
    """Share of the time in which some kernel ran on it, 0..1, as NVML tells (extra `gpu`); null where it does not."""
    why: str = ""
    """Why its use is not known: what to install, or NVML's own words; empty where it is."""


class Machine(Record, tag="machine", frozen=True, kw_only=True):
    """What the training takes of its machine, every few seconds. Everything may be missing: null."""

    time: float
    step: int
    cores: int = 0
    """CPU cores that this process may use."""
    cpu: float | None = None
    """Share of these cores that was busy since the record before, 0..1, by all processes."""
    process: float | None = None
    """Cores that the training process itself kept busy, on average (processes that load its data not counted)."""
    memory: int | None = None
    """Bytes that the training process holds."""
    memory_free: int | None = None
    """Bytes that it may still take: of the machine, its container, its own limit."""
    disk_free: int | None = None
    """Bytes left on the disk of the run folder."""
    waited: float | None = None
    """Share of the training steps' time that was a wait for data, 0..1, since the record before (of a custom loop: the
    time inside of its DataLoader; null without one)."""
    step_seconds: float | None = None
    """Mean time of a step, since the record before."""
    gpus: list[Gpu] = []
    """Those that it trains on."""

    @property
    def is_input_bound(self) -> bool:
        return self.waited is not None and self.waited >= INPUT_BOUND
