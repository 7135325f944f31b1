"""The line beside Start: what would be trained, or what must be fixed first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual.content import Content

from cvtui.text import counted
from cvtui.tui.form.field_values import Problem
from cvtui.tui.widgets import MUTED

if TYPE_CHECKING:
    from cvtui.tui.form.validation import Validation


def status_line(validation: Validation, problems: Mapping[str, Problem], *, waiting: bool) -> Content:
    """Return the line about a form; `waiting`: for the engine's word, before a start."""
    if waiting:
        return Content.styled("building the net …", MUTED)
    table = validation.table
    if not problems and validation.ready and table is not None:
        size = f"{counted(len(table.rows), 'layer')}, {counted(table.parameters, 'parameter')}"
        steps = f"{validation.around}{counted(validation.total_steps or 0, 'step')}"
        text = f"{size if table.rows else 'PyTorch code'}, {steps}"
        return Content.assemble(("✓ ", "$text-success"), (text, MUTED))
    names = [name.replace("_", " ") for name in problems]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return Content.styled(f"✗ fix: {', '.join(names[:3])}{more}", "$text-error")
