"""Start with the real engine: the run is shown at once, goes on without the screen, and the form is there again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cvtui.errors import RequestError
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import load
from cvtui.recipe.validation import check
from cvtui.runlog.folder import RunFolder, list_runs
from cvtui.runlog.history import History
from cvtui.tui.app import CvtuiApp
from cvtui.tui.screens.base import TopBar
from cvtui.tui.screens.train import TrainScreen
from cvtui.tui.train import LiveView
from cvtui.tui.train.modals import LeaveModal
from tests.tui.written_runs import finished_run
from tests.waiting import wait_until, wait_until_async

pytestmark = pytest.mark.walked

TINY = Recipe(net="fc16-relu-fc", epochs=1, threads=1, watch_every=5)
LONG = Recipe(net="fc16-relu-fc", epochs=100_000, threads=1, watch_every=0)
TORCH = 90.0
"""Seconds that loading torch may take on a machine that is shared by many."""


def train_screen(app: CvtuiApp) -> TrainScreen:
    screen = app.get_screen_stack("train")[0]
    assert isinstance(screen, TrainScreen)
    return screen


def shown_run(app: CvtuiApp) -> LiveView:
    view = train_screen(app).view
    assert view is not None
    return view


def state_of(folder: RunFolder) -> str:
    history = History(folder)
    history.poll()
    return history.state()


async def ready(app: CvtuiApp) -> None:
    """Until the form is there, with what its first frame did without."""

    def complete() -> bool:
        form_view = train_screen(app).form_view
        return form_view is not None and form_view.complete

    await wait_until_async(complete, what="the form")


@pytest.mark.parametrize("attached", [False, True])
async def test_the_first_picture_is_told_once(tmp_path: Path, attached: bool) -> None:
    """Until then nothing is collected (cli/screen.py), so a screen that never told would grow for ever."""
    told: list[bool] = []

    def shown() -> None:
        told.append(train_screen(app).shows_run)

    app = CvtuiApp(runs=tmp_path, attach=finished_run(tmp_path).path if attached else None, prewarm=False, shown=shown)
    async with app.run_test() as pilot:
        await wait_until_async(lambda: told, what="the first picture")
        await pilot.press("2")
        await pilot.press("1")
        await pilot.pause()
    assert told == [attached]


@pytest.mark.torch
@pytest.mark.parametrize("size", [(80, 24), pytest.param((160, 45), marks=pytest.mark.long)])
async def test_from_the_form_to_the_end_of_the_run(tmp_path: Path, size: tuple[int, int]) -> None:
    """Warmed: what it foretells arrives in the form, and the same process becomes the trainer."""
    app = CvtuiApp(recipe=TINY, runs=tmp_path)
    async with app.run_test(size=size) as pilot:
        await ready(app)
        form_view = train_screen(app).form_view
        assert form_view is not None
        await wait_until_async(lambda: form_view.engine.answer is not None, TORCH, "the prediction")
        assert form_view.engine.answered == form_view.validation.recipe
        stds = form_view.preview.table.stds
        assert stds is not None
        assert set(stds) == {"fc1", "relu1", "fc2"}
        await pilot.press("ctrl+r")
        await wait_until_async(lambda: train_screen(app).shows_run, what="the run on the screen")
        assert form_view.engine.state == "spent"
        view = shown_run(app)
        assert view.folder.path.parent == tmp_path
        assert load(view.folder.recipe) == TINY
        await wait_until_async(lambda: view.history.state() == "finished", TORCH, "the end of the run")
        await wait_until_async(lambda: view.view.state == "finished", what="the end on the screen")
        assert view.history.steps_done == check(TINY).total_steps
        foretold = view.history.run.prediction["activation_std"] if view.history.run is not None else {}
        assert foretold == pytest.approx(stds)  # the same seed gives the same weights
        # Back to the form, as it was; and to the run again.
        await pilot.press("n")
        await wait_until_async(lambda: not train_screen(app).shows_run, what="the form")
        assert form_view.validation.recipe == TINY
        assert form_view.form.current is not None
        assert view.folder.name in str(app.screen.query_one(TopBar).render()) or size[0] == 80
        await pilot.press("escape", "b")
        await wait_until_async(lambda: train_screen(app).shows_run, what="the run again")
        assert shown_run(app) is view
        await pilot.press("q")  # nothing of ours lives: nothing is asked
        await pilot.pause()
    assert app.return_code == 0


@pytest.mark.long
async def test_a_dead_engine_is_told_and_start_takes_a_fresh_one(tmp_path: Path) -> None:
    app = CvtuiApp(recipe=TINY, runs=tmp_path, prewarm=False)
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(app)
        form_view = train_screen(app).form_view
        assert form_view is not None
        form_view.engine.enabled = True
        form_view.engine._command = [sys.executable, "-c", "import sys; sys.exit('no torch here')"]
        form_view.open()
        await wait_until_async(lambda: form_view.engine.state == "dead", what="the engine's death")
        await wait_until_async(lambda: "no torch here" in form_view.preview.facts.text, what="a word about it")
        await pilot.press("ctrl+r")
        await wait_until_async(lambda: train_screen(app).shows_run, what="the run on the screen")
        await wait_until_async(lambda: shown_run(app).history.state() == "finished", TORCH, "the end of the run")


@pytest.mark.long
async def test_an_engine_that_dies_at_start_is_replaced(tmp_path: Path) -> None:
    """It swallows the word "start" and is gone: the run must begin all the same."""
    app = CvtuiApp(recipe=TINY, runs=tmp_path, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app)
        form_view = train_screen(app).form_view
        assert form_view is not None
        form_view.engine.enabled = True
        code = "import sys; [sys.exit(9) for line in sys.stdin if 'start' in line]"
        form_view.engine._command = [sys.executable, "-c", code]
        form_view.open()
        await wait_until_async(lambda: form_view.engine.state == "loading", what="the process")
        await pilot.press("ctrl+r")
        await wait_until_async(lambda: train_screen(app).shows_run, what="the run on the screen")
        await wait_until_async(lambda: shown_run(app).history.state() == "finished", TORCH, "the end of the run")


@pytest.mark.long
async def test_the_name_that_was_asked_for_is_the_folders(tmp_path: Path) -> None:
    app = CvtuiApp(recipe=Recipe(name="mine", epochs=1, net="fc", threads=1), runs=tmp_path, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app)
        await pilot.press("ctrl+r")
        await wait_until_async(lambda: train_screen(app).shows_run, what="the run on the screen")
        assert [run.name for run in list_runs(tmp_path)] == ["mine"]
        await pilot.press("n")
        await wait_until_async(lambda: not train_screen(app).shows_run, what="the form")
        form_view = train_screen(app).form_view
        assert form_view is not None
        assert "exists already" in form_view.validation.problems["name"].message
        await pilot.press("ctrl+r")
        await pilot.pause()
        assert len(list_runs(tmp_path)) == 1
    wait_until(lambda: state_of(RunFolder.open(tmp_path / "mine")) == "finished", TORCH, "the end of the run")


@pytest.mark.torch
async def test_leaving_asks_and_the_training_goes_on(tmp_path: Path) -> None:
    app = CvtuiApp(recipe=LONG, runs=tmp_path, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app)
        await pilot.press("ctrl+r")
        await wait_until_async(lambda: train_screen(app).shows_run, what="the run on the screen")
        folder = shown_run(app).folder
        await wait_until_async(lambda: shown_run(app).history.steps_done > 0, TORCH, "the first step")
        await pilot.press("4")
        await wait_until_async(lambda: app.current_mode == "runs", what="the Runs place")
        await pilot.press("q")
        await wait_until_async(lambda: isinstance(app.screen, LeaveModal), what="the question")
        await pilot.press("escape")
        await wait_until_async(lambda: not isinstance(app.screen, LeaveModal), what="staying")
        await pilot.press("ctrl+q")
        await wait_until_async(lambda: isinstance(app.screen, LeaveModal), what="the question again")
        await pilot.press("q")
        await wait_until_async(lambda: not app.is_running, what="the end of the screen")
    assert folder.alive()
    done = History(folder)
    done.poll()
    before = done.steps_done
    wait_until(lambda: done.poll() and done.steps_done > before, what="more steps without a screen")
    # A second session opens it, and leaves it stopped.
    app = CvtuiApp(runs=tmp_path, attach=folder.path, prewarm=False)
    async with app.run_test(size=(160, 45)) as pilot:
        await wait_until_async(lambda: train_screen(app).view is not None, what="the run on the screen")
        await wait_until_async(lambda: shown_run(app).view.state == "running", what="the running run")
        await pilot.press("q")
        await wait_until_async(lambda: isinstance(app.screen, LeaveModal), what="the question")
        await pilot.press("x")
        await wait_until_async(lambda: not app.is_running, what="the end of the screen")
    wait_until(lambda: state_of(folder) == "stopped", what="the end of the run")


def test_attaching_to_what_is_no_run_is_refused_before_any_screen(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="not a run folder"):
        CvtuiApp(attach=tmp_path)


async def test_a_run_that_ended_is_attached_and_the_form_is_one_key_away(tmp_path: Path) -> None:
    folder = finished_run(tmp_path)
    app = CvtuiApp(recipe=TINY, runs=tmp_path, attach=folder.path, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until_async(lambda: train_screen(app).shows_run, what="the run on the screen")
        assert shown_run(app).folder == folder
        assert train_screen(app).form_view is None
        await pilot.press("n")
        await wait_until_async(lambda: not train_screen(app).shows_run, what="the form")
        form_view = train_screen(app).form_view
        assert form_view is not None
        await ready(app)
        assert form_view.validation.recipe == TINY


@pytest.mark.long
async def test_the_warm_process_ends_with_a_session_that_starts_nothing(tmp_path: Path) -> None:
    app = CvtuiApp(runs=tmp_path)
    process: subprocess.Popen[bytes] | None = None
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app)
        form_view = train_screen(app).form_view
        assert form_view is not None
        await wait_until_async(lambda: form_view.engine.state != "off", what="the warm process")
        process = form_view.engine._process
        assert process is not None
        await pilot.press("q")
    wait_until(lambda: process.poll() is not None, what="its end")
    assert not list_runs(tmp_path)


async def test_a_folder_that_can_not_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    app = CvtuiApp(recipe=TINY, runs=tmp_path / "runs", prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app)
        await pilot.press("ctrl+r")
        await wait_until_async(lambda: len(app._notifications) > 0, what="the message")
        (said,) = list(app._notifications)
        assert "is no folder" in said.message
        assert not train_screen(app).shows_run
