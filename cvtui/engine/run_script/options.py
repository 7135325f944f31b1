"""What `cvtui run` was asked for, handed to the process that runs the script."""

from __future__ import annotations

import os

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Options of `cvtui run`."""

    name: str = ""
    """The run folder's; made of date and script without one."""
    runs: str = "runs"
    every: int = 10
    doctor: bool = False
    """Print the doctor's findings on stderr when the script has ended."""
    ci: str = ""
    """Severity of a finding that makes the exit code 1."""
    program: str = ""
    """The script's or module's name, for the run's."""


def written(options: Options) -> str:
    """Return the options as one word of a command line."""
    return msgspec.json.encode(options).decode()


def read(text: str) -> Options:
    """Read what `written` has made."""
    return msgspec.json.decode(text, type=Options)


def place_of(runs: str, begun_in: str) -> str:
    """Return the runs folder, wherever the script has gone since it was begun."""
    return runs if os.getcwd() == begun_in else os.path.join(begun_in, runs)
