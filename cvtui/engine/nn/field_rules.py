"""What each function of torch does to the receptive fields of its arguments; those that aren't listed are not known."""

from __future__ import annotations

from collections.abc import Callable

from cvtui.calc.tensor_fields import FieldImage, TensorField, moved
from cvtui.engine.nn.field_call import Call, Known, from_end
from cvtui.engine.nn.field_windows import convolved, convolved_in_a_row, indexed, max_pooled, padded, pooled, pooled_to

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


def _reshaped(call: Call) -> Known:
    return call.image.reshaped(call.one, call.tensor.shape, call.shape)


def _permuted(call: Call) -> Known:
    n, first = call.tensor.dim(), call.at(1, "dims")
    order = list(first) if isinstance(first, tuple | list) else list(call.args[1:])
    return moved(call.one, {from_end(axis, n): place - n for place, axis in enumerate(order)})


def _swapped(call: Call) -> Known:
    n = call.tensor.dim()
    a, b = (from_end(call.at(place, name), n) for place, name in ((1, "dim0"), (2, "dim1")))
    where = {axis: axis for axis in range(-n, 0)} | {a: b, b: a}
    return moved(call.one, where)


def _turned(call: Call) -> Known:
    return moved(call.one, {axis: axis for axis in range(-call.tensor.dim(), 0)} | {-1: -2, -2: -1})


def _concatenated(call: Call) -> Known:
    along = from_end(call.at(1, "dim", 0), call.tensor.dim())
    axes = frozenset[int]().union(*(one.axes for one in call.fields))
    if along not in axes:
        return call.image.met(call.fields)
    whole = call.image.met([call.image.unordered(one, one.axes) for one in call.fields])
    return call.image.unordered(whole, axes | whole.axes)


def _stacked(call: Call) -> Known:
    n = len(call.shape)
    along = from_end(call.at(1, "dim", 0), n)
    where = {axis: axis if axis > along else axis - 1 for axis in range(1 - n, 0)}
    return call.image.met([moved(one, where) for one in call.fields])


def _parted(call: Call) -> Known:
    along = from_end(call.at(2, "dim", 0), call.tensor.dim())
    return None if along in call.one.axes else call.one


def _unbound(call: Call) -> Known:
    along = from_end(call.at(1, "dim", 0), call.tensor.dim())
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


def _product(image: FieldImage, left: Known, right: Known) -> Known:
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
    "conv2d": convolved,
    "conv1d": convolved_in_a_row,
    "conv_transpose2d": _scattered,
    "avg_pool2d": pooled,
    "max_pool2d": max_pooled,
    "max_pool2d_with_indices": max_pooled,
    "adaptive_avg_pool2d": pooled_to,
    "adaptive_max_pool2d": pooled_to,
    "pad": padded,
    "getitem": indexed,
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
