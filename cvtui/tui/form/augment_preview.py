"""What augmentation makes of the first images of a run: as they are, and below each as it will be seen."""

from __future__ import annotations

import base64
import binascii
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from textual.app import ComposeResult

from cvtui.tui.detail.raster_view import RasterView
from cvtui.tui.widgets.frame import Card

MOST_BYTES = 1 << 20


class AugmentPreview(Card):
    """Shown only while there is something to see."""

    DEFAULT_CSS = """
    AugmentPreview { height: 14; width: 1fr; display: none; }
    AugmentPreview.-there { display: block; }
    Screen.-short AugmentPreview.-there { display: none; }
    """

    def __init__(self) -> None:
        super().__init__(id="card-images")
        self.border_title = "First images, and as the net will see them"
        self._shown: object = None

    def compose(self) -> ComposeResult:
        yield RasterView(sharp=True)

    def show(self, preview: Any) -> None:
        """preview: `before` and `after`, lists of PNGs in base64; anything else hides the card."""
        if preview is self._shown:
            return
        self._shown = preview
        rows = [pictures(preview.get(name)) for name in ("before", "after")] if isinstance(preview, dict) else []
        there = len(rows) == 2 and bool(rows[0]) and len(rows[0]) == len(rows[1])
        self.set_class(there, "-there")
        if there:
            self.query_one(RasterView).show(sheet(rows))


def pictures(texts: Any) -> list[NDArray[np.uint8]]:
    """Decode base64 PNGs; [] if one of them is none."""
    from PIL import Image

    images = []
    for text in texts if isinstance(texts, list) else []:
        try:
            data = base64.b64decode(text, validate=True)
            if len(data) > MOST_BYTES:
                return []
            with Image.open(io.BytesIO(data), formats=["PNG"]) as opened:
                images.append(np.asarray(opened.convert("RGB"), dtype=np.uint8))
        except (OSError, ValueError, TypeError, SyntaxError, binascii.Error):
            return []
    return images


def sheet(rows: list[list[NDArray[np.uint8]]], gap: int = 1) -> NDArray[np.uint8]:
    """Lay images out in rows with `gap` black pixels between them."""
    high = max(image.shape[0] for row in rows for image in row)
    wide = max(image.shape[1] for row in rows for image in row)
    columns = max(map(len, rows))
    canvas = np.zeros((len(rows) * (high + gap) - gap, columns * (wide + gap) - gap, 3), np.uint8)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            top, left = y * (high + gap), x * (wide + gap)
            canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas
