"""Where the panes go: a pure function of the room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvtui.tui.panes.registry import NAMES, PANES
from cvtui.tui.train.pane_layout import Slot, plan

CURVES, TABLES = (tuple(pane.NAME for pane in PANES if slot == pane.SLOT) for slot in ("curves", "tables"))


def slots_of(width: int, height: int, layer_rows: int = 12, alone: str = "") -> list[Slot]:
    return plan(width, height, CURVES, TABLES, layer_rows, alone)


@given(st.integers(1, 400), st.integers(1, 200), st.integers(0, 80))
def test_slots_tile_the_room_exactly(width: int, height: int, layers: int) -> None:
    covered: set[tuple[int, int]] = set()
    for slot in slots_of(width, height, layers):
        assert slot.width > 0
        assert slot.height > 0
        for x in range(slot.x, slot.x + slot.width):
            for y in (slot.y, slot.y + slot.height - 1):
                assert 0 <= x < width
                assert 0 <= y < height
        cells = {(x, y) for x in range(slot.x, slot.x + slot.width) for y in range(slot.y, slot.y + slot.height)}
        assert not covered & cells
        covered |= cells
    assert len(covered) == width * height


@given(st.integers(1, 400), st.integers(1, 200), st.integers(0, 80))
def test_every_pane_has_one_slot(width: int, height: int, layers: int) -> None:
    placed = [name for slot in slots_of(width, height, layers) for name in slot.panes]
    assert sorted(placed) == sorted(NAMES)


@pytest.mark.parametrize(
    ("width", "height", "slots"), [(80, 20, 1), (80, 46, 2), (100, 26, 3), (120, 31, 4), (160, 41, 6), (240, 66, 6)]
)
def test_more_room_means_more_panes_at_once(width: int, height: int, slots: int) -> None:
    assert len(slots_of(width, height)) == slots


@pytest.mark.parametrize(("width", "height"), [(80, 20), (160, 41), (240, 66)])
def test_a_maximised_pane_has_all_the_room(width: int, height: int) -> None:
    (slot,) = slots_of(width, height, alone="layers")
    assert (slot.x, slot.y, slot.width, slot.height, slot.panes) == (0, 0, width, height, ("layers",))


def test_the_table_gets_the_rows_that_it_needs_and_the_curves_the_rest() -> None:
    heights = [
        next(slot for slot in slots_of(160, 60, rows) if "loss" in slot.panes).height for rows in (3, 25, 29, 80)
    ]
    assert heights == [60 * 62 // 100, 60 - 28, 60 - 32, 60 * 40 // 100]


def test_no_room_means_no_slots() -> None:
    assert slots_of(0, 10) == []
    assert slots_of(10, 0) == []
