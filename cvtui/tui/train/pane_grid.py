"""The grid of panes: slots of `pane_layout.plan`, one pane visible in each, the others as tabs in its title."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from textual.containers import Container
from textual.content import Content
from textual.geometry import Offset, Region, Size, Spacing
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.message import Message
from textual.widget import Widget

from cvtui.tui.train.pane_layout import Slot, plan
from cvtui.tui.widgets import MUTED

if TYPE_CHECKING:
    from cvtui.runlog.history import History
    from cvtui.tui.panes.pane import Pane


class _SlotLayout(Layout):
    """Layout of the active pane of each slot; the others get no region, so are neither drawn nor hit by the mouse."""

    name = "slots"

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        del greedy  # Textual passes it by name; slots always fill the grid
        assert isinstance(parent, PaneGrid)
        panes = {child.id: child for child in children}
        placements = []
        for slot in parent.slots(size):
            pane = panes.get(f"pane-{parent.active(slot)}")
            if pane is not None:
                region = Region(slot.x, slot.y, slot.width, slot.height)
                placements.append(WidgetPlacement(region, Offset(0, 0), Spacing(), pane))
        return placements


class PaneGrid(Container):
    """Container of the panes. The layout depends on its size alone, so a resize moves panes and loses nothing."""

    class Rearranged(Message):
        """Notice that other panes are visible than before."""

    DEFAULT_CSS = "PaneGrid { width: 1fr; height: 1fr; overflow: hidden; }"

    def __init__(self, panes: list[Pane], alone: str = "") -> None:
        super().__init__(*panes)
        self.panes: dict[str, Pane] = {pane.NAME: pane for pane in panes}
        self.current = alone or panes[0].NAME
        """The pane that has, or last had, the focus."""
        self.alone = alone
        """The maximised pane, or empty."""
        self._left_out: frozenset[str] = frozenset()
        self._last_used: dict[str, int] = {}
        self._clock = 0
        self._layer_rows = 12
        self._visible: tuple[str, ...] = ()
        self._turn = 0
        """Index of the visible pane that had its turn last."""
        self._layout_of_slots = _SlotLayout()

    @property
    def layout(self) -> Layout:
        return self._layout_of_slots

    def slots(self, size: Size | None = None) -> list[Slot]:
        size = self.size if size is None else size
        alone = "" if self.alone in self._left_out else self.alone
        return plan(size.width, size.height, self._of_slot("curves"), self._of_slot("tables"), self._layer_rows, alone)

    def _of_slot(self, slot: str) -> tuple[str, ...]:
        return tuple(name for name, pane in self.panes.items() if slot == pane.SLOT and name not in self._left_out)

    def leave_out_empty(self, history: History) -> None:
        """Give the panes no place that have nothing to show of such a run."""
        names = frozenset(name for name, pane in self.panes.items() if not pane.has_content(history))
        if names == self._left_out:
            return
        self._left_out = names
        if self.current in names:
            self.current = next(name for name in self.panes if name not in names)
        self.rearrange()

    def active(self, slot: Slot) -> str:
        """Return the pane that a slot shows: the one used last, or its first."""
        return max(slot.panes, key=lambda name: self._last_used.get(name, 0))

    def visible_panes(self) -> list[Pane]:
        return [self.panes[self.active(slot)] for slot in self.slots()]

    @property
    def waiting(self) -> bool:
        """Return True if a visible pane has something new that it will draw a little later."""
        return any(pane.waiting for pane in self.visible_panes())

    def turns(self) -> Iterator[tuple[int, Pane]]:
        """Yield each visible pane once, with its index, starting after the one that was yielded last."""
        visible = self.visible_panes()
        for _ in visible:
            self._turn = (self._turn + 1) % len(visible)
            yield self._turn, visible[self._turn]

    def show(self, name: str) -> None:
        """Bring a pane to the front of its slot and make it the current one; nothing for one that is left out."""
        if name in self._left_out:
            return
        self._clock += 1
        self._last_used[name] = self._clock
        self.current = name
        if self.alone and self.alone != name:
            self.alone = name
        elif name in self._visible:
            return
        self.rearrange()

    def bring(self, name: str) -> None:
        """Bring a pane to the front of its slot, but not before the current one."""
        for slot in self.slots():
            if name in slot.panes and self.current not in slot.panes and self.active(slot) != name:
                self._clock += 1
                self._last_used[name] = self._clock
                self.rearrange()

    def step(self, by: int) -> str:
        """Show the next pane (by = 1) or the previous one (−1), visible or not, and return its name."""
        names = [name for name in self.panes if name not in self._left_out]
        name = names[(names.index(self.current) + by) % len(names)]
        self.show(name)
        return name

    def maximise(self) -> None:
        """Maximise the current pane, or go back to all of them."""
        self.alone = "" if self.alone else self.current
        self.rearrange()

    def set_layer_rows(self, rows: int) -> None:
        """Give the layers table the rows that it needs, and the curves the rest."""
        if rows != self._layer_rows:
            self._layer_rows = rows
            self.rearrange()

    def rearrange(self) -> None:
        """Lay out after a change of size, tab or plan, and write the tabs into the titles."""
        self.panes[self.current].refresh(layout=True)  # a child's: it makes Textual forget the grid's arrangement
        visible = []
        for slot in self.slots():
            active = self.active(slot)
            visible.append(active)
            self.panes[active].border_title = self._title(slot, active)
        if tuple(visible) != self._visible:
            self._visible = tuple(visible)
            self.post_message(self.Rearranged())

    def _title(self, slot: Slot, active: str) -> Any:
        if len(slot.panes) == 1:
            title = self.panes[active].heading
            return Content(f"{title} (alone, z: back)" if self.alone and len(self.panes) > 1 else title)
        texts = {name: self.panes[name].tab for name in slot.panes}
        parts = [Content.styled("…", MUTED)] if (hidden := _hidden(texts, active, slot.width - 6)) else []
        for name in slot.panes[hidden:]:
            if name == active:
                parts.append(Content.styled(texts[name], "bold $text-primary"))
            else:
                parts.append(
                    Content.from_markup(f"[$foreground 60% @click=reveal('{name}')]$text[/]", text=texts[name])
                )
        return Content(" │ ").join(parts)

    def on_resize(self) -> None:
        self.rearrange()


def _hidden(texts: dict[str, str], active: str, room: int) -> int:
    """Return how many of the first tabs go so that the active one is within `room` cells of the title."""
    before = list(texts)[: list(texts).index(active)]
    hidden = 0
    while hidden < len(before):
        shown = [texts[name] for name in (*before[hidden:], active)]
        if sum(map(len, shown)) + 3 * (len(shown) - 1) + (4 if hidden else 0) <= room:
            break
        hidden += 1
    return hidden
