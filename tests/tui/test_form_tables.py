"""The table that is drawn line by line: what fits, and that it shows the calculator's own numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult

from cvtui.calc import Table, trace
from cvtui.calc.net.parser import parse
from cvtui.draw.columns import Column, fit
from cvtui.tui.form.layer_table import LayerTable
from tests.waiting import wait_until_async

pytestmark = pytest.mark.walked

COLUMNS = LayerTable.COLUMNS
SMALLEST = sum(c.least + 2 for c in COLUMNS if c.need == 0) - 2


@given(
    st.integers(SMALLEST, 300),
    st.lists(st.integers(0, 60), min_size=len(COLUMNS), max_size=len(COLUMNS)),
)
def test_columns_never_need_more_than_there_is(width: int, longest: list[int]) -> None:
    asked = {column.key: length for column, length in zip(COLUMNS, longest, strict=True)}
    wide = fit(COLUMNS, asked, width)
    needed = {c.key for c in COLUMNS if c.need == 0 and asked[c.key]}
    assert needed <= set(wide)
    optional = set(wide) - needed
    if optional:
        assert sum(wide.values()) + 2 * (len(wide) - 1) <= width
    assert not any(asked[key] == 0 for key in wide)


@given(st.integers(0, 400))
def test_a_stretching_column_takes_what_is_left_and_no_more_than_it_asks(width: int) -> None:
    columns = (Column(key="a", least=3, most=5), Column(key="b", least=3, most=5, stretch=1))
    wide = fit(columns, {"a": 9, "b": 40}, width)
    assert wide["a"] == 5
    assert wide["b"] == min(40, max(3, width - 7))


class Shown(App[None]):
    def __init__(self, net: str) -> None:
        super().__init__()
        self.net = net

    def compose(self) -> ComposeResult:
        yield LayerTable()

    def traced(self) -> Table:
        return trace(parse(self.net), (32, 32, 3), 10)

    @property
    def grid(self) -> LayerTable:
        return self.query_one(LayerTable)


@pytest.mark.parametrize("width", [40, 80, 160, 240])
async def test_the_numbers_are_the_calculators(width: int) -> None:
    app = Shown("[(conv32-relu)*2-pool]*2-res(conv64-bn-relu)-gap-fc")
    async with app.run_test(size=(width, 30)) as pilot:
        table = app.traced()
        app.grid.set_table(table)
        await pilot.pause()
        lines = app.grid.text.splitlines()
        for row, line in zip(table.rows, lines[1:], strict=False):
            assert line.split()[0].startswith(row.name)
            assert "x".join(map(str, row.output)) in line
            if row.parameters and "parameters" in app.grid.columns:
                assert f"{row.parameters:,}" in line.split()
        total = lines[len(table.rows) + 1]
        assert total.startswith("total")
        assert f"{table.parameters:,}" in total
        assert f"{len(table.rows)} layers" in total


async def test_a_long_net_scrolls_and_the_total_stays() -> None:
    app = Shown("(conv8-relu)*500-gap-fc")
    async with app.run_test(size=(80, 12)) as pilot:
        app.grid.set_table(app.traced())
        app.grid.focus()
        await wait_until_async(
            lambda: app.grid.has_focus and app.grid.max_scroll_y > 900, what="the table and its keys"
        )
        await pilot.press("end")
        await wait_until_async(lambda: app.grid.text.splitlines()[-2].startswith("fc1"), what="the net's end")
        lines = app.grid.text.splitlines()
        assert lines[-1].startswith("total")
        assert lines[0].startswith("layer")
        await pilot.press("home")
        await wait_until_async(lambda: app.grid.text.splitlines()[1].startswith("conv1"), what="its beginning")


@pytest.mark.parametrize("width", range(60, 100, 3))
async def test_no_column_lies_below_the_scrollbar(width: int) -> None:
    app = Shown("(conv8-relu)*50-gap-fc")
    async with app.run_test(size=(width, 12)) as pilot:
        app.grid.set_table(app.traced())
        await pilot.pause()
        bar = app.grid.styles.scrollbar_size_vertical
        assert app.grid.show_vertical_scrollbar
        assert max(map(len, app.grid.text.splitlines())) <= width - bar


async def test_std_beside_the_layers_and_dots_while_they_are_awaited() -> None:
    app = Shown("conv8-relu-fc")
    async with app.run_test(size=(100, 12)) as pilot:
        app.grid.set_table(app.traced())
        app.grid.set_stds(None, waiting=True)
        await pilot.pause()
        assert app.grid.text.count("…") == 3
        app.grid.set_stds({"conv1": 1.42, "fc1": None})
        await pilot.pause()
        assert "1.42" in app.grid.text.splitlines()[1]
        assert "…" not in app.grid.text


async def test_a_wrong_net_leaves_the_last_table_faint() -> None:
    app = Shown("conv8-relu-fc")
    async with app.run_test(size=(100, 12)) as pilot:
        app.grid.set_table(app.traced())
        await pilot.pause()
        before = app.grid.text
        app.grid.set_table(None)
        await pilot.pause()
        assert app.grid.stale
        assert app.grid.text == before
