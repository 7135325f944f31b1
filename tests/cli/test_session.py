"""The screen, started from the command line in a real terminal; and trainings that outlive it."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.cli.running import TINY, command, environment, within, without_torch
from tests.cli.terminal import Terminal
from tests.waiting import wait_until

CTRL_Q, CTRL_R = "\x11", "\x12"


def test_file_and_options_fill_the_form_and_quitting_exits_with_0(tmp_path: Path) -> None:
    """It is drawn where stderr goes to a file, which stays empty: a traceback would stand there."""
    (tmp_path / "mine.toml").write_text("lr = 0.03125\n")
    words, path = ("mine.toml", "--batch-size", "77"), without_torch(tmp_path)
    with open(tmp_path / "log", "w") as log, Terminal(*words, cwd=tmp_path, stderr=log, PYTHONPATH=path) as terminal:
        terminal.shows("0.03125")
        terminal.shows("77")
        terminal.type(CTRL_Q)
        assert terminal.end() == 0
    assert (tmp_path / "log").read_text() == ""
    assert not (tmp_path / "runs").exists(), "nothing was started"


def test_it_ends_with_a_terminal_that_sends_no_sighup(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    screen = subprocess.Popen(
        command(),
        cwd=tmp_path,
        env=environment(PYTHONPATH=without_torch(tmp_path)),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    try:
        os.close(theirs)
        said = b""
        while b"Recipe" not in said:
            said += os.read(ours, 65536)
        os.close(ours)
        screen.wait(60)
    finally:
        screen.kill()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[tuple[Terminal, RunFolder, History]]:
    """Session in which a long run was started with ctrl+r; it is stopped at the end."""
    with Terminal(*TINY, "--epochs", "100000", "--batch-size", "8", "--name", "long", cwd=tmp_path) as terminal:
        terminal.shows("fc8-relu-fc")
        terminal.type(CTRL_R)
        folder = RunFolder(tmp_path / "runs" / "long")
        history = History(folder)
        wait_until(lambda: history.poll() and history.steps_done > 0, 60, "the first steps")
        yield terminal, folder, history
    folder.send(Command(command="stop", time=0.0))
    wait_until(lambda: history.poll() and history.end is not None, 60, "the end")


@pytest.mark.torch
@pytest.mark.usefixtures("forks")
@pytest.mark.parametrize("how", [pytest.param("killed", marks=pytest.mark.long), "hung up"])
def test_a_training_outlives_its_screen(started: tuple[Terminal, RunFolder, History], how: str) -> None:
    """A hung-up terminal ends the screen as a kill does, and signals all that belong to it besides."""
    terminal, folder, history = started
    if how == "killed":
        os.kill(terminal.process.pid, signal.SIGKILL)
    else:
        terminal.hang_up()
    terminal.process.wait(60)
    history.poll()
    before = history.steps_done
    wait_until(lambda: history.poll() and history.steps_done > before + 100, 60, "the run to go on")
    assert history.state() == "running"
    assert folder.alive()
    assert "long" in within("runs", cwd=folder.path.parent.parent).stdout
    with Terminal("attach", cwd=folder.path.parent.parent) as again:
        again.shows("long")
        again.shows("running")
        again.type(CTRL_Q)


@pytest.mark.long
def test_leaving_a_run_behind_is_told(started: tuple[Terminal, RunFolder, History]) -> None:
    terminal, folder, _ = started
    terminal.type(CTRL_Q)
    terminal.shows("Keep training")
    terminal.type("q")
    assert terminal.end() == 0
    assert "runs/long is still training; `cvtui attach` shows it again" in terminal.said
    assert folder.alive()
