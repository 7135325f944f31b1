"""Pictures of a run in the HTML report: each with its caption, tiles with one each."""

from __future__ import annotations

import base64
import io
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from cvtui import door
from cvtui.export.words import escape
from cvtui.runlog.events import PictureSaved
from cvtui.runlog.history import History
from cvtui.runlog.tile_captions import captions_of

if TYPE_CHECKING:
    from cvtui.draw.half_blocks import Image

MOST_PICTURES = 24
LARGEST_PICTURE = 4 << 20
"""Bytes."""


def pictures_html(history: History) -> str:
    """Embed the newest picture of each name. A path that leads out of the run folder is not followed."""
    newest: dict[str, PictureSaved] = {picture.name: picture for picture in history.pictures}
    others = [picture for picture in newest.values() if not picture.layer]
    maps = [picture for picture in newest.values() if picture.layer]
    maps = maps[:: -(-len(maps) // max(1, MOST_PICTURES - len(others)))] if maps else []  # of many layers some
    root = history.folder.path
    figures = []
    for picture in [*others, *maps][:MOST_PICTURES]:
        if PurePath(picture.path).suffix.lower() != ".png":
            continue
        try:
            data = door.read_inside(root, picture.path, LARGEST_PICTURE)
        except (OSError, ValueError):
            continue
        figures.append(_figure(picture, data))
    return "<h2>Pictures</h2>" + "".join(figures) if figures else ""


def _figure(picture: PictureSaved, data: bytes) -> str:
    said, captions = captions_of(picture)
    heading = f"{picture.name}, step {picture.step:,}" + (f": {said}" if said else "")
    tiles = _tiles(data, picture.columns, len(captions)) if captions else []
    if tiles:
        inner = "".join(
            f'<figure class="tile">{_image(tile, caption)}<figcaption>{escape(caption)}</figcaption></figure>'
            for tile, caption in zip(tiles, captions, strict=True)
        )
        return f'<section class="tiles"><h3>{escape(heading)}</h3>{inner}</section>'
    words = "; ".join([heading, *captions])
    return f'<figure class="picture">{_image(data, words)}<figcaption>{escape(words)}</figcaption></figure>'


def _image(data: bytes, words: str) -> str:
    return f'<img alt="{escape(words)}" src="data:image/png;base64,{base64.b64encode(data).decode()}">'


def _tiles(data: bytes, columns: int, count: int) -> list[bytes]:
    """Return each tile as a PNG; [] where the picture can't be read, or is no such sheet."""
    from PIL import Image as Pillow

    from cvtui.draw.tile_sheet import split

    try:
        with Pillow.open(io.BytesIO(data), formats=["PNG"]) as opened:
            if opened.width * opened.height > LARGEST_PICTURE:
                return []
            sheet = np.asarray(opened.convert("RGB"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError):
        return []
    return [_png(tile) for tile in split(sheet, columns, count)]


def _png(tile: Image) -> bytes:
    from PIL import Image as Pillow

    written = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(tile)).save(written, format="PNG")
    return written.getvalue()
