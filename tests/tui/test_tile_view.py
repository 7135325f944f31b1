"""Tiles of a picture, each above its caption."""

from __future__ import annotations

import numpy as np
import pytest
from textual.app import App, ComposeResult

from cvtui.draw.half_blocks import Image, tiles
from cvtui.draw.tile_sheet import split
from cvtui.runlog.events import PictureSaved
from cvtui.runlog.tile_captions import captions_of
from cvtui.tui.detail.tile_view import TileView

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)]
NAMES = [f"{number} taken for {number + 1} (88%), validation {number}" for number in range(5)]


def sheet() -> Image:
    """Five tiles of 8x8, each of one colour, three in a row."""
    return tiles(np.stack([np.full((8, 8, 3), colour, np.uint8) for colour in COLOURS]), 3)


class Stage(App[None]):
    def compose(self) -> ComposeResult:
        yield TileView()

    def on_mount(self) -> None:
        self.query_one(TileView).show_tiles(sheet(), 3, NAMES)


def test_a_sheet_comes_apart_as_it_was_put_together() -> None:
    found = split(sheet(), 3, 5)
    assert [tuple(tile[0, 0].tolist()) for tile in found] == COLOURS
    assert all((tile == tile[0, 0]).all() and tile.shape == (8, 8, 3) for tile in found)
    for columns, count in ((4, 5), (0, 5), (3, 0), (3, 99)):
        assert split(sheet(), columns, count) == []


def test_captions_are_those_of_the_tiles() -> None:
    wrong = PictureSaved(step=1, name="mistakes", path="", note="a taken for b; c taken for d", names=["x/1.png", "2"])
    assert captions_of(wrong) == ("", ["a taken for b, x/1.png", "c taken for d, 2"])
    seen = PictureSaved(step=1, name="samples", path="", note="the first batch", names=["train 7", "train 8"])
    assert captions_of(seen) == ("the first batch", ["train 7", "train 8"])
    assert captions_of(PictureSaved(step=1, name="filters", path="", note="5 filters; grey is 0"))[1] == []


@pytest.mark.parametrize("size", [(80, 24), (160, 45), (40, 10)])
async def test_each_tile_stands_above_its_caption(size: tuple[int, int]) -> None:
    """Wherever a colour is drawn, the words below begin in its column; 80x24 has room for all of them."""
    app = Stage()
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        view = app.query_one(TileView)
        rows = [view.render_line(y) for y in range(size[1])]
        texts = [row.text for row in rows]
        assert all(row.cell_length == size[0] for row in rows)
        heads = {number: y for number in range(5) for y, text in enumerate(texts) if f"{number} taken" in text}
        assert heads.keys() == set(range(5))
        for number, y in heads.items():
            left = texts[y].index(f"{number} taken")
            colours = set()
            for segment in rows[y - 1].crop(left, left + 8):
                assert segment.style is not None
                for part in (segment.style.color, segment.style.bgcolor):
                    if part is not None and part.triplet is not None:
                        colours.add(tuple(part.triplet))
            assert colours & set(COLOURS) == {COLOURS[number]}
        if size >= (80, 24):
            assert all(f"validation {number}" in "".join(texts) or size[0] < 100 for number in range(5))
