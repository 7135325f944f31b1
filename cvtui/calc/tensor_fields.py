"""Receptive fields of tensors of any shape: along which axes their units see different pixels, and which.

Axes are counted from the end (−1 is the last), so that broadcasting changes none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import NamedTuple

from cvtui.calc.net.nodes import Pair
from cvtui.calc.receptive_fields import FieldByAxis, Window, everything, joined, slid
from cvtui.calc.table import ReceptiveField

Axes = frozenset[int]
NONE: Axes = frozenset()


class TensorField(NamedTuple):
    """What the units of one tensor see of the image."""

    field: FieldByAxis
    """By unit where `order` is known, else what all units together see."""
    axes: Axes
    """Those along which units see different pixels; empty: every unit sees the same."""
    order: tuple[int, ...] = ()
    """(height, width) of a map; (n,) for a map row by row (tokens); () where units can't be told apart."""
    full: Axes = NONE
    """Those that alone run over the whole image, though there are others."""

    def by_unit(self) -> ReceptiveField | None:
        """Return the field of a unit; None where it isn't one window that moves."""
        if any(len(axis) > 1 for axis in self.field.axes) or (self.axes and len(self.order) != 2):
            return None
        return self.field.seen()


class FieldImage(NamedTuple):
    """The image that fields are of: (height, width)."""

    size: Pair

    def all_of(self, one: TensorField) -> TensorField:
        """Every unit sees what all saw together."""
        if not one.axes:
            return one
        return TensorField(everything(one.field, self.size, (1, 1)), NONE)

    def unordered(self, one: TensorField, axes: Axes, full: Axes = NONE) -> TensorField:
        """Forget which unit sees what; what they see together is kept."""
        if not axes:
            return self.all_of(one)
        field = everything(one.field, self.size, (1, 1)) if one.order else one.field
        return TensorField(field, axes, (), axes if len(axes) == 1 else full & axes)

    def mixed(self, one: TensorField, over: Iterable[int]) -> TensorField:
        """Let each unit see all units along some axes: sums, norms, softmax."""
        gone = one.axes & frozenset(over)
        if not gone:
            return one
        if gone == one.axes or gone & _full(one):
            return self.all_of(one)
        return self.unordered(one, one.axes - gone, one.full)

    def met(self, several: Sequence[TensorField]) -> TensorField:
        """Let units meet that stand at the same place: sums, products, branches joined along the channels."""
        first = several[0]
        if all(one is first or (one.field is first.field and one[1:] == first[1:]) for one in several):
            return first
        moving, still = [one for one in several if one.axes], [one for one in several if not one.axes]
        if not moving:
            return TensorField(joined([one.field for one in still]), NONE)
        together = self._moving(moving)
        if not still:
            return together
        seen, rest = joined([one.field for one in still]), self.all_of(together)
        if all(_covers(high, low) for high, low in zip(seen.axes, rest.field.axes, strict=True)):
            return TensorField(joined([seen, rest.field]), NONE)
        return self.unordered(rest._replace(field=joined([seen, rest.field])), together.axes, together.full)

    def _moving(self, several: list[TensorField]) -> TensorField:
        first = several[0]
        if len(several) == 1:
            return first
        if first.order and all(one[1:] == first[1:] and one.field.step.map == first.field.step.map for one in several):
            return first._replace(field=joined([one.field for one in several]))
        axes, full = frozenset[int]().union(*(o.axes for o in several)), frozenset[int]().union(*map(_full, several))
        whole = joined([self.all_of(one).field for one in several])
        return TensorField(whole, axes, (), axes if len(axes) == 1 else full & axes)

    def slid(self, one: TensorField, window: Window, output: Pair) -> TensorField:
        """Slide a window over the last two axes."""
        if one.order == (-2, -1):
            return one._replace(field=slid(one.field, window, output))
        return self.unordered(one, one.axes) if one.axes else one

    def reshaped(self, one: TensorField, before: Sequence[int], after: Sequence[int]) -> TensorField:
        """Follow the axes through `reshape`, which leaves the numbers in their order."""
        if not one.axes:
            return one
        old, new = _spans(before), _spans(after)
        axes = frozenset(
            axis
            for axis, (low, high) in new.items()
            if high > low and any(low < old[o][1] and old[o][0] < high for o in one.axes)
        )
        order = _reordered(one, old, new)
        if order and axes:
            return one._replace(axes=axes, order=order, full=axes if len(axes) == 1 else NONE)
        full = frozenset(axis for axis in axes if any(new[axis] == old[o] for o in _full(one)))
        return self.unordered(one, axes, full)


def moved(one: TensorField, where: dict[int, int]) -> TensorField:
    """Follow axes that are permuted: old to new place; an axis that isn't named falls away."""
    axes, full = (frozenset(where[axis] for axis in known if axis in where) for known in (one.axes, one.full))
    order = tuple(where[axis] for axis in one.order if axis in where)
    return one._replace(axes=axes, full=full, order=order)


def _full(one: TensorField) -> Axes:
    return one.axes if len(one.axes) == 1 else one.full


def _covers(high: Sequence[tuple[int, int, int]], low: Sequence[tuple[int, int, int]]) -> bool:
    """Return True where the first of two sets of unmoving stretches holds the second."""
    start, end = min(s for _, s, _ in high), max(s + n for _, s, n in high)
    return all(start <= s and s + n <= end for _, s, n in low)


def _spans(shape: Sequence[int]) -> dict[int, tuple[int, int]]:
    """By axis: the strides, in numbers, inside and outside of it."""
    return {axis: (prod(shape[axis + 1 :] if axis < -1 else ()), prod(shape[axis:])) for axis in range(-len(shape), 0)}


def _reordered(one: TensorField, old: dict[int, tuple[int, int]], new: dict[int, tuple[int, int]]) -> tuple[int, ...]:
    places = {span: axis for axis, span in new.items()}
    if len(one.order) == 2:
        high, wide = (old[axis] for axis in one.order)
        if high in places and wide in places and high[0] != high[1] and wide[0] != wide[1]:
            return places[high], places[wide]
        row_by_row = (wide[0], high[1])
        return (places[row_by_row],) if high[0] == wide[1] and row_by_row in places else ()
    if not one.order:
        return ()
    low, high_end = old[one.order[0]]
    if (low, high_end) in places:
        return (places[low, high_end],)
    between = low * one.field.step.map[1]
    wide, high = (low, between), (between, high_end)
    return (places[high], places[wide]) if wide in places and high in places else ()
