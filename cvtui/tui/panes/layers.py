"""The layers pane: what goes through every layer, at the last sampled step or the one that the cursor is on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from textual import on
from textual.app import ComposeResult

from cvtui.text import count
from cvtui.tui.panes.layer_rows import LayerRow, layer_rows
from cvtui.tui.panes.layers_table import LayersTable
from cvtui.tui.panes.pane import Pane
from cvtui.tui.panes.view_state import ViewState

if TYPE_CHECKING:
    from cvtui.runlog.history import History


class LayersPane(Pane):
    NAME = "layers"
    TITLE = "Layers"

    def compose(self) -> ComposeResult:
        yield LayersTable()

    def key(self, history: History, view: ViewState) -> object:
        steps = history.layer_steps
        if view.cursor is not None:
            steps = steps[: int(np.searchsorted(steps, view.cursor, side="right"))]
        return (id(history.run), len(steps), int(steps[-1]) if len(steps) else None, view.cursor)

    def draw(self, history: History, view: ViewState) -> None:
        rows, self._step = layer_rows(history, view.cursor)
        self._asked = view.cursor
        table = self.query_one(LayersTable)
        table.set_rows(rows)
        self._say(table.row)

    @on(LayersTable.Highlighted)
    def _moved(self, event: LayersTable.Highlighted) -> None:
        event.stop()
        self._say(self.query_one(LayersTable).row)

    def _say(self, row: LayerRow | None) -> None:
        """Show the health of the layer under the cursor, or of the worst, and the sample's step."""
        if self._step is not None:
            when = f"at step {count(self._step)}"
            if self._asked is not None and self._asked != self._step:
                when += f", the last sample before {count(self._asked)}"
        else:
            when = "no sample yet" if self._asked is None else f"no sample before step {count(self._asked)}"
        if row is None or not row.health.problem:
            rows = sorted(self.query_one(LayersTable).rows, key=lambda row: row.health.level != "bad")
            row = next((row for row in rows if row.health.problem), None)
        text = f"{row.name}: {row.health.problem} · " if row is not None else ""
        self.set_subtitle(text + when)
