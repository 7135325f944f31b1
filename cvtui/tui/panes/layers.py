"""The layers pane: what goes through every layer, at the last sampled step or the one that the cursor is on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from textual import on
from textual.app import ComposeResult
from textual.widgets import Input

from cvtui.text import count
from cvtui.tui.panes.layer_rows import LayerRow, filtered, groups, layer_rows
from cvtui.tui.panes.layers_table import LayersTable
from cvtui.tui.panes.pane import Pane
from cvtui.tui.panes.view_state import ViewState

if TYPE_CHECKING:
    from cvtui.runlog.history import History


class LayersPane(Pane):
    NAME = "layers"
    KEY = "Y"
    TITLE = "Layers"
    DEFAULT_CSS = """
    LayersPane {
        & #layer-filter { display: none; height: 1; border: none; padding: 0; background: $panel; }
        &.-filter #layer-filter { display: block; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[LayerRow] = []
        self._group = ""
        self._step: int | None = None
        self._asked: int | None = None

    def compose(self) -> ComposeResult:
        table = LayersTable()
        table.ask_filter = self._ask_filter
        yield table
        yield Input(placeholder="layer3 attention norms check", id="layer-filter", compact=True)

    def key(self, history: History, view: ViewState) -> object:
        steps = history.layer_steps
        if view.cursor is not None:
            steps = steps[: int(np.searchsorted(steps, view.cursor, side="right"))]
        sizes = 0 if history.facts is None else len(history.facts.output_sizes)
        return (id(history.run), len(steps), int(steps[-1]) if len(steps) else None, view.cursor, sizes)

    def draw(self, history: History, view: ViewState) -> None:
        self._rows, self._step = layer_rows(history, view.cursor)
        self._asked = view.cursor
        self._show()

    def _show(self) -> None:
        """Show the rows that the filter and the group leave; the cursor stays on its layer."""
        table = self.query_one(LayersTable)
        name = table.row.name if table.row is not None else ""
        rows = filtered(self._rows, self.query_one("#layer-filter", Input).value, self._group)
        table.set_rows(rows)
        table.narrowed = self.is_narrowed
        place = next((place for place, row in enumerate(rows) if row.name == name), table.cursor)
        table.action_cursor(place - table.cursor)
        self._say(table.row)

    def _ask_filter(self) -> None:
        self.add_class("-filter")
        self.screen.set_focus(self.query_one("#layer-filter", Input))

    @on(LayersTable.GroupAsked)
    def _next_group(self, event: LayersTable.GroupAsked) -> None:
        event.stop()
        ways = ["", *groups(self._rows)]
        self._group = ways[(ways.index(self._group) + 1) % len(ways)] if self._group in ways else ""
        self._show()

    @on(LayersTable.AllAsked)
    def _all(self, event: LayersTable.AllAsked) -> None:
        event.stop()
        self._group = ""
        self.query_one("#layer-filter", Input).value = ""
        self.remove_class("-filter")
        self._show()

    @on(Input.Changed, "#layer-filter")
    def _filter(self, event: Input.Changed) -> None:
        event.stop()
        self._show()

    @on(Input.Submitted, "#layer-filter")
    def _filter_done(self, event: Input.Submitted) -> None:
        event.stop()
        self.set_class(bool(event.value), "-filter")
        self.query_one(LayersTable).focus()

    @property
    def is_narrowed(self) -> bool:
        """True where a filter or a group hides some layers."""
        return len(self.query_one(LayersTable).rows) < len(self._rows)

    @on(LayersTable.Highlighted)
    def _moved(self, event: LayersTable.Highlighted) -> None:
        event.stop()
        self._say(self.query_one(LayersTable).row)

    def _say(self, row: LayerRow | None) -> None:
        """Show the sample's step, and the health of the layer under the cursor or of the worst, where there is room."""
        if self._step is not None:
            when = f"at step {count(self._step)}"
            if self._asked is not None and self._asked != self._step:
                when += f", last sample before {count(self._asked)}"
        else:
            when = "no sample" if self._asked is None else f"no sample before step {count(self._asked)}"
        if row is None or not (row.health.problem or row.unseen):
            rows = sorted(self._rows, key=lambda row: row.health.level != "bad")
            row = next((row for row in rows if row.health.problem), None)
        text = f" · {row.name}: {row.health.problem or row.unseen}" if row is not None else ""
        if self.is_narrowed:
            shown = f"{count(len(self.query_one(LayersTable).rows))} of {count(len(self._rows))}"
            when = f"{self._group + ' ' if self._group else ''}{shown} layers, esc: all · {when}"
        self.set_subtitle(when + text)
