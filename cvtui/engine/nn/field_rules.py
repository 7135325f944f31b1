"""What each function of torch does to the receptive fields of its arguments; those that aren't listed are not known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from torch import Tensor

from cvtui.calc.receptive_fields import Window
from cvtui.calc.tensor_fields import Image, TensorField, moved

Known: TypeAlias = TensorField | None
"""None: not known."""

POINTWISE = frozenset(
    """
    abs add addcdiv addcmul alpha_dropout bfloat16 celu channel_shuffle clamp clamp_max clamp_min clone contiguous
    copy cos detach div double dropout dropout1d dropout2d dropout3d elu erf exp expand expand_as
    feature_alpha_dropout fill float gelu glu half hardshrink hardsigmoid hardswish hardtanh iadd imul isub
    itruediv leaky_relu lerp local_response_norm log logit logsigmoid masked_fill maximum minimum mish mul
    nan_to_num neg pow prelu radd reciprocal relu relu6 rmul rpow rrelu rsqrt rsub rtruediv selu
    sigmoid sign silu sin softplus softshrink softsign sqrt square sub tanh tanhshrink threshold to truediv type
    type_as where
    """.split()  # noqa: SIM905  (one a line they fill two screens)
)
REDUCING = {"sum", "mean", "amax", "amin", "max", "min", "prod", "std", "var", "logsumexp", "norm"}
RESHAPING = {"reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "reshape_as", "view_as", "ravel"}


class Call:
    """One call of a function: its arguments by place or by name, and the shape that came out."""

    def __init__(
        self,
        image: Image,
        field_of: Callable[[Any], Known],
        given: list[Tensor],
        args: Any,
        kwargs: Any,
        output: Tensor,
    ) -> None:
        self.args, self.kwargs = args, kwargs
        self.image, self.field_of = image, field_of
        self.fields = [field for field in map(field_of, given) if field is not None]
        self.tensor: Tensor = given[0]
        self.shape = tuple(output.shape)

    @property
    def one(self) -> TensorField:
        """The field of the first argument; LookupError where that is a constant."""
        found = self.field_of(self.tensor)
        if found is None:
            raise LookupError
        return found

    def at(self, place: int, name: str, usual: Any = None) -> Any:
        return self.args[place] if len(self.args) > place else self.kwargs.get(name, usual)

    def field(self, place: int, name: str) -> Known:
        return self.field_of(self.at(place, name))

    def apart(self, name: str) -> frozenset[int]:
        """Return the axis along which units of different origin now stand: constants, of which none sees a pixel."""
        if name == "pad":
            pad = list(self.at(1, "pad"))
            return frozenset(-1 - place for place in range(len(pad) // 2) if any(pad[2 * place : 2 * place + 2]))
        if name not in ("cat", "concat", "stack"):
            return frozenset()
        several = self.at(0, "tensors")
        alike = len(self.fields) == len(several) and len({one.field.axes for one in self.fields}) == 1
        return frozenset() if alike else frozenset([_from_end(self.at(1, "dim", 0), len(self.shape))])

    def axes(self, places: Any) -> set[int]:
        """Axes from the end; None: all."""
        n = self.tensor.dim()
        if places is None or (isinstance(places, tuple | list) and not places):
            return set(range(-n, 0))
        return {_from_end(place, n) for place in (places if isinstance(places, tuple | list) else (places,))}


def _from_end(axis: int, n: int) -> int:
    return axis if axis < 0 else axis - n


def _pair(of: Any) -> tuple[int, int]:
    if isinstance(of, int):
        return of, of
    return (int(of[0]), int(of[-1]))


def _convolved(call: Call) -> Known:
    weight, one = call.at(1, "weight"), call.one
    if not isinstance(weight, Tensor) or len(call.fields) != 1:
        return None
    if -3 in one.axes:
        if call.at(6, "groups", 1) != 1:
            return None
        one = call.image.mixed(one, [-3])
    size, dilation = _pair(weight.shape[2:]), _pair(call.at(5, "dilation", 1))
    padding = call.at(4, "padding", 0)
    if padding == "same":  # what is left over by an even filter goes to the end
        padding = tuple(d * (f - 1) // 2 for d, f in zip(dilation, size, strict=True))
    padding = (0, 0) if padding == "valid" else _pair(padding)
    window = Window(size, _pair(call.at(3, "stride", 1)), padding, dilation)
    return call.image.slid(one, window, _pair(call.shape[-2:]))


def _convolved_in_a_row(call: Call) -> Known:
    one = call.one
    if call.at(6, "groups", 1) != 1 or len(call.fields) != 1:
        return None
    return call.image.unordered(mixed, mixed.axes) if (mixed := call.image.mixed(one, [-2])).axes else mixed


def _pooled(call: Call) -> Known:
    names = ["input", "kernel_size", "stride", "padding"]
    _, size, stride, padding = (call.at(place, name) for place, name in enumerate(names))
    dilation = call.kwargs.get("dilation", 1)
    window = Window(
        _pair(size), _pair(stride if stride not in (None, ()) else size), _pair(padding or 0), _pair(dilation)
    )
    return call.image.slid(call.one, window, _pair(call.shape[-2:]))


def _max_pooled(call: Call) -> Known:
    if len(call.args) > 4:
        call.kwargs = {**call.kwargs, "dilation": call.args[4]}
    return _pooled(call)


def _pooled_to(call: Call) -> Known:
    """Adaptive pooling: windows of one size only where it goes up evenly."""
    before, after = tuple(call.tensor.shape[-2:]), tuple(call.shape[-2:])
    if after == before:
        return call.one
    if after == (1, 1) or before == (1, 1):
        return call.image.mixed(call.one, [-2, -1])
    if any(n % m for n, m in zip(before, after, strict=True)):
        return call.image.unordered(call.one, call.one.axes)
    size = _pair([n // m for n, m in zip(before, after, strict=True)])
    return call.image.slid(call.one, Window(size, size, (0, 0)), _pair(after))


def _padded(call: Call) -> Known:
    pad, one = list(call.at(1, "pad")), call.one
    before = {-1 - place: pad[2 * place] for place in range(len(pad) // 2)}
    touched = {-1 - place for place in range(len(pad) // 2) if pad[2 * place] or pad[2 * place + 1]}
    if not touched & one.axes:
        return one
    if call.at(2, "mode", "constant") != "constant" or len(one.order) != 2:
        return call.image.unordered(one, one.axes)
    return _cut(one, call.image, {axis: (-begin, 1) for axis, begin in before.items()}, call.shape)


def _cut(one: TensorField, image: Image, slices: dict[int, tuple[int, int]], shape: Sequence[int]) -> TensorField:
    """Keep of a map what starts at `begin` and goes in steps, by axis; a negative begin is padding."""
    (high, high_step), (wide, wide_step) = (slices.get(axis, (0, 1)) for axis in one.order)
    map_order = one._replace(order=(-2, -1))
    size = _pair([shape[axis] for axis in one.order])
    moved_on = image.slid(map_order, Window((1, 1), (high_step, wide_step), (-high, -wide)), size)
    return moved_on._replace(order=one.order)


def _indexed(call: Call) -> Known:
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


def _reshaped(call: Call) -> Known:
    return call.image.reshaped(call.one, call.tensor.shape, call.shape)


def _permuted(call: Call) -> Known:
    n, first = call.tensor.dim(), call.at(1, "dims")
    order = list(first) if isinstance(first, tuple | list) else list(call.args[1:])
    return moved(call.one, {_from_end(axis, n): place - n for place, axis in enumerate(order)})


def _swapped(call: Call) -> Known:
    n = call.tensor.dim()
    a, b = (_from_end(call.at(place, name), n) for place, name in ((1, "dim0"), (2, "dim1")))
    where = {axis: axis for axis in range(-n, 0)} | {a: b, b: a}
    return moved(call.one, where)


def _turned(call: Call) -> Known:
    return moved(call.one, {axis: axis for axis in range(-call.tensor.dim(), 0)} | {-1: -2, -2: -1})


def _concatenated(call: Call) -> Known:
    along = _from_end(call.at(1, "dim", 0), call.tensor.dim())
    axes = frozenset[int]().union(*(one.axes for one in call.fields))
    if along not in axes:
        return call.image.met(call.fields)
    whole = call.image.met([call.image.unordered(one, one.axes) for one in call.fields])
    return call.image.unordered(whole, axes | whole.axes)


def _stacked(call: Call) -> Known:
    n = len(call.shape)
    along = _from_end(call.at(1, "dim", 0), n)
    where = {axis: axis if axis > along else axis - 1 for axis in range(1 - n, 0)}
    return call.image.met([moved(one, where) for one in call.fields])


def _parted(call: Call) -> Known:
    along = _from_end(call.at(2, "dim", 0), call.tensor.dim())
    return None if along in call.one.axes else call.one


def _unbound(call: Call) -> Known:
    along = _from_end(call.at(1, "dim", 0), call.tensor.dim())
    if along in call.one.axes:
        return None
    return moved(call.one, {axis: axis if axis > along else axis + 1 for axis in range(-call.tensor.dim(), 0)})


def _reduced(call: Call) -> Known:
    over = call.axes(call.at(1, "dim", call.kwargs.get("axis")))
    mixed = call.image.mixed(call.one, over)
    if len(call.shape) == call.tensor.dim():
        return mixed
    kept = [axis for axis in range(-call.tensor.dim(), 0) if axis not in over]
    return moved(mixed, {axis: place - len(kept) for place, axis in enumerate(kept)})


def _mixed_along(call: Call) -> Known:
    return call.image.mixed(call.one, call.axes(call.at(1, "dim", -1)))


def _normalized_along(call: Call) -> Known:
    return call.image.mixed(call.one, call.axes(call.at(2, "dim", 1)))


def _layer_normed(call: Call) -> Known:
    return call.image.mixed(call.one, range(-len(call.at(1, "normalized_shape")), 0))


def _group_normed(call: Call) -> Known:
    channels = 1 - call.tensor.dim()
    if channels in call.one.axes and call.at(1, "num_groups") != 1:
        return None
    return call.image.mixed(call.one, range(channels, 0))


def _instance_normed(call: Call) -> Known:
    """Instance norm; with statistics of its training it mixes nothing."""
    if not call.at(5, "use_input_stats", True):
        return call.image.met(call.fields)
    return call.image.mixed(call.one, range(2 - call.tensor.dim(), 0))


def _multiplied(call: Call) -> Known:
    return _product(call.image, call.field(0, "input"), call.field(1, "other") or call.field(1, "mat2"))


def _product(image: Image, left: Known, right: Known) -> Known:
    """(…, m, k) by (…, k, n): unit (m, n) sees row m of the left and column n of the right."""
    parts = [image.mixed(one, [along]) for one, along in ((left, -1), (right, -2)) if one is not None]
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0]
    met = image.met([image.unordered(one, one.axes, one.full) if one.axes else one for one in parts])
    full = frozenset(axis for axis, one in ((-2, parts[0]), (-1, parts[1])) if one.axes == {axis})
    return met._replace(full=met.full | (full & met.axes))


def _batch_normed(call: Call) -> Known:
    """Batch norm; with the batch's own statistics where it keeps none."""
    own = call.at(5, "training", False)
    return call.image.mixed(call.one, range(2 - call.tensor.dim(), 0)) if own else call.image.met(call.fields)


def _linear(call: Call) -> Known:
    return call.image.mixed(call.one, [-1]) if len(call.fields) == 1 else None


def _attended(call: Call) -> Known:
    """Return what softmax(q kᵀ) v sees, where every query looks at all keys."""
    if call.at(5, "is_causal", False):
        return None
    query, key, value = (call.field(place, name) for place, name in enumerate(("query", "key", "value")))
    turned = None if key is None else moved(key, {axis: axis for axis in range(-8, 0)} | {-1: -2, -2: -1})
    scores = _product(call.image, query, turned)
    scores = None if scores is None else call.image.mixed(scores, [-1])
    return _product(call.image, scores, value)


def _attended_whole(call: Call) -> Known | list[Known]:
    tokens = -3 if call.tensor.dim() == 3 else -2
    fields = [call.field(place, name) for place, name in enumerate(("query", "key", "value"))]
    if any(one is None for one in fields):
        return None
    query, key, value = (one for one in fields if one is not None)
    seen = call.image.met([call.image.mixed(key, [tokens]), call.image.mixed(value, [tokens]), query])
    return [seen, None]


def _summed(call: Call) -> Known:
    """Einsum: a letter that is left over in the output keeps its axis, the others are mixed."""
    left, _, right = str(call.args[0]).replace(" ", "").partition("->")
    operands = call.args[1] if isinstance(call.args[1], tuple | list) else call.args[1:]
    if "." in left or not right:
        return None
    places = {letter: place - len(right) for place, letter in enumerate(right)}
    found: list[TensorField] = []
    for letters, operand in zip(left.split(","), operands, strict=True):
        one = call.field_of(operand)
        if one is None:
            continue
        lost = [place - len(letters) for place, letter in enumerate(letters) if letter not in places]
        where = {place - len(letters): places[letter] for place, letter in enumerate(letters) if letter in places}
        found.append(moved(call.image.mixed(one, lost), where))
    if len(found) > 1:
        found = [call.image.unordered(one, one.axes) if one.axes else one for one in found]
    return call.image.met(found)


def _scattered(call: Call) -> Known:
    """Return what transposed convolutions and the like leave: a map whose units can't be told apart."""
    if not call.one.axes <= {-2, -1}:
        return None
    return call.image.unordered(call.one, call.one.axes)


def _resized(call: Call) -> Known:
    before, after = tuple(call.tensor.shape[-2:]), tuple(call.shape[-2:])
    if before == after:
        return call.one
    return _scattered(call) if all(n <= m for n, m in zip(before, after, strict=True)) else None


def _rolled(call: Call) -> Known:
    touched = call.axes(call.at(2, "dims")) & call.one.axes
    return call.image.unordered(call.one, call.one.axes) if touched else call.one


def _in_columns(call: Call) -> Known:
    return call.image.unordered(call.one, frozenset((-1,)))


def _in_a_map(call: Call) -> Known:
    return call.image.unordered(call.one, frozenset((-2, -1)))


RULES: dict[str, Callable[[Call], Known | list[Known]]] = {
    "conv2d": _convolved,
    "conv1d": _convolved_in_a_row,
    "conv_transpose2d": _scattered,
    "avg_pool2d": _pooled,
    "max_pool2d": _max_pooled,
    "max_pool2d_with_indices": _max_pooled,
    "adaptive_avg_pool2d": _pooled_to,
    "adaptive_max_pool2d": _pooled_to,
    "pad": _padded,
    "getitem": _indexed,
    "permute": _permuted,
    "transpose": _swapped,
    "swapaxes": _swapped,
    "T": _turned,
    "mT": _turned,
    "cat": _concatenated,
    "concat": _concatenated,
    "stack": _stacked,
    "chunk": _parted,
    "split": _parted,
    "unbind": _unbound,
    "softmax": _mixed_along,
    "log_softmax": _mixed_along,
    "normalize": _normalized_along,
    "layer_norm": _layer_normed,
    "rms_norm": _layer_normed,
    "group_norm": _group_normed,
    "instance_norm": _instance_normed,
    "batch_norm": _batch_normed,
    "matmul": _multiplied,
    "bmm": _multiplied,
    "linear": _linear,
    "scaled_dot_product_attention": _attended,
    "multi_head_attention_forward": _attended_whole,
    "einsum": _summed,
    "interpolate": _resized,
    "pixel_shuffle": _scattered,
    "roll": _rolled,
    "unfold": _in_columns,
    "fold": _in_a_map,
    **dict.fromkeys(REDUCING, _reduced),
    **dict.fromkeys(RESHAPING, _reshaped),
}
