"""The layer table of a net that is being written: one row a layer, redrawn at every keystroke."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from cvtui.calc import Row, Table, size_text
from cvtui.calc.module_table import ModuleRow, ModuleTable
from cvtui.draw.columns import Column
from cvtui.text import count, counted, significant
from cvtui.tui.widgets.filter_field import Keeps
from cvtui.tui.widgets.table import Cell, Grid

WAITING = "…"


class LayerTable(Grid[Row | ModuleRow]):
    """Shows a `Table`; while the net is wrong, the last one that was right, faint.

    `set_stds` adds a column with the std of each layer's output at the start of the run.
    """

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(key="name", title="layer", least=5, most=14),
        Column(key="expression", title="", need=2, least=5, most=18),
        Column(key="output", title="output", least=6, most=16),
        Column(key="parameters", title="parameters", align="right", need=1, least=6, most=14),
        Column(key="std", title="std at start", align="right", need=2, least=6, most=12),
        Column(key="macs", title="MACs", align="right", need=3, least=5, most=16),
        Column(key="field", title="rec. field", align="right", need=4, least=3, most=12),
        Column(key="formula", title="output size", need=5, least=16, most=34),
        Column(key="counting", title="parameters counted", need=6, least=18, most=34),
        Column(key="note", title="remark", need=7, least=24, most=24, stretch=1),
    )

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self.table: Table | ModuleTable | None = None
        self.stds: Mapping[str, float | None] | None = None
        self.stale = False
        self._waiting = False
        self._keeps: Keeps = lambda *_texts: True

    def set_table(self, table: Table | ModuleTable | None) -> None:
        """Show `table`; for None (the net is invalid, or not counted yet) dim the last one."""
        self.stale = table is None
        if table is not None:
            self.table = table
            self.set_rows(self._kept(table))
        self.refresh()

    def _kept(self, table: Table | ModuleTable) -> list[Row | ModuleRow]:
        return [row for row in table.rows if self._keeps(row.name, row.expression, row.note)]

    def narrow(self, keeps: Keeps) -> bool:
        """List the layers that are kept, the total of all below them. Return False if there are none of them.

        The cursor stays on its layer where that is listed.
        """
        self._keeps = keeps
        if self.table is None:
            return True
        chosen, rows = self.row, self._kept(self.table)
        self.cursor = next((place for place, row in enumerate(rows) if row is chosen), 0)
        self.set_rows(rows)
        self._show_cursor()
        self.post_message(self.Highlighted(self, self.cursor))
        return bool(rows)

    def set_stds(self, stds: Mapping[str, float | None] | None, *, waiting: bool = False) -> None:
        """Set the std by layer name; None if unknown (`waiting`: not yet, shown as "…")."""
        if stds == self.stds and waiting == self._waiting:
            return
        self.stds, self._waiting = stds, waiting
        self.set_rows(self.rows)

    @property
    def has_total(self) -> bool:
        return self.table is not None

    def cell(self, row: Row | ModuleRow, key: str) -> Cell:
        text, style = self._cell(row, key)
        return Cell(text, "quiet" if self.stale else style)

    def _cell(self, row: Row | ModuleRow, key: str) -> tuple[str, str]:
        match key:
            case "name":
                mark = "▲" if row.note else ""
                return "  " * row.depth + row.name + mark, "warn" if row.note else "text"
            case "expression":
                return row.expression, "quiet"
            case "output":
                return size_text(row.output), "text"
            case "parameters":
                return (count(row.parameters), "text") if row.parameters else ("", "quiet")
            case "std":
                return self._std(row)
            case "macs":
                return (count(row.macs), "quiet") if row.macs else ("", "quiet")
            case "field":
                seen = row.receptive_field
                return (size_text(seen.size) if seen is not None else "", "quiet")
            case "formula":
                return row.formula, "quiet"
            case "counting":
                return row.counting, "quiet"
        return row.note, "warn"

    def _std(self, row: Row | ModuleRow) -> tuple[str, str]:
        if self._waiting:
            return WAITING, "quiet"
        if self.stds is None or row.name not in self.stds:
            return "", "quiet"
        std = self.stds[row.name]
        # Far from 1 the signal fades or blows up from layer to layer: nothing reaches the weights behind.
        style = "text" if std is not None and 0.1 <= std <= 10 else "warn"
        if std is None or not 0.001 <= std <= 1000:
            style = "bad"
        return significant(std), style

    def total_cell(self, key: str) -> Cell:
        table = self.table
        if table is None:
            return Cell("")
        style = "quiet" if self.stale else "key"
        match key:
            case "name":
                return Cell("total", style)
            case "output":
                return Cell(counted(len(table.rows), "layer"), style)
            case "parameters":
                return Cell(count(table.parameters), style)
            case "macs":
                return Cell(count(table.macs), style)
        return Cell("")
