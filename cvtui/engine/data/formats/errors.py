"""What readers say of a file that is not what it should be."""

from __future__ import annotations

from pathlib import Path

from cvtui.errors import RequestError

MOST_BYTES = 2**30
"""The longest array that is read: a header that asks for more is damaged, not large."""


class DamagedError(RequestError):
    """A file is damaged, or another than its name says."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"data: {str(path)!r} is damaged: {what}")
        self.path = path
