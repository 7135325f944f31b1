"""A run on several ranks whose processes are killed, hang, fail, or are asked to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.ranks import read_ranks
from tests.engine.making import folder, history, train
from tests.engine.ranks.jobs import torchrun
from tests.waiting import wait_until

pytestmark = [pytest.mark.torch, pytest.mark.long]

EXACT: dict[str, Any] = {
    "net": "conv4-bn-relu-drop0.3-pool-fc", "augment": "shift(1)", "ema": 0.9, "limit": 333, "batch_size": 32,
    "epochs": 4, "clip": 1.0,
}  # fmt: skip
"""11 steps an epoch."""
ENDLESS: dict[str, Any] = {"net": "conv4-relu-pool-fc", "epochs": 100_000, "batch_size": 64}


def weights(run: RunFolder) -> dict[str, Any]:
    state = torch.load(run.checkpoints / "last.pt", weights_only=True)
    return {**state["model"], **{f"ema.{name}": value for name, value in state["ema"].items()}}


@pytest.mark.parametrize("victim", [0, 1])
def test_after_a_kill_the_run_goes_on_to_the_same_bits(victim: int, tmp_path: Path) -> None:
    whole, killed = folder(tmp_path, "whole", **EXACT), folder(tmp_path, "killed", **EXACT)
    torchrun(tmp_path, [whole], 2)
    torchrun(tmp_path, [killed], 2, restarts=1, DIE=f"{victim} 27")
    one, two = history(whole), history(killed)
    assert two.run is not None
    assert (two.run.ranks["restart"], two.run.step) == (1, 22), "from the checkpoint of the second epoch"
    assert any("torchrun restarted the ranks (restart 1)" in log.text for log in two.logs)
    assert two.end is not None
    assert two.end.status == "finished"
    assert one.steps.loss.tobytes() == two.steps.loss.tobytes()
    assert all(torch.equal(value, weights(killed)[name]) for name, value in weights(whole).items())
    assert {rank.started.restart for rank in read_ranks(killed)} == {1}
    assert all(set(range(22, 44)) <= rank.steps.keys() for rank in read_ranks(killed))


def test_a_kill_at_an_unlucky_moment_is_the_same_run(tmp_path: Path) -> None:
    """In a validation, a checkpoint, the pictures, before the first checkpoint, and while the data is read."""
    whole = folder(tmp_path, "whole", **EXACT)
    torchrun(tmp_path, [whole], 2)
    one = history(whole)
    for number, (moment, victim, calls, step) in enumerate(
        [("validation", 0, 3, 22), ("validation", 1, 3, 22), ("checkpoint", 0, 3, 11), ("pictures", 0, 2, 33),
         ("step", 1, 3, 0), ("data", 0, 1, 0), ("data", 1, 1, 0)]
    ):  # fmt: skip
        killed = folder(tmp_path, f"killed-{number}", **EXACT)
        how = {"DIE": f"{victim} {calls}"} if moment == "step" else {"DIE_IN": f"{moment} {victim} {calls}"}
        torchrun(tmp_path, [killed], 2, restarts=1, **how)
        two = history(killed)
        assert two.run is not None
        assert (two.run.ranks["restart"], two.run.step) == (1, step), moment
        assert one.steps.loss.tobytes() == two.steps.loss.tobytes(), moment
        assert [epoch.val_loss for epoch in one.epochs] == [epoch.val_loss for epoch in two.epochs], moment
        assert {picture.name for picture in one.pictures} == {picture.name for picture in two.pictures}, moment
        assert all(torch.equal(value, weights(killed)[name]) for name, value in weights(whole).items()), moment


def test_a_resume_on_another_number_of_ranks_is_the_same_run(tmp_path: Path) -> None:
    """2 → 1 → 3 ranks, of a run without batch norm and dropout: losses are those of one process."""
    how = {**EXACT, "net": "conv4-relu-pool-fc", "epochs": 6, "schedule": "constant"}
    whole, parts = folder(tmp_path, "whole", **how), folder(tmp_path, "parts", **how)
    assert train(whole)[0] == 0
    stop_in_epoch(parts, 2, lambda: torchrun(tmp_path, [parts], 2))
    stop_in_epoch(parts, 4, lambda: train(parts, resume=True))
    torchrun(tmp_path, [parts], 3, RESUME="1")
    one, three = history(whole), history(parts)
    assert three.end is not None
    assert three.end.status == "finished"
    assert len(three.steps.loss) == 66
    assert np.allclose(one.steps.loss, three.steps.loss, rtol=1e-5, atol=0)
    assert [epoch.confusion for epoch in one.epochs] == [epoch.confusion for epoch in three.epochs]


def stop_in_epoch(run: RunFolder, epochs: int, go_on: Callable[[], object]) -> None:
    """Train to the end of an epoch, and let the recipe ask for the rest afterwards."""
    text = run.recipe.read_text()
    run.recipe.write_text(text.replace("epochs = 6", f"epochs = {epochs}"))
    go_on()
    run.recipe.write_text(text)


class Training:
    """`cvtui --no-ui --nproc 2` on a run that doesn't end by itself."""

    def __init__(self, base: Path, *words: str, **how: Any) -> None:
        options = {**ENDLESS, **how}
        recipe = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cvtui", "--no-ui", "--runs", str(base), "--name", "run", *recipe, *words],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=base,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self.run = RunFolder(base / "run")
        self.history = History(self.run)

    def until(self, condition: Callable[[History], Any], what: str) -> Any:
        def found() -> Any:
            self.history.poll()
            return condition(self.history)

        return wait_until(found, 120.0, what)

    def begin(self, steps: int = 30) -> None:
        """Wait for the first steps of both ranks."""
        self.until(lambda found: found.steps.end > steps, "the first steps")
        wait_until(lambda: len(read_ranks(self.run)) == 2, 60.0, "the files of both ranks")

    def pid(self, rank: int) -> int:
        return read_ranks(self.run)[rank].started.pid

    def agent(self) -> int:
        """Return the number of the process that has started the ranks."""
        return int(Path(f"/proc/{self.pid(1)}/stat").read_text().rpartition(")")[2].split()[1])

    def ended(self) -> tuple[int, str]:
        """(exit code, output) of the command; its log is read to the end."""
        try:
            output, _ = self.process.communicate(timeout=150)
        finally:
            self.process.kill()
        wait_until(lambda: not self.run.alive(), 60.0, "the lock")
        self.history.poll()
        return self.process.returncode, output


def test_commands_reach_all_ranks_at_the_same_step(tmp_path: Path) -> None:
    job = Training(tmp_path, nproc=2)
    job.begin()
    job.run.send(Command(command="pause", time=0.0))
    paused = job.until(lambda found: next((c.step for c in found.commands if c.command == "pause"), 0), "the pause")
    for command in (Command(command="set_lr", time=0.0, value=1e-4), Command(command="save", time=0.0),
                    Command(command="look", time=0.0, value=3), Command(command="resume", time=0.0)):  # fmt: skip
        job.run.send(command)
    job.until(lambda found: found.steps.end > paused + 50, "steps after the pause")
    job.run.send(Command(command="stop", time=0.0))
    code, output = job.ended()
    assert code == 0, output
    done = [(command.command, command.step == paused) for command in job.history.commands]
    assert done[:5] == [(word, True) for word in ("pause", "set_lr", "save", "look", "resume")]
    assert job.history.end is not None
    assert job.history.end.status == "stopped"
    assert (job.run.checkpoints / f"step-{paused:06d}.pt").is_file()
    assert set(job.history.steps.lr[paused:].tolist()) != set(job.history.steps.lr[:paused].tolist())
    assert all(lr <= 1.01e-4 for lr in job.history.steps.lr[paused:])
    state = torch.load(job.run.checkpoints / "last.pt", weights_only=True)
    assert state["step"] == job.history.end.step


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_stops_all_ranks_with_a_checkpoint(number: signal.Signals, tmp_path: Path) -> None:
    job = Training(tmp_path, nproc=2)
    job.begin()
    job.process.send_signal(number)
    code, output = job.ended()
    assert code == 128 + number, output
    assert job.history.end is not None
    assert (job.history.end.status, job.history.end.reason) == ("stopped", f"stopped by {number.name}")
    state = torch.load(job.run.checkpoints / "last.pt", weights_only=True)
    assert state["step"] == job.history.end.step == job.history.steps.end


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_rank_is_named(victim: int, tmp_path: Path) -> None:
    job = Training(tmp_path, nproc=2)
    job.begin()
    os.kill(job.pid(victim), signal.SIGKILL)
    code, output = job.ended()
    assert code == 1
    assert f"rank {victim} was ended by SIGKILL" in output
    assert job.history.end is not None
    assert (job.history.end.status, job.history.end.reason) == ("failed", f"rank {victim} was ended by SIGKILL")


def test_a_killed_rank_comes_back_by_itself(tmp_path: Path) -> None:
    job = Training(tmp_path, nproc=2, max_restarts=1)
    job.begin()
    job.until(lambda found: found.epochs, "a checkpoint")
    os.kill(job.pid(1), signal.SIGKILL)
    job.until(lambda found: found.run is not None and found.run.ranks.get("restart") == 1, "the second life")
    step = job.history.run.step or 0  # type: ignore[union-attr]
    job.until(lambda found: found.steps.end > step + 30, "steps of the second life")
    assert job.run.alive()
    job.run.send(Command(command="stop", time=0.0))
    code, output = job.ended()
    assert code == 0, output
    assert step > 0


def test_a_restart_keeps_the_pause_the_new_rate_and_what_is_asked_meanwhile(tmp_path: Path) -> None:
    job = Training(tmp_path, nproc=2, max_restarts=1)
    job.begin()
    job.run.send(Command(command="pause", time=0.0))
    job.run.send(Command(command="set_lr", time=0.0, value=1e-4))
    job.until(lambda found: len(found.commands) == 2, "the pause and the rate")
    at = job.history.commands[1].step
    os.kill(job.pid(1), signal.SIGKILL)
    wait_until(lambda: not alive(job.pid(0)), 60.0, "the end of the first life")
    job.run.send(Command(command="save", time=0.0))
    job.until(lambda found: found.run is not None and found.run.ranks.get("restart") == 1, "the second life")
    job.until(lambda found: found.commands[-1].command == "save", "what was asked meanwhile")
    assert job.history.run is not None
    assert job.history.run.step == at
    assert [(one.command, one.step) for one in job.history.commands[-2:]] == [("pause", at), ("save", at)]
    job.run.send(Command(command="resume", time=0.0))
    job.until(lambda found: found.steps.end > at + 50, "steps after the pause")
    job.run.send(Command(command="stop", time=0.0))
    code, output = job.ended()
    assert code == 0, output
    assert all(0 < lr <= 1.01e-4 for lr in job.history.steps.lr[at:])


def test_a_killed_agent_leaves_a_run_to_resume_and_no_orphans(tmp_path: Path) -> None:
    job = Training(tmp_path, nproc=2)
    job.begin()
    ranks = [job.pid(0), job.pid(1)]
    second = subprocess.run(
        [sys.executable, "-m", "cvtui.engine", str(job.run.path), "--resume"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 2
    assert "another process trains in" in second.stderr
    os.kill(job.agent(), signal.SIGKILL)
    code, _ = job.ended()
    assert code == 1
    for pid in ranks:
        wait_until(lambda pid=pid: not alive(pid), 60.0, "the ranks to end")  # type: ignore[misc]
    assert job.history.end is not None
    assert job.history.end.reason == "the process that started the ranks (torchrun) is gone"
    step = job.history.end.step
    job.run.recipe.write_text(job.run.recipe.read_text().replace("epochs = 100000", f"epochs = {step // 23 + 2}"))
    done = subprocess.run(
        [sys.executable, "-m", "cvtui", "resume", "--no-ui", "--nproc", "1", str(job.run.path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = history(job.run)
    assert found.run is not None
    assert found.run.step == step
    assert any("nproc 2 → 1" in log.text for log in found.logs)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_rank_that_hangs_is_named(tmp_path: Path) -> None:
    job = Training(tmp_path, nproc=2, rank_timeout="4s")
    job.begin()
    os.kill(job.pid(1), signal.SIGSTOP)
    code, output = job.ended()
    assert code == 1
    assert "rank 1 did not answer for 4s (--rank-timeout)" in output
    assert job.history.end is not None
    assert job.history.end.status == "failed"


def test_a_rank_that_fails_shows_its_own_last_words(tmp_path: Path) -> None:
    """A user's data that only one rank can't read."""
    (tmp_path / "mine.py").write_text(
        "import os, numpy as np\n"
        "class Half:\n"
        "    def __init__(self, count): self.count = count\n"
        "    def __len__(self): return self.count\n"
        "    def __getitem__(self, i):\n"
        "        if os.environ.get('RANK') == '1': raise OSError('the disk of rank 1 is gone')\n"
        "        return np.full((8, 8), 25 * (i % 10), np.uint8), i % 10\n"
        "def data(): return Half(200), Half(50)\n"
    )
    job = Training(tmp_path, "--data", "mine:data", nproc=2)
    code, output = job.ended()
    assert code != 0
    assert "the disk of rank 1 is gone" in output
