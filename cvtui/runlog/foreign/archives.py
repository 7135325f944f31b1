"""Zip archives of offline runs: Comet's messages and ClearML's events."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from cvtui import door
from cvtui.errors import RequestError
from cvtui.runlog.foreign.kinds import CLEARML
from cvtui.runlog.foreign.objects import log_of, rows_of
from cvtui.runlog.foreign.scalars import ScalarLog

MOST = 1 << 28
KINDS = {"messages.json": "a Comet offline run", "metrics.jsonl": CLEARML}
"""File of the scalars → which program wrote the archive."""


def read_archive(path: Path) -> ScalarLog:
    """Read an offline run of Comet or ClearML. RequestError for another archive; OSError."""
    try:
        with zipfile.ZipFile(io.BytesIO(door.read_input(path, MOST))) as archive:
            inside = {name.rpartition("/")[2]: name for name in archive.namelist()}
            name = next((name for name in KINDS if name in inside), "")
            if not name:
                raise RequestError(
                    f"{str(path)!r} is no offline run of Comet or ClearML", hint="unpack it, and name the log in it"
                )
            if archive.getinfo(inside[name]).file_size > MOST:
                raise RequestError(f"{name} in {str(path)!r} is longer than {MOST >> 20} MiB")
            text = archive.read(inside[name]).decode("utf-8", "replace")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise RequestError(f"{str(path)!r} is no zip archive that can be read: {error}") from None
    return log_of(rows_of(text), KINDS[name])
