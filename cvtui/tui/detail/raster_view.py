"""A picture in half blocks, or shades, that fills its widget: a heat map, or the pixels of a PNG."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from cvtui.draw.half_blocks import resize, segments, shaded
from cvtui.tui.plot.theme_colors import shows_shades

Image = NDArray[np.uint8]


class RasterView(Widget):
    """Shows an image (h, w, 3) as large as fits; `sharp` scales by whole numbers (pixels stay square), else to fill."""

    DEFAULT_CSS = "RasterView { width: 1fr; height: 1fr; }"

    def __init__(self, *, sharp: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.sharp = sharp
        self.image: Image | None = None
        self._key: tuple[object, ...] = ()
        self._strips: list[Strip] = []

    def show(self, image: Image | None) -> None:
        self.image = image
        self._key = ()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        key = (id(self.image), width, height, self.rich_style)
        if key != self._key:
            self._key = key
            self._strips = self._drawn(width, height)
        return self._strips[y] if y < len(self._strips) else Strip.blank(width, self.rich_style)

    def _drawn(self, width: int, height: int) -> list[Strip]:
        if self.image is None or not self.image.size or width < 1 or height < 1:
            return []
        high, wide = self.image.shape[:2]
        if not self.sharp:
            return self._rows(resize(self.image, 2 * height, width).astype(np.uint8), None)
        scale = min(width / wide, 2 * height / high)
        scale = float(int(scale)) if scale >= 1 else scale
        shown = resize(self.image, max(1, int(high * scale)), max(1, int(wide * scale)))
        background = self.background_colors[1].rgb
        rows = self._rows(shown.astype(np.uint8), background)
        return [row.adjust_cell_length(width, self.rich_style) for row in rows]

    def _rows(self, image: Image, ground: tuple[int, int, int] | None) -> list[Strip]:
        if shows_shades(self.app):
            return [Strip(row, image.shape[1]) for row in segments(image, ground)]
        dark = self.app.current_theme.dark
        return [Strip([Segment(row, self.rich_style)], image.shape[1]) for row in shaded(image, dark)]
