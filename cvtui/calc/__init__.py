"""The lecture's formulas, in plain Python: nothing here imports more than the standard library.

`trace` turns a net (a `Chain`, from `cvtui.recipe.net.parse`) and an input size into a `Table` of `Row`s.
"""

from cvtui.calc.expression import expression, net_expression
from cvtui.calc.nodes import (
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
