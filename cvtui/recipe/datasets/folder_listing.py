"""Listing of a folder's images, and how the process that checked a recipe hands it to the one that trains it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

import msgspec

from cvtui import door
from cvtui.recipe.datasets.label_sets import LabelSets

HANDED_LISTING = "CVTUI_LISTING"
"""In the environment of a process that was started with the listing of its folder: the open file's number."""
WORTH = 1000
"""Files: fewer are listed in no time."""
Files = tuple[tuple[str, int], ...]
"""(path, number of the class)."""
Stamps = tuple[tuple[str, int], ...]
"""(folder, time of its last change in ns)."""
Asked = tuple[str, tuple[tuple[str, str], ...], float, int, bool]
"""(folder, what the text says of its halves, val_share, seed, several): what a listing follows from."""


@dataclass(frozen=True)
class Listing:
    """The files of a folder, not opened."""

    classes: tuple[str, ...]
    """In Unicode's composed form, in its order."""
    train: Files
    validation: Files
    others: int
    """Files that are passed over: no images by their names, hidden, links to nowhere."""
    notes: tuple[str, ...] = ()
    """What is to be told: what is used, what is left out."""
    label_sets: LabelSets = ()
    """Where pictures are in several classes: the classes of each label."""


class _Sent(msgspec.Struct, array_like=True):
    """What is written: paths as the bytes that the system knows them by, joined by the one that no path holds."""

    asked: Asked
    classes: tuple[str, ...]
    train: bytes
    train_labels: list[int]
    validation: bytes
    validation_labels: list[int]
    others: int
    notes: tuple[bytes, ...]
    label_sets: LabelSets
    folders: bytes
    times: list[int]


def stamp_of(folder: str) -> tuple[str, int]:
    """Return a folder and the time of its last change, −1 where it is not there: a name came, went or changed."""
    try:
        return folder, os.stat(folder).st_mtime_ns
    except OSError:
        return folder, -1


def write_listing(found: Listing, asked: Asked, folders: Stamps, *, named: bool = False) -> IO[bytes] | None:
    """Write a listing to a file, for another process; None where that is not worth it or can't be.

    named: the file has a name, and `take_listing` removes it; else the other gets its number.
    """
    if len(found.train) + len(found.validation) < WORTH:
        return None
    sent = _Sent(
        asked, found.classes, _joined([path for path, _ in found.train]), [label for _, label in found.train],
        _joined([path for path, _ in found.validation]), [label for _, label in found.validation], found.others,
        tuple(os.fsencode(note) for note in found.notes), found.label_sets, _joined([path for path, _ in folders]),
        [time for _, time in folders],
    )  # fmt: skip
    file: IO[bytes] | None = None
    try:
        written = msgspec.msgpack.encode(sent)
        file = (  # its reader has it open too
            tempfile.NamedTemporaryFile(prefix="cvtui-listing-", delete=False) if named else tempfile.TemporaryFile()  # noqa: SIM115
        )
        file.write(written)
        file.flush()
    except (OSError, UnicodeEncodeError):  # a full disk; a class's name that is no text
        if file is not None and named:
            os.unlink(file.name)
        return None
    return file


def take_listing(path: str) -> None:
    """Lay ready, for the next look into its folder, a listing that another process wrote; its file is removed."""
    with contextlib.suppress(OSError):
        with door.opened_input(path) as file:
            os.environ[HANDED_LISTING] = str(os.dup(file.fileno()))
        os.unlink(path)


def handed_listing(asked: Asked) -> Listing | None:
    """Return the listing that this process was started with, if it is of what is asked and no folder has changed."""
    sent = _read()
    if sent is None or sent.asked != asked:
        return None
    folders = zip(_parted(sent.folders), sent.times, strict=True)
    if any(stamp_of(folder)[1] != time for folder, time in folders):
        return None
    return Listing(
        sent.classes, tuple(zip(_parted(sent.train), sent.train_labels, strict=True)),
        tuple(zip(_parted(sent.validation), sent.validation_labels, strict=True)), sent.others,
        tuple(map(os.fsdecode, sent.notes)), sent.label_sets,
    )  # fmt: skip


def _read() -> _Sent | None:
    """Read what was handed on, once."""
    number = os.environ.pop(HANDED_LISTING, "")
    if not number:
        return None
    with contextlib.suppress(OSError, ValueError, msgspec.DecodeError), open(int(number), "rb") as file:
        file.seek(0)
        return msgspec.msgpack.decode(file.read(), type=_Sent)
    return None


def _joined(paths: Sequence[str]) -> bytes:
    return os.fsencode("\0".join(paths))


def _parted(paths: bytes) -> list[str]:
    return os.fsdecode(paths).split("\0") if paths else []
