"""Which run folder is the copy of another host's run, and what can't be done with one. Cheap to import."""

from __future__ import annotations

import os
import shlex
from pathlib import Path, PurePosixPath
from typing import Protocol

from cvtui import door
from cvtui.errors import RequestError


class Mirror(Protocol):
    """The copy of another host's folder of runs (`cvtui/runlog/hosts/mirror.py`), as the copies' users see it."""

    @property
    def folder(self) -> Path:
        """Where the copy lies."""

    @property
    def address(self) -> object:
        """What it is a copy of; its text is `ssh://host/path`."""

    def start(self) -> None:
        """Keep it up to date from now on."""

    def send(self, path: str, words: bytes) -> None:
        """Append a line to a run's commands.jsonl there. RequestError."""

    def bring_picture(self, path: str, name: str) -> str:
        """Have a picture of a run copied; return what a person is told meanwhile."""

    def status(self) -> str:
        """Say what is not well with it."""

    def close(self) -> None:
        """Hang up."""


ADDRESS_NAME = ".address"
"""File of a mirror that says what it is a copy of."""
mirrors: dict[Path, Mirror] = {}
"""Those of this process, by folder."""


def cache_root() -> Path:
    """Return the folder of all mirrors: $XDG_CACHE_HOME/cvtui/hosts, by default below ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return Path(cache if os.path.isabs(cache) else os.path.expanduser("~/.cache")) / "cvtui" / "hosts"


def _base_of(path: Path) -> Path | None:
    """Return the mirror's folder that `path` lies in; None for a path that is no copy."""
    root = cache_root()
    if root not in path.parents:
        return None
    return root / path.relative_to(root).parts[0]


def mirror_of(path: Path) -> Mirror | None:
    """Return this process's mirror that the run folder `path` lies in."""
    base = _base_of(path) if mirrors else None
    return mirrors.get(base) if base is not None else None


def is_copy(path: Path) -> bool:
    """Return True for a run folder that is the copy of another host's."""
    return _base_of(path) is not None


def home_of(path: Path) -> tuple[str, str]:
    """Return (address of its folder of runs, path below that) of a copy. ("", "") for another path."""
    base = _base_of(path)
    if base is None:
        return "", ""
    try:
        address = door.text(base / ADDRESS_NAME)
    except OSError:
        address = "another host"
    return address, path.relative_to(base).as_posix()


def where(path: Path) -> str:
    """Return the folder that a run lies in, for people: of another host's run its host and folder there."""
    address, below = home_of(path)
    if not address:
        return str(path.parent)
    host, _, folder = address.removeprefix("ssh://").partition("/")
    above = below.rpartition("/")[0]
    return f"{host}:{'' if folder.startswith('~') else '/'}{folder}{'/' if above else ''}{above}"


def full_name(path: Path) -> str:
    """Return the path of a run folder, or the address of another host's."""
    address, below = home_of(path)
    return f"{address}/{below}" if address else str(path)


def check_here(path: Path, what: str, command: str = "") -> None:
    """Raise RequestError for the copy of a run of another host, which can't be `what` ("resumed") from here.

    `command`: the one that does it there.
    """
    address, below = home_of(path)
    if not address:
        return
    words = f" {shlex.quote(below)}" if below else ""
    there = f"`cvtui {command}{words}` there, beside its folder of runs" if command else "do it there"
    raise RequestError(f"{path.name!r} lies on another host ({address}): it can't be {what} from here", hint=there)


def send(path: Path, words: bytes) -> bool:
    """Send a command to a run of another host. Return False for a run of this one. RequestError."""
    if not is_copy(path):
        return False
    mirror = mirror_of(path)
    if mirror is None:
        check_here(path, "steered")
        return False
    mirror.send(path.relative_to(mirror.folder).as_posix(), words)
    return True


def bring_picture(path: Path, picture: str) -> str:
    """Have a picture (its path in the run folder) copied from its host; return what to tell until it is here.

    "" for a run of this machine.
    """
    address, below = home_of(path)
    if not address:
        return ""
    mirror, parts = mirror_of(path), PurePosixPath(picture).parts
    if mirror is None or len(parts) != 2 or parts[0] != "pictures":
        return f"The pictures of this run lie on its host ({address}); cvtui attach shows them."
    return mirror.bring_picture(below, parts[1])


def close_all() -> None:
    """Close every mirror of this process."""
    while mirrors:
        mirrors.popitem()[1].close()
