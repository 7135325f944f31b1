"""A picture as large as fits: in half blocks, or in the terminal's own pixels where it has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Container
from textual.widget import Widget

from cvtui.draw.tile_sheet import with_gaps
from cvtui.tui.detail.raster_view import Image
from cvtui.tui.detail.tile_view import TileView

if TYPE_CHECKING:
    from cvtui.tui.detail.pixels import Pixels


LIGHT_GAP = (196, 207, 228)
"""Between tiles on a light ground: no grey either, so that a tile that is all white is seen as one."""


class PictureBox(Container):
    """Holds one picture (uint8 h x w x 3), or nothing; its pixels stay square and sharp."""

    DEFAULT_CSS = """
    PictureBox {
        width: 1fr; height: 1fr;
        & .real { width: auto; height: auto; }
    }
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.image: Image | None = None
        self.columns = 1
        self.captions: Sequence[str] = ()
        self.pixels: Pixels | None = None
        """How real pixels are shown; None: half blocks."""
        self._real: Widget | None = None

    def compose(self) -> ComposeResult:
        yield TileView()

    def show(self, image: Image | None, columns: int = 1, captions: Sequence[str] = ()) -> None:
        """Show an image; `captions`: of its tiles, `columns` in a row, in half blocks (`shows_captions`)."""
        if image is not None and not self.app.current_theme.dark:
            image = with_gaps(image, columns, LIGHT_GAP)
        self.image, self.columns, self.captions = image, columns, captions
        self._update()

    @property
    def shows_captions(self) -> bool:
        return self.pixels is None

    def use(self, pixels: Pixels | None) -> None:
        """Real pixels from now on, or (None) half blocks."""
        self.pixels = pixels
        self._update()

    def on_resize(self) -> None:
        if self.pixels is not None:
            self._update()

    def _update(self) -> None:
        blocks = self.query_one(TileView)
        real = self.pixels is not None and self.image is not None
        blocks.display = not real
        blocks.show_tiles(None if real else self.image, self.columns, self.captions)
        if self._real is not None:
            self._real.display = real
        if self.pixels is None or self.image is None or not self.size.width or not self.size.height:
            return
        if self._real is None:
            self._real = self.pixels.widget(classes="real")
            self.mount(self._real)
        room = (self.size.width * self.pixels.cell[0], self.size.height * self.pixels.cell[1])
        self._real.image = enlarged(self.image, *room)  # type: ignore[attr-defined]


def enlarged(image: Image, width: int, height: int) -> Any:
    """Return a PIL image scaled by the largest whole number that fits (smaller if it must)."""
    from PIL import Image as Pillow

    high, wide = image.shape[:2]
    scale = min(width / wide, height / high)
    scale = float(int(scale)) if scale >= 1 else scale
    size = (max(1, int(wide * scale)), max(1, int(high * scale)))
    return Pillow.fromarray(image).resize(size, Pillow.Resampling.NEAREST if scale >= 1 else Pillow.Resampling.BOX)
