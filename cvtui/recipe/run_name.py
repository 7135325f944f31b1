"""What a run may be called."""

from __future__ import annotations

import os

from cvtui.errors import RequestError


def check_name(name: str, label: str = "--name") -> str:
    """`name` as it came, when a run folder may be called so; RequestError otherwise.

    A name is one folder name: no slashes, no control characters (terminal escapes among them), not `.`, `..` or hidden,
    at most 200 bytes (255 is the file system's limit).
    """
    shown = ascii(name) if len(name) <= 60 else ascii(name[:60] + "…")
    if not name.strip():
        raise RequestError(f"{label}: a run needs a name that is not empty")
    if "/" in name or "\\" in name:
        raise RequestError(
            f"{label}: {shown} holds a slash; a run's name is one folder name", hint="use --runs DIR for its place"
        )
    if name.startswith("."):
        raise RequestError(f"{label}: {shown} begins with a dot; such folders are hidden")
    if not name.isprintable() or name != name.strip():
        raise RequestError(f"{label}: {shown} holds control characters, or spaces at its ends")
    try:
        length = len(os.fsencode(name))
    except UnicodeEncodeError:
        raise RequestError(f"{label}: {shown} can't be written as a file name here") from None
    if length > 200:
        raise RequestError(f"{label}: {shown} is {length} bytes long; at most 200 are allowed")
    return name
