"""The screen on a loop that said neither how far it goes nor how many images a step has."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch
from textual.widgets import Static
from torch import nn

import cvtui
from cvtui.tui.app import CvtuiApp
from cvtui.tui.panes.curve_pane import CurvePane
from cvtui.tui.panes.header import RunHeader
from cvtui.tui.panes.log_entries import LogEntries
from cvtui.tui.panes.prediction import compare
from cvtui.tui.panes.predictions import UpcomingRates, predict
from cvtui.tui.train.live_view import LiveView
from tests.waiting import wait_until_async


async def test_no_percentage_and_no_schedule_where_nobody_knows_the_end(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with cvtui.watch(model, optimizer, name="own", runs=tmp_path) as run:
        for _ in range(30):
            loss = model(torch.ones(1, 4)).sum()
            loss.backward()
            optimizer.step()
            run.step(loss=loss)
        run._recorder.flush()
        app = CvtuiApp(runs=tmp_path, attach=run.folder.path, prewarm=False)
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_until_async(lambda: app.screen.query(LiveView) and app.screen.query_one(LiveView).view.alive)
            header = app.screen.query_one(RunHeader)
            await wait_until_async(lambda: "step 30 · for" in header.text, what="the last step")
            first, second = header.text.splitlines()
            assert "left" not in first
            assert "steps/s" in second
            assert "images/s" not in second
            assert "%" not in second.partition("monitoring overhead")[0]
            history = app.screen.query_one(LiveView).history
            assert all(len(part) == 0 for part in UpcomingRates(predict(history))(history))
            assert "steps per epoch" not in [line.what for line in compare(history, predict(history))]
            accuracy = app.screen.query_one(LiveView).pane("accuracy")
            assert isinstance(accuracy, CurvePane)
            await pilot.press("A")
            await wait_until_async(lambda: "no accuracy in the log" in accuracy.plot.text, what="what the run has not")
            (begun, *_) = LogEntries().update(history)[1]
            assert begun.text.startswith("started on cpu, ")
            assert "step" not in begun.text, "0 steps are not what it has before it"
            await pilot.press("l")
            said = lambda: " ".join(str(one.render()) for one in app.screen.query(Static))  # noqa: E731
            await wait_until_async(lambda: "A scheduler of the script goes on from it" in said(), what="the window")
            assert "recipe" not in said(), "it has none"


@pytest.mark.parametrize("key", ["f", "u"])
async def test_fork_and_resume_of_it_say_what_can_be_done_instead(key: str, tmp_path: Path) -> None:
    """They once started the default recipe on digits, and drew it over the curve."""
    model = nn.Linear(4, 2)
    run = cvtui.watch(model, torch.optim.SGD(model.parameters(), 0.1), name="own", runs=tmp_path)
    with contextlib.suppress(OSError), run:
        run.step(loss=1.0)
        raise OSError("over")
    before = sorted(tmp_path.rglob("*"))
    app = CvtuiApp(runs=tmp_path, attach=run.folder.path, prewarm=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until_async(lambda: app.screen.query(LiveView) and app.screen.query_one(LiveView).history.end)
        await wait_until_async(lambda: app.screen.query_one(LiveView).view.state == "failed")
        await pilot.press(key)
        (said,) = await wait_until_async(lambda: list(app._notifications), what="the sentence")
        assert "a custom training loop, which only its script can train; run the script again" in said.message
        assert app.screen.query(LiveView), "no question was asked"
    assert sorted(tmp_path.rglob("*")) == before


async def test_a_run_of_own_scalars_alone_is_not_waited_for_once_it_has_ended(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    with cvtui.watch(model, torch.optim.SGD(model.parameters(), 0.1), name="own", runs=tmp_path) as run:
        for place in range(3):
            run.log(iou=place / 4)
    app = CvtuiApp(runs=tmp_path, attach=run.folder.path, prewarm=False)
    async with app.run_test(size=(120, 35)):
        await wait_until_async(lambda: app.screen.query(LiveView) and app.screen.query_one(LiveView).history.end)
        view = app.screen.query_one(LiveView)
        loss = view.pane("loss")
        assert isinstance(loss, CurvePane)
        await wait_until_async(lambda: "no values in the log" in loss.plot.text, what="the words of the empty plot")
