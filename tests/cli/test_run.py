"""`cvtui run`: the command line is cut at the script's name, and the script's process is as Python's own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cvtui.cli.main import _take_debug
from cvtui.cli.script_words import own_count
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.cli.running import within
from tests.engine.runtime.test_allocator import is_new_glibc

SCRIPT = """
    import argparse, os, sys
    os.environ["OMP_NUM_THREADS"] = "1"
    from cvtui.engine.runtime.fast_start import loading
    with loading():  # 1.7 s less, in which the optimizer loads torch._dynamo, and another one
        import torch
    from torch import nn

    words = argparse.ArgumentParser()
    words.add_argument("--name")
    words.add_argument("--debug", action="store_true")
    words.add_argument("rest", nargs="*")
    asked = words.parse_args()

    def train():
        torch.manual_seed(0)
        model = nn.Linear(4, 2)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        for _ in range(6):
            loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.arange(8) % 2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with open("faults", "a") as file:
            print(faults(), file=file)
        print(asked, sys.argv, sys.path[0], __file__, __name__, __spec__, sys.stdin.read(), model.weight.tolist())
        raise ValueError("mine")

    def faults():
        # Pages that the kernel hands out for what a step of 126 MB frees and the next one takes.
        import ctypes, numpy, resource
        ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: of huge pages there are few
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            kept = [numpy.ones((320, 32, 32, 32), numpy.float32) for _ in range(3)]
            del kept
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    if __name__ == "__main__":
        train()
"""


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["train.py", "--name", "x"], 0),
        (["--name", "x", "train.py", "--debug"], 2),
        (["--doctor", "--ci", "warn", "train.py"], 3),
        (["--runs=r", "--", "train.py"], 1),
        (["--doctor", "-m", "pkg.train", "--doctor"], 3),
        (["-mpkg.train", "-m", "x"], 1),
        (["--name"], 1),
        ([], 0),
    ],
)
def test_options_end_at_the_script(words: list[str], count: int) -> None:
    assert own_count(words) == count


def test_debug_behind_the_script_is_the_scripts() -> None:
    words = ["run", "train.py", "--debug"]
    assert not _take_debug(words)
    assert words == ["run", "train.py", "--debug"]
    assert _take_debug(["run", "--debug", "train.py"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "which script?"),
        (["run", "nowhere.py", "--lr", "1"], "there is no script 'nowhere.py'"),
        (["run", "--name", "a/b", __file__], "--name"),
        (["run", "--nam", "x", __file__], "did you mean '--name'?"),
    ],
)
def test_wrong_requests_are_one_line(words: list[str], said: str, tmp_path: Path) -> None:
    done = within(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.torch
def test_a_scripts_process_is_as_without(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(SCRIPT))
    behind = [script.name, "--name", "theirs", "--debug", "--", "--lr", "1"]
    run = [sys.executable, "-u", "-m", "cvtui", "run", "--name", "mine", *behind]
    alone, watched = (
        subprocess.run(words, cwd=tmp_path, input="typed", capture_output=True, text=True, env=os.environ)
        for words in ([sys.executable, *behind], run)
    )
    assert watched.stdout == alone.stdout
    assert "rest=['--lr', '1']" in watched.stdout
    assert (watched.returncode, alone.returncode) == (1, 1)
    said, trace = watched.stderr.split("\n", 1)
    assert said == "cvtui: watching as mine: cvtui attach mine"
    assert trace == alone.stderr
    if is_new_glibc():  # ResNet-18's steps took a sixth longer, or not, by the chance of what is freed when
        without, kept = map(int, (tmp_path / "faults").read_text().split())
        assert kept < 50 < 1000 < without
    history = History(RunFolder(tmp_path / "runs" / "mine"))
    history.poll()
    assert history.end is not None
    assert (history.state(), history.end.reason, history.steps_done) == ("failed", "ValueError: mine", 6)
