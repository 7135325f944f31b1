"""Engines and labs that run to their end in the test's process: importing PyTorch is a second of each of them.

For what an engine does with a recipe, a folder or a request. Its start, its signals, its streams and what it does
beside its parent are a process's own, and are tested with real ones: in tests/cli/test_headless.py, test_service.py,
tests/engine/test_run.py, and wherever `tests.cli.running.cvtui` or `tests.engine.making.start` is called.
"""

from __future__ import annotations

import importlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any
from unittest import mock

from cvtui.own_python import own_module
from cvtui.recipe.datasets import image_folder
from cvtui.runlog import lock


@contextmanager
def engines_within() -> Iterator[None]:
    """Inside, an engine that this process starts has ended when its Popen is there, or has been told its stdin."""
    with mock.patch.object(subprocess, "Popen", _Popen):
        yield


class _Popen(subprocess.Popen):
    """`subprocess.Popen` that runs an engine itself, and starts anything else."""

    def __init__(self, args: Any, *rest: Any, **how: Any) -> None:
        words = [str(word) for word in args] if isinstance(args, list) else []
        if words == own_module("cvtui.engine", "--early"):
            raise OSError("a run is trained once it is known")
        self._work = _work(words)
        if self._work is None:
            super().__init__(args, *rest, **how)
            return
        self.args, self.returncode, self.stdin, self._how = args, None, None, how
        if how.get("stdin") != subprocess.PIPE:
            self._run(b"")

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[Any, Any]:  # noqa: A002 (its name)
        if self._work is None:
            return super().communicate(input, timeout)
        if self.returncode is None:
            self._run(input)
        out, err = (None if file is None else file.read() for file in (self.stdout, self.stderr))
        return out, err

    def _run(self, told: bytes) -> None:
        out, err = (_Stream(self._how.get(name)) for name in ("stdout", "stderr"))
        environment = dict(self._how.get("env") or os.environ)
        if lock.HANDED_ON in environment:  # a number of its own, as a child has
            environment[lock.HANDED_ON] = str(os.dup(int(environment[lock.HANDED_ON])))
        with ExitStack() as stack:
            stack.enter_context(mock.patch.dict(os.environ, environment, clear=True))
            stack.enter_context(mock.patch.object(sys, "path", [*sys.path]))
            stack.enter_context(mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(told))))
            stack.enter_context(redirect_stdout(out.text))
            stack.enter_context(redirect_stderr(err.text))
            stack.callback(forget_what_was_read, set(sys.modules))
            forget_what_was_read(set(sys.modules))
            assert self._work is not None
            self.returncode = self._work()
        self.stdout, self.stderr = (stream.told(bool(self._how.get("text"))) for stream in (out, err))


def _work(words: list[str]) -> Callable[[], int] | None:
    """Return what a command line of an engine or a lab does; None for what has to be a process."""
    start = len(own_module(""))
    if words[:start] not in (own_module("cvtui.engine"), own_module("cvtui.labs")) or not find_spec("torch"):
        return None
    if words[start - 1] == "cvtui.labs":
        return partial(_run_lab, words[start:])
    from cvtui.engine.data.user_dataset import tell_facts
    from cvtui.engine.mistakes import tell_mistakes
    from cvtui.engine.precheck import check_stdin
    from cvtui.engine.train.control import Signals
    from cvtui.engine.worker import train_folder

    match words[start:]:
        case ["--facts", what, size, share, *drawn]:
            return partial(tell_facts, what, size, float(share), int("".join(drawn) or 0), bool(drawn))
        case ["--check"]:
            return check_stdin
        case [folder, "--mistakes", *named] if not folder.startswith("-"):
            return partial(tell_mistakes, Path(folder), *named)
        case [folder] if not folder.startswith("-"):
            return partial(train_folder, Path(folder), Signals())
        case [folder, "--resume", *rate]:
            return partial(train_folder, Path(folder), Signals(), resume=True, rate="".join(rate))
    return None


def _run_lab(words: list[str]) -> int:
    """Run a lab without its handlers of signals, and on the threads of this process afterwards."""
    import torch

    from cvtui.labs import worker

    threads = torch.get_num_threads()
    with mock.patch.object(worker, "_stop_on_signals"):
        try:
            return worker.main(words)
        finally:
            torch.set_num_threads(threads)


class _Stream:
    """Where an engine's words go: into a pipe, a file, or nowhere."""

    def __init__(self, given: int | IO[Any] | None) -> None:
        self._pipe = io.BytesIO() if given == subprocess.PIPE else None
        if self._pipe is None:
            number = subprocess.DEVNULL if given is None else given if isinstance(given, int) else given.fileno()
            number = os.open(os.devnull, os.O_WRONLY) if number == subprocess.DEVNULL else os.dup(number)
        self.text = io.TextIOWrapper(self._pipe or open(number, "wb"), "utf-8", write_through=True)  # noqa: SIM115

    def told(self, as_text: bool) -> IO[Any] | None:
        """Return a pipe's contents; close a file."""
        if self._pipe is None:
            self.text.close()
            return None
        told = self._pipe.getvalue()
        return io.StringIO(told.decode()) if as_text else io.BytesIO(told)


def forget_what_was_read(before: set[str]) -> None:
    """Forget data sets that were read, and modules of the working directory: another process knows of none."""
    for module, name in (("image_folder", "_read"), ("user_dataset", "read_callable")):
        getattr(importlib.import_module(f"cvtui.engine.data.{module}"), name).cache_clear()
    image_folder._known.clear()
    here = os.getcwd() + os.sep
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(here):
            del sys.modules[name]
    importlib.invalidate_caches()
