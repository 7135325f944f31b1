"""A training process that is started before its run is known."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cvtui.runlog.early_process import EarlyProcess
from cvtui.runlog.worker_process import worker_threads
from tests.engine import making

posix = pytest.mark.skipif(sys.platform == "win32", reason="files can't be handed to another process there")


@posix
def test_it_trains_the_run_that_it_is_told_and_is_alive_from_then_on(tmp_path: Path) -> None:
    folder = making.folder(tmp_path, "run", epochs=1, net="fc", threads=0)
    with EarlyProcess() as early:
        process = early.train(folder, [])
        assert process is not None
        assert folder.alive()
        assert early.train(folder, []) is None, "it has one already"
    assert process.wait(60) == 0
    assert not folder.alive()
    history = making.history(folder)
    assert history.end is not None
    assert history.end.status == "finished"


@posix
def test_without_a_run_it_is_gone() -> None:
    with EarlyProcess() as early:
        process = early._process
        assert process is not None
    assert process.returncode is not None

    # Where nobody can kill it, it ends with the socket.
    ours, theirs = socket.socketpair()
    ours.close()
    script = "from cvtui.runlog.early_process import wait_for_run; print(wait_for_run())"
    with theirs:
        told = subprocess.check_output([sys.executable, "-c", script], stdin=theirs.fileno(), text=True)
    assert told == "[]\n"


@posix
def test_not_for_a_recipe_that_names_its_threads(tmp_path: Path) -> None:
    """OpenMP reads their number before PyTorch loads."""
    folder = making.folder(tmp_path, "run", threads=worker_threads(0) + 1)
    with EarlyProcess() as early:
        assert early.train(folder, []) is None
    assert not folder.alive()


@posix
def test_a_pytorch_that_does_not_load_is_told_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/torch.py").write_text("raise OSError('libgomp is missing')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "broken"), *sys.path]))
    folder = making.folder(tmp_path, "run", threads=0)
    with EarlyProcess() as early:
        process = early.train(folder, [])
        assert process is not None
        assert process.wait(60) == 1
    assert folder.log.read_text(encoding="utf-8").endswith("OSError: libgomp is missing\n")
