"""SIGTERM and SIGINT at every moment of a run: a checkpoint of that step, and the exit code that tells the signal."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cvtui.engine.train import checkpoint
from cvtui.runlog.events import RunEnded
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.engine.making import finish, folder, records, start
from tests.waiting import wait_until

pytestmark = pytest.mark.long  # real processes, a minute: `pytest -m long`

LARGE = {"net": "fc2048-relu-fc2048-relu-fc2048-relu-fc", "batch_size": 1437, "epochs": 10_000, "watch_every": 0}
"""One step an epoch, and a checkpoint of 100 MB after each: most of the time is spent saving."""
LONG_LOOK = {"net": "[conv64-relu]*2-conv64-relu-fc", "batch_size": 1437, "epochs": 10_000, "watch_every": 0}
"""One step an epoch."""


def spinning(condition: Callable[[], Any], process: subprocess.Popen[bytes]) -> None:
    """Wait without sleeping: what is waited for may last a few milliseconds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline


def loading(run: RunFolder) -> Callable[[], Any]:
    return lambda: run.alive() and not run.events.exists()


def saving(run: RunFolder) -> Callable[[], Any]:
    return lambda: any(run.checkpoints.glob(".*.part"))


def evaluating(run: RunFolder) -> Callable[[], Any]:
    """Return the condition that the steps of an epoch are in the log, its record is not."""
    history = History(run)
    return lambda: history.poll() and history.steps_done > len(history.epochs)


MOMENTS = [
    ("loading", loading, {"data": "shapes", "net": "fc", "epochs": 10_000}),
    ("saving", saving, LARGE),
    ("evaluating", evaluating, LONG_LOOK),
]


SHORT = [("loading", signal.SIGINT), ("saving", signal.SIGTERM)]
CASES = [
    pytest.param(*moment, number, marks=[] if (moment[0], number) in SHORT else pytest.mark.long)
    for moment in MOMENTS
    for number in (signal.SIGINT, signal.SIGTERM)
]


@pytest.mark.parametrize(("moment", "at", "fields", "number"), CASES)
def test_a_signal_at_any_moment_saves_this_step(
    tmp_path: Path, moment: str, at: Any, fields: dict[str, Any], number: signal.Signals
) -> None:
    run = folder(tmp_path, **fields)
    process = start(run)
    try:
        spinning(at(run), process)
        process.send_signal(number)
        assert finish(process) == (128 + number, "", "")
    finally:
        process.kill()
    end = records(run)[-1]
    assert isinstance(end, RunEnded)
    assert (end.status, end.reason) == ("stopped", f"stopped by {number.name}")
    state = checkpoint.load(run.checkpoints / "last.pt")
    assert state["step"] == end.step
    history = History(run)
    history.poll()
    assert history.steps_done == end.step
    assert (end.step == 0) == (moment == "loading")
    assert not list(run.checkpoints.glob(".*"))


@pytest.mark.parametrize(
    ("_moment", "at", "fields"),
    [pytest.param(*moment, marks=[] if moment[0] == "saving" else pytest.mark.long) for moment in MOMENTS],
)
def test_a_second_signal_ends_it_at_once(tmp_path: Path, _moment: str, at: Any, fields: dict[str, Any]) -> None:
    run = folder(tmp_path, **fields)
    process = start(run)
    try:
        spinning(at(run), process)
        process.send_signal(signal.SIGSTOP)  # so that the first is still being obeyed when the second comes
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        begun = time.monotonic()
        while process.poll() is None and time.monotonic() < begun + 90:
            time.sleep(0.55)  # further apart than one ctrl+c that comes twice
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143
    finally:
        process.kill()
        process.communicate()
    for path in run.checkpoints.glob("*.pt"):
        assert checkpoint.is_whole(path)


def test_sighup_means_nothing(tmp_path: Path) -> None:
    run = folder(tmp_path, epochs=60)
    process = start(run)
    try:
        history = History(run)
        wait_until(lambda: history.poll() and history.steps_done, what="the first steps")
        process.send_signal(signal.SIGHUP)
        assert finish(process)[0] == 0
    finally:
        process.kill()


KILLS = 40


def test_killed_in_a_tight_loop_of_saves_the_newest_checkpoint_always_loads(tmp_path: Path) -> None:
    """40 times SIGKILL at a random moment while checkpoints of 1 MB are written as fast as the disk takes them.

    Whatever was reported as saved is there afterwards: never a step back.
    """
    chance = random.Random(0)
    place = tmp_path / "checkpoints"
    place.mkdir()
    host = subprocess.Popen(
        [sys.executable, "-c", SAVER, str(place)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert host.stdout is not None
    assert host.stdin is not None
    newest = 0
    try:
        for number in range(KILLS):
            host.stdin.write(f"{newest}\n")
            host.stdin.flush()
            pid = int(host.stdout.readline())
            told = newest
            for _ in range(chance.randrange(1, 12)):
                told = int(host.stdout.readline())
            time.sleep(chance.random() * 0.01)
            os.kill(pid, signal.SIGKILL)
            while (line := host.stdout.readline()) != "dead\n":
                told = int(line)
            state = checkpoint.load(place / "last.pt")
            assert state["step"] >= told, f"after kill {number}, what was reported as saved is there"
            assert checkpoint.is_whole(place / "last-1.pt")
            newest = state["step"]
    finally:
        host.kill()
        host.communicate()
    assert newest > KILLS
    checkpoint.clear_parts(place)
    assert sorted(path.name for path in place.iterdir()) == ["last-1.pt", "last.pt"]


SAVER = """
import os, sys
from pathlib import Path
import torch
from cvtui.engine.train import checkpoint
folder = Path(sys.argv[1])
last = folder / "last.pt"
weights = torch.randn(256, 1024)
for line in sys.stdin:
    pid = os.fork()  # torch is loaded once for all that are killed
    if pid:
        os.waitpid(pid, 0)
        os.write(1, b"dead\\n")
        continue
    os.write(1, b"%d\\n" % os.getpid())
    step = int(line)
    while True:
        step += 1
        if last.exists():
            checkpoint.link(last, folder / "last-1.pt")
        checkpoint.save({"model": {"w": weights}, "step": step}, last)
        os.write(1, b"%d\\n" % step)
"""
