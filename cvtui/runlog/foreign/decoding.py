"""The text of a log, whatever wrote it: UTF-8, UTF-16 as PowerShell's `>` writes it, a notebook's printed output."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

from cvtui import door
from cvtui.errors import RequestError

GZIP = b"\x1f\x8b"
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def is_text(head: bytes) -> bool:
    """Return True for the beginning of a text; zeros at its end are what a crash of the machine leaves of a file."""
    return head.startswith(_WIDE) or b"\0" not in head.rstrip(b"\0")


def decoded(data: bytes) -> str:
    """Return the text of a file's bytes."""
    name = "utf-16" if data.startswith(_WIDE) else "utf-8-sig"
    return data.decode(name, "replace").replace("\0", "")


def notebook_output(path: Path, most: int) -> str:
    """Return what the cells of a notebook have printed. RequestError where the file is none; OSError."""
    try:
        cells = json.loads(door.read_input(path, most))["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", ())]
        return "\n".join("".join(_printed(output)) for output in outputs)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise RequestError(f"{str(path)!r} is no notebook: it has no cells") from None


def _printed(output: dict[str, Any]) -> list[str] | str:
    text = output.get("text") or output.get("data", {}).get("text/plain", "")
    return text if isinstance(text, list | str) else ""
