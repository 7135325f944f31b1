"""SIGTERM under `cvtui run`: the run's end is written, the process dies of it, and a script's own handler stays."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from cvtui.engine.observe.recorder import StepRecorder
from tests.engine.run_script import scripts
from tests.engine.run_script.test_watcher import history, run

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def as_at_the_start() -> Iterator[None]:
    """Give SIGTERM its default: a test runner's worker has a handler of its own."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def died(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Signals that the handler has sent to this process, in place of them."""
    sent: list[int] = []
    monkeypatch.setattr("cvtui.engine.run_script.sigterm.os.kill", lambda _process, number: sent.append(number))
    return sent


def steps(at: int, then: Callable[[], object]) -> None:
    """Train, and do something after a step."""
    train, _ = scripts.data()
    model = scripts.net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for done, (x, y) in enumerate(DataLoader(train, 8), 1):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        if done == at:
            then()


def test_the_end_is_written_with_all_steps_and_the_process_dies_of_it(tmp_path: Path, died: list[int]) -> None:
    run(lambda: steps(3, lambda: signal.raise_signal(signal.SIGTERM)), tmp_path)
    found = history(tmp_path / "s")
    assert died == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert found.end is not None
    assert (found.state(), found.end.reason, found.end.step) == ("stopped", "stopped by SIGTERM", 3)
    assert len(found.steps) == 3


def test_in_the_middle_of_a_record_the_end_is_appended(
    tmp_path: Path, died: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flush that it interrupts is not done again within itself."""
    flush = StepRecorder._flush

    def interrupted(self: StepRecorder) -> None:
        if self.training.step == 3 and not died:
            signal.raise_signal(signal.SIGTERM)
            monkeypatch.setattr(StepRecorder, "_flush", lambda _self: None)  # the process would be gone
        flush(self)

    monkeypatch.setattr(StepRecorder, "_flush", interrupted)
    monkeypatch.setattr("cvtui.engine.observe.recorder.FLUSH_STEPS", 1)
    with pytest.raises(ZeroDivisionError):
        run(lambda: steps(3, lambda: 1 // 0), tmp_path)
    assert died == [signal.SIGTERM]
    written = (tmp_path / "s" / "events.jsonl").read_bytes().splitlines()
    ends = [line for line in written if line.startswith(b'{"type":"end"')]
    assert b"stopped by SIGTERM" in ends[0]


@pytest.mark.parametrize("when", ["before", "in mid-run"])
def test_a_handler_of_the_script_is_left_alone(tmp_path: Path, died: list[int], when: str) -> None:
    came: list[Any] = []

    def handle(number: int, _frame: object) -> None:
        came.append(number)

    def script() -> None:
        if when == "before":
            signal.signal(signal.SIGTERM, handle)
        steps(2, lambda: signal.signal(signal.SIGTERM, handle))
        signal.raise_signal(signal.SIGTERM)

    run(script, tmp_path)
    assert (came, died) == ([signal.SIGTERM], [])
    assert signal.getsignal(signal.SIGTERM) is handle
    assert history(tmp_path / "s").state() == "finished"


def test_a_forked_process_dies_of_it_as_ever(tmp_path: Path) -> None:
    codes: list[int | None] = []

    def fork() -> None:
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        child.start()
        child.terminate()  # at once: it may come before the child runs any line of Python
        child.join()
        codes.append(child.exitcode)

    run(lambda: steps(2, fork), tmp_path)
    assert codes == [-signal.SIGTERM]
    assert history(tmp_path / "s").state() == "finished"


SCRIPT = """
import torch
model = torch.nn.Linear(4, 3)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
number = 0
while True:
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.randint(3, (8,))).backward()
    optimizer.step()
    number += 1
    if number == 50:
        print("ready", flush=True)
"""


@pytest.mark.long
def test_a_real_process(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    words = [sys.executable, "-m", "cvtui", "run", "--name", "s", "--runs", str(tmp_path), str(tmp_path / "script.py")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=os.environ.copy()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        assert process.wait(60) == -signal.SIGTERM
    found = history(tmp_path / "s")
    assert found.end is not None
    assert (found.state(), found.end.reason) == ("stopped", "stopped by SIGTERM")
