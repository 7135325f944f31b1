"""`cvtui calc torchvision:NAME` and `package.module:callable`: the one part of the calculator that needs PyTorch."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from rich.markup import escape

from cvtui.calc import size_text
from cvtui.calc.sizes import InputShape, inputs_text
from cvtui.cli import out
from cvtui.cli.output.calc_view import COUNTED, SEES, field_text, print_memory, table_json, weights_text
from cvtui.cli.output.table import TextCell, TextColumn, bar, print_grid
from cvtui.text import binary_size

if TYPE_CHECKING:
    from rich.console import Console

    from cvtui.calc.module_table import ModuleRow, ModuleTable


def show_module(
    target: str, inputs: tuple[InputShape, ...] | None, classes: int | None, batch: int, as_json: bool
) -> None:
    """Print the table, or the JSON object, of a model that is given as PyTorch code."""
    from cvtui.engine.nn.summary import summarize_target

    with contextlib.redirect_stdout(sys.stderr):  # what the net's own code prints is no part of the table
        found = summarize_target(target, inputs, classes)
    if as_json:
        out.json_line(table_json(found))
    else:
        _print(out.console(markup=True), found, batch)


def _print(console: Console, found: ModuleTable, batch: int) -> None:
    rows = found.rows
    console.print(f"[bold]{escape(found.target)}[/]  on {inputs_text(found.inputs)}", highlight=False, soft_wrap=True)
    console.print(f"[dim]{COUNTED}[/]")
    console.print("[dim]Run by PyTorch on a copy without numbers, in eval mode, for one input.[/]")
    if any(row.receptive_field for row in rows):
        console.print(SEES)
    console.print()
    parameters, macs = max(found.parameters, 1), max(found.macs, 1)
    print_grid(
        console,
        [
            TextColumn("layer", [TextCell(row.name, _colour(row)) for row in rows],
                       foot="total", most=36, keep_end=True),
            TextColumn("module", [row.expression for row in rows], need=7, most=52),
            TextColumn("output", [TextCell(size_text(row.output), "bold") for row in rows], "right"),
            TextColumn("parameters", [f"{row.parameters:,}" if row.parameters else "" for row in rows], "right", 1,
                       f"{found.parameters:,}"),
            TextColumn("weights + biases", [weights_text(row) for row in rows], "right", 5, f"{found.parameters:,}",
                       instead_of="parameters"),
            TextColumn("of all", [bar(row.parameters / parameters) if row.parameters else "" for row in rows], need=3),
            TextColumn("MACs", [f"{row.macs:,}" if row.macs else "" for row in rows], "right", 2, f"{found.macs:,}"),
            TextColumn("of all ", [bar(row.macs / macs) if row.macs else "" for row in rows], "left", 4),
            TextColumn("sees", [field_text(row, found) for row in rows], need=4),
            TextColumn("fan-in", [f"{row.fan_in:,}" if row.fan_in else "" for row in rows], "right", 8),
            TextColumn("activations", [f"{row.activations:,}" if row.activations else "" for row in rows], "right", 9,
                       f"{found.activations:,}"),
            TextColumn("", [TextCell(row.note, "yellow") for row in rows], need=6, most=40),
        ],
    )  # fmt: skip
    if any(row.note.startswith("not counted") for row in rows):
        console.print(f"\nparameters {binary_size(4 * found.parameters)} in float32", highlight=False)
    else:
        print_memory(console, found, batch)


def _colour(row: ModuleRow) -> str:
    kind = row.expression.partition("(")[0].lower()
    words = {"conv": "cyan", "linear": "magenta", "norm": "green", "pool": "yellow", "attention": "blue"}
    return next((colour for word, colour in words.items() if word in kind), "")
