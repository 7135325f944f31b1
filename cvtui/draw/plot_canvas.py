"""A grid of characters with styles by name, and its rows of segments. No widget, no theme."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from rich.cells import get_character_cell_size
from rich.segment import Segment
from rich.style import Style

from cvtui.draw.braille import BRAILLE, Codes


class PlotCanvas:
    """`width` x `height` cells; what is put outside is left out. A wide character takes two cells."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.chars = np.full((height, width), " ", dtype="<U1")
        self.styles = np.zeros((height, width), np.int32)
        self.names = [""]
        self._numbers = {"": 0}

    def number(self, style: str) -> int:
        """Return the number that stands for a style's name in `styles`."""
        if style not in self._numbers:
            self._numbers[style] = len(self.names)
            self.names.append(style)
        return self._numbers[style]

    def put(self, x: int, y: int, text: str, style: str) -> int:
        """Text from cell (x, y) on, cut at the edges; the cell after it."""
        if not 0 <= y < self.height:
            return x
        number = self.number(style)
        for character in text:
            size = get_character_cell_size(character)
            if size and x >= 0 and x + size <= self.width:
                self.chars[y, x] = character
                self.styles[y, x] = number
                if size == 2:
                    self.chars[y, x + 1] = ""
                    self.styles[y, x + 1] = number
            x += size
        return x

    def put_dots(self, x: int, y: int, layers: DotLayers) -> None:
        """Braille cells with their styles, the upper left at cell (x, y)."""
        height, width = layers.codes.shape
        numbers = np.array([self.number(name) for name in layers.names], np.int32)
        self.chars[y : y + height, x : x + width] = BRAILLE[layers.codes]
        self.styles[y : y + height, x : x + width] = numbers[layers.owner]

    def segments(self, style_of: Callable[[str], Style]) -> list[list[Segment]]:
        """One list a row; neighbouring cells of one style share a segment."""
        styles = [style_of(name) for name in self.names]
        # An empty cell takes the style before it, so that dots and the gaps between them make one segment.
        seen = np.where((self.styles == 0) & (self.chars == " "), 0, np.arange(self.width))
        filled = np.take_along_axis(self.styles, np.maximum.accumulate(seen, axis=1), axis=1)
        ground = np.array([style.reverse or style.bgcolor != styles[0].bgcolor for style in styles], bool)
        filled = np.where(ground[filled], self.styles, filled)
        rows = []
        for chars, numbers in zip(self.chars, filled, strict=True):
            cuts = [0, *(np.flatnonzero(numbers[1:] != numbers[:-1]) + 1).tolist(), self.width]
            cells = chars.tolist()
            row = numbers.tolist()
            rows.append(
                [Segment("".join(cells[start:end]), styles[row[start]]) for start, end in itertools.pairwise(cuts)]
            )
        return rows

    def text(self) -> list[str]:
        """Return the rows without style."""
        return ["".join(row) for row in self.chars.tolist()]


class DotLayers:
    """Dots of several curves over one another: one colour a cell, that of the last drawn.

    A layer of a higher rank takes a cell for itself alone; layers of one rank share its dots. So the haze of raw values
    doesn't fatten the smooth curve before it, while crossing curves lose no dot.
    """

    def __init__(self, width: int, height: int) -> None:
        self.codes: Codes = np.zeros((height, width), np.uint8)
        self.owner = np.zeros((height, width), np.int32)
        self.rank = np.zeros((height, width), np.int8)
        self.names = [""]

    def add(self, codes: Codes, style: str, rank: int) -> None:
        """Ranks never fall from one call to the next."""
        self.names.append(style)
        there = codes != 0
        kept = np.where(self.rank == rank, self.codes, 0)
        self.codes = np.where(there, kept | codes, self.codes).astype(np.uint8)
        self.owner[there] = len(self.names) - 1
        self.rank[there] = rank
