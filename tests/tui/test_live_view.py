"""The live view against recorded and growing run folders, in a small host app."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.commands import CommandReader
from cvtui.runlog.folder import RunFolder
from cvtui.tui.app import CvtuiApp
from cvtui.tui.panes.curve_pane import CurvePane
from cvtui.tui.panes.layers_table import LayersTable
from cvtui.tui.panes.registry import NAMES
from cvtui.tui.panes.styled_lines import StyledLines
from cvtui.tui.train import LiveView, live_view
from cvtui.tui.train.modals import LeaveModal, RateModal, StopModal, WhyModal
from cvtui.tui.widgets.key_bar import KeyBar
from tests.tui.live_host import LiveHost
from tests.tui.written_runs import PLAIN, WrittenRun
from tests.waiting import wait_until_async

pytestmark = pytest.mark.walked


SIZES = [(80, 24), pytest.param((160, 45), marks=pytest.mark.long)]


def asked(run: WrittenRun) -> list[tuple[str, float | None]]:
    return [(command.command, command.value) for command in CommandReader(run.folder.commands).poll()]


# ---------------------------------------------------------------------- an ended run


@pytest.mark.parametrize("size", SIZES)
async def test_a_finished_run_is_told_in_full(finished: RunFolder, size: tuple[int, int]) -> None:
    app = LiveHost(finished, bar=True)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        first, second = app.live.header.text.split("\n")
        assert first.startswith("✓ finished  finished")
        assert first.endswith("epoch 15/15 · step 345/345 · took 3.5 s")
        assert "100 %" in second
        assert "cpu" in second
        assert app.states == ["finished"]
        for name in ("log", "prediction", "layers"):
            app.live.show_pane(name)
            await pilot.pause()
        log = app.live.pane("log").query_one(StyledLines).text
        assert "rate 0.00116 → 0.000581 (step 160)" in log
        assert log.count("★ epoch") == 15
        prediction = app.live.pane("prediction").query_one(StyledLines).text
        assert "45,866" in prediction
        assert "2.30" in prediction
        assert len(app.live.pane("layers").query_one(LayersTable).rows) == 13


@pytest.mark.parametrize("size", SIZES)
async def test_tab_goes_through_all_panes_and_back(finished: RunFolder, size: tuple[int, int]) -> None:
    app = LiveHost(finished, bar=True)
    names = [name for name in NAMES if name not in ("ranks", "machine") and not name.startswith("own")]
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        seen = []
        for _ in names:
            seen.append(app.live.grid.current)
            pane = app.live.pane(app.live.grid.current)
            assert app.focused is not None
            assert pane in app.focused.ancestors_with_self
            assert pane.NAME in app.on_screen()
            await pilot.press("tab")
            await pilot.pause()
        assert seen == names
        assert app.live.grid.current == "loss"
        await pilot.press("shift+tab")
        assert app.live.grid.current == "prediction"


async def titles_are_tabs_for_the_mouse(pilot: Pilot[None], app: LiveHost) -> None:
    await pilot.pause()
    pane = app.live.pane("loss")
    title = "Loss │ Accuracy │ Rate │ Grads │ Layers │ Log │ Doctor │ Values │ Expected"
    x = pane.region.x + 3 + title.index("Log")
    await pilot.click(offset=(x, pane.region.y))
    await pilot.pause()
    assert app.on_screen() == {"log"}


async def why_validation_lies_below(pilot: Pilot[None], app: LiveHost) -> None:
    await pilot.press("v")
    assert isinstance(app.screen, WhyModal)
    await pilot.press("escape")
    assert not isinstance(app.screen, WhyModal)


async def nobody_is_asked_after_the_end(pilot: Pilot[None], app: LiveHost) -> None:
    for key in ("space", "l", "s", "x"):
        await pilot.press(key)
        await pilot.pause()
        assert len(app.screen_stack) == 1
        assert not app.folder.commands.exists()


async def it_is_left_without_a_question(pilot: Pilot[None], app: LiveHost) -> None:
    await pilot.press("q")
    await pilot.pause()
    assert app.left == ["ended"]


async def test_an_ended_run_in_a_small_room(finished: RunFolder) -> None:
    app = LiveHost(finished, bar=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await titles_are_tabs_for_the_mouse(pilot, app)
        await why_validation_lies_below(pilot, app)
        await nobody_is_asked_after_the_end(pilot, app)
        await it_is_left_without_a_question(pilot, app)


async def one_pane_alone_and_back(pilot: Pilot[None], app: LiveHost, key: str) -> None:
    app.live.show_pane("loss")
    await pilot.press("tab", key)
    await pilot.pause()
    assert app.on_screen() == {"accuracy"}
    await pilot.press("tab")
    await pilot.pause()
    assert app.on_screen() == {"rate"}
    await pilot.press(key)
    await pilot.pause()
    assert len(app.on_screen()) == 6


async def the_look_of_the_curves(pilot: Pilot[None], app: LiveHost) -> None:
    app.live.show_pane("loss")
    await pilot.pause()
    axes = []
    for _ in range(5):
        axes.append(app.live.view.x_axis)
        await pilot.press("a")
    assert axes == ["steps", "epochs", "samples", "time", "steps"]
    await pilot.press("y")
    assert (app.live.view.full_y, app.live.view.log_y) == (frozenset({"loss"}), frozenset())
    await pilot.press("y")
    assert (app.live.view.full_y, app.live.view.log_y) == (frozenset(), frozenset({"loss"}))
    await pilot.press("tab", "tab", "y", "y", "tab", "tab", "y")
    assert (app.live.view.full_y, app.live.view.log_y) == (frozenset(), frozenset({"rate"}))  # at last the loss
    betas = []
    for _ in range(5):
        betas.append(app.live.view.beta)
        await pilot.press("m")
    assert betas == [0.9, 0.98, 0.995, 0.0, 0.9]
    await pilot.press("r")


async def a_resize_loses_nothing(pilot: Pilot[None], app: LiveHost) -> None:
    app.live.show_pane("loss")
    await pilot.press("tab", "tab", "tab", "tab", "down", "down", "a", "y", "m")
    await pilot.pause()
    view, table = app.live.view, app.live.pane("layers").query_one(LayersTable)
    for size in ((80, 24), (240, 70), (100, 30)):
        await pilot.resize_terminal(*size)
        await pilot.pause()
    assert app.live.view == view
    assert table.cursor == 2
    assert app.focused is table
    assert "layers" in app.on_screen()


async def a_small_room_shows_one_pane_and_a_large_one_all(pilot: Pilot[None], app: LiveHost) -> None:
    await pilot.resize_terminal(80, 24)
    await wait_until_async(lambda: app.on_screen() == {"loss"}, what="one pane")
    await pilot.resize_terminal(160, 45)
    await wait_until_async(lambda: len(app.on_screen()) == 6, what="all panes")
    whole = app.subtitle("loss")
    assert re.fullmatch(r"best validation \S+ \(epoch \d+\) · smoothing β 0.9", whole)
    await pilot.resize_terminal(40, 10)  # no number is cut off in its middle
    await wait_until_async(lambda: app.subtitle("loss") == whole.partition(" · ")[0], what="what fits of it")
    await pilot.resize_terminal(100, 30)
    await wait_until_async(lambda: app.on_screen() == {"loss", "accuracy", "layers"}, what="three panes")
    await pilot.resize_terminal(80, 24)
    await wait_until_async(lambda: app.on_screen() == {"loss"}, what="one pane")


async def test_an_ended_run_in_a_large_room(finished: RunFolder) -> None:
    app = LiveHost(finished, bar=True)
    async with app.run_test(size=(160, 45)) as pilot:
        await a_small_room_shows_one_pane_and_a_large_one_all(pilot, app)
        await pilot.resize_terminal(160, 45)
        for key in ("z", "enter"):
            await one_pane_alone_and_back(pilot, app, key)
        await the_look_of_the_curves(pilot, app)
        await a_resize_loses_nothing(pilot, app)


async def test_the_foot_of_an_ended_run_offers_nothing_that_only_a_trainer_does(finished: RunFolder) -> None:
    app = CvtuiApp(runs=finished.path.parent, attach=finished.path, prewarm=False)
    async with app.run_test(size=(160, 45)) as pilot:
        await wait_until_async(lambda: app.screen.query(LiveView), what="the run")
        await pilot.pause()
        foot = str(app.screen.query_one(KeyBar).render())
        assert "Axis" in foot
        assert "Fork" in foot
        assert not {"Pause", "Rate", "Save", "Stop"} & {*foot.split()}


# ---------------------------------------------------------------------- a living run


@pytest.mark.parametrize("size", SIZES)
async def test_the_screen_follows_a_growing_run(growing: WrittenRun, size: tuple[int, int]) -> None:
    app = LiveHost(growing.folder, bar=True)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        assert app.live.header.text.startswith("● running  growing")
        assert "step 40/345" in app.live.header.text
        growing.step(17)
        await wait_until_async(lambda: "step 57/345" in app.live.header.text, what="the header")
        app.live.show_pane("log")
        growing.step(20)
        log = app.live.pane("log").query_one(StyledLines)
        await wait_until_async(lambda: "epoch  3" in log.text, what="the epoch in the log")
        app.live.show_pane("layers")
        table = app.live.pane("layers").query_one(LayersTable)
        growing.step(20)
        await wait_until_async(lambda: "at step 90" in str(app.live.pane("layers").border_subtitle), what="the sample")
        assert table.rows[0].stats is not None
        growing.step(growing.total - growing.done)
        growing.end()
        await wait_until_async(lambda: app.live.header.text.startswith("✓ finished"), what="the end")
        await wait_until_async(lambda: app.states == ["running", "finished"], what="the message")


async def test_a_curve_waits_for_what_can_be_seen_but_never_for_long(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path, recipe=msgspec.structs.replace(PLAIN, epochs=200))
    run.step(4000)
    with run.folder.lock():
        app = LiveHost(run.folder, bar=True)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            pane = app.live.pane("loss")
            assert isinstance(pane, CurvePane)
            run.step(1)
            app.live.poll()
            assert pane.waiting
            assert len(pane.plot.lines[0].x) == 4000
            await wait_until_async(lambda: len(pane.plot.lines[0].x) == 4001, what="the step, a second later")
            run.step(400)
            app.live.poll()
            assert len(pane.plot.lines[0].x) == 4401
            run.step(1)
            app.live.poll()
            assert pane.waiting
            run.end()
            app.live.poll()
            assert not pane.waiting
            assert len(pane.plot.lines[0].x) == 4402


async def test_pause_and_resume(growing: WrittenRun) -> None:
    app = LiveHost(growing.folder, bar=True)
    async with app.run_test(size=(120, 35)) as pilot:
        await pilot.press("space")
        assert asked(growing) == [("pause", None)]
        assert "pausing…" in app.live.header.text
        growing.command("pause", "paused")
        await wait_until_async(lambda: "‖ paused" in app.live.header.text, what="the pause")
        await pilot.press("space")
        assert asked(growing) == [("pause", None), ("resume", None)]
        growing.command("resume", "resumed")
        await wait_until_async(lambda: "● running" in app.live.header.text, what="the resume")


async def a_new_rate_is_asked_for(pilot: Pilot[None], app: LiveHost, growing: WrittenRun) -> None:
    await pilot.press("l")
    assert isinstance(app.screen, RateModal)
    now = app.screen.now
    assert now == growing.checked.schedule.lr_at(39)
    await pilot.press(*"/10", "enter")
    await pilot.pause()
    ((command, value),) = asked(growing)
    assert command == "set_lr"
    assert value == pytest.approx(now / 10)


async def letters_typed_into_a_question_are_no_commands(pilot: Pilot[None], app: LiveHost, growing: WrittenRun) -> None:
    await pilot.press("l", *"saxq")
    assert isinstance(app.screen, RateModal)
    assert app.screen.query_one(Input).value == "saxq"
    assert asked(growing) == []
    await pilot.press("escape")


async def test_the_question_for_a_rate(growing: WrittenRun) -> None:
    app = LiveHost(growing.folder, bar=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await letters_typed_into_a_question_are_no_commands(pilot, app, growing)
        await a_new_rate_is_asked_for(pilot, app, growing)


async def test_save_and_stop(growing: WrittenRun) -> None:
    app = LiveHost(growing.folder, bar=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("s")
        assert asked(growing) == [("save", None)]
        await pilot.press("x")
        assert isinstance(app.screen, StopModal)
        await pilot.press("n", "x", "y")
        await pilot.pause()
        assert asked(growing) == [("save", None), ("stop", None)]
        growing.end("stopped")
        await wait_until_async(lambda: "■ stopped" in app.live.header.text, what="the stop")


async def test_leaving_a_run_whose_trainer_still_loads_asks_too(tmp_path: Path) -> None:
    folder = RunFolder.fresh(tmp_path, "young", dumps(Recipe()))
    app = LiveHost(folder, bar=True)
    async with app.run_test(size=(80, 24)) as pilot:
        assert app.live.view.state == "starting"
        await pilot.press("q")
        assert isinstance(app.screen, LeaveModal)
        await pilot.press("x")
        await pilot.pause()
    assert [command.command for command in CommandReader(folder.commands).poll()] == ["stop"]
    assert app.left == ["stop"]


async def test_leaving_a_living_run(growing: WrittenRun) -> None:
    app = LiveHost(growing.folder, bar=True)
    async with app.run_test(size=(80, 24)) as pilot:
        for key, left, commands in (("escape", [], []), ("q", ["keep"], []), ("x", ["stop"], [("stop", None)])):
            app.left.clear()
            await pilot.press("q")
            assert isinstance(app.screen, LeaveModal)
            await pilot.press(key)
            await pilot.pause()
            assert app.left == left
            assert asked(growing) == commands


async def test_a_hidden_view_draws_nothing_and_tells_its_state(
    growing: WrittenRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bar of every place says how the run is: behind another place it stayed "running" for good."""
    monkeypatch.setattr(live_view, "UNSEEN_SECONDS", 0.05)
    app = LiveHost(growing.folder, bar=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.query_one("#body").display = False
        await wait_until_async(lambda: not app.live.watching, what="the view to hide")
        growing.step(5)
        growing.command("pause", "paused")
        await wait_until_async(lambda: app.live.view.state == "paused", what="its state")
        app.query_one("#body").display = True
        map_of_screen = app.screen._compositor
        map_of_screen.update_widgets({app.live.header})  # drawn before the next layout:
        assert app.live in map_of_screen.full_map, "Textual then finds nothing new to tell of (no event Show)"
        await wait_until_async(
            lambda: app.live.watching and "step 45/345" in app.live.header.text, what="the view to catch up"
        )
        growing.step(5)
        await wait_until_async(lambda: "step 50/345" in app.live.header.text, what="what comes now")
        await wait_until_async(lambda: app.live.has_focus_within, what="the focus")


async def test_a_vanished_folder_is_said_not_raised(growing: WrittenRun) -> None:
    app = LiveHost(growing.folder, bar=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        growing.folder.path.rename(growing.folder.path.with_name("moved"))
        await pilot.press("s")
        # Whichever is first: the key, which can't be obeyed, or the next look, which finds no run there any more.
        said = lambda: any("gone" in note.message for note in app._notifications) or app.live.view.state == "lost"  # noqa: E731
        await wait_until_async(said, what="the word")
        await pilot.press("f")
        gone = f"{growing.folder.name!r} can't be forked: its folder is gone; it was moved, renamed or deleted"
        told = lambda: [note.message for note in app._notifications]  # noqa: E731
        assert await wait_until_async(lambda: gone in told() or len(told()) > 1, what="why no fork"), told()
        assert gone in told()


@pytest.mark.parametrize(("fps", "seconds"), [(10.0, 0.095), (2.0, 0.475)])
async def test_a_slow_line_gets_fewer_frames(finished: RunFolder, fps: float, seconds: float) -> None:
    app = CvtuiApp(runs=finished.path.parent, attach=finished.path, prewarm=False, fps=fps)
    async with app.run_test(size=(80, 24)):
        await wait_until_async(lambda: list(app.screen.query(LiveView)), what="the run")
        view = app.screen.query_one(LiveView)
        assert view._timer._interval == pytest.approx(seconds)
        (command,) = [entry for entry in app.get_system_commands(app.screen) if "frames" in entry.title.lower()]
        assert command.title == ("Fewer frames, for a slow line" if fps == 10 else "All frames")
        command.callback()
        assert view._timer._interval == pytest.approx(0.95 if fps == 10 else 0.095)
