"""Keep what the optimiser of torch's ONNX exporter takes for nothing: `x + 1e-8`, `x * 1.000009`.

It compares a constant with 0 and 1 by `math.isclose` (onnxscript's rewriter, 1e-8 and 1e-5) and leaves the step out,
but looks at constants without axes alone. So such a constant gets an axis: the numbers are the same.
"""

from __future__ import annotations

from typing import Any

NEAR = {"Add": (0.0, 1.001e-8), "Sub": (0.0, 1.001e-8), "Mul": (1.0, 1.001e-5), "Div": (1.0, 1.001e-5)}
"""By operation: the number that changes nothing, and how near is too near (a little more than the optimiser's)."""


def keep_small_scalars(model: Any) -> int:
    """Give the constants near 0 and 1 of an onnx_ir model that is not optimised yet an axis; return how many."""
    kept = 0
    for node in list(model.graph):
        if node.op_type not in NEAR or node.domain:
            continue
        for place, value in enumerate(node.inputs):
            other = node.inputs[1 - place]
            if (place == 0 and node.op_type in ("Sub", "Div")) or not _is_near(value, *NEAR[node.op_type]):
                continue
            shape = node.outputs[0].shape if node.outputs[0].shape is not None else other.shape
            if shape is not None:  # the check of the export sees to a shape that is unknown
                _with_an_axis(node, place, scalar=len(shape) == 0)
                kept += 1
    return kept


def _is_near(value: Any, neutral: float, tolerance: float) -> bool:
    from onnxscript import ir

    tensor = ir.convenience.get_const_tensor(value)
    if tensor is None:
        made = value.producer()
        casts = made is not None and made.op_type in ("Cast", "CastLike", "Identity")
        return bool(casts) and _is_near(made.inputs[0], neutral, tolerance)
    if len(tensor.shape) > 0:
        return False
    number = tensor.numpy().item()
    return isinstance(number, float) and number != neutral and abs(number - neutral) <= tolerance


def _with_an_axis(node: Any, place: int, scalar: bool) -> None:
    """Reshape the constant to one axis, and the result to none where it had none."""
    from onnxscript import ir

    one = ir.node("Constant", [], attributes={"value_ints": [1]})
    reshaped = ir.node("Reshape", [node.inputs[place], one.outputs[0]])
    node.graph.insert_before(node, [one, reshaped])
    node.replace_input_with(place, reshaped.outputs[0])
    if not scalar:
        return
    output = node.outputs[0]
    squeezed = ir.node("Squeeze", [output])
    squeezed.outputs[0].shape, squeezed.outputs[0].type = output.shape, output.type
    for user, index in list(output.uses()):
        if user is not squeezed:
            user.replace_input_with(index, squeezed.outputs[0])
    for index, given in enumerate(node.graph.outputs):
        if given is output:
            squeezed.outputs[0].name, output.name = output.name, None
            node.graph.outputs[index] = squeezed.outputs[0]
    output.shape = ir.Shape([1])
    node.graph.insert_after(node, [squeezed])
