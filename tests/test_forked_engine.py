"""Forks instead of started engines: only where they are the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvtui.own_python import own_module
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.worker_process import worker_environment
from tests.forked_engine import engine_words, forked_engines

torch = pytest.importorskip("torch")
ONE, TWO = worker_environment(1), worker_environment(2)


def test_only_engines_on_one_thread_are_forked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch._dynamo.eval_frame", raising=False)  # as where nothing was compiled
    one, two, free = (
        str(RunFolder.create(tmp_path, f"run-{threads}", dumps(Recipe(threads=threads))).path) for threads in (1, 2, 0)
    )
    assert engine_words(own_module("cvtui.engine", one, "--resume"), ONE) == [one, "--resume"]
    assert engine_words(own_module("cvtui.engine", free, "--look", "3"), ONE) == [free, "--look", "3"]
    for words, env in (
        (own_module("cvtui.engine", one), TWO),
        (own_module("cvtui.engine", two), ONE),
        (own_module("cvtui.engine", free), ONE),  # it may take several
        (own_module("cvtui.engine", "--warm"), ONE),
        (own_module("cvtui", "runs"), ONE),
        (["python3", "-m", "cvtui.engine", one], ONE),
    ):
        assert engine_words(words, env) is None, words


def test_it_has_streams_a_code_and_an_environment_of_its_own(tmp_path: Path) -> None:
    """And what the test has open stays the test's: the pipe ends although the fork was made while it was open."""
    reading, writing = os.pipe()
    words = own_module("cvtui.engine", "--facts", "nowhere_at_all:make", "", "0.2")
    with forked_engines():
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
        wrong = subprocess.Popen(own_module("cvtui.engine", "--predict"), env=ONE, stdin=subprocess.PIPE, stderr=-1)
        os.close(writing)
        assert os.read(reading, 1) == b"", "nobody else holds its other end"
        assert wrong.poll() is None, "it waits for what it is asked"
        _, told = wrong.communicate(b"no request", timeout=60)
    os.close(reading)
    assert "no module 'nowhere_at_all'" in json.loads(done.stdout.splitlines()[-1])["error"]
    assert (done.returncode, wrong.returncode) == (0, 1), "as of started ones"
    assert told.decode().startswith("DecodeError: JSON is malformed")
