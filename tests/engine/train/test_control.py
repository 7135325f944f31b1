"""Commands to a run that trains: obeyed within 200 ms, whatever it is doing."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from cvtui.engine.observe.divergence import Diverged
from cvtui.engine.train.checkpoint import load as load_checkpoint
from cvtui.engine.train.control import Signals
from cvtui.engine.train.trainer import Trainer
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.writer import EventWriter
from tests.engine.making import finish, folder, start
from tests.engine.making import training as prepared
from tests.forked import forked
from tests.waiting import wait_until


class Live:
    """An engine at work, and its history."""

    def __init__(self, run: RunFolder, process: subprocess.Popen[bytes]) -> None:
        self.run = run
        self.process = process
        self.history = History(run)
        self.wait(lambda: self.history.steps_done > 0, "the first step")

    def wait(self, condition: object, what: str) -> None:
        def true() -> bool:
            self.history.poll()
            return bool(condition())  # type: ignore[operator]

        wait_until(true, what=what)

    def send(self, command: str, value: float | None = None) -> float:
        """Send a command and wait until the log says that it was obeyed.

        Returns the seconds that took, by the records' clocks.
        """
        count = len(self.history.commands)
        now = time.time()
        self.run.send(Command(command=command, time=now, value=value))  # type: ignore[arg-type]
        self.wait(lambda: len(self.history.commands) > count, f"{command} in the log")
        return self.history.commands[-1].time - now


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    run = folder(tmp_path, epochs=100_000, schedule="constant", lr=0.01)
    with forked():
        process = start(run)
    try:
        yield Live(run, process)
    finally:
        process.kill()
        process.communicate()


PROMISE = 0.2
SHARED = 0.5
"""The tests' machine is shared: a process may wait so long for its core."""


def test_pause_resume_rate_save_and_stop(live: Live) -> None:
    assert live.send("pause") < PROMISE + SHARED
    at = live.history.commands[-1].step
    live.send("look", 7)  # also while it stands still
    assert live.history.commands[-1].words == "feature maps of validation image 7"
    assert (live.history.pictures[-1].image, live.history.pictures[-1].step) == (7, at)
    assert live.history.steps_done == at, "everything up to the pause is in the log"
    assert live.history.state() == "paused"

    assert live.send("set_lr", 0.001) < PROMISE + SHARED
    assert live.history.commands[-1].words == "rate 0.01 → 0.001"
    assert live.send("save") < PROMISE + SHARED
    live.wait(lambda: any(c.reason == "asked" for c in live.history.checkpoints), "the checkpoint")
    asked = next(c for c in live.history.checkpoints if c.reason == "asked")
    assert load_checkpoint(live.run.path / asked.path)["step"] == asked.step == at
    assert live.history.steps_done == at, "nothing was trained while it was paused"

    live.send("resume")
    live.wait(lambda: live.history.steps_done > at + 5, "steps after the pause")
    assert live.history.state() == "running"
    assert set(live.history.steps.lr[:at].tolist()) == {0.01}
    assert set(live.history.steps.lr[at:].tolist()) == {0.001}
    assert live.history.steps.seconds[at] - live.history.steps.seconds[at - 1] < 1.0 + SHARED, "pauses don't count"

    assert live.send("stop") < PROMISE + SHARED
    code, out, err = finish(live.process)
    assert (code, out, err) == (0, "", "")
    live.wait(lambda: live.history.end is not None, "the end")
    assert live.history.end is not None
    assert live.history.end.status == "stopped"
    assert load_checkpoint(live.run.checkpoints / "last.pt")["step"] == live.history.end.step


@pytest.mark.long
def test_stop_works_in_a_pause_and_the_commands_before_the_start_count(tmp_path: Path) -> None:
    run = folder(tmp_path, epochs=100_000)
    run.send(Command(command="set_lr", time=0.0, value=0.003))
    run.send(Command(command="pause", time=0.0))
    process = start(run)
    try:
        found = History(run)
        wait_until(lambda: found.poll() and len(found.commands) == 2, what="both commands")
        run.send(Command(command="stop", time=0.0))
        assert finish(process)[0] == 0
    finally:
        process.kill()
    found.poll()
    assert [command.command for command in found.commands] == ["set_lr", "pause", "stop"]
    assert found.end is not None
    assert (found.end.status, found.end.step) == ("stopped", 0)


def test_a_loss_that_ends_the_run_ends_it_at_a_look_too(tmp_path: Path) -> None:
    """The step is not in the log yet when the look is asked for: its end is not a failed look's."""
    run = folder(tmp_path)
    training = prepared(on_nan="stop(1)")
    with EventWriter(run) as writer:
        trainer = Trainer(training, run, writer, Signals())
        trainer.recorder.step(0.01, torch.tensor(math.nan))
        run.send(Command(command="look", time=time.time(), value=0))
        with pytest.raises(Diverged, match="the loss was NaN at step 0"):
            trainer.control.apply_pending()
        trainer.close()
