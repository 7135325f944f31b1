"""Entry point of the engine: `python -m cvtui.engine FOLDER` trains what FOLDER/recipe.toml asks.

`--explain REQUEST` says which pixels speak for a class (explain.py);
`--resume` goes on from its newest checkpoint, at the rate RATE (0.001, /10) where one is given; `--look N` makes
feature maps of validation image N for a run that is over (offline_maps.py); `--mistakes [CHECKPOINT]` lists the
validation images that a checkpoint gets wrong (mistakes.py); `--predict` and `--evaluate` read on stdin which files,
and which run (infer/predict.py, infer/evaluate.py); `--warm` waits for requests (prewarm.py); `--early` loads PyTorch
and waits for its run (runlog/early_process.py); `--check` reads a recipe on stdin (precheck.py),
`--batch` too, for the largest batch that fits (batch_trials.py);
`--facts CALLABLE SIZE SHARE [SEED]` reads a user's data (user_dataset.py), with SEED as `--cache` draws it.
CVTUI_PLAIN=1 in the environment trains with PyTorch's own classes alone (runtime/plain.py).

Exit codes: 0 finished or stopped, 1 failed or diverged (or the disk refused weights or log), 2 the request was wrong,
130 interrupted (143 by SIGTERM).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cvtui.engine.runtime.allocator import keep_freed_memory
from cvtui.engine.runtime.fast_start import end, loading
from cvtui.engine.runtime.job_rank import JobRank, told_rank
from cvtui.runlog.lock import HANDED_ON

if TYPE_CHECKING:
    from cvtui.engine.train.control import Signals

USAGE = "usage: python -m cvtui.engine FOLDER [--resume [RATE] | --look N | --mistakes [CHECKPOINT]] | --warm"


def main(arguments: list[str]) -> int:
    # OpenMP reads it when torch loads; a start by hand has not set it (see DESIGN: threads wait in a spin).
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    match arguments:
        case ["--facts", what, size, share, *drawn]:
            from cvtui.engine.data.user_dataset import tell_facts  # a user's code may want all of PyTorch

            return tell_facts(what, size, float(share), int("".join(drawn[:1]) or 0), bool(drawn))
        case ["--check" | "--batch" | "--predict" | "--evaluate" as what]:
            return _of_stdin(what)
        case [folder, "--look", number] if number.isdecimal():
            with loading():
                from cvtui.engine.offline_maps import add_feature_maps
            return add_feature_maps(Path(folder), int(number))
        case [folder, "--explain", request]:
            with loading():
                from cvtui.engine.explain import explain_run
            return explain_run(Path(folder), request)
        case [folder, "--mistakes", *named] if len(named) < 2:
            with loading():
                from cvtui.engine.mistakes import tell_mistakes
            return tell_mistakes(Path(folder), *named)
        case ["--warm"]:
            return _warm()
        case ["--early"]:
            return _train([])
        case [folder] | [folder, "--resume"] | [folder, "--resume", _] if not folder.startswith("-"):
            return _train(arguments)
    print(USAGE, file=sys.stderr)
    return 2


def _of_stdin(what: str) -> int:
    """Do what stdin asks for."""
    if what == "--check":
        with loading():
            from cvtui.engine.precheck import check_stdin
        return check_stdin()
    if what == "--batch":
        with loading():
            from cvtui.engine.train.batch_trials import tell_batch
        return tell_batch()
    if what == "--predict":
        with loading():
            from cvtui.engine.infer.predict import answer_stdin
        return answer_stdin()
    with loading():
        from cvtui.engine.infer.evaluate import evaluate_stdin
    return evaluate_stdin()


def _warm() -> int:
    keep_freed_memory()
    with loading():
        from cvtui.engine.prewarm import wait_for_work
    try:
        return wait_for_work()
    except (KeyboardInterrupt, BrokenPipeError):
        return 130


def _train(words: list[str]) -> int:
    """Train what the words of the command line ask for; without any, what the parent process tells."""
    from cvtui.engine.train.control import Signals
    from cvtui.runlog.early_process import wait_for_run

    signals = Signals.install()  # before torch loads (2 s): a ctrl+c in that time must not end in a traceback
    keep_freed_memory()
    if words and (me := told_rank()) is not None and HANDED_ON not in os.environ:
        return _train_as_rank(me, words, signals)
    try:
        with loading():
            from cvtui.engine.worker import train_folder
    finally:
        words = words or wait_for_run()  # also for an error: from here on it goes to worker.log
    if not words:
        return 0
    folder, resume, rate = Path(words[0]), len(words) > 1, "".join(words[2:])
    code = train_folder(folder, signals, resume=resume, rate=rate)
    signals.ignore()
    return code


def _train_as_rank(me: JobRank, words: list[str], signals: Signals) -> int:
    """Train as one of the processes that torchrun has started."""
    from cvtui.engine.ranks.notes import has_ended
    from cvtui.engine.ranks.rank_team import RankTeam
    from cvtui.engine.runtime.fast_start import leave_dynamo_out
    from cvtui.engine.worker import train_folder

    if has_ended():  # torchrun starts ranks anew whose run ended with an exit code other than 0
        return 0
    leave_dynamo_out()
    path, team = Path(words[0]), RankTeam(me, signals)
    if not (code := team.meet(path)):
        again = team.me.restart > 0
        team.rate = "" if again else "".join(words[2:])
        code = train_folder(path, signals, resume=again or len(words) > 1, rate=team.rate, team=team)
    signals.ignore()
    if code == 0:
        team.link.leave()
    return code


if __name__ == "__main__":
    end(main(sys.argv[1:]))
