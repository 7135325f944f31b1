"""A picture in half blocks, or its tiles with a caption below each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from cvtui.draw.half_blocks import resize
from cvtui.draw.tile_sheet import split
from cvtui.text import fill, wrap
from cvtui.tui.detail.raster_view import Image, RasterView

LEAST_HIGH = 4
"""Lines that a tile keeps; captions are cut before it gets less."""
MOST_LINES = 4
"""Of a caption."""


class TileView(RasterView):
    """Shows an image as large as fits; with captions its tiles, each above its own."""

    COMPONENT_CLASSES = {"tile--caption"}  # noqa: RUF012 (declared by Widget)
    DEFAULT_CSS = "TileView { & .tile--caption { color: $foreground 75%; } }"

    def __init__(self) -> None:
        super().__init__(sharp=True)
        self.columns = 1
        self.captions: Sequence[str] = ()

    def show_tiles(self, image: Image | None, columns: int, captions: Sequence[str]) -> None:
        """Show a sheet of tiles, `columns` in a row; without captions as one picture."""
        self.columns, self.captions = columns, captions
        self.show(image)

    def _drawn(self, width: int, height: int) -> list[Strip]:
        tiles = [] if self.image is None else split(self.image, self.columns, len(self.captions))
        if not tiles or width < 4 * self.columns:
            return super()._drawn(width, height)
        rows = -(-len(tiles) // self.columns)
        pitch = width // self.columns
        high, lines = room_of(self.captions, pitch - 2, height // rows)
        scale = scale_of(tiles[0], pitch - 2, high)
        strips: list[Strip] = []
        for first in range(0, len(tiles), self.columns):
            row = range(first, min(first + self.columns, len(tiles)))
            strips += self._tiles([tiles[n] for n in row], scale, pitch, width)
            strips += self._captions([self.captions[n] for n in row], lines, pitch, width)
        return strips[:height]

    def _tiles(self, tiles: Sequence[Image], scale: float, pitch: int, width: int) -> list[Strip]:
        """Draw a row of tiles, each in a column of `pitch` cells."""
        ground = self.background_colors[1].rgb
        drawn = []
        for tile in tiles:
            high, wide = tile.shape[:2]
            shown = resize(tile, max(1, int(high * scale)), max(1, int(wide * scale))).astype("uint8")
            drawn.append([row.adjust_cell_length(pitch, self.rich_style) for row in self._rows(shown, ground)])
        return [Strip.join(parts).adjust_cell_length(width, self.rich_style) for parts in zip(*drawn, strict=True)]

    def _captions(self, captions: Sequence[str], lines: int, pitch: int, width: int) -> list[Strip]:
        style = self.rich_style + Style(color=self.get_component_rich_style("tile--caption").color)
        rows = caption_rows(captions, lines, pitch)
        return [Strip([Segment(row, style)]).adjust_cell_length(width, self.rich_style) for row in rows]


def caption_rows(captions: Sequence[str], lines: int, pitch: int) -> list[str]:
    """Return the captions side by side, each wrapped in a column of `pitch` cells."""
    wrapped = [wrap(caption, pitch - 2, lines) for caption in captions]
    return ["".join(fill(part[y] if y < len(part) else "", pitch) for part in wrapped) for y in range(lines)]


def room_of(captions: Sequence[str], width: int, lines: int) -> tuple[int, int]:
    """Return (lines of a tile, lines of its caption) out of `lines`: whole captions, if the tile keeps enough."""
    asked = max(len(wrap(caption, width, MOST_LINES)) for caption in captions)
    said = max(1, min(asked, lines - LEAST_HIGH))
    return max(1, lines - said), said


def scale_of(tile: Image, width: int, lines: int) -> float:
    """Return the scale that fits a tile into so many cells and lines: a whole number from 1 up."""
    high, wide = tile.shape[:2]
    scale = min(width / wide, 2 * lines / high)
    return float(int(scale)) if scale >= 1 else scale
