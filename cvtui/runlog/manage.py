"""Rename, note, pin, delete and restore runs. Living runs are left alone.

<runs>/<name>/note.txt    the user's note about the run
<runs>/<name>/pinned      empty: the run is overlaid on every run of its folder that is opened
<runs>/.bin/<name>        deleted runs; hidden, so that no list shows them
"""

from __future__ import annotations

from pathlib import Path

from cvtui import door
from cvtui.errors import RequestError
from cvtui.recipe.run_name import check_name
from cvtui.runlog.folder import RunFolder, starting
from cvtui.runlog.other_hosts import check_here

NOTE, PINNED, BIN = "note.txt", "pinned", ".bin"
LONGEST_NOTE = 500
"""Characters."""


def note_of(folder: RunFolder) -> str:
    """Return the note about a run, in one line; "" without."""
    try:
        return " ".join(door.text(folder.path / NOTE).split())[:LONGEST_NOTE]
    except OSError:
        return ""


def write_note(folder: RunFolder, text: str) -> None:
    """Write the note `text`; "" removes it. RequestError when that fails."""
    check_here(folder.path, "given a note")
    path = folder.path / NOTE
    try:
        if text.strip():
            door.write(path, (" ".join(text.split())[:LONGEST_NOTE] + "\n").encode("utf-8", "replace"))
        else:
            door.remove(path)
    except OSError as error:
        raise RequestError(f"can't write the note of {folder.name!r}: {error.strerror}") from None


def is_pinned(folder: RunFolder) -> bool:
    return door.is_file(folder.path / PINNED)


def pin(folder: RunFolder, pinned: bool) -> None:
    """Pin or unpin a run. RequestError when that can't be written."""
    check_here(folder.path, "pinned")
    path = folder.path / PINNED
    try:
        if pinned:
            door.write(path, b"")
        else:
            door.remove(path)
    except OSError as error:
        raise RequestError(f"can't pin {folder.name!r}: {error.strerror}") from None


def rename(folder: RunFolder, name: str) -> RunFolder:
    """Rename a run. RequestError while it trains, or where the name is taken or impossible."""
    _not_alive(folder, "renamed")
    check_name(name, "name")
    target = folder.path.with_name(name)
    if target == folder.path:
        return folder
    _move(folder.path, target, f"{name!r} exists already; choose another name")
    return RunFolder(target)


def delete(folder: RunFolder) -> Path:
    """Move a run into the bin; return its new path, for `restore`. RequestError while it trains."""
    _not_alive(folder, "deleted")
    place = folder.path.parent / BIN
    try:
        door.make_folder(place)
    except OSError as error:
        raise RequestError(f"can't make the bin {str(place)!r}: {error.strerror}") from None
    number, target = 1, place / folder.name
    while target.exists():
        number += 1
        target = place / f"{folder.name}-{number}"
    _move(folder.path, target, "")
    return target


def restore(binned: Path, name: str) -> RunFolder:
    """Restore a deleted run. RequestError where its name has been taken meanwhile."""
    target = binned.parent.parent / name
    _move(binned, target, f"{name!r} exists again; rename that one first")
    return RunFolder(target)


def in_bin(runs: Path) -> list[Path]:
    """Return the deleted runs, the last one first."""
    place = runs / BIN
    try:
        if place.is_symlink():
            return []  # what lies there is not ours to delete
        found = [path for path in place.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []
    return sorted(found, key=lambda path: path.stat().st_ctime, reverse=True)


def _not_alive(folder: RunFolder, what: str) -> None:
    check_here(folder.path, what)
    if folder.alive():
        raise RequestError(f"{folder.name!r} is being trained; it can be {what} when it has ended")
    told = door.state(folder.events)
    if (told is None or not told.st_size) and starting(folder):
        raise RequestError(f"{folder.name!r} is about to start; it can be {what} when it has ended")


def _move(source: Path, target: Path, taken: str) -> None:
    if target.exists():
        raise RequestError(taken or f"{str(target)!r} exists already")
    try:
        source.rename(target)
    except OSError as error:
        raise RequestError(f"can't move {str(source)!r}: {error.strerror}") from None
