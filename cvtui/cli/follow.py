"""`cvtui --no-ui`: the same run folder and the same worker process as with the screen, told in lines.

Results go to stdout, talk and the progress bar (on a terminal only) to stderr.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from cvtui import door
from cvtui.cli import process
from cvtui.cli.exit import EXIT_BROKEN_PIPE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_WRONG
from cvtui.cli.out import escaped
from cvtui.cli.output.progress import RunReport
from cvtui.job_share import tell_share
from cvtui.notify.start import log_size, watch_end
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.refused import was_refused
from cvtui.runlog.tail import Tail
from cvtui.runlog.worker_process import launch, resume_words, stop

if TYPE_CHECKING:
    from cvtui.notify.hooks import EndHooks
    from cvtui.recipe.recipe import Recipe
    from cvtui.recipe.validation import Checked
    from cvtui.runlog.early_process import EarlyProcess

POLL_SECONDS = 0.05
PASSED_ON = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]
"""Signals that a training takes as a request to stop with a checkpoint."""
PATIENCE_SECONDS = 3.0
"""From the second signal to SIGKILL."""


def train_without_screen(
    checked: Checked,
    runs: Path,
    early: EarlyProcess | None = None,
    *,
    strict_name: bool = False,
    as_json: bool = False,
    quiet: bool = False,
    hooks: EndHooks | None = None,
) -> int:
    """Train in the foreground until the end, in the `early` process where there is one; return the exit code.

    `strict_name`: the recipe's name was asked for on the command line, and must be free; a name from a recipe file gets
    -2, -3 … where it is taken, so that `cvtui runs/NAME/recipe.toml` repeats a run.
    """
    folder = make_folder(checked, runs, strict_name)
    return follow(folder, checked, early=early, as_json=as_json, quiet=quiet, hooks=hooks)


def follow(
    folder: RunFolder,
    checked: Checked,
    *,
    early: EarlyProcess | None = None,
    resume: bool = False,
    rate: str = "",
    as_json: bool = False,
    quiet: bool = False,
    with_terminal: bool = False,
    hooks: EndHooks | None = None,
) -> int:
    """Start the worker on `folder`, print its progress, and return the exit code.

    With `resume` it goes on from its checkpoint, perhaps at another `rate`. The training outlives a lost terminal
    (SIGHUP ends us alone; `cvtui attach` finds it), unless it ends `with_terminal`: because something is to follow that
    only we can do.
    """
    history = History(folder)
    records = Tail(folder.events, told.st_size if resume and (told := door.state(folder.events)) is not None else 0)
    report = RunReport(folder, checked, quiet=quiet, as_json=as_json)
    if resume:
        report.skip(history)
    report.begin()
    size = log_size(folder) if resume else 0
    with TrainingProcess(folder, resume, rate, with_terminal, early, checked.recipe) as worker:
        try:
            watching = watch_end(folder, hooks, size) if hooks else None
            running = True
            while running:
                running = worker.wait(POLL_SECONDS)
                history.poll()
                if as_json:
                    _pass_on(records)
                report.show(history, worker.signals)
                tell_share(*_share(history))
        except BrokenPipeError:  # its reader went away: what runs in the foreground ends with its pipe
            worker.stop()
            process.discard_output()
            return EXIT_BROKEN_PIPE
        finally:
            report.close()
    code = exit_code(worker, history)
    report.end(history, code, worker.code, worker.signals)
    if watching is not None:
        with contextlib.suppress(KeyboardInterrupt):  # it goes on without us
            watching.wait()  # in a container all ends with us
    if code == EXIT_WRONG and not resume and was_refused(history):
        folder.discard()  # refused by what only PyTorch can find: the name stays free for the next try
    return code


def make_folder(checked: Checked, runs: Path, strict_name: bool) -> RunFolder:
    """Make the run's folder with its recipe. RequestError when it exists or can't be written."""
    from cvtui.recipe.toml import dumps

    recipe = checked.asked
    text = dumps(recipe)
    if recipe.name and strict_name:
        return RunFolder.create(runs, recipe.name, text)
    return RunFolder.fresh(runs, recipe.name, text) if recipe.name else RunFolder.numbered(runs, recipe.data, text)


def _pass_on(records: Tail) -> None:
    """Print the new records as they were logged; what a terminal could obey is escaped."""
    lines = [escaped(line.decode("utf-8", "surrogateescape")) for _, line in records.lines()]
    if lines:
        with process.tolerate_output_errors():
            sys.stdout.buffer.write("\n".join(lines).encode() + b"\n")
            sys.stdout.buffer.flush()


def _share(history: History) -> tuple[float, str]:
    """Return the share of the training that is done, and its epoch, for a screen that has started us."""
    run = history.run
    if run is None or not run.total_steps:
        return 0.0, "starting"
    return history.steps_done / run.total_steps, f"epoch {len(history.epochs) + 1}"


class TrainingProcess:
    """The training process; SIGINT, SIGTERM and SIGUSR1 that reach us are passed on to it.

    It has a session of its own, so that a ctrl+c on the terminal (sent to the whole foreground group) reaches it once,
    through us: the engine takes a second signal as "at once".
    """

    def __init__(
        self,
        folder: RunFolder,
        resume: bool = False,
        rate: str = "",
        with_terminal: bool = False,
        early: EarlyProcess | None = None,
        recipe: Recipe | None = None,
    ) -> None:
        self.folder = folder
        self.early = early
        self.recipe = recipe
        self.with_terminal = with_terminal
        self.resume = resume
        self.rate = rate
        self.signals: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._handed_on = 0
        self._kill_at = float("inf")
        self._before: dict[int, Any] = {}

    def __enter__(self) -> TrainingProcess:
        for number in PASSED_ON:
            self._before[number] = signal.signal(number, self._on_signal)
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            handler = self._on_signal if self.with_terminal else signal.SIG_DFL
            self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, handler)
        try:
            if self.early is not None:
                self._process = self._train_early(self.early)
            if self._process is None:
                self._process = launch(self.folder, detached=True, resume=self.resume, rate=self.rate)
        except BaseException:
            self._restore()
            raise
        return self

    def _train_early(self, early: EarlyProcess) -> subprocess.Popen[bytes] | None:
        from cvtui.recipe.datasets.image_folder import hand_on

        listing = hand_on(self.recipe) if self.recipe is not None else None
        with listing or contextlib.nullcontext():
            return early.train(self.folder, resume_words(self.resume, self.rate), listing)

    def __exit__(self, *_: object) -> None:
        """Restore the handlers. On an error here, the process is not left alone in the background."""
        try:
            if self._process is not None and self._process.poll() is None:
                self.stop()
        finally:
            self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self.signals.append(number)

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds`, passing on signals. Return False once the process has ended."""
        assert self._process is not None
        process.wait_for_end(self._process, seconds)
        while self._handed_on < len(self.signals):
            if self._process.poll() is None:
                number = self.signals[self._handed_on]
                # To a training SIGHUP means nothing: it has no terminal.
                self._process.send_signal(number if number in PASSED_ON else signal.SIGTERM)
            self._handed_on += 1
            if self._handed_on == 2:
                self._kill_at = time.monotonic() + PATIENCE_SECONDS
        if time.monotonic() > self._kill_at and self._process.poll() is None:
            self._process.kill()
        return self._process.poll() is None

    def stop(self) -> None:
        """Ask it to stop (it saves first); kill it after ten seconds."""
        assert self._process is not None
        stop(self._process, 10.0)

    @property
    def code(self) -> int:
        """Its exit status; negative for a signal."""
        assert self._process is not None
        return self._process.wait()


def exit_code(worker: TrainingProcess, history: History) -> int:
    """Return the exit code of a command that trained.

    0 done, 1 failed, diverged or not all on the disk, 2 wrong, 128 + signal when we were interrupted.
    """
    if worker.signals and (history.end is None or history.end.status == "stopped"):
        return EXIT_INTERRUPTED if worker.signals[0] == signal.SIGINT else 128 + worker.signals[0]
    if worker.code == 0 and history.end is not None:
        return 0
    return EXIT_WRONG if worker.code == EXIT_WRONG else EXIT_FAILED
