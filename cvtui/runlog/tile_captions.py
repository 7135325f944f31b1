"""What stands below each tile of a picture: the file of its image, and what the model said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cvtui.text import clean

if TYPE_CHECKING:
    from cvtui.runlog.events import PictureSaved


def tail_of(name: str) -> str:
    """Return the last two parts of where an image lies."""
    return clean("/".join(name.split("/")[-2:]))


def captions_of(picture: PictureSaved) -> tuple[str, list[str]]:
    """Return (what is said of the whole picture, the caption of each tile); no captions where no tile is named."""
    parts = [clean(part) for part in picture.note.split("; ")]
    names = [tail_of(name) for name in picture.names]
    if names and len(parts) == len(names):
        return "", [f"{part}, {name}" if part else name for name, part in zip(names, parts, strict=True)]
    return "  ·  ".join(part for part in parts if part), names
