"""Real programs under the doctor: trained one process each, and what it said first beside the truth."""

from __future__ import annotations

import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import msgspec

from tests.benchmarks.doctor.real import github_heads, github_loops, healthy_runs, public_sets, stack_overflow
from tests.benchmarks.doctor.real.program import Program

PROGRAMS: list[Program] = [
    *stack_overflow.PROGRAMS,
    *public_sets.PROGRAMS,
    *github_heads.PROGRAMS,
    *github_loops.PROGRAMS,
]
HEALTHY: list[Program] = healthy_runs.RUNS


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the doctor said of one program."""

    program: Program
    told: bool
    """It was given data, labels and classes."""
    said: list[tuple[str, str, str]]
    """(id, severity, sentence) at the end, in the doctor's order, without notes."""
    accuracy: float

    @property
    def first(self) -> str:
        """Return the id that was said first, "" for nothing."""
        return self.said[0][0] if self.said else ""

    @property
    def verdict(self) -> str:
        """Return "right", "wrong", "symptom" or "nothing" of a faulty program, "peace" or "alarm" of another."""
        if not self.program.truth:
            return "alarm" if self.said else "peace"
        if not self.said:
            return "nothing"
        if self.first in self.program.truth:
            return "right"
        return "symptom" if self.first in self.program.symptoms else "wrong"


def judge(program: Program, folder: Path, told: bool, trained: bool = False, script: bool = False) -> Outcome | None:
    """Train it under the watch, and read the doctor's last word of the run folder.

    trained: read what lies in the folder, None where nothing does. script: `cvtui run` finds all by itself.
    """
    from cvtui.doctor import examine
    from cvtui.runlog.folder import RunFolder
    from cvtui.runlog.history import History

    name = f"{program.id}-{'script' if script else 'told' if told else 'bare'}"
    note = folder / f"{name}.accuracy"
    if not trained:
        note.write_text(str(_trained(program, folder, name, told, script)), encoding="utf-8")
    if not note.exists():
        return None
    if script and not (folder / name).exists():  # nothing was found to watch
        return Outcome(program=program, told=told, said=[], accuracy=float(note.read_text(encoding="utf-8")))
    history = History(RunFolder(folder / name))
    history.poll()
    said = [(one.id, str(one.severity), one.sentence) for one in examine(history) if one.severity != "note"]
    return Outcome(program=program, told=told, said=said, accuracy=float(note.read_text(encoding="utf-8")))


def _trained(program: Program, folder: Path, name: str, told: bool, script: bool) -> float:
    """Train anew; returns the true validation accuracy."""
    import torch

    from tests.benchmarks.doctor.real.all_loops import loop_of
    from tests.benchmarks.doctor.real.loops import train, train_as_script

    torch.set_num_threads(1)
    shutil.rmtree(folder / name, ignore_errors=True)
    if script:
        return train_as_script(loop_of(program), folder, name)
    return train(loop_of(program), folder, name, told)


def judge_all(
    wanted: list[tuple[Program, bool]], folder: Path, jobs: int, trained: bool = False, script: bool = False
) -> list[Outcome]:
    """Judge (program, told) pairs, `jobs` at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(judge, program, folder, told, trained, script) for program, told in wanted]
        return [outcome for future in futures if (outcome := future.result()) is not None]
