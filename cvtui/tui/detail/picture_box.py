"""A picture as large as fits, in half blocks."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.containers import Container

from cvtui.tui.detail.raster_view import Image, RasterView


class PictureBox(Container):
    """Holds one picture (uint8 h x w x 3), or nothing; its pixels stay square and sharp."""

    DEFAULT_CSS = "PictureBox { width: 1fr; height: 1fr; }"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.image: Image | None = None

    def compose(self) -> ComposeResult:
        yield RasterView(sharp=True)

    def show(self, image: Image | None) -> None:
        self.image = image
        self.query_one(RasterView).show(image)
