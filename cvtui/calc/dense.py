"""A convolution against one fully connected layer between the same two sizes: how much is saved, and by what.

An fc has H·W·C·H'·W'·K weights. A conv leaves most connections out (sparse connections), and the ones that it has share
F²·C·K parameters (shared parameters): the saving is the product of the two.
"""

from __future__ import annotations

from typing import NamedTuple

from cvtui.calc.net.nodes import Conv
from cvtui.calc.table import Row, Table, values


class DenseComparison(NamedTuple):
    """One conv layer and the fc that could stand in its place; weights only, without biases."""

    row: Row
    dense: int
    """Weights of the fc: every input number times every output number."""
    connections: int
    """Of these, the connections that the conv has (taps on the padding join nothing)."""
    weights: int

    @property
    def ratio(self) -> float:
        return self.dense / self.weights

    @property
    def sparse(self) -> float:
        """The factor that sparse connections save."""
        return self.dense / self.connections

    @property
    def shared(self) -> float:
        """The factor that shared parameters save."""
        return self.connections / self.weights


def against_dense(table: Table) -> list[DenseComparison]:
    """Every conv of the net (projections too) beside its fully connected twin."""
    return [
        DenseComparison(row, values(row.input) * values(row.output), row.connections, row.weights)
        for row in table.rows
        if isinstance(row.node, Conv)
    ]
