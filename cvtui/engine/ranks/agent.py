"""Start the ranks of a run on this machine by torchrun's own agent, in this process, which holds the run's lock."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from cvtui.engine.ranks.notes import AGENT, NOTES, cause, exit_code, last_words
from cvtui.engine.train.control import STOPPING, Signals
from cvtui.own_python import is_installed
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.events import RunEnded
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.worker_process import resume_words, usable_cores
from cvtui.runlog.writer import EventWriter

SHUTDOWN_SECONDS = 120
"""How long ranks have for a clean stop (a step and a checkpoint), before they are killed."""


def run_ranks(path: Path, recipe: Recipe, signals: Signals, *, resume: bool, rate: str) -> int:
    """Train the run folder in as many processes as its recipe says; return the exit code of `train_folder`."""
    folder = RunFolder.open(path)
    with folder.lock(), tempfile.TemporaryDirectory(prefix="cvtui-ranks-") as notes:
        os.environ.update(rank_environment(recipe, notes))
        try:
            killed = _launch(agent_words(folder, recipe, resume, rate), signals)
        except Interrupted as asked:  # before any rank was there
            return 128 + asked.number
        code = exit_code(Path(notes))
        if code is None:
            code = _end(folder, cause(last_words(Path(notes)), killed))
        return code


def rank_environment(recipe: Recipe, notes: str) -> dict[str, str]:
    """Return what the ranks' environment has beside this process's own."""
    threads = recipe.threads or max(1, usable_cores() // recipe.nproc)
    safe = {"PYTHONSAFEPATH": "1"} if is_installed() else {}
    return {"OMP_NUM_THREADS": str(threads), AGENT: str(os.getpid()), NOTES: notes, **safe}


def agent_words(folder: RunFolder, recipe: Recipe, resume: bool, rate: str) -> list[str]:
    """Return torchrun's arguments."""
    return [
        "--standalone",
        f"--nproc-per-node={recipe.nproc}",
        f"--max-restarts={recipe.max_restarts}",
        "-m",
        "cvtui.engine",
        str(folder.path),
        *resume_words(resume, rate),
    ]


class Interrupted(BaseException):
    """A signal that came before torchrun's agent looked for any."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _interrupt(number: int, _: FrameType | None) -> None:
    raise Interrupted(number)


def _launch(words: list[str], signals: Signals) -> list[tuple[int, str]]:
    """Run torchrun's agent until its ranks have ended; return (rank, signal) of those that a signal has ended.

    Raises Interrupted.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import get_args_parser, run

    parser = get_args_parser()
    more: Mapping[str, str] = {
        "--signals-to-handle": ",".join(signal.Signals(number).name for number in STOPPING),
        "--shutdown-timeout": str(SHUTDOWN_SECONDS),
    }
    for number in STOPPING:
        signal.signal(number, _interrupt)  # the agent puts its own in their place, once there are ranks
    if signals.number:
        raise Interrupted(signals.number)
    known = {option for action in parser._actions for option in action.option_strings}
    try:
        run(  # type: ignore[no-untyped-call]
            parser.parse_args([f"{name}={value}" for name, value in more.items() if name in known] + words)
        )
    except ChildFailedError as error:
        order = sorted(error.failures.values(), key=lambda failure: failure.timestamp)
        return [(one.local_rank, one.signal_name()) for one in order if one.exitcode < 0 and one.exitcode != -15]
    except SignalException:
        pass
    return []


def _end(folder: RunFolder, why: str) -> int:
    """End the log of a run whose rank 0 could not, and say why on stderr; return the exit code."""
    history = History(folder)
    history.poll()
    if history.run is not None and history.end is None:
        with EventWriter(folder) as writer:
            writer.write(RunEnded(time=time.time(), step=history.steps.end, status="failed", reason=why))
    print(f"cvtui: {folder.name}: {why}", file=sys.stderr, flush=True)
    return 1
