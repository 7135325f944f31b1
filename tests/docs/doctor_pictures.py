"""Pictures of docs/doctor/: curves of real runs of the benchmark, trained anew, as `cvtui export --svg` draws them."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from cvtui.doctor import examine
from cvtui.doctor.catalogue import FAULTS
from cvtui.export.report import write_svg
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.benchmarks.doctor import faults
from tests.benchmarks.doctor.cases import Case
from tests.benchmarks.doctor.held import programs as own
from tests.benchmarks.doctor.real.judging import PROGRAMS, judge
from tests.benchmarks.doctor.real.program import Program
from tests.benchmarks.doctor.running import train
from tests.docs import picture_runs
from tests.docs.doctor_pages import CAPTIONS, PICTURES, quoted

SAME = {"L02": "F06", "L08": "F19"}
"""Remarks of the lecture that some runs of a fault are told by."""


class Candidate(NamedTuple):
    """A run that should have the fault."""

    words: str
    train: Callable[[Path], Path]
    """Trains it below a folder, and returns its own."""


def draw(wanted: set[str] | None) -> None:
    """Draw the first run of each fault that the doctor names so first; a fault without one keeps no picture.

    Of a fault a run that is warned of goes before one that gets a note.
    """
    PICTURES.mkdir(parents=True, exist_ok=True)
    captions = tomllib.loads(CAPTIONS.read_text(encoding="utf-8")) if CAPTIONS.exists() else {}
    for fault in sorted(wanted or FAULTS):
        with tempfile.TemporaryDirectory() as folder:
            caption = _draw(fault, Path(folder))
        captions.pop(fault, None)
        if caption:
            captions[fault] = caption
        else:
            (PICTURES / f"{fault}.svg").unlink(missing_ok=True)
        print(fault, caption or "no run of the benchmark is told so", flush=True)
        lines = [f"{name} = {quoted(words)}" for name, words in sorted(captions.items())]
        head = "# Words below the pictures: made by `python -m tests.make_docs --pictures`, never by hand."
        CAPTIONS.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")


def _draw(fault: str, folder: Path) -> str:
    """Return the caption of the picture; "" without one."""
    caption = ""
    for run in _candidates(fault):
        history = History(RunFolder(run.train(folder)))
        history.poll()
        found = examine(history)
        if not found or found[0].id != fault:
            continue
        light = found[0].severity == "note" != FAULTS[fault].severity
        if not (light and caption):
            write_svg(history, PICTURES / f"{fault}.svg")
            said = f"The doctor says first, {found[0].severity}: “{found[0].sentence}”"
            command = f"`python -m tests.make_docs --pictures {fault}`"
            caption = f"{run.words}, {history.steps_done:,} steps ({command}). {said}"
        if not light:
            break
    return caption


def _candidates(fault: str) -> Iterator[Candidate]:
    if words := picture_runs.words(fault):
        yield Candidate(words, partial(picture_runs.train, fault))
    injected = SAME.get(fault, fault)
    if injected in faults.FAULTS:
        cases = list(faults.cases((1,), {injected}))
        small = [case for case in cases if case.data == "digits"]
        for case in [*faults.quick({injected}), *small[len(small) // 3 :], *small]:
            yield Candidate(f"A run of the benchmark: {case.strength}, {case.net} on {case.data}", _trainer(case))
    for program in sorted([*PROGRAMS, *own.PROGRAMS], key=lambda one: (one.truth[0] != fault, one.held)):
        if fault in program.truth:
            kind = "A program of our own" if program in own.PROGRAMS else "A real program"
            words = f"{kind}, {program.id} ({program.source}), as a PyTorch loop under `cvtui.watch`"
            yield Candidate(words, _judge(program))


def _trainer(case: Case) -> Callable[[Path], Path]:
    def run(folder: Path) -> Path:
        if problem := train(case, folder):
            raise SystemExit(f"{case.name}: {problem}")
        return folder / case.name

    return run


def _judge(program: Program) -> Callable[[Path], Path]:
    def run(folder: Path) -> Path:
        judge(program, folder, told=True)
        return folder / f"{program.id}-told"

    return run
