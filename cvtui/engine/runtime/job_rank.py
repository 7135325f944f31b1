"""Place of this process in a job of several processes (torchrun's environment, else the process group)."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class JobRank:
    """Place of this process in its job."""

    rank: int
    world_size: int
    job: str
    """Names the job over restarts: torchrun's id, else host and number of the process that started this one."""
    restart: int = 0
    """How often torchrun has restarted it."""
    local_rank: int = 0
    """Its number on this machine, from 0."""


def job_rank() -> JobRank | None:
    """Return this process's rank; None for one that trains alone."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        rank, world_size = distributed.get_rank(), distributed.get_world_size()
    else:
        rank, world_size = _number("RANK", 0), _number("WORLD_SIZE", 1)
    return _place(rank, world_size) if world_size > 1 else None


def told_rank() -> JobRank | None:
    """Return the rank that torchrun gave this process, of one or more; None for one that torchrun has not started."""
    if "TORCHELASTIC_RUN_ID" not in os.environ or not os.environ.get("RANK", "").isdecimal():
        return None
    return _place(_number("RANK", 0), _number("WORLD_SIZE", 1))


def local_rank() -> int:
    """Return the number of this process on its machine; 0 of one that trains alone."""
    return _number("LOCAL_RANK", 0)


def ranks_here() -> int:
    """Return how many processes of the job train on this machine."""
    return max(1, _number("LOCAL_WORLD_SIZE", 1))


def _place(rank: int, world_size: int) -> JobRank:
    name = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    job = name if name != "none" else f"{socket.gethostname()}-{os.getppid()}"
    return JobRank(rank, world_size, job, _number("TORCHELASTIC_RESTART_COUNT", 0), local_rank())


def _number(variable: str, default: int) -> int:
    word = os.environ.get(variable, "")
    return int(word) if word.isdecimal() else default
