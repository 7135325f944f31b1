"""Processes that the screen starts beside a run: `cvtui check`, and the prewarmed engine."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from typing import IO


def start_child(
    command: list[str], *, stdin: int, stdout: int | IO[bytes], env: Mapping[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """Start a process in a session of its own and return it with the file that holds its stderr. Raises OSError."""
    errors = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    try:
        process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=errors, start_new_session=True, env=env)
    except OSError:
        errors.close()
        raise
    return process, errors


def last_line(errors: IO[bytes]) -> str:
    """Return the last line written to a file, "" if there is none."""
    try:
        size = errors.seek(0, 2)
        errors.seek(max(0, size - 4096))
        lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    except (OSError, ValueError):
        return ""
    return lines[-1].strip() if lines else ""
