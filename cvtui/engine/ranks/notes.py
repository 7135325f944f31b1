"""Last words of ranks for the process that started them, as small files in a folder of their own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from cvtui import door

AGENT = "CVTUI_AGENT"
"""Environment variable: process number of our own agent, which holds the run's lock."""
NOTES = "CVTUI_RANK_NOTES"
"""Environment variable: the folder for last words, and for the exit code of rank 0."""
EXIT_CODE = "exit"


class LastWords(msgspec.Struct, kw_only=True):
    """Why a rank has ended."""

    rank: int
    restart: int
    time: float
    text: str
    lost: bool
    """It ended because another rank was gone, or did not answer."""
    silent: bool = False
    """… did not answer."""


def leave_words(words: LastWords, error: BaseException) -> None:
    """Write them down for our agent, and for a torchrun that was started by hand."""
    with contextlib.suppress(Exception):  # nothing must hide the error itself
        from torch.distributed.elastic.multiprocessing.errors import get_error_handler

        get_error_handler().record_exception(error)
    if folder := os.environ.get(NOTES):
        with contextlib.suppress(OSError):
            door.write(Path(folder) / f"{words.restart}-{words.rank}.json", msgspec.json.encode(words))


def leave_exit_code(code: int) -> None:
    """Tell our agent the exit code of a run that has ended as it should."""
    if folder := os.environ.get(NOTES):
        with contextlib.suppress(OSError):
            door.write(Path(folder) / EXIT_CODE, str(code).encode())


def has_ended() -> bool:
    """Return True if the run has ended in an earlier life of this rank."""
    folder = os.environ.get(NOTES)
    return bool(folder) and exit_code(Path(folder or "")) is not None


def exit_code(folder: Path) -> int | None:
    """Return the exit code that rank 0 has left; None without."""
    try:
        return int(door.text(folder / EXIT_CODE))
    except (OSError, ValueError):
        return None


def last_words(folder: Path) -> list[LastWords]:
    """Return the words of the ranks' last life, in the order of their times."""
    found = []
    for name in door.names(folder, ".json"):
        with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError):
            found.append(msgspec.json.decode(door.text(folder / name), type=LastWords))
    newest = max((one.restart for one in found), default=0)
    return sorted((one for one in found if one.restart == newest), key=lambda one: one.time)


def cause(words: Sequence[LastWords], killed: Sequence[tuple[int, str]]) -> str:
    """Return why the ranks have ended: an error of a rank's own, else one that hangs, else one that was killed.

    killed: (rank, name of the signal).
    """
    own = next((one for one in words if not one.lost), None)
    if own is not None:
        return f"rank {own.rank}: {own.text}"
    silent = next((one for one in words if one.silent), None)
    if silent is not None:  # it is killed after that
        return silent.text
    if killed:
        rank, name = killed[0]
        return f"rank {rank} was ended by {name}"
    return next((one.text for one in words), "the ranks ended without a word; see worker.log")
