"""Memory of a training: parameters, gradients, optimiser state and what is kept for the backward pass.

Counted for float32 on PyTorch's CPU path, as autograd saves tensors (the tests compare it with
`torch.autograd.graph.saved_tensors_hooks`): a conv, fc, norm or pooling layer keeps its input, ReLU, tanh and sigmoid
their output, max pooling the places of its maxima (8 bytes each), dropout its mask. A tensor that two layers keep is
there once. Short-lived work space (one layer's gradient, the convolution's scratch) comes on top.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from cvtui.calc.module_table import ModuleTable
from cvtui.calc.table import Row, Table, values

NUMBER = 4
"""Bytes of a float32."""

_KEEPS_INPUT = frozenset(
    ("conv", "proj", "fc", "pool", "avgpool", "sumpool", "bn", "ln", "leakyrelu", "gelu", "silu", "elu"),
)
_KEEPS_OUTPUT = frozenset(("relu", "tanh", "sigmoid", "softmax"))


class Memory(NamedTuple):
    """Bytes, for one batch."""

    batch: int
    parameters: int
    gradients: int
    """Of the parameters that are trained."""
    activations: int

    def state(self, copies: int, *, mean: bool = False) -> int:
        """Return the bytes of an optimiser that keeps `copies` numbers for each parameter that is trained.

        mean: with a running mean of all weights.
        """
        return self.gradients * copies + self.parameters * mean

    def total(self, copies: int, *, mean: bool = False) -> int:
        """Return all bytes, with the state of such an optimiser."""
        return self.parameters + self.gradients + self.activations + self.state(copies, mean=mean)


def training_memory(table: Table | ModuleTable, batch: int, frozen: Collection[str] = ()) -> Memory:
    """Count what training this net at this batch size holds, but for the optimiser's state.

    frozen: names of a net expression's parameters that are not trained; a model's table has counted its own.
    """
    if isinstance(table, ModuleTable):
        return Memory(batch, table.parameters * NUMBER, table.trained * NUMBER, table.kept * batch)
    trained = sum(_trained(row, frozen) for row in table.rows)
    return Memory(batch, table.parameters * NUMBER, trained * NUMBER, kept_activations(table, batch, frozen))


def _trained(row: Row, frozen: Collection[str]) -> int:
    """Count the parameters of a layer that are trained."""
    own = (("weight", row.weights), ("bias", row.biases))
    return sum(count for kind, count in own if f"{row.name}.{kind}" not in frozen)


def kept_activations(table: Table, batch: int, frozen: Collection[str] = ()) -> int:
    """Count the bytes that the forward pass leaves for the backward pass; before what is trained it leaves none."""
    rows = table.rows
    home: list[int] = []  # the row whose output a row's output is a view of
    learns: list[bool] = []  # whether a parameter stands before: only then is anything kept for a gradient
    kept: set[int] = set()
    extra = 0
    for number, row in enumerate(rows):
        sources = [home[source] if source >= 0 else -1 for source in row.inputs]
        before = any(source >= 0 and learns[source] for source in row.inputs)
        view = row.kind == "flatten" or (row.kind == "drop" and not _drops(row))
        home.append(sources[0] if view else number)
        learns.append(before or _trained(row, frozen) > 0)
        if not learns[-1]:
            continue
        if row.kind in _KEEPS_INPUT:
            kept.update(sources[:1])
        elif row.kind in _KEEPS_OUTPUT:
            kept.add(number)
        extra += _besides(row, batch)
    tensors = sum(values(table.input if number < 0 else rows[number].output) for number in kept)
    return tensors * batch * NUMBER + extra


def _drops(row: Row) -> bool:
    return getattr(row.node, "probability", 0) > 0


def _besides(row: Row, batch: int) -> int:
    """Bytes kept beside inputs and outputs."""
    if row.kind == "pool":
        return 8 * values(row.output) * batch
    if row.kind == "drop" and _drops(row):
        return NUMBER * values(row.output) * batch
    if row.kind == "bn":
        return 2 * NUMBER * row.weights
    return 2 * NUMBER * batch if row.kind == "ln" else 0
