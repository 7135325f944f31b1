"""Other hosts' runs for the commands: brought up to date, then read like those of this machine."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from cvtui.cli import out
from cvtui.errors import RequestError
from cvtui.runlog import other_hosts
from cvtui.runlog.folder import RunFolder, is_run
from cvtui.runlog.hosts.address import parse_address
from cvtui.runlog.hosts.mirror import Mirror, open_mirror
from cvtui.text import binary_size

TOLD_BYTES = 5_000_000
"""From so much on it is said that logs are being read."""


def check(addresses: Sequence[str]) -> None:
    """Raise RequestError for an address that can't be followed."""
    for address in addresses:
        parse_address(address)


def opened(addresses: Sequence[str]) -> list[Path]:
    """Return the mirrors' folders, kept up to date from now on (no host is waited for)."""
    mirrors = [open_mirror(address) for address in addresses]
    for mirror in mirrors:
        mirror.start()
    return [mirror.folder for mirror in mirrors]


def mirrored(addresses: Sequence[str], wanted: Callable[[str], bool], *, alone: bool) -> list[Path]:
    """Return the mirrors' folders, up to date where `wanted`.

    RequestError for a host that can't be reached, if it is `alone`; else it is told, and the others are read.
    """
    folders = []
    for address in addresses:
        try:
            mirror = open_mirror(address)
            _sync(mirror, wanted)
        except RequestError as error:
            if alone:
                raise
            out.line(f"{error.message}; {error.hint}" if error.hint else error.message, err=True)
        else:
            folders.append(mirror.folder)
    return folders


def _sync(mirror: Mirror, wanted: Callable[[str], bool]) -> None:
    told = False

    def progress(_done: int, _all: int, missing: int) -> None:
        nonlocal told
        if missing >= TOLD_BYTES and not told:
            told = True
            out.line(f"{mirror.address.name}: reading {binary_size(missing)} of logs", err=True)

    mirror.sync(wanted, progress)


def dated(addresses: Sequence[str], *, alone: bool) -> list[tuple[float, RunFolder]]:
    """Return every run there with its start, without reading one. RequestError as `mirrored`."""
    mirrors = [other_hosts.mirrors[folder] for folder in mirrored(addresses, lambda _: False, alone=alone)]
    return [run for mirror in mirrors if isinstance(mirror, Mirror) for run in mirror.dated()]


def bring(folder: RunFolder) -> None:
    """Bring one run up to date, if it is another host's. RequestError."""
    mirror = other_hosts.mirror_of(folder.path)
    if isinstance(mirror, Mirror):
        path = folder.path.relative_to(mirror.folder).as_posix()
        _sync(mirror, lambda other: other == path)


def run_at(text: str) -> RunFolder:
    """Return the run at an address (ssh://host/path/NAME), up to date. RequestError."""
    above, name = parse_address(text, "RUN").parent()
    mirror = open_mirror(str(above))
    _sync(mirror, lambda path: path == name)
    if not is_run(mirror.folder / name):
        beside = f"cvtui runs --runs {shlex.quote(str(above))}"
        raise RequestError(
            f"there is not a run folder at {text}",
            hint=f"`{beside}` lists those beside it",
        )
    return RunFolder.open(mirror.folder / name)
