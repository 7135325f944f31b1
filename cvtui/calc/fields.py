"""Receptive fields, carried along while a net is traced: for each axis, which stretch of the input unit i can see.

A stretch is linear in i: it starts at start + i·jump and is `length` long. Where branches that step differently meet,
their stretches are kept side by side, so that the outermost pixels stay exact; those of one jump melt into one.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from cvtui.calc.nodes import Pair
from cvtui.calc.table import ReceptiveField


class Stretch(NamedTuple):
    jump: int
    start: int
    length: int


Axis: TypeAlias = tuple[Stretch, ...]


class Field(NamedTuple):
    """Stretches by axis, and the map (height, width) that its units lie on."""

    axes: tuple[Axis, Axis]
    map: Pair

    def seen(self) -> ReceptiveField:
        """What unit (0, 0) sees; the larger step where branches step differently."""
        (h_size, h_step, h_start), (w_size, w_step, w_start) = (_first(axis) for axis in self.axes)
        return ReceptiveField((h_size, w_size), (h_step, w_step), (h_start, w_start))

    def steps(self) -> str:
        """`2 and 3`, where branches met that step differently; else empty."""
        jumps = next((sorted(stretch.jump for stretch in axis) for axis in self.axes if len(axis) > 1), [])
        return " and ".join(map(str, jumps))


def identity(size: Pair) -> Field:
    """The input itself: unit i sees pixel i."""
    one = (Stretch(1, 0, 1),)
    return Field((one, one), size)


def slid(field: Field, extents: Pair, stride: Pair, padding: Pair, output: Pair) -> Field:
    """After a window of these extents (with dilation) has slid over the map."""
    first, second = (
        tuple(Stretch(j * s, start - p * j, length + (e - 1) * j) for j, start, length in axis)
        for axis, e, s, p in zip(field.axes, extents, stride, padding, strict=True)
    )
    return Field((first, second), output)


def everything(field: Field, input_size: Pair, output: Pair) -> Field:
    """After every unit of the map has been mixed into each output (global pooling, fc, layer norm)."""
    first, second = (_all(axis, n, width) for axis, n, width in zip(field.axes, field.map, input_size, strict=True))
    return Field((first, second), output)


def joined(fields: list[Field]) -> Field:
    """Where branches meet on one map: each unit sees what any of them sees."""
    if all(field == fields[0] for field in fields):
        return fields[0]
    first, second = (_melted([s for field in fields for s in field.axes[axis]]) for axis in (0, 1))
    return Field((first, second), fields[0].map)


def _all(axis: Axis, n: int, width: int) -> Axis:
    low = max(0, min(start for _, start, _ in axis))
    high = min(width, max(start + (n - 1) * jump + length for jump, start, length in axis))
    return (Stretch(0, low, high - low),)


def _melted(stretches: list[Stretch]) -> Axis:
    by_jump: dict[int, Stretch] = {}
    for stretch in stretches:
        known = by_jump.get(stretch.jump, stretch)
        low = min(known.start, stretch.start)
        high = max(known.start + known.length, stretch.start + stretch.length)
        by_jump[stretch.jump] = Stretch(stretch.jump, low, high - low)
    return tuple(by_jump.values())


def _first(axis: Axis) -> tuple[int, int, int]:
    """(size, step, start) of unit 0 along one axis."""
    if len(axis) == 1:
        jump, start, length = axis[0]
        return length, jump, start
    low = min(start for _, start, _ in axis)
    return max(start + length for _, start, length in axis) - low, max(jump for jump, _, _ in axis), low
