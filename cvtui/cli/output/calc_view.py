"""How the calculator's answers look in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from cvtui.calc import Conv, Row, Table, expression, size_text
from cvtui.calc.dense import against_dense
from cvtui.calc.memory import training_memory
from cvtui.calc.module_table import ModuleTable
from cvtui.calc.solve import Answer, Solution
from cvtui.cli.output.markup import escaped
from cvtui.cli.output.table import TextCell, TextColumn, bar, print_grid
from cvtui.text import binary_size

if TYPE_CHECKING:
    from cvtui.calc.module_table import ModuleRow

_COLOURS = {
    "conv": "cyan",
    "proj": "cyan",
    "fc": "magenta",
    "pool": "yellow",
    "avgpool": "yellow",
    "sumpool": "yellow",
    "gap": "yellow",
    "bn": "green",
    "ln": "green",
    "add": "blue",
    "cat": "blue",
}
MOST_FITS = 12
COUNTED = (
    "Sizes are H x W x C. 1 MAC = 1 multiply-add = 2 FLOPs.\n"
    "MACs: convolutions and matrix products; no biases, norms, pooling, activations."
)
"""What the numbers of the table are."""
SEES = "[dim]sees: receptive field in pixels of the input /stride @first pixel of unit 0.[/]"


def print_table(console: Console, table: Table, title: str) -> None:
    """Build the layer table: a title, a row per layer, totals and remarks."""
    gap = "  " if len(title) + 40 < console.width else "\n"
    console.print(f"[bold]{escaped(title)}[/]{gap}on {_input_text(table)}", highlight=False, soft_wrap=True)
    console.print(f"[dim]{COUNTED}[/]")
    if len(table.input) == 3:
        console.print(SEES)
    if console.width >= 150:
        console.print("[dim]linked: share of all possible connections, input to output, that exist.[/]")
    console.print()
    print_grid(console, _columns(table))
    _print_notes(console, table.rows)


def print_memory(console: Console, table: Table | ModuleTable, batch: int) -> None:
    """Print the memory that training needs, by optimiser; those that need the same share a line."""
    from cvtui.recipe.choices.optimizers import OPTIMIZERS

    memory = training_memory(table, batch)
    console.print(f"\n[bold]Memory to train[/] with {batch:,} images a batch, float32:", highlight=False)
    console.print(
        f"  parameters {binary_size(memory.parameters)}, gradients {binary_size(memory.gradients)}{_frozen(table)}, "
        f"kept for the backward pass {binary_size(memory.activations)}",
        highlight=False,
    )
    groups: dict[tuple[int, bool], list[str]] = {}
    for name, entry in OPTIMIZERS.items():
        groups.setdefault((entry.state(entry.defaults()), entry.factored), []).append(name)
    for (copies, factored), names in groups.items():
        state = "a number per row and column" if factored else binary_size(memory.state(copies))
        console.print(
            f"  [cyan]{', '.join(names)}[/]: state {state}, "
            f"together {'about ' if factored else ''}[bold]{binary_size(memory.total(copies))}[/]",
            highlight=False,
        )


def _frozen(table: Table | ModuleTable) -> str:
    frozen = table.frozen if isinstance(table, ModuleTable) else 0
    return f" ({frozen:,} parameters are frozen by its code)" if frozen else ""


def print_solution(console: Console, solution: Solution, wanted: bool) -> None:
    """Print the settings that fit where the net says `?`: common ones first, the one taken marked."""
    for answer in solution.answers:
        console.print(f"[bold]{escaped(_summary(answer, wanted))}[/]", highlight=False)
        fits = answer.fits[:MOST_FITS]
        columns = [
            TextColumn("", [TextCell("→" if number == 0 else "", "bold green") for number in range(len(fits))]),
            TextColumn(
                "conv", [TextCell(expression(fit.node), "" if n else "bold green") for n, fit in enumerate(fits)]
            ),
            TextColumn("output", [size_text((*fit.output, fit.node.filters)) for fit in fits]),
            TextColumn("works out", [fit.works_out for fit in fits], need=1),
            TextColumn(
                "", [TextCell("exact", "green") if fit.exact else TextCell("floor", "yellow") for fit in fits], need=2
            ),
        ]
        print_grid(console, columns)
        if len(answer.fits) > MOST_FITS:
            console.print(f"[dim]… and {len(answer.fits) - MOST_FITS} more[/]", highlight=False)
        console.print()
    if len(solution.nets) > 1:
        console.print("[bold]Together[/], common settings first:")
        for net in solution.nets[:MOST_FITS]:
            console.print(f"  {escaped(net)}", highlight=False, soft_wrap=True)
        console.print()


def print_against_dense(console: Console, table: Table) -> None:
    """Each conv beside one fully connected layer of the same input and output."""
    console.print("\n[bold]Against fully connected layers[/] of the same input and output (weights, without biases)")
    pairs = against_dense(table)
    if not pairs:
        console.print("  the net has no conv")
        return
    columns = [
        TextColumn("layer", [TextCell(pair.row.name, _COLOURS.get(pair.row.kind, "")) for pair in pairs]),
        TextColumn("sizes", [f"{size_text(pair.row.input)} → {size_text(pair.row.output)}" for pair in pairs], need=3),
        TextColumn("fc needs", [f"{pair.dense:,}" for pair in pairs], "right", need=1),
        TextColumn("conv has", [f"{pair.weights:,}" for pair in pairs], "right", need=2),
        TextColumn("saves", [f"{pair.ratio:,.0f} x" for pair in pairs], "right"),
        TextColumn("sparse", [f"{pair.sparse:,.1f} x" for pair in pairs], "right"),
        TextColumn("shared", [f"{pair.shared:,.1f} x" for pair in pairs], "right"),
        TextColumn("connections", [f"{pair.connections:,}" for pair in pairs], "right", need=5),
        TextColumn("worked out", [_dense_formula(pair.row) for pair in pairs], need=4, most=70),
    ]
    print_grid(console, columns)
    console.print(
        "[dim]saves = sparse x shared: sparse, of all connections only those under the filter exist (none to the "
        "padding); shared, the same weight is used at every place[/]",
        highlight=False,
    )


def table_json(table: Table | ModuleTable) -> dict[str, Any]:
    """Return the table of a net, or of PyTorch code, as the documented JSON object."""
    return {
        "input": _input_json(table),
        "layers": [_row_json(row) for row in table.rows],
        "totals": {
            "parameters": table.parameters,
            "trained": table.trained if isinstance(table, ModuleTable) else table.parameters,
            "macs": table.macs,
            "activations": table.activations,
            "kept": training_memory(table, 1).activations,
        },
    }


def _input_json(table: Table | ModuleTable) -> list[Any]:
    """One input as [H, W, C] (or in PyTorch's order), several as lists of PyTorch's order."""
    several = getattr(table, "inputs", ())
    return [list(one.shape) for one in several] if len(several) > 1 else list(table.input)


def _row_json(row: Row | ModuleRow) -> dict[str, Any]:
    field = row.receptive_field
    return {
        "name": row.name,
        "expression": row.expression,
        "output": list(row.output),
        "weights": row.weights,
        "biases": row.biases,
        "parameters": row.parameters,
        "macs": row.macs,
        "activations": row.activations,
        "receptive_field": None
        if field is None
        else {"size": list(field.size), "stride": list(field.stride), "offset": list(field.offset)},
        "fan_in": row.fan_in,
        "note": row.note,
    }


def _columns(table: Table) -> list[TextColumn]:
    rows = table.rows
    parameters, macs = max(table.parameters, 1), max(table.macs, 1)
    noted = {note: number for number, note in enumerate(dict.fromkeys(row.note for row in rows if row.note), 1)}
    return [
        TextColumn("layer", [TextCell("· " * row.depth + row.name, _COLOURS.get(row.kind, "")) for row in rows],
                   foot="total"),
        TextColumn("written", [row.expression for row in rows], most=26),
        TextColumn("size worked out", [row.formula for row in rows], need=10, most=64),
        TextColumn("output", [TextCell(size_text(row.output), "bold") for row in rows], "right"),
        TextColumn("", [TextCell(f"({noted[row.note]})" if row.note else "", "yellow") for row in rows], need=1),
        TextColumn("parameters", [f"{row.parameters:,}" if row.parameters else "" for row in rows], "right", 2,
                   f"{table.parameters:,}"),
        TextColumn("weights + biases", [weights_text(row) for row in rows], "right", 7, f"{table.parameters:,}",
                   instead_of="parameters"),
        TextColumn("parameters worked out", [row.counting for row in rows], "right", 9, f"{table.parameters:,}", 44,
                   instead_of="weights + biases"),
        TextColumn("of all", [bar(row.parameters / parameters) if row.parameters else "" for row in rows], "left", 5),
        TextColumn("MACs", [f"{row.macs:,}" if row.macs else "" for row in rows], "right", 3, f"{table.macs:,}"),
        TextColumn("of all ", [bar(row.macs / macs) if row.macs else "" for row in rows], "left", 6),
        TextColumn("sees", [field_text(row, table) for row in rows], need=4),
        TextColumn("fan-in", [f"{row.fan_in:,}" if row.fan_in else "" for row in rows], "right", 8),
        TextColumn("activations", [f"{row.activations:,}" for row in rows], "right", 11, f"{table.activations:,}"),
        TextColumn("linked", [_connected(row) for row in rows], "right", 12),
    ]  # fmt: skip


def weights_text(row: Row | ModuleRow) -> str:
    """Return the two counts as `216 + 8`; "" where there are none."""
    if not row.parameters:
        return ""
    return f"{row.weights:,} + {row.biases:,}" if row.biases else f"{row.weights:,}"


def _connected(row: Row) -> str:
    share = row.connected
    if share is None:
        return ""
    return f"{share:.0%}" if share == 1 else f"{share:.2%}" if share >= 0.0005 else f"{share:.1e}"


def field_text(row: Row | ModuleRow, table: Table | ModuleTable) -> str:
    """Format a receptive field: size, /stride, @offset; `all` where it is the whole input."""
    field = row.receptive_field
    if field is None:
        return ""
    if field.stride == (0, 0):
        return "all" if field.size == table.input[:2] else f"{_by(field.size)} @{_by(field.offset)}"
    return f"{_by(field.size)} /{_by(field.stride)} @{_by(field.offset)}"


def _by(pair: tuple[int, int]) -> str:
    text = str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"
    return text.replace("-", "−")


def _print_notes(console: Console, rows: Sequence[Row]) -> None:
    notes: dict[str, list[str]] = {}
    for row in rows:
        if row.note:
            notes.setdefault(row.note, []).append(row.name)
    if notes:
        console.print()
    for number, (note, names) in enumerate(notes.items(), 1):
        where = ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} … {names[-1]}"
        console.print(f"[yellow]({number})[/] {where}: {escaped(note)}", highlight=False)


def _summary(answer: Answer, wanted: bool) -> str:
    if not wanted:
        return answer.summary
    exact = sum(fit.exact for fit in answer.fits)
    settings = f"{len(answer.fits)} setting{'s' if len(answer.fits) != 1 else ''}"
    where = f"{expression(answer.node)} on {answer.size[0]}x{answer.size[1]}"
    return f"{where}: {settings} for the wanted output, {exact} without a rest"


def _dense_formula(row: Row) -> str:
    inputs, outputs = ("·".join(map(str, size)) for size in (row.input, row.output))
    conv = row.node
    assert isinstance(conv, Conv)
    return f"{inputs} · {outputs} against {conv.size[0]}·{conv.size[1]}·{row.input[-1] // conv.groups} · {conv.filters}"


def _input_text(table: Table) -> str:
    size = table.input
    if len(size) == 1:
        return f"{size[0]:,} numbers"
    return f"{size_text(size)}  [dim](PyTorch: {size[2]}x{size[0]}x{size[1]})[/]"
