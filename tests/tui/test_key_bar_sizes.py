"""The keys at the foot after the terminal's size has changed."""

from __future__ import annotations

from pathlib import Path

from cvtui.tui.widgets.key_bar import KeyBar
from tests.tui.test_app_form import ready, session
from tests.waiting import wait_until_async


async def test_the_key_of_the_preview_comes_and_goes_with_the_width(tmp_path: Path) -> None:
    app = session(tmp_path)
    async with app.run_test(size=(160, 24)) as pilot:
        await ready(app)
        bar = app.screen.query_one(KeyBar)

        async def drawn(width: int, there: bool) -> None:
            await pilot.resize_terminal(width, 24)
            await wait_until_async(
                lambda: bar.size.width == width and ("Preview" in bar.render_line(0).text) == there,
                what=f"the keys at {width} columns",
            )

        await drawn(90, there=True)
        await drawn(160, there=False)
        await drawn(90, there=True)
