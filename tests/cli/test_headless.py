"""`cvtui --no-ui`: real runs of a tiny recipe, from the command line to the run folder."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import load
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.cli.running import TINY, command, cvtui, environment, start, within
from tests.cli.terminal import Terminal, plain
from tests.waiting import wait_until

pytestmark = pytest.mark.torch

ENDLESS = ("--no-ui", *TINY, "--epochs", "100000", "--name", "long", "--batch-size", "8")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """One run to its end, in this process: what it said, and where."""
    here = tmp_path_factory.mktemp("headless")
    return within("--no-ui", *TINY, "--name", "one", cwd=here), here


def test_a_run_ends_well_and_json_prints_its_records_exactly_as_logged(tmp_path: Path) -> None:
    # (bfloat16: autocast needs a part of PyTorch that only a process of its own has left out)
    process = cvtui("--no-ui", "--json", *TINY, "--name", "one", "--precision", "bfloat16", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    history = History(RunFolder.open(tmp_path / "runs" / "one"))
    history.poll()
    assert history.state() == "finished"
    assert [epoch.epoch for epoch in history.epochs] == [1, 2]
    assert history.steps_done == 2 * math.ceil(1437 / Recipe().batch_size)
    for record in history.checkpoints:
        assert (tmp_path / "runs" / "one" / record.path).is_file()
    assert process.stdout == (tmp_path / "runs" / "one" / "events.jsonl").read_text()
    kinds = [json.loads(line)["type"] for line in process.stdout.splitlines()]
    assert kinds[0] == "run"
    assert kinds[-1] == "end"
    assert {"steps", "epoch", "layers", "checkpoint"} <= set(kinds)


def test_stdout_tells_the_facts_an_aligned_line_per_epoch_and_the_result(
    done: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    process, here = done
    history = History(RunFolder.open(here / "runs" / "one"))
    history.poll()
    out = process.stdout
    assert "1,437 + 360 images 8x8x1, 10 classes" in out
    assert "(ln 10)" in out
    assert f"{64 * 8 + 8 + 8 * 10 + 10:,} parameters" in out  # fc8-relu-fc on 64 inputs, 10 classes
    assert "1 thread;" in out
    assert f"a first loss of {history.steps.loss[0]:.4g} with these weights" in out
    lines = [line for line in out.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 2
    for line, epoch in zip(lines, history.epochs, strict=True):
        assert f"val {100 * (epoch.val_accuracy or 0):5.2f} %" in line
        assert f"loss {epoch.train_loss:.4f} val {epoch.val_loss:.4f}" in line
    assert len({line.index("accuracy") for line in lines}) == 1
    best = max(history.epochs, key=lambda epoch: epoch.val_accuracy or 0)
    assert f"best validation accuracy {100 * (best.val_accuracy or 0):5.2f} % in epoch {best.epoch}" in out
    assert "checkpoints/best.pt" in out


def test_stderr_has_the_talk_and_no_bar_where_there_is_no_terminal(
    done: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    assert done[0].stderr.splitlines() == ["starting PyTorch …"]
    assert "\x1b" not in done[0].stdout


@pytest.mark.long
def test_the_folders_recipe_repeats_the_run(done: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, here = done
    recipe = load(here / "runs" / "one" / "recipe.toml")
    assert recipe == Recipe(net="fc8-relu-fc", epochs=2, threads=1, device="cpu", name="one")
    again = cvtui("runs/one/recipe.toml", "--no-ui", cwd=here)
    assert again.returncode == 0, again.stderr
    first, second = (losses(here / "runs" / name) for name in ("one", "one-2"))
    assert first == second


@pytest.mark.long
def test_quiet_says_only_the_result(tmp_path: Path) -> None:
    process = cvtui("--no-ui", "--quiet", *TINY, cwd=tmp_path)
    assert process.stderr == ""
    assert process.stdout.count("\n") == 2
    assert process.stdout.startswith(f"finished after {2 * math.ceil(1437 / Recipe().batch_size)} steps")


@pytest.mark.usefixtures("forks")
def test_on_a_terminal_a_bar_with_the_time_left_is_drawn_on_stderr(tmp_path: Path) -> None:
    with open(tmp_path / "out", "w") as stdout:
        terminal = Terminal("--no-ui", *TINY, "--epochs", "12", cwd=tmp_path, stdout=stdout)
    with terminal:
        assert terminal.end(60) == 0
    out = (tmp_path / "out").read_text()
    assert "starting PyTorch" in terminal.said
    assert re.search(r"epoch \d+/12 .*\d+ %.*\d s left", plain(terminal.said))
    assert out.count("\nepoch ") == 12
    assert "left" not in out
    assert "\x1b" not in out


@pytest.mark.long
def test_commands_of_others_are_told(tmp_path: Path) -> None:
    process = start(*ENDLESS, cwd=tmp_path)
    folder = RunFolder(tmp_path / "runs" / "long")
    training(folder)
    folder.send(Command(command="set_lr", value=0.001, time=0.0))
    folder.send(Command(command="stop", time=0.0))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert re.search(r"^step [\d,]+: .*0\.001", out, re.MULTILINE)
    assert "\nstopped after" in out


@pytest.mark.long
def test_sigterm_stops_it_with_a_checkpoint(tmp_path: Path) -> None:
    process = start(*ENDLESS, cwd=tmp_path)
    folder = RunFolder(tmp_path / "runs" / "long")
    training(folder)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "Traceback" not in err
    assert "stopping: a checkpoint is saved" in err
    history = History(folder)
    history.poll()
    assert history.state() == "stopped"
    assert (folder.checkpoints / "last.pt").is_file()
    assert not folder.alive()


@pytest.mark.usefixtures("forks")
def test_ctrl_c_on_a_terminal_reaches_the_worker_once(tmp_path: Path) -> None:
    """The terminal sends SIGINT to the whole foreground group; a worker that got two of them would not save."""
    with Terminal(*ENDLESS, cwd=tmp_path) as terminal:
        folder = RunFolder(tmp_path / "runs" / "long")
        training(folder)
        terminal.type("\x03")
        assert terminal.end(60) == 130
        assert (folder.checkpoints / "last.pt").is_file()
        history = History(folder)
        history.poll()
        assert history.state() == "stopped"
        assert "Traceback" not in terminal.said


@pytest.mark.long
def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    process = start(*ENDLESS, cwd=tmp_path)
    folder = RunFolder(tmp_path / "runs" / "long")
    training(folder)
    os.kill(worker_of(process.pid), signal.SIGSTOP)  # a worker that hears nothing
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    said = [process.stderr.readline(), process.stderr.readline()]
    assert said[1].startswith("stopping: a checkpoint is saved"), said  # taken: the next is another one
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "stopping at once" in err
    assert not folder.alive()


@pytest.mark.usefixtures("forks")
def test_a_worker_that_is_killed_is_told_with_its_last_words(tmp_path: Path) -> None:
    process = start(*ENDLESS, cwd=tmp_path)
    folder = RunFolder(tmp_path / "runs" / "long")
    training(folder)
    with open(folder.log, "a") as log:
        log.write("the last words\x1b[2J\n")
    os.kill(worker_of(process.pid), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "  | the last words\ufffd[2J" in err
    assert "killed by signal 9" in err
    assert "worker.log" in err


@pytest.mark.long
def test_a_diverged_run_exits_with_1_and_says_where(tmp_path: Path) -> None:
    process = cvtui("--no-ui", *TINY, "--preprocess", "none", "--optimizer", "sgd", "--lr", "1e30", cwd=tmp_path)
    assert process.returncode == 1
    assert re.search(r"^cvtui: diverged at step \d+", process.stderr, re.MULTILINE)
    assert "Traceback" not in process.stderr


def test_a_closed_pipe_ends_the_run(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", '"$@" | head -1; exit "${PIPESTATUS[0]}"', "bash", *command(*ENDLESS, "--json")],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 141
    assert json.loads(done.stdout)["type"] == "run"
    assert "Traceback" not in done.stderr
    assert not RunFolder(tmp_path / "runs" / "long").alive()


def test_runs_lists_what_there_is(done: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, here = done
    (entry,) = [
        entry
        for entry in map(json.loads, within("runs", "--json", cwd=here).stdout.splitlines())
        if entry["name"] == "one"
    ]
    assert (entry["state"], entry["epochs"], entry["epochs_asked"], entry["data"]) == ("finished", 2, 2, "digits")
    table = within("runs", cwd=here).stdout
    assert re.search(rf"^one +finished +2/2 +{100 * entry['best_val_accuracy']:.2f} %", table, re.MULTILINE)


def losses(folder: Path) -> bytes:
    """Every training loss of a run, bit for bit."""
    history = History(RunFolder.open(folder))
    history.poll()
    assert history.steps_done
    return history.steps.loss.tobytes()


def training(folder: RunFolder) -> None:
    """Wait until steps are done."""
    history = History(folder)
    wait_until(lambda: history.poll() and history.steps_done > 0, 60, "the first steps")


def worker_of(parent: int) -> int:
    """Return the process id of the one child of `parent`."""
    (child,) = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return int(child)


def test_what_only_pytorch_can_refuse_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import nowhere_at_all")
    found = within("--no-ui", *TINY, "--net", "mine:build", "--name", "free", cwd=tmp_path)
    assert found.returncode == 2
    assert found.stderr.splitlines()[-1] == "cvtui: mine:build: there is no module 'nowhere_at_all'"
    assert "folder" not in found.stdout
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.long
def test_a_sweep_keeps_no_folder_of_what_only_pytorch_can_refuse(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import nowhere_at_all")
    found = cvtui("sweep", *TINY, "--net", "mine:build,fc", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert "it never began, and keeps no folder: mine:build: there is no module 'nowhere_at_all'" in found.stderr
    (left,) = (tmp_path / "runs").iterdir()
    assert '"fc"' in (left / "recipe.toml").read_text()
    found = cvtui("sweep", *TINY, "--net", "mine:build", "--lr", "0.1,0.2", cwd=tmp_path)
    assert found.returncode == 2
    assert found.stderr.splitlines()[-1].startswith("cvtui: sweep: no run could be trained: mine:build")
    assert list((tmp_path / "runs").iterdir()) == [left]
    found = cvtui("lottery", *TINY, "--device", "cuda", cwd=tmp_path)
    assert found.returncode == 2
    assert found.stderr.splitlines()[-1].startswith("cvtui: lottery: the dense net could not be trained: device")
