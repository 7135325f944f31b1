"""Engines as forks of the test's process, where PyTorch is loaded already: its import is a second of each of them.

Such an engine has its own process, session, environment, streams and signals, as one that was started. What only a
start shows (its command line, what it imports and when) is tested with real ones in tests/cli/test_headless.py,
tests/engine/test_run.py and wherever else `tests.cli.running.cvtui` or `tests.engine.making.start` is called.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from cvtui.own_python import own_module
from cvtui.runlog import early_process, lock
from cvtui.runlog.early_process import wait_for_run as _wait_for_run
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.worker_process import threads_of

MODULE = ["-m", "cvtui.engine"]
WITHOUT_RUN = {"--check", "--predict", "--evaluate", "--facts", "--early"}
"""What an engine is asked for that has no run of its own, or none yet."""


READ = ("cvtui.recipe.", "cvtui.runlog.", "cvtui.engine.data.")
"""Where answers that are remembered come from files. (Elsewhere they stand for what PyTorch was told, once.)"""
SEED_OF_TORCH = 67280421310721
"""With it its generator begins in every process."""


@contextmanager
def forked_engines() -> Iterator[None]:
    """Inside, an engine on one thread that this process starts is a fork of it."""
    with mock.patch.object(subprocess, "Popen", _Popen):
        yield


def engine_words(args: Any, env: Any) -> list[str] | None:
    """Return the words of the engine that is to be forked, None for what has to be started."""
    words = [str(word) for word in args] if isinstance(args, (list, tuple)) else []
    at = words.index("-m") if "-m" in words else 0
    if words[:1] != [sys.executable] or at not in (1, 2) or words[at : at + 2] != MODULE or "torch" not in sys.modules:
        return None
    asked = words[at + 2 :]
    if (os.environ if env is None else env).get("OMP_NUM_THREADS") != "1" or not hasattr(os, "fork"):
        return None  # OpenMP's threads don't survive a fork
    if "torch._dynamo.eval_frame" in sys.modules:
        return None  # neither do those of a process that has compiled
    if asked[0] in WITHOUT_RUN or {"--look", "--mistakes", "--explain"} & set(asked[1:]):
        return asked
    return asked if not asked[0].startswith("-") and threads_of(RunFolder(Path(asked[0]))) == 1 else None


class _Popen(subprocess.Popen):
    """`subprocess.Popen` whose engines are forked; pipes, waiting and killing are its own."""

    def _execute_child(self, args: Any, executable: Any, preexec_fn: Any, *rest: Any) -> None:
        close_fds, pass_fds, cwd, env, _info, _flags, shell = rest[:7]
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite = rest[7:13]
        words = None if shell or preexec_fn or not close_fds else engine_words(args, env)
        if words is None:
            super()._execute_child(args, executable, preexec_fn, *rest)  # type: ignore[misc]
            return
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _become((p2cread, c2pwrite, errwrite), set(pass_fds), cwd, env, start_new_session=rest[17], words=words)
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]


def _become(
    streams: tuple[int, ...],
    kept: set[int],
    cwd: Any,
    env: dict[str, str] | None,
    *,
    start_new_session: bool,
    words: list[str],
) -> None:
    """Be the engine, and end with it: nothing of the test goes on here."""
    code = 1
    try:
        atexit._clear()
        _forget_signals()
        if start_new_session:
            os.setsid()
        _take_streams(streams, kept)
        if cwd is not None:
            os.chdir(cwd)
        if env is not None:
            os.environ.clear()
            os.environ.update(env)
        _forget_what_was_read()
        sys.argv = [str(Path(importlib.import_module("cvtui.engine").__path__[0], "__main__.py")), *words]
        early_process.wait_for_run = _one_thread_or_anew
        engine = importlib.import_module("cvtui.engine.__main__")
        code = engine.main(words)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # as Python would
        traceback.print_exc()
    finally:
        os._exit(code)


def _one_thread_or_anew() -> list[str]:
    """Wait for the run; one on several threads is trained by a process that was started."""
    words = _wait_for_run()
    if words and threads_of(RunFolder(Path(words[0]))) != 1:
        if lock.HANDED_ON in os.environ:
            os.set_inheritable(int(os.environ[lock.HANDED_ON]), True)
        os.execve(sys.executable, own_module("cvtui.engine", *words), os.environ)
    return words


def _forget_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _take_streams(streams: tuple[int, ...], kept: set[int]) -> None:
    """Take what the process was given as 0, 1 and 2, and hold nothing else of what the test has open.

    Numbers stay taken, by /dev/null: an object of the test that is forgotten here closes its number, whatever it is.
    """
    for number, given in enumerate(streams):
        if given >= 0:
            os.dup2(given, number)
    null = os.open(os.devnull, os.O_RDWR)
    for name in os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"):
        number = int(name)
        if number > 2 and number != null and number not in kept:
            try:
                os.fstat(number)
            except OSError:
                continue
            os.dup2(null, number)
    for number in kept:
        os.set_inheritable(number, True)
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 (until the end)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _forget_what_was_read() -> None:
    """Forget what this process remembers of files, modules that tests have written, and how far its generators are."""
    for one in gc.get_objects():
        if isinstance(one, functools._lru_cache_wrapper) and str(one.__module__).startswith(READ):
            one.cache_clear()
    for name, module in list(sys.modules.items()):
        if name.startswith("cvtui.") and isinstance(known := getattr(module, "_known", None), dict):
            known.clear()
    random.seed()
    np.random.seed()
    importlib.import_module("torch").manual_seed(SEED_OF_TORCH)
    written = tempfile.gettempdir()
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(written) and not name.startswith(("cvtui", "tests")):
            del sys.modules[name]
