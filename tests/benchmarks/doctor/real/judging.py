"""Real programs under the doctor: trained one process each, and what it said first beside the truth."""

from __future__ import annotations

import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import msgspec

from tests.benchmarks.doctor.real.program import Program
from tests.benchmarks.doctor.real.stack_overflow import PROGRAMS as STACK_OVERFLOW

PROGRAMS: list[Program] = [*STACK_OVERFLOW]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the doctor said of one program."""

    program: Program
    told: bool
    """It was given data, labels and classes."""
    said: list[tuple[str, str, str]]
    """(id, severity, sentence) at the end, in the doctor's order, without notes."""
    accuracy: float

    @property
    def verdict(self) -> str:
        """Return "right", "wrong", "symptom" or "nothing" of a faulty program, "peace" or "alarm" of a repaired one."""
        if not self.program.truth:
            return "alarm" if self.said else "peace"
        if not self.said:
            return "nothing"
        first = self.said[0][0]
        if first in self.program.truth:
            return "right"
        return "symptom" if first in self.program.symptoms else "wrong"


def judge(program: Program, folder: Path, told: bool) -> Outcome:
    """Train it under the watch, and read the doctor's last word of the run folder."""
    import torch

    from cvtui.doctor import examine
    from cvtui.runlog.folder import RunFolder
    from cvtui.runlog.history import History
    from tests.benchmarks.doctor.real.loops import train

    torch.set_num_threads(1)
    name = f"{program.id}-{'told' if told else 'bare'}"
    shutil.rmtree(folder / name, ignore_errors=True)
    accuracy = train(program, folder, name, told)
    history = History(RunFolder(folder / name))
    history.poll()
    found = examine(history)
    said = [(one.id, str(one.severity), one.sentence) for one in found if one.severity != "note"]
    return Outcome(program=program, told=told, said=said, accuracy=accuracy)


def judge_all(wanted: list[tuple[Program, bool]], folder: Path, jobs: int) -> list[Outcome]:
    """Judge (program, told) pairs, `jobs` at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(judge, program, folder, told) for program, told in wanted]
        return [future.result() for future in futures]


VERDICTS = ("right", "wrong", "symptom", "nothing")


def table(outcomes: list[Outcome]) -> str:
    """Return what was said of each, and the counts, in Markdown."""
    lines = [
        "| program | given | true cause | said first | verdict | accuracy |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in outcomes:
        first = " ".join(one.said[0][:2]) if one.said else "–"
        truth = ", ".join(one.program.truth) or "none"
        given = "data, labels, classes" if one.told else "nothing"
        lines.append(f"| {one.program.id} | {given} | {truth} | {first} | {one.verdict} | {one.accuracy:.2f} |")
    lines.append("")
    for told in (True, False):
        faulty = [one.verdict for one in outcomes if one.told is told and one.program.truth]
        repaired = [one.verdict for one in outcomes if one.told is told and not one.program.truth]
        words = ", ".join(f"{faulty.count(verdict)} {verdict}" for verdict in VERDICTS)
        given = "Given data, labels and classes" if told else "Given nothing"
        lines.append(
            f"{given}: of {len(faulty)} faulty {words}; "
            f"{repaired.count('peace')} of {len(repaired)} repaired left in peace."
        )
    return "\n".join(lines)
