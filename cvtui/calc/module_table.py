"""The table of a net that is given as PyTorch code: one row a module, counted by running it on no numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from cvtui.calc.sizes import InputShape
from cvtui.calc.table import ReceptiveField, Size


class ModuleRow(NamedTuple):
    """One module that computes or holds something of its own; counts are per image and without its children's."""

    name: str
    expression: str
    output: tuple[int, ...]
    """[H, W, C] of a map, otherwise what follows the batch; of the last call, () where it was never called."""
    weights: int
    biases: int
    macs: int
    activations: int
    fan_in: int
    note: str
    receptive_field: ReceptiveField | None = None
    """What a unit of the last call sees of the image; None where units see no window that moves, or it is not known."""

    @property
    def parameters(self) -> int:
        return self.weights + self.biases

    @property
    def depth(self) -> int:
        return 0

    @property
    def formula(self) -> str:
        """How the output's size comes about: not known of code."""
        return ""

    @property
    def counting(self) -> str:
        """The number of parameters worked out: not known of code."""
        return ""


class ModuleTable(NamedTuple):
    """A model's table; each parameter is counted once, however many modules share it."""

    target: str
    input: tuple[int, ...]
    """One image as [H, W, C]; one other input in PyTorch's order; () where there are several."""
    rows: tuple[ModuleRow, ...]
    parameters: int
    macs: int
    kept: int = 0
    """Bytes that the forward pass of one image leaves for the backward pass, in float32."""
    counted: bool = True
    """False: not built yet, for this process has no PyTorch; then all counts are 0."""

    inputs: tuple[InputShape, ...] = ()
    """What the forward pass took, in PyTorch's order."""
    frozen: int = 0
    """Parameters that are not trained: frozen by the net's own code, or by the recipe for the whole run."""

    @property
    def trained(self) -> int:
        return self.parameters - self.frozen

    @property
    def activations(self) -> int:
        return sum(row.activations for row in self.rows)


def table_from_rows(target: str, size: tuple[int, ...], rows: Sequence[Sequence[Any]]) -> ModuleTable:
    """Make the table of a model that another process has counted: of `rows_to_send`."""
    made = tuple(
        ModuleRow(str(name), str(expression), tuple(map(int, output)), int(weights), int(biases), int(macs), 0, 0, "")
        for name, expression, output, weights, biases, macs in rows
    )
    return ModuleTable(target, size, made, sum(row.parameters for row in made), sum(row.macs for row in made))


def rows_to_send(table: ModuleTable) -> list[list[Any]]:
    """Return the rows as plain values, for another process."""
    return [[row.name, row.expression, list(row.output), row.weights, row.biases, row.macs] for row in table.rows]


def uncounted(target: str, size: Size) -> ModuleTable:
    """Return the table of a model that only the training's process will build."""
    return ModuleTable(target, size, (), 0, 0, counted=False)
