"""A trainer that dies under the screen: it is said within two seconds, and one key goes on. Real processes."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from textual.app import App

from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.worker_process import launch
from cvtui.tui.panes.styled_lines import StyledLines
from cvtui.tui.train import LiveView
from cvtui.tui.train.resume_modal import ResumeModal
from tests.engine.making import folder
from tests.waiting import wait_until, wait_until_async


class Host(App[None]):
    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self.live = LiveView(run)

    def compose(self):
        yield self.live


def saved(history: History) -> bool:
    history.poll()
    return bool(history.checkpoints)


@pytest.mark.long
async def test_a_killed_trainer_is_said_within_two_seconds_and_one_key_goes_on(tmp_path: Path) -> None:
    run = folder(tmp_path, epochs=100_000)
    worker = launch(run, detached=True)
    again = None
    app = Host(run)
    try:
        history = History(run)
        wait_until(lambda: saved(history), 60, "a checkpoint")
        async with app.run_test(size=(160, 45)) as pilot:
            await wait_until_async(lambda: "running" in app.live.header.text, what="the running run")
            with open(run.log, "a") as log:
                log.write("something broke here\n")
            worker.send_signal(signal.SIGKILL)
            begun = time.monotonic()
            await wait_until_async(lambda: app.live.header.text.startswith("✗ lost"), what="the loss to be said")
            assert time.monotonic() - begun < 2.0
            worker.wait(10)
            await pilot.pause()
            log_text = app.live.pane("log").query_one(StyledLines).text
            assert "something broke here" in log_text
            assert "What to do" in log_text
            done = app.live.history.steps_done
            await pilot.press("u")
            assert isinstance(app.screen, ResumeModal)
            await pilot.press("u")
            again = app.live.commands.worker
            app.live.poll()
            assert app.live.view.state in ("starting", "running")  # "lost" goes at once
            await wait_until_async(
                lambda: "running" in app.live.header.text and app.live.history.steps_done > done, 60, "it to go on"
            )
            assert app.live.history.run is not None
            assert (app.live.history.run.step or 0) > 0
            assert not app.live.check_action("go_on", ())
    finally:
        for process in (worker, again):
            if process is not None:
                process.kill()
                process.wait(10)


@pytest.mark.parametrize(("key", "rate"), [("enter", "/10"), ("l", "/10"), ("u", ""), ("escape", None)])
async def test_a_diverged_run_offers_a_tenth_of_the_rate_first(tmp_path: Path, key: str, rate: str | None) -> None:
    from tests.tui.written_runs import WrittenRun

    run = WrittenRun(tmp_path)
    run.step(30)
    run.end("diverged", "the loss was NaN at step 29")
    app = Host(run.folder)
    found: list[str | None] = []
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.push_screen(ResumeModal(app.live.history), found.append)
        await pilot.pause()
        await pilot.press(key)
        await wait_until_async(lambda: found, what="an answer")
    assert found == [rate]


async def test_a_living_or_finished_run_offers_nothing(tmp_path: Path) -> None:
    from tests.tui.written_runs import WrittenRun

    run = WrittenRun(tmp_path)
    run.step(30)
    run.end("finished")
    app = Host(run.folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("u")
        assert not isinstance(app.screen, ResumeModal)
