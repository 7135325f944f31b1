"""The lecture's formulas, in plain Python: nothing here imports more than the standard library.

`trace` turns a net (a `Chain`, from `cvtui.calc.net.parser.parse`) and an input size into a `Table` of `Row`s.
"""

from cvtui.calc.net.nodes import (
    ACTIVATIONS,
    Activation,
    BatchNorm,
    Chain,
    Concat,
    Conv,
    Dropout,
    Flatten,
    GlobalPool,
    LayerNorm,
    Linear,
    Node,
    Pool,
    Repeat,
    Residual,
    Softmax,
)
from cvtui.calc.net.printer import expression, net_expression
from cvtui.calc.table import ReceptiveField, Row, Size, Table, size_text, values
from cvtui.calc.trace import trace

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "BatchNorm",
    "Chain",
    "Concat",
    "Conv",
    "Dropout",
    "Flatten",
    "GlobalPool",
    "LayerNorm",
    "Linear",
    "Node",
    "Pool",
    "ReceptiveField",
    "Repeat",
    "Residual",
    "Row",
    "Size",
    "Softmax",
    "Table",
    "expression",
    "net_expression",
    "size_text",
    "trace",
    "values",
]
