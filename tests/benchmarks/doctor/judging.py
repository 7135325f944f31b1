"""What the doctor says of a run that lies in its folder: at each step as if it were being trained, and at its end."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec

from tests.benchmarks.doctor.cases import Case
from tests.benchmarks.doctor.faults import FAULTS
from tests.benchmarks.doctor.running import is_trained

EACH_STEP = 60
"""Up to here the doctor is asked at every step, later at every fifth."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One diagnosis, without its words."""

    id: str
    severity: str
    step: int
    value: float | None = None
    sentence: str = ""
    layer: str = ""
    consequences: list[str] = []


class Verdict(msgspec.Struct, kw_only=True):
    case: Case
    steps: int
    said: list[Said]
    """At the end, in the doctor's order."""
    named_at: int | None = None
    """Steps done when the fault was named first for the first time."""
    alarms: dict[str, int] = {}
    """Id -> steps done, of every warning that was given at any time, also of those taken back."""
    accuracy: float | None = None
    """On validation images, of the last epoch."""
    cure: dict[str, Any] = {}
    """Of the first diagnosis that has one."""
    cured_by: str = ""
    """Id of that."""
    cured: float | None = None
    """Accuracy of the same run with the cure."""

    @property
    def right(self) -> set[str]:
        """Ids that count as the fault's name."""
        fault = FAULTS.get(self.case.fault)
        return {self.case.fault, *fault.same} if fault else set()

    @property
    def first(self) -> bool:
        return bool(self.said) and self.said[0].id in self.right

    @property
    def among_three(self) -> bool:
        return any(said.id in self.right for said in self.said[:3])


def judge_all(wanted: Iterable[Case], folder: Path, jobs: int) -> list[Verdict]:
    """Verdicts of those that were trained."""
    there = [case for case in wanted if is_trained(case, folder)]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        return list(pool.map(judge, there, [folder] * len(there), chunksize=20))


def judge(case: Case, folder: Path) -> Verdict:
    """Read the log record by record, and ask the doctor as it goes."""
    from cvtui.doctor import Doctor
    from cvtui.runlog import events

    decoder = msgspec.json.Decoder(events.AnyRecord)
    doctor, verdict = Doctor(every_cure=True), Verdict(case=case, steps=0, said=[], alarms={})
    for line in (folder / case.name / "events.jsonl").read_bytes().splitlines():
        record = decoder.decode(line)
        if isinstance(record, events.Steps) and verdict.steps and _is_due(verdict.steps):
            _note(verdict, doctor.update())
        if isinstance(record, events.Finding):
            continue
        doctor.take(record)
        if isinstance(record, events.Steps):
            verdict.steps = record.first + len(record.loss)
        elif isinstance(record, events.EpochDone):
            verdict.accuracy = record.val_accuracy
    found = doctor.update()
    _note(verdict, found)
    verdict.said = [
        Said(
            id=one.id,
            severity=one.severity,
            step=one.step,
            value=one.value,
            sentence=one.sentence,
            layer=one.layer,
            consequences=list(one.consequences),
        )
        for one in found
    ]
    ill = next((one for one in found if one.cure), None)
    if ill is not None:
        verdict.cure, verdict.cured_by = dict(ill.cure), ill.id
    return verdict


def _is_due(steps: int) -> bool:
    return steps <= EACH_STEP or steps % 5 == 0


def _note(verdict: Verdict, found: list[Any]) -> None:
    if found and found[0].id in verdict.right and verdict.named_at is None:
        verdict.named_at = verdict.steps
    for one in found:
        if one.severity != "note":
            verdict.alarms.setdefault(one.id, verdict.steps)
