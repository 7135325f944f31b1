"""A layer made small enough to draw: one channel, a few pixels, small whole numbers. No Textual here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

from cvtui.calc import Conv, Linear, Pool, Row
from cvtui.calc.net.nodes import Pair
from cvtui.calc.pooling_windows import conv_output_size, extent, pool_output_size

Kind: TypeAlias = Literal["conv", "max", "average", "sum"]

LARGEST = 9
"""Pixels a side, padding included, that are drawn."""
LARGEST_FILTER = 7
MIN_POSITIONS = 3
"""Least filter positions on each axis, if the real input has them."""


class Tap(NamedTuple):
    """One number under the filter: its cell in the padded grid, the input's value, the weight."""

    row: int
    column: int
    value: int
    weight: int


@dataclass(frozen=True, kw_only=True)
class Demo:
    kind: Kind
    size: Pair
    """Of the input, without padding."""
    real: Pair
    """Of the layer's true input."""
    window: Pair
    stride: Pair
    padding: Pair
    dilation: Pair = (1, 1)
    ceil: bool = False

    @property
    def padded(self) -> Pair:
        return self.size[0] + 2 * self.padding[0], self.size[1] + 2 * self.padding[1]

    @property
    def output(self) -> Pair:
        return self._positions_on(0), self._positions_on(1)

    def _positions_on(self, axis: int) -> int:
        size, window, stride, padding = self.size[axis], self.window[axis], self.stride[axis], self.padding[axis]
        if self.kind == "conv":
            return conv_output_size(size, window, stride, padding, self.dilation[axis])
        return pool_output_size(size, window, stride, padding, self.ceil)

    @property
    def positions(self) -> int:
        return self.output[0] * self.output[1]

    @cached_property
    def image(self) -> list[list[int]]:
        """The input's numbers, 0 to 4: always the same."""
        return [[(3 * r * r + 5 * c + r * c + 2) % 5 for c in range(self.size[1])] for r in range(self.size[0])]

    @cached_property
    def filter(self) -> list[list[int]]:
        """The filter's numbers, −2 to 2, none of them 0."""
        signs = (1, -1, 2, -2, 1, 2, -1)
        return [[signs[(3 * r + 2 * c) % 7] for c in range(self.window[1])] for r in range(self.window[0])]

    def pixel(self, row: int, column: int) -> int | None:
        """Return a value of the padded grid; None on padding."""
        row, column = row - self.padding[0], column - self.padding[1]
        inside = 0 <= row < self.size[0] and 0 <= column < self.size[1]
        return self.image[row][column] if inside else None

    def taps(self, number: int) -> list[Tap]:
        """Return what the filter covers at its `number`-th position, row by row.

        A window of a ceil-mode pool may hang over the edge; what hangs over is left out.
        """
        top, left = divmod(number, self.output[1])
        taps = []
        for r in range(self.window[0]):
            for c in range(self.window[1]):
                row = top * self.stride[0] + r * self.dilation[0]
                column = left * self.stride[1] + c * self.dilation[1]
                if row < self.padded[0] and column < self.padded[1]:
                    taps.append(Tap(row, column, self.pixel(row, column) or 0, self.filter[r][c]))
        return taps

    def output_value(self, number: int) -> float:
        """Return the value of an output cell."""
        taps = self.taps(number)
        if self.kind == "conv":
            return sum(tap.value * tap.weight for tap in taps)
        if self.kind == "max":
            return max((tap.value for tap in taps if self.pixel(tap.row, tap.column) is not None), default=0)
        total = sum(tap.value for tap in taps)
        return total if self.kind == "sum" else total / len(taps)

    def formula(self, number: int) -> str:
        """Return the dot product, maximum or mean as text: `1·2 + 0·(−1) = 2`."""
        taps = self.taps(number)
        if self.kind == "conv":
            text = " + ".join(f"{tap.value}·{_signed(tap.weight)}" for tap in taps)
        elif self.kind == "max":
            inside = [tap for tap in taps if self.pixel(tap.row, tap.column) is not None]
            text = f"max({', '.join(str(tap.value) for tap in inside)})"
        else:
            text = " + ".join(str(tap.value) for tap in taps)
            text = text if self.kind == "sum" else f"({text}) / {len(taps)}"
        return f"{text} = {show(self.output_value(number))}"


def demo_of(row: Row) -> Demo | None:
    """Return the small version of a conv or pooling row; None for other layers or too large filters."""
    node = row.node
    if len(row.input) != 3 or not isinstance(node, Conv | Pool):
        return None
    if isinstance(node, Conv):
        window, stride, padding = _whole(node.size), _whole(node.stride), _whole(node.padding)
        dilation, kind, ceil = node.dilation, "conv", False
    else:
        window, stride, padding = node.size, node.stride or node.size, node.padding
        dilation, kind, ceil = (1, 1), node.kind, node.ceil
    if max(window) > LARGEST_FILTER:
        return None
    size = tuple(_small(row.input[i], extent(window[i], dilation[i]), stride[i], padding[i]) for i in (0, 1))
    return Demo(
        kind=kind,  # type: ignore[arg-type]
        size=(size[0], size[1]),
        real=(row.input[0], row.input[1]),
        window=window,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil=ceil,
    )


def _small(real: int, reach: int, stride: int, padding: int) -> int:
    """Return the smallest input with MIN_POSITIONS filter positions, within the real size and what can be drawn."""
    wanted = reach + (MIN_POSITIONS - 1) * stride - 2 * padding
    least = max(1, reach - 2 * padding)
    return min(real, max(least, min(wanted + padding, LARGEST - 2 * padding), min(5, LARGEST - 2 * padding)))


def _whole(pair: tuple[int | None, int | None] | None) -> Pair:
    """Return a traced conv's pair, whose numbers are known."""
    assert pair is not None
    return pair[0] or 0, pair[1] or 0


def _signed(number: int) -> str:
    return f"(−{-number})" if number < 0 else str(number)


def show(number: float) -> str:
    """With the typographic minus, at most two digits behind the point."""
    return f"{number:z.2f}".rstrip("0").rstrip(".").replace("-", "−")


def is_dense(row: Row) -> bool:
    return isinstance(row.node, Linear)
