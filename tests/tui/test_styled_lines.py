"""Lines that wrap, scroll and follow their end."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.content import Content

from cvtui.tui.panes.styled_lines import StyledLine, StyledLines
from tests.waiting import wait_until_async


def line(text: str, head: str = "") -> StyledLine:
    return StyledLine(Content(head), Content(text))


class Host(App[None]):
    def compose(self) -> ComposeResult:
        yield StyledLines(follow=True)

    @property
    def lines(self) -> StyledLines:
        return self.query_one(StyledLines)

    def seen(self) -> list[str]:
        return [self.lines.render_line(y).text.rstrip() for y in range(self.lines.size.height)]


async def test_the_end_is_followed_until_one_scrolls_away() -> None:
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        app.lines.add_lines([line(f"line {number}") for number in range(30)])
        await wait_until_async(lambda: app.seen()[-1] == "line 29", what="the end")
        app.lines.add_lines([line("line 30")])
        await wait_until_async(lambda: app.seen()[-1] == "line 30", what="the new end")
        app.lines.focus()
        await wait_until_async(lambda: app.lines.allow_vertical_scroll and app.lines.has_focus, what="the scroll bar")
        await pilot.press("home")
        await wait_until_async(lambda: app.seen()[0] == "line 0", what="the top")
        app.lines.add_lines([line("line 31")])
        await pilot.pause()
        assert app.seen()[0] == "line 0"
        await pilot.press("end")
        await wait_until_async(lambda: app.seen()[-1] == "line 31", what="the end again")
        app.lines.add_lines([line("line 32")])
        await wait_until_async(lambda: app.seen()[-1] == "line 32", what="following again")


async def test_the_end_stays_in_view_in_every_size() -> None:
    app = Host()
    async with app.run_test(size=(60, 20)) as pilot:
        app.lines.add_lines([line(f"line {number} " + "x" * 30) for number in range(50)])
        for size in ((60, 5), (30, 12), (100, 30), (24, 4)):
            await pilot.resize_terminal(*size)
            last = "line 49 " + "x" * 30

            def ends(last: str = last) -> bool:
                return last.replace(" ", "").endswith(app.seen()[-1].strip().replace(" ", "")) and bool(app.seen()[-1])

            await wait_until_async(ends, what=f"the end at {size}")


async def test_wrapped_lines_hang_below_their_text() -> None:
    app = Host()
    async with app.run_test(size=(20, 10)) as pilot:
        app.lines.add_lines([line("one two three four five", head="12:00 ")])
        await pilot.pause()
        seen = [text for text in app.seen() if text]
        assert seen[0].startswith("12:00 one")
        assert all(text.startswith(" " * 6) and not text.startswith(" " * 7) for text in seen[1:])
        assert " ".join(text.strip() for text in seen) == "12:00 one two three four five"


async def test_new_lines_alone_lay_nothing_out() -> None:
    """A layout repaints the whole screen; a growing log would do so ten times a second."""
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        app.lines.add_lines([line(f"line {number}") for number in range(30)])
        await wait_until_async(lambda: app.seen()[-1] == "line 29", what="the end")
        await pilot.pause()
        layouts = app.lines._layout_updates
        app.lines.add_lines([line("line 30")])
        await wait_until_async(lambda: app.seen()[-1] == "line 30", what="the new end")
        assert app.lines._layout_updates == layouts
        assert app.lines.vertical_scrollbar.window_virtual_size == 31


async def test_lines_given_before_there_is_a_layout_end_in_view() -> None:
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        await pilot.pause()
        app.lines.add_lines([line(f"line {number}") for number in range(30)])
        assert app.lines.scroll_y == 20  # at once: nothing that comes later may take it for scrolled away
