"""Commands as jobs of the screen: asked for by a key, run beside it, with a bar, their output, and cancelled."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click
import pytest
from textual.widgets import Checkbox, Input, Static

from cvtui.cli.registry import COMMANDS, load
from cvtui.job_share import parse_share
from cvtui.recipe.recipe import Recipe
from cvtui.tui.app import CvtuiApp
from cvtui.tui.jobs import job as job_module
from cvtui.tui.jobs.catalog import JOBS, JobSpec
from cvtui.tui.jobs.job import Job
from cvtui.tui.jobs.job_form import JobForm
from cvtui.tui.jobs.job_view import JobView, state_line, wrapped
from cvtui.tui.jobs.leave_modal import LeaveJobsModal
from cvtui.tui.palette import by_name
from tests.tui.written_runs import finished_run
from tests.waiting import wait_until, wait_until_async

TALKER = """
import signal, sys, time
sys.path.insert(0, {root!r})
from cvtui.job_share import tell_share
print("one"); print("two \\x1b[31mred", file=sys.stderr, flush=True)
tell_share(0.25, "epoch 3")
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "wait" in sys.argv or "stubborn" in sys.argv:
    print("ready", flush=True)
    time.sleep(120)
sys.exit(3 if "fail" in sys.argv else 0)
"""
ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def talker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start a small program in place of cvtui: a real process, without its 0.3 s."""
    command = [sys.executable, "-c", TALKER.format(root=ROOT)]
    monkeypatch.setattr(job_module, "own_module", lambda _module, *words: [*command, *words])


@pytest.mark.parametrize("spec", JOBS, ids=lambda spec: spec.name)
def test_each_option_of_a_job_is_one_of_its_command(spec: JobSpec) -> None:
    assert spec.name in COMMANDS
    command = load(spec.name)
    assert command is not None
    known = {flag for parameter in command.params for flag in parameter.opts}
    flags = [option.flag for option in spec.options if option.flag] + list(spec.fixed)
    assert {*flags} <= known
    for option in spec.options:
        found = next((one for one in command.params if option.flag in one.opts), None)
        if isinstance(found, click.Option):
            assert found.is_flag == (option.value is None)


def test_the_export_job_has_all_that_export_writes() -> None:
    command = load("export")
    assert command is not None
    flags = {one.opts[0] for one in command.params if isinstance(one, click.Option)} - {"--runs"}
    missing = flags - {option.flag for option in next(spec for spec in JOBS if spec.name == "export").options}
    assert not missing, f"cvtui/tui/jobs/catalog.py: a JobOption for {missing}"


def test_keys_of_jobs_are_capitals_of_their_own() -> None:
    keys = [spec.key for spec in JOBS]
    assert len({*keys, "T", "J", "S"}) == len(keys) + 3
    assert all(key.isupper() for key in keys)


def test_the_share_is_read_as_it_is_told() -> None:
    assert parse_share(b"0.2500 epoch 3   ") == (0.25, "epoch 3")
    assert parse_share(b"7 x") == (1.0, "x")
    assert parse_share(b"") is None
    assert parse_share(b"half done") is None


@pytest.mark.usefixtures("talker")
def test_a_job_says_its_share_and_its_output_without_escapes() -> None:
    job = Job("t", ["wait"])
    wait_until(lambda: job.share, what="the share")
    assert job.share == (0.25, "epoch 3")
    assert "25%" in state_line(job).plain
    wait_until(lambda: "ready" in job.output, what="its output")
    assert "\x1b" not in job.output
    assert {"one", "ready"} <= {*job.output.splitlines()}
    job.cancel()
    wait_until(lambda: not job.poll(), what="its end")
    assert job.code == -signal.SIGTERM
    assert "cancelled" in state_line(job).plain
    assert "one" in job.output  # also afterwards


@pytest.mark.usefixtures("talker")
def test_one_that_does_not_listen_is_ended_by_the_second_cancel() -> None:
    job = Job("t", ["stubborn"])
    wait_until(lambda: "ready" in job.output, what="it")
    job.cancel()
    assert job.poll()
    job.cancel()
    wait_until(lambda: not job.poll(), what="its end")
    assert job.code == -signal.SIGKILL


@pytest.mark.usefixtures("talker")
def test_a_failure_is_shown_with_its_code() -> None:
    job = Job("t", ["fail"])
    wait_until(lambda: not job.poll(), what="its end")
    assert (job.code, job.ended_well) == (3, False)
    assert "exit code 3" in state_line(job).plain


async def test_an_error_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = CvtuiApp(runs=tmp_path, prewarm=False)
    async with app.run_test(size=(80, 24)):
        job = Job("Export", ["export", "nobody", "--html", "x.html"])
        app.push_screen(JobView(job))
        await wait_until_async(lambda: not job.poll(), what="its end")
        view = app.screen
        assert isinstance(view, JobView)
        await wait_until_async(lambda: "cvtui:" in str(view.query_one("#job-text", Static).content), what="its words")
        lines = str(view.query_one("#job-text", Static).content).splitlines()
        assert " ".join(lines) == job.output.strip()
        box = view.query_one("#job-output")
        await wait_until_async(lambda: box.content_region.width > 0, what="its place")
        width = box.content_region.width
        assert max(map(len, lines)) <= width < len(job.output.strip())
        table = "a" * 200
        assert wrapped(table, 40) == table
        prose = "    best val. accuracy 95.28% · val. loss 0.1771 · 1.1 s"
        assert wrapped(prose, 40) == "    best val. accuracy 95.28% · val.\n    loss 0.1771 · 1.1 s"


async def form_of(app: CvtuiApp) -> JobForm:
    await wait_until_async(lambda: isinstance(app.screen, JobForm) and app.screen.focused, what="the form")
    assert isinstance(app.screen, JobForm)
    return app.screen


async def test_export_by_its_key_writes_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = finished_run(tmp_path / "runs")
    app = CvtuiApp(runs=tmp_path / "runs", attach=folder.path, prewarm=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("X")
        form = await form_of(app)
        assert form.words() == ["--html", "finished.html"]
        form.query_one("#on-1", Checkbox).value = True
        await pilot.pause()
        assert "--svg finished.svg" in str(form.query_one("#job-words", Static).content)
        await pilot.press("space", "space", "enter")  # off and on again
        await wait_until_async(lambda: isinstance(app.screen, JobView), what="the job")
        view = app.screen
        assert isinstance(view, JobView)
        await wait_until_async(lambda: not view.job.running, what="its end")
        assert view.job.ended_well, view.job.output
        assert (tmp_path / "finished.html").stat().st_size > 1000
        assert (tmp_path / "finished.svg").exists()
        await pilot.press("escape")
        assert not isinstance(app.screen, JobView)
        await pilot.press("J")
        await wait_until_async(lambda: isinstance(app.screen, JobView), what="the job again")


@pytest.mark.usefixtures("talker")
async def test_a_job_goes_on_unseen_is_told_and_quitting_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = finished_run(tmp_path / "runs")
    app = CvtuiApp(runs=tmp_path / "runs", attach=folder.path, prewarm=False)
    told: list[str] = []
    async with app.run_test(size=(80, 24)) as pilot:
        app._job_list().start("Sweep", ["wait"])
        await wait_until_async(lambda: isinstance(app.screen, JobView), what="the job")
        await pilot.press("escape")
        await pilot.press("q")
        await wait_until_async(lambda: isinstance(app.screen, LeaveJobsModal), what="the question")
        await pilot.press("n")
        monkeypatch.setattr(app, "notify", lambda message, **_: told.append(message))
        assert app.jobs is not None
        job = app.jobs.jobs[0]
        job.cancel()
        await wait_until_async(lambda: told, what="word of its end")
        assert "cancelled" in told[0]
        assert "J shows it" in told[0]
        app._job_list().start("Sweep", ["wait"])
        second = app.jobs.jobs[1]
        await pilot.press("escape")
        await pilot.press("q")
        await wait_until_async(lambda: isinstance(app.screen, LeaveJobsModal), what="the question")
        await pilot.press("y")
        await wait_until_async(lambda: not app.is_running or not app._running, what="the end")
    wait_until(lambda: not second.poll(), what="the cancelled job")
    assert second.code == -signal.SIGTERM


async def test_the_sweep_takes_the_form_s_recipe_and_typing_chooses_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = CvtuiApp(recipe=Recipe(net="fc8-relu-fc"), runs=tmp_path / "runs", prewarm=False)
    started: list[tuple[list[str], dict[str, bytes]]] = []
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until_async(lambda: app.screen.query("FormView"), what="the form")
        await wait_until_async(lambda: app._recipe_in_view(None) is not None, what="a valid recipe")
        monkeypatch.setattr(app._job_list(), "start", lambda _title, words, files: started.append((words, files)))
        app.action_job("sweep")
        form = await form_of(app)
        field = form.query_one("#value-1", Input)
        # Textual focuses the first field of a new window, before or after us
        await wait_until_async(lambda: field.focus().has_focus, what="the focus")
        await pilot.press("end", "comma", *"zero")
        await wait_until_async(lambda: field.value == "he,xavier,zero", what="what was typed")
        await pilot.pause()
        assert form.query_one("#on-1", Checkbox).value
        assert form.words() == ["--lr", "1e-1,1e-2,1e-3", "--init", "he,xavier,zero"]
        form.query_one("#value-6", Input).value = "--seed '1,2"
        await pilot.pause()
        assert "✗" in str(form.query_one("#job-words", Static).content)
        form.query_one("#value-6", Input).value = "--seed '1,2'"
        await pilot.press("enter")
        await wait_until_async(lambda: started, what="the start")
    words, files = started[0]
    assert words[:4] == ["sweep", "{folder}/recipe.toml", "--runs", str(tmp_path / "runs")]
    assert words[4:] == ["--lr", "1e-1,1e-2,1e-3", "--init", "he,xavier,zero", "--seed", "1,2"]
    assert b'net = "fc8-relu-fc"' in files["recipe.toml"]


async def test_the_palette_has_every_job_which_says_so_without_a_run_and_every_log_of_another_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = CvtuiApp(runs=tmp_path / "runs", prewarm=False)
    said: list[str] = []
    log = tmp_path / "runs" / "lightning_logs" / "version_0"
    log.mkdir(parents=True)
    rows = (f"{step},{1 / (step + 1)},{2 / (step + 1)}" for step in range(60))
    (log / "metrics.csv").write_text("\n".join(["step,train_loss,val_loss", *rows]))
    async with app.run_test(size=(80, 24)) as pilot:
        titles = {command.title for command in app.get_system_commands(app.screen)}
        assert {spec.title for spec in JOBS} <= titles
        monkeypatch.setattr(app, "notify", lambda message, **_: said.append(message))
        app.action_job("export")
        app.action_doctor_test()
        app.action_show_job()
        assert said[0] == "Export: there is no run yet."
        assert len(said) == 3

        await pilot.press("4")
        await wait_until_async(lambda: app.current_mode == "runs" and app.screen.query("#none"), what="the Runs place")
        words = app.screen.query_one("#none", Static)
        await wait_until_async(lambda: "1 log of another program" in str(words.render()), what="that a log is there")
        next(command for command in by_name(app) if command.title == f"Open log {log}").callback()
        await wait_until_async(lambda: isinstance(app.screen, JobView) and not app.screen.job.running, what="its end")
        assert isinstance(app.screen, JobView)
        await wait_until_async(lambda: "Loss" in str(app.screen.query_one("#job-text", Static).render()), what="text")
        assert "no problems found in the curves" in app.screen.job.output
        assert app.screen.query_one("#job-output").scroll_y == 0
        assert "x" not in app.screen.active_bindings, "there is nothing to stop"


def test_a_job_inherits_no_number_that_its_own_children_could_write_to() -> None:
    assert "CVTUI_SHARE" not in os.environ
