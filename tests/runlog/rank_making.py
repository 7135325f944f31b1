"""Rank files written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from cvtui import door
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.ranks import RankChecks, RankStarted, RankSteps, rank_file
from cvtui.runlog.tail import append_line


def times(first: int, data: list[float | None], own: list[float], whole: float) -> RankSteps:
    """Make steps of `whole` seconds, with an update of 0.1: what is no own work is spent in waiting for others."""
    passes = [whole - 0.1 - (wait or 0.0) for wait in data]
    count = len(data)
    return RankSteps(
        first=first, data=data, passes=passes, own=list(own), update=[0.1] * count, seconds=[whole] * count,
        images=[8] * count, memory=1 << 20,
    )  # fmt: skip


def run_of(base: Path, *ranks: Sequence[RankSteps | RankChecks]) -> RunFolder:
    folder = RunFolder.create(base, "r", "")
    write_ranks(folder, *ranks)
    return folder


def write_ranks(folder: RunFolder, *ranks: Sequence[RankSteps | RankChecks]) -> None:
    """Write the file of each rank: its start, then its records."""
    door.make_folder(folder.ranks)
    for number, records in enumerate(ranks):
        start = RankStarted(time=1.0, rank=number, world_size=len(ranks), host="h", pid=10 + number, device="cpu")
        for record in (start, *records):
            append_line(rank_file(folder, number), msgspec.json.encode(record))
