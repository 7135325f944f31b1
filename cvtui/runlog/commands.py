"""`commands.jsonl`: requests to a run while it trains. Screens append, the worker reads."""

from __future__ import annotations

import errno
import math
from pathlib import Path

import msgspec

from cvtui.errors import RequestError
from cvtui.runlog import other_hosts
from cvtui.runlog.events import Command
from cvtui.runlog.tail import Tail, append_line

_decoder = msgspec.json.Decoder(Command)


def _makes_sense(command: Command) -> bool:
    if command.command == "set_lr":
        return command.value is not None and math.isfinite(command.value) and command.value >= 0
    if command.command == "look":
        return command.value is not None and 0 <= command.value < 1e9 and command.value == int(command.value)
    return True


def send(file: Path, command: Command) -> None:
    """Append `command` to a run's commands.jsonl as one line, whole or not at all. RequestError if it can't be."""
    if not _makes_sense(command):
        what = "the number of an image" if command.command == "look" else "a new rate"
        kind = "whole" if command.command == "look" else "finite"
        raise RequestError(f"{what} must be a {kind} number from 0 up, not {command.value}")
    if not file.parent.is_dir():
        raise RequestError(f"the run folder {str(file.parent)!r} is gone")
    line = msgspec.json.encode(command)
    if other_hosts.send(file.parent, line):
        return
    try:
        append_line(file, line)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "make room there and ask again" if full else "only who may write there can command the run"
        raise RequestError(
            f"can't write {str(file)!r}: {error.strerror}", hint=f"{hint}; it goes on meanwhile"
        ) from None


class CommandReader:
    """Reader of commands.jsonl that returns each command once, in the order of the file.

    `offset` says where to begin, in bytes: 0 is the file's start (also what was sent before the worker lived counts),
    None is its present end (a resumed run must not obey the commands of its first life). `self.offset` is the position
    reached. Lines that are no command are counted in `skipped`.
    """

    def __init__(self, file: Path, offset: int | None = 0) -> None:
        self._tail = Tail(file, offset or 0)
        self.skipped = 0
        if offset is None:
            for _ in self._tail.lines():
                pass

    @property
    def offset(self) -> int:
        return self._tail.offset

    def poll(self) -> list[Command]:
        """Return the commands since the last call. One `stat` (2 µs) when there are none."""
        commands = []
        for _, line in self._tail.lines():
            if not line.strip():
                continue
            try:
                command = _decoder.decode(line)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                self.skipped += 1
                continue
            if _makes_sense(command):
                commands.append(command)
            else:
                self.skipped += 1
        return commands
