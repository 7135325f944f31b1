"""What the calculator answers: a table with one row per layer, in the order of computation.

Sizes are H x W x C (or one number for a flat output), everything is per image. One multiply-add is one MAC (2 FLOPs);
adding the bias is not counted, nor are activations, pooling and normalisation (as torch's FlopCounterMode counts).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from cvtui.calc.net.nodes import Conv, Linear, Node, Pair
from cvtui.calc.net.printer import expression
from cvtui.calc.pooling_windows import taps_inside

Size: TypeAlias = tuple[int, int, int] | tuple[int]


def values(size: Size) -> int:
    """How many numbers a tensor of this size holds."""
    return size[0] if len(size) == 1 else size[0] * size[1] * size[2]


def size_text(size: Sequence[int]) -> str:
    """`32x32x3`, or `10` for a flat one."""
    return "x".join(map(str, size))


class ReceptiveField(NamedTuple):
    """Which pixels of the net's input one unit of the output can see.

    Unit (i, j) sees the rows offset[0] + i·stride[0] and the next size[0] − 1 (columns alike); what lies outside of the
    input is padding. Stride 0: every unit sees the same pixels (after global pooling, a layer norm or an fc).
    """

    size: Pair
    stride: Pair
    offset: Pair


class Row(NamedTuple):
    """One layer.

    `node` is resolved: a Conv's padding and a Pool's stride are numbers, a Linear has its outputs; `source` is the node
    as it was written. Rows that no layer of the expression stands for have the kinds "add" (node: the Residual),
    "cat" (the Concat) and "proj" (a 1x1 Conv, or a Linear for flat sizes, without bias; its input is the input of the
    Residual). They come after the rows of their bodies: body, proj, add. `inputs` are the numbers of the rows whose
    outputs come in (−1: the net's input); `input` is the size of the first.
    """

    name: str
    kind: str
    node: Node
    source: Node
    depth: int
    input: Size
    output: Size
    weights: int
    biases: int
    macs: int
    fan_in: int
    receptive_field: ReceptiveField | None
    formula: str
    note: str
    inputs: tuple[int, ...]

    @property
    def parameters(self) -> int:
        return self.weights + self.biases

    @property
    def activations(self) -> int:
        """Numbers in the output of one image."""
        return values(self.output)

    @property
    def expression(self) -> str:
        """The layer as written (`conv32f5`); add and cat have only their names."""
        return self.kind if self.kind in ("add", "cat") else expression(self.source)

    @property
    def counting(self) -> str:
        """The number of parameters worked out: `(5·5·3 + 1) · 10 = 760`; empty for layers without any."""
        node = self.node
        if isinstance(node, Conv):
            per_filter = f"{node.size[0]}·{node.size[1]}·{self.input[-1] // node.groups}"
            per_filter = f"({per_filter} + 1)" if node.bias else per_filter
            return f"{per_filter} · {node.filters:,} = {self.parameters:,}"
        if isinstance(node, Linear):
            inputs = f"({self.fan_in:,} + 1)" if node.bias else f"{self.fan_in:,}"
            return f"{inputs} · {node.outputs:,} = {self.parameters:,}"
        return f"2 · {self.weights:,} = {self.parameters:,}" if self.parameters else ""

    @property
    def connections(self) -> int:
        """Pairs of an input and an output number that a weight joins; taps that lie in the padding don't count."""
        node = self.node
        if isinstance(node, Linear):
            return self.macs
        if not isinstance(node, Conv) or len(self.input) == 1 or len(self.output) == 1:
            return 0
        assert node.padding is not None
        count = self.output[2] * (self.input[2] // node.groups)
        for axis in (0, 1):
            size, stride, padding = node.size[axis], node.stride[axis], node.padding[axis]
            assert size is not None
            assert stride is not None
            assert padding is not None
            count *= taps_inside(self.input[axis], self.output[axis], size, stride, padding, node.dilation[axis])
        return count

    @property
    def connected(self) -> float | None:
        """The share of all possible connections (every input to every output, as in an fc) that exist."""
        count = self.connections
        return count / (values(self.input) * values(self.output)) if count else None


class Table(NamedTuple):
    """A whole net for one input size; `classes` is what a bare `fc` gives."""

    input: Size
    classes: int
    rows: tuple[Row, ...]

    @property
    def output(self) -> Size:
        return self.rows[-1].output

    @property
    def parameters(self) -> int:
        return sum(row.weights + row.biases for row in self.rows)

    @property
    def macs(self) -> int:
        return sum(row.macs for row in self.rows)

    @property
    def activations(self) -> int:
        return sum(values(row.output) for row in self.rows)
