"""What functions with a window, convolutions, pooling, padding and slices, do to receptive fields."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from cvtui.calc.receptive_fields import Window
from cvtui.calc.tensor_fields import FieldImage, TensorField, moved
from cvtui.engine.nn.field_call import Call, Known, pair


def convolved(call: Call) -> Known:
    weight, one = call.at(1, "weight"), call.one
    if not isinstance(weight, Tensor) or len(call.fields) != 1:
        return None
    if -3 in one.axes:
        if call.at(6, "groups", 1) != 1:
            return None
        one = call.image.mixed(one, [-3])
    size, dilation = pair(weight.shape[2:]), pair(call.at(5, "dilation", 1))
    padding = call.at(4, "padding", 0)
    if padding == "same":  # what is left over by an even filter goes to the end
        padding = tuple(d * (f - 1) // 2 for d, f in zip(dilation, size, strict=True))
    padding = (0, 0) if padding == "valid" else pair(padding)
    window = Window(size, pair(call.at(3, "stride", 1)), padding, dilation)
    return call.image.slid(one, window, pair(call.shape[-2:]))


def convolved_in_a_row(call: Call) -> Known:
    one = call.one
    if call.at(6, "groups", 1) != 1 or len(call.fields) != 1:
        return None
    return call.image.unordered(mixed, mixed.axes) if (mixed := call.image.mixed(one, [-2])).axes else mixed


def pooled(call: Call) -> Known:
    names = ["input", "kernel_size", "stride", "padding"]
    _, size, stride, padding = (call.at(place, name) for place, name in enumerate(names))
    dilation = call.kwargs.get("dilation", 1)
    window = Window(pair(size), pair(stride if stride not in (None, ()) else size), pair(padding or 0), pair(dilation))
    return call.image.slid(call.one, window, pair(call.shape[-2:]))


def max_pooled(call: Call) -> Known:
    if len(call.args) > 4:
        call.kwargs = {**call.kwargs, "dilation": call.args[4]}
    return pooled(call)


def pooled_to(call: Call) -> Known:
    """Adaptive pooling: windows of one size only where it goes up evenly."""
    before, after = tuple(call.tensor.shape[-2:]), tuple(call.shape[-2:])
    if after == before:
        return call.one
    if after == (1, 1) or before == (1, 1):
        return call.image.mixed(call.one, [-2, -1])
    if any(n % m for n, m in zip(before, after, strict=True)):
        return call.image.unordered(call.one, call.one.axes)
    size = pair([n // m for n, m in zip(before, after, strict=True)])
    return call.image.slid(call.one, Window(size, size, (0, 0)), pair(after))


def padded(call: Call) -> Known:
    pad, one = list(call.at(1, "pad")), call.one
    before = {-1 - place: pad[2 * place] for place in range(len(pad) // 2)}
    touched = {-1 - place for place in range(len(pad) // 2) if pad[2 * place] or pad[2 * place + 1]}
    if not touched & one.axes:
        return one
    if call.at(2, "mode", "constant") != "constant" or len(one.order) != 2:
        return call.image.unordered(one, one.axes)
    return _cut(one, call.image, {axis: (-begin, 1) for axis, begin in before.items()}, call.shape)


def _cut(one: TensorField, image: FieldImage, slices: dict[int, tuple[int, int]], shape: Sequence[int]) -> TensorField:
    """Keep of a map what starts at `begin` and goes in steps, by axis; a negative begin is padding."""
    (high, high_step), (wide, wide_step) = (slices.get(axis, (0, 1)) for axis in one.order)
    map_order = one._replace(order=(-2, -1))
    size = pair([shape[axis] for axis in one.order])
    moved_on = image.slid(map_order, Window((1, 1), (high_step, wide_step), (-high, -wide)), size)
    return moved_on._replace(order=one.order)


def indexed(call: Call) -> Known:
    index, one, shape = call.args[1], call.one, tuple(call.tensor.shape)
    index = index if isinstance(index, tuple) else (index,)
    if not all(part is None or part is ... or type(part) in (int, slice) for part in index):
        return None
    named = sum(part is not None and part is not ... for part in index)
    spread = [slice(None)] * (len(shape) - named)
    place = next((number for number, part in enumerate(index) if part is ...), len(index))
    parts = (*index[:place], *spread, *index[place + 1 :])
    old, new, where, slices = -len(shape), -len(call.shape), {}, {}
    for part in parts:
        if part is None:
            new += 1
            continue
        if isinstance(part, slice):
            begin, end, step = part.indices(shape[old])
            if (begin, end, step) != (0, shape[old], 1):
                slices[old] = (begin, step)
            where[old] = new
            new += 1
        elif old in one.axes:
            return None
        old += 1
    if slices.keys() & one.axes:
        if len(one.order) != 2:
            return moved(call.image.unordered(one, one.axes), where)
        kept = {axis: call.shape[where[axis]] for axis in one.order}
        size = [kept.get(axis, 1) for axis in range(-len(shape), 0)]
        one = _cut(one, call.image, slices, size)
    return moved(one, where)
