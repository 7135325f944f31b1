"""The layer under the cursor of the Calc place, in words."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from cvtui.calc import Row, size_text
from cvtui.calc.module_table import ModuleRow
from cvtui.text import percent
from cvtui.tui.widgets import MUTED


class LayerSummary(Widget):
    """The layer under the cursor, worked out: output size, parameters, connections, and a remark."""

    DEFAULT_CSS = "LayerSummary { height: 4; width: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self._row: Row | ModuleRow | None = None

    def show(self, row: Row | ModuleRow | None) -> None:
        self._row = row
        self.refresh()

    def render(self) -> Content:
        return Content("\n").join(
            line.truncate(max(1, self.size.width), ellipsis=True) for line in summary_lines(self._row)
        )


def summary_lines(row: Row | ModuleRow | None) -> list[Content]:
    """At most four lines about a layer."""
    if row is None:
        return []
    way = f"{size_text(row.input)} → {size_text(row.output)}" if isinstance(row, Row) else size_text(row.output)
    lines = [Content.assemble((row.name, "bold $text-primary"), f"  {row.expression}  ", (way, "bold"))]
    if row.formula:
        lines.append(Content.assemble(("output  ", MUTED), row.formula))
    if row.counting:
        linked = row.connected if isinstance(row, Row) else None
        share = f"   {percent(linked, 3)} of all possible connections" if linked is not None else ""
        lines.append(Content.assemble(("parameters  ", MUTED), row.counting, (share, MUTED)))
    if row.note:
        lines.append(Content.styled(f"▲ {row.note}", "$text-warning"))
    elif row.receptive_field is not None:
        seen = size_text(row.receptive_field.size)
        lines.append(Content.assemble(("one unit sees  ", MUTED), f"{seen} of the input"))
    return lines[:4]
