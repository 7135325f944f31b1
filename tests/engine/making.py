"""Small recipes, folders made of them, and engines as real processes, for the tests of the engine."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from torch import Tensor

from cvtui.engine.data.images import Images, Part
from cvtui.engine.observe.layer_watch import LayerWatch
from cvtui.engine.train.control import Signals
from cvtui.engine.train.preparation import prepare
from cvtui.engine.train.state import TrainingState
from cvtui.engine.worker import train_folder
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.recipe.validation import check
from cvtui.runlog.events import AnyRecord, LayerStats
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History

SMALL = "conv4s2-relu-fc"
"""A net whose step takes half a millisecond."""


def recipe(**changes: Any) -> Recipe:
    """Two epochs of SMALL on digits, on one thread."""
    return Recipe(**{"net": SMALL, "epochs": 2, "batch_size": 128, "threads": 1, "device": "cpu", **changes})


def training(**changes: Any) -> TrainingState:
    return prepare(check(recipe(**changes)))


def folder(base: Path, name: str = "run", **changes: Any) -> RunFolder:
    return RunFolder.create(base, name, dumps(recipe(**changes)))


def start(run: RunFolder | str, **options: Any) -> subprocess.Popen[bytes]:
    """`python -m cvtui.engine` on a folder (or with one argument), its output in pipes."""
    argument = str(run.path) if isinstance(run, RunFolder) else run
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "10000"}
    return subprocess.Popen(
        [sys.executable, "-m", "cvtui.engine", argument],
        stdin=options.pop("stdin", subprocess.DEVNULL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        **options,
    )


def finish(process: subprocess.Popen[bytes], timeout: float = 60.0) -> tuple[int, str, str]:
    """(exit code, stdout, stderr)."""
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return process.returncode, out.decode(), err.decode()


def train(run: RunFolder, **how: Any) -> tuple[int, str, str]:
    """Train in this process as `python -m cvtui.engine` does: importing torch again takes 2 s.

    (exit code, stdout, stderr); `how` as for `train_folder` (resume, rate).
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = train_folder(run.path, Signals(), **how)
    return code, out.getvalue(), err.getvalue()


def records(run: RunFolder) -> list[AnyRecord]:
    """Every line of the log, each of which must be a record."""
    decoder = msgspec.json.Decoder(AnyRecord)
    return [decoder.decode(line) for line in run.events.read_bytes().splitlines()]


def pixels_of(part: Part) -> Tensor:
    """Pixels of a part of a data set that lies in memory."""
    assert isinstance(part, Images)
    return part.pixels


def history(run: RunFolder) -> History:
    found = History(run)
    while found.poll():
        pass
    return found


@contextlib.contextmanager
def one_step(watch: LayerWatch, step: int) -> Iterator[None]:
    """`begin` and `end` around one training step; an exception passes through and leaves no hook and no record."""
    watch.begin(step)
    try:
        yield
    except BaseException:
        watch.cancel()
        raise
    watch.end()


def gradient_of(parameter: Tensor) -> Tensor:
    """Gradient of a parameter that has one."""
    assert parameter.grad is not None
    return parameter.grad


def layers_at(found: History, step: int) -> list[LayerStats]:
    """Layers of the sample that is there at this step."""
    sample = found.layers_at(step)
    assert sample is not None
    return sample.layers
