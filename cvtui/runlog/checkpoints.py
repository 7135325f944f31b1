"""Which checkpoint of a run is meant: by its file's name, without opening it."""

from __future__ import annotations

from pathlib import Path

from cvtui import door
from cvtui.errors import RequestError, nearest
from cvtui.runlog.folder import RunFolder


def pick(folder: RunFolder, name: str = "") -> Path:
    """The checkpoint of that name (`last`, `epoch-0010.pt`), by default the best, else the last. RequestError."""
    there = door.names(folder.checkpoints, ".pt")
    if not there:
        raise RequestError(f"{folder.name!r} has no checkpoint", hint="one is saved after each epoch")
    wanted = [name.removesuffix(".pt") + ".pt"] if name else ["best.pt", "last.pt", there[-1]]
    for word in wanted:
        if word in there:
            return folder.checkpoints / word
    raise RequestError(
        f"--checkpoint: {name!r} is not there; {folder.name!r} has {', '.join(there)}{nearest(name, there)}"
    )
