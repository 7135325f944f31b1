"""Settings of a person, kept between sessions in one small file of their own.

`$XDG_CONFIG_HOME/cvtui/view.json` (by default `~/.config/cvtui/view.json`; on Windows below `%APPDATA%`). A file that
can't be read, or values that no longer mean anything, count as not there; nothing here raises.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from cvtui import door


def path() -> Path:
    """Where the file lies; asked anew each time, as the environment may change."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    if not base and sys.platform == "win32":
        base = os.environ.get("APPDATA", "")
    return (Path(base) if base else Path("~/.config").expanduser()) / "cvtui" / "view.json"


def load() -> dict[str, Any]:
    """Return the saved settings; {} if there are none."""
    try:
        kept = msgspec.json.decode(door.read_input(path(), door.MOST))
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError, RuntimeError):  # RuntimeError: there is no home
        return {}
    return kept if isinstance(kept, dict) else {}


def keep(**values: Any) -> None:
    """Save settings beside those that other sessions have written, by an atomic replace."""
    kept = load()
    if all(kept.get(name) == value for name, value in values.items()):
        return
    with contextlib.suppress(OSError, RuntimeError):
        file = path()
        file.parent.mkdir(parents=True, exist_ok=True)
        number, beside = tempfile.mkstemp(dir=file.parent, prefix=".view-")
        try:
            with open(number, "wb") as target:
                target.write(msgspec.json.format(msgspec.json.encode(kept | values, order="sorted"), indent=1) + b"\n")
            os.replace(beside, file)
        except OSError:
            os.unlink(beside)
            raise
