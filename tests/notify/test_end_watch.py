"""How a run ends is told: once, in every way that a run can end, and never by more than the run says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from cvtui.notify.end_watch import LOST_POLLS, EndWatch, WatchOrder
from cvtui.notify.hooks import EndHooks
from cvtui.notify.message import EndMessage, message_of
from cvtui.notify.send import run_command, tell
from cvtui.notify.start import log_size, watch_end
from cvtui.runlog.events import CommandApplied, EpochDone, Record, RunEnded
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.run_summary import summary
from cvtui.runlog.writer import EventWriter
from tests.cli.running import TINY, cvtui
from tests.runlog.making import make_folder, started
from tests.waiting import wait_until

MESSAGE = EndMessage("finished", "a finished", "body", {"CVTUI_STATE": "finished", "CVTUI_RUN": "a; rm -rf ~ $(id)"})


def epoch(accuracy: float) -> EpochDone:
    return EpochDone(
        epoch=1, step=20, time=1001.0, seconds=61.0, train_loss=1.0, val_loss=0.9, train_accuracy=0.8,
        val_accuracy=accuracy, images_per_second=9.0,
    )  # fmt: skip


def written(folder: RunFolder, *records: Record) -> None:
    with EventWriter(folder) as writer:
        for record in records:
            writer.write(record)


def test_a_living_run_is_not_told_and_its_end_is_told_once(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    watch = EndWatch(folder)
    with folder.lock():
        written(folder, started(), epoch(0.9722))
        assert watch.poll() is None
        written(folder, RunEnded(time=1002.0, step=20, status="finished"))
        assert watch.poll() is None  # its process is still at it
    message = watch.poll()
    assert watch.over
    assert message is not None
    assert message.title == "run finished"
    assert "97.22" in message.body
    assert message.environment == {
        "CVTUI_STATE": "finished", "CVTUI_RUN": "run", "CVTUI_BEST": "0.9722", "CVTUI_EPOCHS": "1",
        "CVTUI_FOLDER": str(folder.path), "CVTUI_REASON": "",
    }  # fmt: skip


@pytest.mark.parametrize("status", ["stopped", "diverged", "failed"])
def test_every_end_is_told_by_its_state_and_reason(
    tmp_path: Path, status: Literal["stopped", "diverged", "failed"]
) -> None:
    folder = make_folder(tmp_path)
    written(folder, started(), RunEnded(time=1.0, step=3, status=status, reason="why\x1b]0;x\x07"))
    folder.lock().release()
    message = EndWatch(folder).poll()
    assert message is not None
    assert (message.state, message.environment["CVTUI_BEST"]) == (status, "")
    assert "why" in message.body
    assert message.body.isprintable()


def test_a_run_without_an_end_is_lost_after_several_looks(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    written(folder, started())
    folder.lock().release()
    os.utime(folder.lock_file, (1.0, 1.0))
    watch = EndWatch(folder)
    told = [watch.poll() for _ in range(LOST_POLLS)]
    assert told[:-1] == [None] * (LOST_POLLS - 1)
    assert told[-1] is not None
    assert told[-1].state == "lost"
    assert watch.over


def test_a_run_whose_engine_still_loads_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its screen was left meanwhile: no lock, no log, and older than what a fresh engine takes."""
    folder = make_folder(tmp_path)
    os.utime(folder.recipe, (time.time() - 30, time.time() - 30))
    assert [EndWatch(folder).poll() for _ in range(LOST_POLLS)] == [None] * LOST_POLLS
    monkeypatch.setattr("cvtui.notify.end_watch.START_SECONDS", 0.0)
    watch = EndWatch(folder)
    assert [message.state for _ in range(LOST_POLLS) if (message := watch.poll()) is not None] == ["lost"]


def test_the_old_end_of_a_resumed_run_is_not_told(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    written(folder, started(), RunEnded(time=1.0, step=3, status="stopped"))
    size = log_size(folder)
    os.utime(folder.recipe)  # its process may not have come yet
    assert EndWatch(folder, size).poll() is None
    folder.lock().release()
    os.utime(folder.lock_file, (1.0, 1.0))
    died_first = EndWatch(folder, size)
    states = [message.state for _ in range(LOST_POLLS) if (message := died_first.poll()) is not None]
    assert states == ["lost"]
    written(folder, started(), RunEnded(time=2.0, step=9, status="finished"))
    again = EndWatch(folder, size).poll()
    assert again is not None
    assert again.state == "finished"


def test_a_stall_is_told_once_and_a_pause_is_none(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with folder.lock():
        written(folder, started())
        watch = EndWatch(folder, stall=0.0)
        assert watch.poll() is None  # the first look hears the record
        stalled = watch.poll()
        assert stalled is not None
        assert stalled.state == "stalled"
        assert watch.poll() is None
        written(folder, epoch(0.5))
        assert watch.poll() is None
        written(folder, CommandApplied(step=20, time=2.0, command="pause"))
        watch.poll()
        assert [watch.poll() for _ in range(3)] == [None] * 3
        assert not watch.over


def test_a_run_that_was_silent_before_may_be_silent_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    folder = make_folder(tmp_path)
    written(folder, started())
    watch = EndWatch(folder, stall=10.0)
    alive = folder.lock()
    told = []
    for moment, grows in ((0, False), (30, True), (60, False), (110, False), (121, False)):
        clock[0] = float(moment)
        if grows:
            written(folder, epoch(0.5))
        told.append(message.state if (message := watch.poll()) else "")
    alive.release()
    assert told == ["", "", "", "", "stalled"]  # 3 x 30 s after the last word, not 10


def test_a_folder_that_is_gone_ends_the_watch(tmp_path: Path) -> None:
    watch = EndWatch(RunFolder(tmp_path / "gone"))
    assert watch.poll() is None
    assert watch.over


# ---------------------------------------------------------------------- the command


def test_the_command_gets_the_run_as_environment_and_never_as_shell_text(tmp_path: Path) -> None:
    target = tmp_path / "told"
    assert run_command(f'printf %s "$CVTUI_RUN|$CVTUI_STATE" > {target}', MESSAGE, subprocess.DEVNULL, 10.0) == ""
    assert target.read_text() == "a; rm -rf ~ $(id)|finished"


@pytest.mark.parametrize(
    ("command", "seconds", "said"),
    [
        ("exit 3", 60.0, "ended with exit code 3"),
        ("kill -9 $$", 60.0, "was ended by signal 9"),
        ("sleep 120 & wait", 0.2, "was ended after 0.2 s"),
        ("/there/is/none 2>/dev/null", 60.0, "ended with exit code 127"),
    ],
)
def test_a_command_that_fails_or_hangs_is_one_line(command: str, seconds: float, said: str) -> None:
    begun = time.monotonic()
    assert tell(EndHooks(command), MESSAGE, subprocess.DEVNULL, seconds) == [f"--on-end: the command {said}"]
    assert time.monotonic() - begun < 60


# ---------------------------------------------------------------------- real processes

TRAINER = """
import sys, time
from pathlib import Path
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.writer import EventWriter
from tests.runlog.making import started
folder = RunFolder(Path(sys.argv[1]))
with folder.lock(), EventWriter(folder) as writer:
    writer.write(started())
    time.sleep(120)
"""


def test_a_killed_trainer_is_told_by_the_process_beside_it(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    trainer = subprocess.Popen([sys.executable, "-c", TRAINER, str(folder.path)])
    try:
        wait_until(lambda: folder.alive() and folder.events.is_file(), what="the trainer")
        told = tmp_path / "told"
        watching = watch_end(folder, EndHooks(f'echo "$CVTUI_STATE $CVTUI_FOLDER" > {told}; exit 5'))
        assert watching is not None
        os.kill(trainer.pid, signal.SIGKILL)
    finally:
        trainer.kill()
        trainer.wait()
    assert watching.wait(60) == 0
    assert told.read_text() == f"lost {folder.path}\n"
    history = History(folder)
    history.poll()
    assert [record.text for record in history.logs] == ["--on-end: the command ended with exit code 5"]
    assert history.state() == "lost"  # the failure's record changes nothing else


@pytest.mark.torch
@pytest.mark.usefixtures("forks")
def test_a_run_without_the_screen_waits_until_its_end_is_told(tmp_path: Path) -> None:
    told = tmp_path / "told"
    done = cvtui(
        "--no-ui", "--quiet", *TINY, "--name", "a", "--on-end", f'env > {told}; echo "$PWD" >> {told}', cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    run = summary(RunFolder(tmp_path / "runs" / "a"))
    lines = told.read_text().splitlines()
    assert {"CVTUI_STATE=finished", "CVTUI_RUN=a", f"CVTUI_BEST={run.best_val_accuracy:.6g}", str(tmp_path)} <= {*lines}


def test_nothing_is_started_where_nothing_was_asked(tmp_path: Path) -> None:
    assert watch_end(make_folder(tmp_path), EndHooks()) is None


def test_the_order_survives_its_pipe() -> None:
    order = WatchOrder("/a", EndHooks("x", ("json://h/s",)), 7)
    assert msgspec.json.decode(msgspec.json.encode(order), type=WatchOrder) == order


def test_a_log_with_a_failure_of_the_notice_behind_its_end_reads_as_before(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    written(folder, started(), epoch(0.5), RunEnded(time=1.0, step=20, status="finished"))
    before = summary(folder).state
    from cvtui.notify.end_watch import tell_and_log

    tell_and_log(folder, EndHooks("echo out; exit 1"), message_of(summary(folder), "finished"), 5.0)
    assert (before, summary(folder).state) == ("finished", "finished")
    assert "out" in folder.log.read_text()


@pytest.mark.long
@pytest.mark.parametrize(("blurred", "term"), [(True, "xterm-kitty"), (True, "xterm-256color"), (False, "xterm-kitty")])
def test_the_screen_tells_its_terminal_unless_that_has_the_focus(tmp_path: Path, blurred: bool, term: str) -> None:
    from tests.cli.terminal import Terminal

    folder = make_folder(tmp_path)
    trainer = subprocess.Popen([sys.executable, "-c", TRAINER, str(folder.path)])
    try:
        wait_until(lambda: folder.alive() and folder.events.is_file(), what="the trainer")
        with Terminal("attach", str(folder.path), cwd=tmp_path, TERM=term) as screen:
            screen.shows("Loss")
            if blurred:
                screen.type("\x1b[O")
            at = screen.pieces
            trainer.kill()
            screen.shows("lost", since=at)
            notice = "\x1b]99;i=cvtui:d=0;cvtui: run is lost\x1b\\" if term == "xterm-kitty" else "\a"
            if blurred:
                wait_until(lambda: notice in screen.since(at), what="the notification")
            else:
                time.sleep(4)  # three looks at the run, a second each
                assert "\a" not in screen.since(at)
            screen.type("q")
            screen.process.wait(30)
    finally:
        trainer.kill()
        trainer.wait()
