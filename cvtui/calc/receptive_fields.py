"""Receptive fields, carried along while a net is traced.

For each axis a field says which stretch of the input unit i can see. A stretch is linear in i: it starts at
start + i·jump and is `length` long. Where branches that step differently meet, their stretches are kept side by side,
so that the outermost pixels stay exact; those of one jump melt into one.

Where all units are mixed (fc, global pooling, layer norm) the stretches of the whole map would count windows that lie
on padding. There the pixels that are truly read are found by going back over the steps with a set of positions each.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple, TypeAlias

from cvtui.calc.net.nodes import Pair
from cvtui.calc.pooling_windows import extent
from cvtui.calc.table import ReceptiveField

MOST_POSITIONS = 1 << 14
"""Maps and filters longer than this are not followed position by position."""

MOST_GRIDS = 32
"""Ways through branches that are told apart when it is followed back what a map reads."""

Masks: TypeAlias = tuple[int, int]
"""Sets of rows and of columns: bit i for position i."""


class Stretch(NamedTuple):
    jump: int
    start: int
    length: int


Axis: TypeAlias = tuple[Stretch, ...]


class Window(NamedTuple):
    """A filter or pooling window, each (height, width); negative padding cuts the border off."""

    size: Pair
    stride: Pair
    padding: Pair
    dilation: Pair = (1, 1)


class PathStep:
    """One step on the way from the input: a window, a meeting of branches (no window), or a mixture (`reads`)."""

    __slots__ = ("map", "order", "parents", "reads", "window")

    def __init__(
        self, size: Pair, parents: tuple[PathStep, ...] = (), window: Window | None = None, reads: Masks | None = None
    ) -> None:
        self.map = size
        self.parents = parents
        self.window = window
        self.reads = reads
        self.order: int = 1 + max((parent.order for parent in parents), default=0)


class FieldByAxis(NamedTuple):
    """Stretches by axis, and the step that made the map its units lie on."""

    axes: tuple[Axis, Axis]
    step: PathStep

    def seen(self) -> ReceptiveField:
        """Return what unit (0, 0) sees; the larger step where branches step differently."""
        (h_size, h_step, h_start), (w_size, w_step, w_start) = _first(self.axes[0]), _first(self.axes[1])
        return ReceptiveField((h_size, w_size), (h_step, w_step), (h_start, w_start))

    def steps(self) -> str:
        """`2 and 3`, where branches met that step differently; else empty."""
        jumps = next((sorted(stretch.jump for stretch in axis) for axis in self.axes if len(axis) > 1), [])
        return " and ".join(map(str, jumps))


def identity(size: Pair) -> FieldByAxis:
    """Return the field of the input itself: unit i sees pixel i."""
    one = (Stretch(1, 0, 1),)
    return FieldByAxis((one, one), PathStep(size))


def slid(field: FieldByAxis, window: Window, output: Pair) -> FieldByAxis:
    """After a window has slid over the map."""
    (fh, fw), (sh, sw), (ph, pw), (dh, dw) = window
    high = tuple(Stretch(j * sh, start - ph * j, n + (fh - 1) * dh * j) for j, start, n in field.axes[0])
    wide = tuple(Stretch(j * sw, start - pw * j, n + (fw - 1) * dw * j) for j, start, n in field.axes[1])
    return FieldByAxis((high, wide), PathStep(output, (field.step,), window))


def everything(field: FieldByAxis, input_size: Pair, output: Pair) -> FieldByAxis:
    """After every unit of the map has been mixed into each output (global pooling, fc, layer norm)."""
    reads = _read(field.step) if max(input_size) <= MOST_POSITIONS else None
    if reads is None:
        first, second = (
            _all(axis, n, width) for axis, n, width in zip(field.axes, field.step.map, input_size, strict=True)
        )
    else:
        first, second = _span(reads[0]), _span(reads[1])
    return FieldByAxis((first, second), PathStep(output, (field.step,), reads=reads))


def joined(fields: list[FieldByAxis]) -> FieldByAxis:
    """Where branches meet on one map: each unit sees what any of them sees."""
    first, second = (_melted([s for field in fields for s in field.axes[axis]]) for axis in (0, 1))
    return FieldByAxis((first, second), PathStep(fields[0].step.map, tuple(field.step for field in fields)))


def _read(last: PathStep) -> Masks | None:
    """Return the rows and columns of the input that a whole map is made of; None where that would take too long.

    Backwards over the steps, the latest first, so that all ways into a step are known before it is left. What is wanted
    of a step is a union of grids (rows x columns), which need not be a grid itself: a branch may read other rows in
    other columns.
    """
    wanted: dict[int, list[Masks]] = {id(last): [((1 << last.map[0]) - 1, (1 << last.map[1]) - 1)]}
    queue = [(-last.order, id(last), last)]
    rows = columns = 0
    while queue:
        _, key, step = heappop(queue)
        grids = wanted.pop(key)
        if step.reads is not None or not step.parents:
            for grid in grids if step.reads is None else [step.reads]:
                rows, columns = rows | grid[0], columns | grid[1]
            continue
        if step.window is not None:
            below = [_under(grid, step.window, step.parents[0].map) for grid in grids]
            if None in below:
                return None
            grids = [grid for grid in below if grid is not None and all(grid)]  # the others read padding only
        for parent in step.parents:
            if not grids:
                break
            if id(parent) not in wanted:
                heappush(queue, (-parent.order, id(parent), parent))
            wanted[id(parent)] = _united(wanted.get(id(parent), []) + grids)
    return (rows, columns) if rows and columns else (0, 0)


def _united(grids: list[Masks]) -> list[Masks]:
    """Keep the grids that no other one contains.

    Past MOST_GRIDS, one around them all (which may be a little too large).
    """
    kept: list[Masks] = []
    for high, wide in grids:
        if any(high | h == h and wide | w == w for h, w in kept):
            continue
        kept = [(h, w) for h, w in kept if not (high | h == high and wide | w == wide)]
        kept.append((high, wide))
    if len(kept) <= MOST_GRIDS:
        return kept
    rows = columns = 0
    for high, wide in kept:
        rows, columns = rows | high, columns | wide
    return [(rows, columns)]


def _under(masks: Masks, window: Window, size: Pair) -> Masks | None:
    """Return the positions of a map of this size that lie under the window at the given places."""
    if max(*window.size, *size) > MOST_POSITIONS:
        return None
    found = []
    for mask, n, f, s, p, d in zip(masks, size, *window, strict=True):
        spread = mask if s == 1 else int(("0" * (s - 1)).join(f"{mask:b}"), 2)  # place i stands at i·s
        covered = 0
        if d == 1:
            covered, width = spread, 1
            while width < f:  # doubling: the first `width` taps at once
                step = min(width, f - width)
                covered |= covered << step
                width += step
        else:
            for tap in range(0, extent(f, d), d):
                covered |= spread << tap
        found.append((covered >> p if p >= 0 else covered << -p) & ((1 << n) - 1))
    return found[0], found[1]


def _span(mask: int) -> Axis:
    """One stretch from the first to the last position of a set, the same for every unit."""
    low = (mask & -mask).bit_length() - 1 if mask else 0
    return (Stretch(0, low, mask.bit_length() - low),)


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
