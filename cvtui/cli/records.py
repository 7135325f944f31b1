"""Records that a command's own process tells on stdout, one line of JSON each."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TypeVar

import click

from cvtui.cli.exit import EXIT_WRONG
from cvtui.errors import RequestError, process_error

Told = TypeVar("Told")


@contextmanager
def told_records(
    name: str,
    command: tuple[list[str], Mapping[str, str]],
    decode: Callable[[bytes], Told],
    stdin: int | IO[bytes] = subprocess.DEVNULL,
) -> Iterator[Iterator[Told]]:
    """Start a process for the command `name` and yield its records. RequestError for what it refuses.

    command: its words and its environment. ClickException where it fails, or tells nothing.
    """
    import msgspec

    words, environment = command
    count = 0
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(words, stdin=stdin, stdout=subprocess.PIPE, stderr=errors, env=environment)

        def records() -> Iterator[Told]:
            nonlocal count
            for line in process.stdout or ():
                try:
                    told = decode(line)
                except msgspec.MsgspecError:
                    continue
                count += 1
                yield told

        try:
            yield records()
        finally:
            if process.poll() is None and sys.exc_info()[0] is not None:
                process.kill()
            code = process.wait()
        errors.seek(0)
        reason = errors.read().decode("utf-8", "replace")
    if code == EXIT_WRONG:
        raise RequestError(process_error(reason, code))
    if code or not count:
        raise click.ClickException(f"{name}: {process_error(reason, code)}")
