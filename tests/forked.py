"""cvtui's own processes as forks of the test's: all of a process but its start, for a tenth of the processor's time.

A fork has a number, a session, streams, signals, an environment, a working directory and an end of its own. What it has
not done is to start Python and to load PyTorch, a second of each engine. Tests of a start (what is loaded when, what a
working directory may spoil, how much memory it takes) start a Python; this is for those that ask what comes then.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import faulthandler
import fcntl
import gc
import importlib
import io
import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn, TextIO
from unittest import mock

from tests.engine_within import forget_what_was_read

MODULES = ("cvtui", "cvtui.engine", "cvtui.labs")
READ_AT_THE_START = (
    "PYTHONPATH", "PYTHONIOENCODING", "PYTHONUTF8", "LC_ALL", "LANG", "CVTUI_PLAIN", "CUDA_VISIBLE_DEVICES",
)  # fmt: skip
"""Of the environment: where one of them is another for the process, it is started."""


@contextlib.contextmanager
def forked() -> Iterator[None]:
    """Let `python -m cvtui`, its engines and labs be forks of this process, and those that a fork starts likewise."""
    importlib.import_module("cvtui.engine.worker")  # with PyTorch: here, once, not in each of them
    with mock.patch.object(subprocess, "Popen", _Popen):
        yield


class _Start(NamedTuple):
    """What a process is given."""

    module: str
    words: list[str]
    unbuffered: bool
    safe: bool
    """The working directory is not looked into for modules."""
    streams: tuple[int, int, int]
    """-1 for one that is this process's own."""
    kept: set[int]
    folder: Any
    environment: dict[str, str]
    session: bool
    prepare: Callable[[], object] | None


class _Popen(subprocess.Popen[Any]):
    """`subprocess.Popen` that forks where it would start a Python with cvtui in it."""

    def _execute_child(self, *given: Any) -> None:
        args, _, prepare, _, kept, folder, environment = given[:7]
        stdin, into_stdin, out, stdout, err, stderr = given[10:16]
        start = _asked_for(args, dict(os.environ if environment is None else environment))
        if start is None:
            super()._execute_child(*given)  # type: ignore[misc]
            return
        start = start._replace(
            streams=(stdin, stdout, stderr), kept=set(kept), folder=folder, session=given[20], prepare=prepare
        )
        self.pid = os.fork()
        if not self.pid:
            _be(start)
        self._child_created = True
        self._close_pipe_fds(stdin, into_stdin, out, stdout, err, stderr)  # type: ignore[attr-defined]


def _asked_for(args: Any, environment: dict[str, str]) -> _Start | None:
    """Return what a command line of cvtui's own asks for; None for one that has to be started."""
    if not isinstance(args, list) or args[0] != sys.executable:
        return None
    if sys.modules["torch"].cuda.is_initialized():  # a fork can't use a GPU that its parent has used
        return None
    if any(environment.get(name) != os.environ.get(name) for name in READ_AT_THE_START):
        return None
    words = [str(word) for word in args[1:]]
    flags = set()
    while words[:1] in (["-P"], ["-u"]):
        flags.add(words.pop(0))
    if words[:1] != ["-m"] or words[1] not in MODULES:
        return None
    unbuffered = "-u" in flags or bool(environment.get("PYTHONUNBUFFERED"))
    return _Start(words[1], words[2:], unbuffered, "-P" in flags, (-1, -1, -1), set(), None, environment, False, None)


def _be(start: _Start) -> NoReturn:
    """Be that process, to its end."""
    code = 1
    try:
        gc.freeze()  # nothing of the tests is ever collected here: it would close files by numbers that are others' now
        _take_over(start)
        _forget_the_tests(start)
        code = contextvars.Context().run(_run, start)
        code = _leave(code)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _take_over(start: _Start) -> None:
    """Do what the kernel and Python do between a fork and the first line: files, folder, signals, streams."""
    apart = [given if given < 0 else fcntl.fcntl(given, fcntl.F_DUPFD, 100) for given in start.streams]
    for number, given in enumerate(apart):
        if given >= 0:
            os.dup2(given, number)
    kept = [2, *sorted(start.kept), os.sysconf("SC_OPEN_MAX")]
    for one, next_one in itertools.pairwise(kept):
        os.closerange(one + 1, next_one)
    os.chdir(start.folder or ".")
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    if start.session:
        os.setsid()
    if start.prepare is not None:
        start.prepare()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(start.environment)


_streams: list[Any] = []
"""The tests' own: one that is let go closes its number."""


def _forget_the_tests(start: _Start) -> None:
    _streams.extend((sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__))
    sys.stdin = _stream(0, "r", "strict", False)
    sys.stdout = _stream(1, "w", "strict", start.unbuffered)
    sys.stderr = _stream(2, "w", "backslashreplace", True)
    vars(sys).update(__stdin__=sys.stdin, __stdout__=sys.stdout, __stderr__=sys.stderr)
    sys.argv = [start.module, *start.words]
    if not start.safe:
        sys.path.insert(0, os.getcwd())
    importlib.invalidate_caches()
    forget_what_was_read(set(sys.modules))
    atexit._clear()
    logging.root.handlers.clear()
    warnings.resetwarnings()
    warnings.showwarning = _show_warning
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", kind)
    sys.excepthook, sys.unraisablehook = sys.__excepthook__, sys.__unraisablehook__
    threading.excepthook = threading.__excepthook__
    faulthandler.disable()
    asyncio._set_running_loop(None)
    gc.set_threshold(700, 10, 10)
    gc.enable()
    sys.modules["torch"].set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))


def _stream(number: int, mode: str, errors: str, through: bool) -> TextIO:
    try:
        file = open(number, f"{mode}b", buffering=0 if through and number == 1 else -1, closefd=False)  # noqa: SIM115
    except OSError:  # closed
        return None  # type: ignore[return-value]
    lines = os.isatty(number) or number == 2
    return io.TextIOWrapper(file, "utf-8", errors, line_buffering=lines, write_through=through)


def _show_warning(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None) -> None:
    (file or sys.stderr).write(warnings.formatwarning(message, category, filename, lineno, line))


def _run(start: _Start) -> int:
    try:
        if start.module == "cvtui":
            from cvtui.cli.main import main

            main(start.words)
        elif start.module == "cvtui.labs":
            from cvtui.labs import worker

            return worker.main(start.words)
        from cvtui.engine import __main__ as engine

        return engine.main(start.words)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        return 130


def _leave(code: int) -> int:
    """Return the exit code, after threads, exit handlers and flushes."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            return 120
    return code
