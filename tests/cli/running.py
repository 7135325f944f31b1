"""The command line as a user meets it: a real process."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

from cvtui.cli import main
from tests.engine_within import engines_within

TINY = ("--net", "fc8-relu-fc", "--epochs", "2", "--threads", "1", "--device", "cpu")
"""A recipe that trains in well under a second."""


def environment(**more: str | None) -> dict[str, str]:
    """Return the tests' own environment, without what would change the output.

    With `more` (None: without that).
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("_CVTUI", "COLUMNS", "LINES"))}
    found = {**kept, "TERM": "xterm-256color", "NO_COLOR": "1", **more}
    return {name: value for name, value in found.items() if value is not None}


def without_torch(folder: Path) -> str:
    """PYTHONPATH without a PyTorch: where nothing is trained, the form's engine costs two CPU seconds."""
    (folder / "no-torch").mkdir()
    (folder / "no-torch" / "torch.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n"
    )
    return os.pathsep.join(filter(None, [str(folder / "no-torch"), os.environ.get("PYTHONPATH")]))


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "cvtui", *words]


def cvtui(*words: str, cwd: Path, timeout: float = 120.0, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `cvtui WORDS` in `cwd` to its end, without a terminal."""
    return subprocess.run(
        command(*words),
        cwd=cwd,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def within(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run it in this process, twenty times as quick: for what is asked, refused and said.

    Streams, signals and what is imported when are a process's own, and are tested with one. An engine that it starts
    runs within this process too.
    """
    out, err, asked = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True), io.StringIO(), list(words)
    debug = main._take_debug(asked)
    with (
        contextlib.chdir(cwd), mock.patch.dict(os.environ, environment(**env), clear=True), open(os.devnull) as nothing,
        engines_within(), mock.patch("sys.stdin", nothing),
        contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
    ):  # fmt: skip
        code = main._run(asked, debug)
    return subprocess.CompletedProcess(words, code, out.buffer.getvalue().decode(), err.getvalue())


def start(*words: str, cwd: Path) -> subprocess.Popen[str]:
    """Start `cvtui WORDS` in `cwd`, its streams in pipes; it hears SIGHUP, even if the tests run under `nohup`."""
    return subprocess.Popen(
        command(*words),
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_hang_ups,
    )


def _hear_hang_ups() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
