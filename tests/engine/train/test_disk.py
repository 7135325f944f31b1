"""A disk that is full, read-only or gone while a real process trains: it goes on, says so, and writes again."""

from __future__ import annotations

import contextlib
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from cvtui.engine.train import checkpoint
from cvtui.runlog.events import Log, RunEnded, RunStarted
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.engine.making import finish, folder, records, start
from tests.waiting import wait_until


class Running:
    """An engine on a folder, ended with the test; `history` is polled by `wait`."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.history = History(run)
        self.process = start(run)
        self.wait(lambda: self.history.checkpoints, "a checkpoint")

    def wait(self, condition: Any, what: str) -> None:
        def true() -> bool:
            self.history.poll()
            return bool(condition())

        wait_until(true, 60, what)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return finish(self.process)[0]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    found = Running(folder(tmp_path, epochs=100_000, watch_every=0))
    yield found
    found.process.kill()
    found.process.communicate()


def assert_whole(run: RunFolder, first: int = 0) -> History:
    """Every step from `first` to the end is in the log, each once."""
    history = History(run)
    history.poll()
    assert history.skipped == 0
    assert history.end is not None
    assert (history.steps.first, history.steps.end) == (first, history.end.step)
    assert not np.isnan(history.steps.loss).any()
    return history


@pytest.mark.long
def test_a_full_disk_is_said_and_nothing_is_lost(running: Running) -> None:
    """RLIMIT_FSIZE, set on the living process: no file may grow any more, as on a full disk."""
    run, process = running.run, running.process
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
    running.wait(lambda: running.history.trouble, "the trouble on the screen")
    assert "waits in memory" in running.history.trouble
    assert running.history.state() == "running"
    kept = checkpoint.load(run.checkpoints / "last.pt")["step"]
    assert kept > 0, "the last good checkpoint stays"
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    done = running.history.steps_done
    running.wait(lambda: running.history.steps_done > done and not running.history.trouble, "steps after the trouble")
    running.wait(lambda: any("nothing was lost" in log.text for log in running.history.logs), "the word about it")
    assert running.end() == 143
    history = assert_whole(run)
    assert checkpoint.load(run.checkpoints / "last.pt")["step"] == history.steps_done > kept


@pytest.mark.long
def test_a_full_disk_to_the_end_is_no_silent_success(tmp_path: Path) -> None:
    """The limit allows the log and forbids checkpoints."""
    run = folder(tmp_path, epochs=2, net="fc1024-relu-fc512-relu-fc", batch_size=1437)
    process = start(run, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)))
    code, out, err = finish(process)
    assert (code, out) == (1, "")
    end = records(run)[-1]
    assert isinstance(end, RunEnded)
    assert "the last checkpoint could not be written: File too large" in end.reason
    assert "there is no best.pt" in end.reason
    assert end.missing in err
    errors = [record.text for record in records(run) if isinstance(record, Log) and record.level == "error"]
    assert errors == ["the checkpoints last.pt, best.pt could not be written: File too large"]
    assert list(run.checkpoints.iterdir()) == [], "nothing half is left"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(place)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("file systems can't be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(path: Path) -> None:
    """Write until there is no room left."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 512)


@pytest.mark.usefixtures("forks")
def test_a_real_file_system_without_room(small_disk: Path) -> None:
    running = Running(folder(small_disk, epochs=100_000, watch_every=0))
    run = running.run
    try:
        filler = small_disk / "filler"
        fill(filler)
        running.wait(lambda: running.history.trouble, "the trouble on the screen")
        wait_until(lambda: checkpoint.is_whole(run.checkpoints / "last.pt"), what="a whole checkpoint")
        filler.unlink()
        done = running.history.steps_done
        running.wait(lambda: running.history.steps_done > done and not running.history.trouble, "steps after it")
        assert running.end() == 143
        history = assert_whole(run)
        assert checkpoint.load(run.checkpoints / "last.pt")["step"] == history.steps_done
    finally:
        running.process.kill()
        running.process.wait()


@pytest.mark.long
def test_a_folder_that_becomes_read_only(small_disk: Path) -> None:
    """A read-only mount on top of the run folder: what is opened from now on is refused (the open log is not)."""
    running = Running(folder(small_disk, epochs=100_000, watch_every=0))
    run = running.run
    try:
        for words in (["--bind", str(run.path)], ["-o", "remount,bind,ro"]):
            if subprocess.run(["mount", *words, str(run.path)], capture_output=True, check=False).returncode:
                pytest.skip("bind mounts are not allowed here")
        running.wait(lambda: any("Read-only" in log.text for log in running.history.logs), "the word in the log")
        assert running.history.state() == "running"
        subprocess.run(["umount", run.path], check=True)
        assert running.end() == 143
        history = assert_whole(run)
        assert history.end is not None
        assert history.end.reason.startswith("stopped by SIGTERM")  # the best epoch may have come while it was refused
        assert "last checkpoint" not in history.end.reason
        assert checkpoint.load(run.checkpoints / "last.pt")["step"] == history.steps_done
    finally:
        subprocess.run(["umount", "-l", run.path], check=False, capture_output=True)
        running.process.kill()
        running.process.wait()


@pytest.mark.long
def test_a_folder_deleted_in_mid_run_comes_back_with_the_weights(running: Running) -> None:
    run = running.run

    def delete() -> bool:
        shutil.rmtree(run.path, ignore_errors=True)
        return not run.path.exists()

    wait_until(delete, what="the folder to be gone")
    running.wait(lambda: running.history.trouble == "the run folder is gone", "the word on the screen")
    before, worker = running.history.steps_done, psutil.Process(running.process.pid)
    begun = worker.cpu_times().user
    wait_until(lambda: worker.cpu_times().user > begun + 0.2, what="steps after that")  # nothing else can be seen
    assert running.end() == 143
    assert isinstance(records(run)[0], RunStarted)
    history = History(run)
    history.poll()
    assert history.end is not None
    assert history.end.status == "stopped"
    assert history.steps_done > before
    told = [log.text for log in history.logs if log.text.startswith("the log could not be written")]
    assert [text.rpartition("; ")[2] for text in told] == ["it was deleted, and begins anew here"]
    assert checkpoint.load(run.checkpoints / "last.pt")["step"] == history.end.step
    assert run.recipe.exists()


@pytest.mark.long
def test_what_a_killed_save_left_is_cleared_at_the_next_start(tmp_path: Path) -> None:
    run = folder(tmp_path, epochs=1)
    for name in (".last.pt.123.part", ".best.pt.9.part"):
        (run.checkpoints / name).write_bytes(b"half")
    assert finish(start(run))[0] == 0
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["best.pt", "last.pt"]
