"""A fork in a process's place is one to everybody else: words, files, session, signals, end."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from unittest import mock

import pytest

from cvtui.runlog.history import History
from cvtui.runlog.worker_process import launch
from tests.cli.running import command, cvtui, environment
from tests.engine.making import folder
from tests.leftover import end_processes_in
from tests.waiting import wait_until

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("forks")]
PYTHONS = subprocess.Popen


def test_it_says_what_the_process_says(tmp_path: Path) -> None:
    for words in (("calc", "conv8-fc", "--input", "8x8x1"), ("calc", "conv8-", "--debug"), ("runs", "--json")):
        fork = cvtui(*words, cwd=tmp_path)
        with mock.patch.object(subprocess, "Popen", PYTHONS):
            alone = cvtui(*words, cwd=tmp_path)
        assert (fork.returncode, fork.stdout) == (alone.returncode, alone.stdout)
        assert fork.stderr.splitlines()[-1:] == alone.stderr.splitlines()[-1:]  # of a traceback the last line


def test_it_has_a_session_files_and_signals_of_its_own(tmp_path: Path) -> None:
    kept, closed = os.open(tmp_path, os.O_RDONLY), os.open(tmp_path, os.O_RDONLY)
    run = folder(tmp_path, epochs=100_000)
    process = launch(run, detached=True)
    try:
        found = History(run)
        wait_until(lambda: found.poll() and found.steps_done, what="steps")
        files = Path(f"/proc/{process.pid}/fd")
        assert process.pid != os.getpid() == int(Path(f"/proc/{process.pid}/stat").read_text().split()[3])
        assert os.getsid(process.pid) == process.pid
        assert files.joinpath("0").readlink() == Path(os.devnull)
        assert files.joinpath("2").readlink() == run.log
        assert tmp_path not in [file.readlink() for file in files.iterdir()]
        assert run.alive()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    finally:
        process.kill()
        os.close(kept)
        os.close(closed)


def test_it_ends_by_the_signal_that_it_does_not_take(tmp_path: Path) -> None:
    ready, tell = os.pipe()

    def pause() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored
        os.write(tell, b".")
        signal.pause()

    process = subprocess.Popen(command("calc"), cwd=tmp_path, env=environment(), preexec_fn=pause, pass_fds=[tell])
    try:
        os.read(ready, 1)
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == -signal.SIGHUP
    finally:
        process.kill()
        os.close(ready)
        os.close(tell)


def test_what_a_failed_test_leaves_behind_is_found_though_its_command_line_is_the_tests(tmp_path: Path) -> None:
    process = launch(folder(tmp_path, epochs=100_000), detached=True)
    try:
        end_processes_in(tmp_path)
        assert process.wait(60) == -signal.SIGKILL
    finally:
        process.kill()
