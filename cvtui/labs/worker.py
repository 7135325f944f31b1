"""`python -m cvtui.labs FOLDER`: does what FOLDER/lab.toml asks. The only process that imports torch for a lab.

Exit codes: 0 finished, 1 failed, 2 the request was wrong, 130 stopped (by a command, SIGINT or SIGTERM).
"""

from __future__ import annotations

import platform
import signal
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from cvtui._version import __version__
from cvtui.errors import RequestError
from cvtui.labs.folder import LabFolder
from cvtui.labs.lookup import threads_of
from cvtui.labs.report import FolderReport, LabResult, Report, Stopped
from cvtui.runlog.events import Log, RunEnded, RunStarted
from cvtui.runlog.worker_process import worker_threads
from cvtui.runlog.writer import EventWriter
from cvtui.text import error_line

Status = Literal["finished", "stopped", "diverged", "failed"]


def run_lab(name: str, knobs: dict[str, Any], report: Report) -> LabResult:
    """Run one lab in this process, with knobs that `cvtui.labs.lookup.check` has passed."""
    result = import_module(f"cvtui.labs.experiments.{name.replace('-', '_')}").run(knobs, report)
    assert isinstance(result, LabResult)
    return result


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m cvtui.labs FOLDER", file=sys.stderr)
        return 2
    folder = LabFolder(Path(arguments[0]))
    try:
        name, knobs = folder.asked()
        lock = folder.lock()
    except RequestError as error:
        print(f"cvtui: {error.message}", file=sys.stderr)
        return 2
    with lock, EventWriter(folder) as writer:
        return _work(folder, name, knobs, writer)


def _stop_on_signals() -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second one ends it without another word
        raise Stopped

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _work(folder: LabFolder, name: str, knobs: dict[str, Any], writer: EventWriter) -> int:
    report = FolderReport(folder, name, writer)
    status: Status = "failed"
    reason = ""
    code = 1
    try:
        _stop_on_signals()
        threads = worker_threads(threads_of(name, int(knobs["threads"])))
        report(0.0, "loading PyTorch")
        _begin(writer, name, knobs, threads)
        report.finish(run_lab(name, knobs, report))
        status, code = "finished", 0
    except Stopped:
        status, reason, code = "stopped", "asked to stop", 130
    except RequestError as error:
        reason, code = error.message, 2
        print(f"cvtui: {error.message}", file=sys.stderr)
    except Exception as error:
        reason = error_line(error, 300)
        traceback.print_exc()
    if status == "failed":
        writer.write(Log(time=time.time(), text=reason, level="error"))
    writer.write(RunEnded(time=time.time(), step=0, status=status, reason=reason))
    return code


def _begin(writer: EventWriter, name: str, knobs: dict[str, Any], threads: int) -> None:
    from cvtui.engine.runtime.fast_start import loading

    with loading():
        import torch
    torch.set_num_threads(threads)
    writer.write(
        RunStarted(
            time=time.time(),
            recipe={"lab": name, **knobs},
            layers=[],
            parameters=0,
            steps_per_epoch=0,
            total_steps=0,
            device="cpu",
            threads=threads,
            libraries={"python": platform.python_version(), "torch": str(torch.__version__), "cvtui": __version__},
            data={},
            kind="lab",
        )
    )
