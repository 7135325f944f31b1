"""Scale of images with more than 8 bits a value: one for the whole set, so that grey levels compare between images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

LARGEST = 2.0**32
"""A value beyond it, either way, is no brightness (a marker for missing data, mostly)."""
UNITS = {torch.uint8: 255.0, torch.uint16: 65535.0}


def unit_of(dtype: torch.dtype) -> float:
    """Return the value that stands for white in pixels of this dtype: 255, 65535, or 1 of floats."""
    return UNITS.get(dtype, 1.0)


class ValueRange(NamedTuple):
    """Range of the values of one picture, or of many."""

    low: float
    high: float
    whole: bool
    """All values are whole numbers."""

    @classmethod
    def of(cls, values: NDArray[np.generic]) -> ValueRange | None:
        """Return the range of an array; None where it holds NaN, infinity or what is too large for a picture."""
        if not values.size:
            return None
        low, high = float(values.min()), float(values.max())
        if not (low >= -LARGEST and high <= LARGEST):  # also False for NaN
            return None
        return cls(low, high, values.dtype.kind in "iub" or bool((values == np.rint(values)).all()))

    @classmethod
    def union(cls, ranges: Iterable[ValueRange]) -> ValueRange:
        """Return the range of all of them (at least one)."""
        lows, highs, wholes = zip(*ranges, strict=True)
        return cls(min(lows), max(highs), all(wholes))


class Depth(NamedTuple):
    """Scale of a set: `low` is black, `top` is white."""

    low: float
    top: float
    exact: bool
    """The values fit into 8 bits as they are: pixels are kept as uint8, else as uint16."""

    @classmethod
    def fitting(cls, found: ValueRange, bits: int = 0) -> Depth:
        """Return the scale of a set with values in this range.

        `top` is the next 2^n − 1 above the largest value, n at least 8, or 1 where no value is above 1; `low` is 0, or
        the next −2^n below the smallest value. bits: n, where it is known.
        """
        if bits:
            return cls(0.0, 2.0**bits - 1, bits <= 8 and found.whole)
        low = 0.0 if found.low >= 0 else -(2.0 ** max(0, int(np.ceil(np.log2(-found.low)))))
        bits = max(8 if found.whole else 1, int(np.ceil(found.high)).bit_length())
        top = 1.0 if found.high <= 1 else 2.0**bits - 1
        return cls(low, top, found.whole and low == 0 and top <= 255)

    @property
    def white(self) -> float:
        """Value that stands for white in the pixels that are kept."""
        return 255.0 if self.exact else 65535.0

    def scaled(self, values: NDArray[np.generic]) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Scale values to the pixels that are kept; what lies outside becomes black or white."""
        share = (values.astype(np.float64) - self.low) * (self.white / (self.top - self.low))
        rounded = np.rint(share).clip(0, self.white)
        return rounded.astype(np.uint8) if self.exact else rounded.astype(np.uint16)

    def as_bytes(self, values: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Scale values to 8 bits, to be looked at or where no other picture has more."""
        shares: NDArray[np.floating[Any]] = self.scaled(values) * (255 / self.white)
        return shares.round().astype(np.uint8)

    def widened(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Bring 8-bit pixels to those that are kept: their white is 255, whatever the others' is."""
        return pixels if self.exact else pixels.astype(np.uint16) * np.uint16(257)

    def note(self, found: ValueRange, bits: int = 0) -> str:
        """Say how the set was read, for the log."""
        how = (
            f"{_number(self.low)} is black, {_number(self.top)} is white"
            if self.low or self.top == 1
            else f"{int(self.top).bit_length()} bits, {_number(self.top)} is white"
        )
        way = "as --bits says" if bits else "--bits sets it"
        clipped = "; larger ones are cut off" if found.high > self.top else ""
        clipped += "; negative ones are black" if found.low < self.low else ""
        return (
            f"images of more than 8 bits hold values from {_number(found.low)} to {_number(found.high)}: all are read "
            f"on one scale, {how} ({way}){clipped}"
        )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.4g}"
