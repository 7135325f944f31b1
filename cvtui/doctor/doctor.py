"""Run the rules on a run, and report one fault as one: root causes and what follows from them."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence

import msgspec
import numpy as np

from cvtui.doctor.catalogue import FAULTS
from cvtui.doctor.confidence import TABLE
from cvtui.doctor.cures import tried
from cvtui.doctor.curves import Pace
from cvtui.doctor.diagnosis import Diagnosis
from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import Rule
from cvtui.doctor.rules import RULES
from cvtui.runlog.events import (
    CommandApplied,
    EpochDone,
    Facts,
    Finding,
    LayersSampled,
    Record,
    RunEnded,
    RunStarted,
    Steps,
)
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History, merged
from cvtui.runlog.origin import first_run
from cvtui.runlog.ranks import RankFiles

__all__ = ["Doctor", "arrange", "examine"]

TRUST = {"exact": 0, "static": 1, "heuristic": 2}
SPEED = ("F01", "F31", "F30", "F02")
"""Faults of the size of the steps."""
AT_ONCE = 20
"""Steps by which a consequence may seem to come before its cause: rules look at windows and samples."""
CHUNK = 10_000
MOST_SAMPLES = 4_000


class Doctor:
    """Follows a run, from its history or (`take`) from its records as they are written.

    `update` costs what is new: a rule is asked again only when something that it reads has changed.
    every_cure: offer those too that don't help, or were never tried (for the benchmark that tries them).
    """

    def __init__(self, history: History | None = None, every_cure: bool = False) -> None:
        self.history = history
        self.every_cure = every_cure
        self.obs = Observations()
        self.all: list[Diagnosis] = []
        """Everything found, what follows from something else too."""
        self.failed: dict[str, str] = {}
        """Rules that could not be put to this run, with the reason."""
        self._found: dict[str, Diagnosis | None] = {}
        self._roots: list[Diagnosis] = []
        self._steps = 0
        self._samples = 0
        self._commands = 0
        self._epochs: list[EpochDone] = []
        self._facts: Facts | None = None
        self._run: RunStarted | None = None
        self._ended: RunEnded | None = None
        self._ranks: tuple[RankFiles | None, int] = (None, 0)

    def update(self, seconds: float = math.inf) -> list[Diagnosis]:
        """Return the root causes known now, the most certain and furthest upstream first; [] for a healthy run.

        About so many `seconds` are spent on reading; what is left of a long history comes at the next calls.
        """
        if self.history is not None:
            self._follow(self.history, time.perf_counter() + seconds)
        obs = self.obs
        if obs.fresh:
            fresh, obs.fresh = obs.fresh, set()
            obs.memo.clear()
            with np.errstate(all="ignore"):
                for name, rule in RULES.items():
                    if rule.reads & fresh:
                        self._found[name] = self._ask(rule)
            self.all = [_sure(found) for found in self._found.values() if found is not None]
            self._roots = arrange(self.all)
        return self._roots

    def pace(self) -> tuple[Pace, str]:
        """Judge the size of the steps: ("fast", why), ("slow", why) or ("", "")."""
        for one in self.all:
            if one.severity != "note" and one.id in SPEED:
                too_slow = one.id == "F02" or (one.id == "F30" and one.threshold == FAULTS["F02"].limits["ratio"])
                return "slow" if too_slow else "fast", f"the doctor: {one.name} ({one.id})"
        return "", ""

    def _ask(self, rule: Rule) -> Diagnosis | None:
        """Run one rule. A foreign log may hold anything: a rule that fails on it reports nothing."""
        try:
            found = rule.check(self.obs)
            return self._offered(found.diagnosis(rule.id, self.obs)) if found else None
        except Exception as error:
            self.failed[rule.id] = f"{type(error).__name__}: {error}"
            return None

    def _offered(self, one: Diagnosis) -> Diagnosis:
        """Return the diagnosis with its cure only where it helps: nothing already done, past, or frozen."""
        cure = {name: value for name, value in one.cure.items() if self.obs.recipe.get(name) != value}
        past = one.severity == "note" and FAULTS[one.id].severity != "note"
        # Tried where all layers are trained; in two runs of a frozen timm net other first weights gained nothing.
        frozen = "init" in cure and bool(self.obs.recipe.get("freeze"))
        known = tried(one.id, one.cure)
        if not cure or past or frozen:
            return msgspec.structs.replace(one, cure={})
        if known is not None and known.helps:
            return msgspec.structs.replace(one, tried=known.words)
        return one if self.every_cure else msgspec.structs.replace(one, cure={})

    # ------------------------------------------------------------------ from records

    def take(self, record: Record) -> None:
        """Add one record of the log, as it is written."""
        match record:
            case Steps():
                self._take_steps(record)
            case LayersSampled():
                self.obs.add_layers(record)
            case EpochDone():
                self._epochs.append(record)
                self.obs.set_epochs(self._epochs)
            case Facts():
                self._facts = merged(self._facts, record)
                self.obs.set_facts(self._facts)
            case Finding():
                self.obs.add_finding(record)
            case CommandApplied():
                self._take_command(record, None)
            case RunStarted():
                self.obs.begin(record)
            case RunEnded():
                self.obs.close(record)

    def _take_steps(self, steps: Steps) -> None:
        count = len(steps.loss)

        def column(values: Sequence[float | None]) -> np.ndarray:
            return np.array(values, np.float64) if values else np.full(count, np.nan)

        self.obs.bad_norms = steps.bad_norms()
        self.obs.add_steps(
            steps.first,
            column(steps.loss),
            column(steps.accuracy),
            column(steps.grad_norm),
            column(steps.lr),
        )

    def remember(self, history: History) -> None:
        """Add the rate changes made by hand before a resume, which what comes now follows from."""
        for command in history.commands[self._commands :]:
            place = command.step - 1 - history.steps.first
            known = 0 <= place < len(history.steps)
            self._take_command(command, float(history.steps.lr[place]) if known else math.nan)
        self._commands = len(history.commands)

    def _take_command(self, command: CommandApplied, before: float | None) -> None:
        """Add a change of the rate by hand.

        Of a plateau the schedule itself lowers the rate by such a record; that is not by hand, but of the same step it
        says at what rate that was made.
        """
        if command.command != "set_lr" or command.value is None:
            return
        if not command.words.startswith("plateau"):
            self.obs.add_rate_change(command.step, command.value, before, _rate_before(command.words))
        elif self.obs.changes and self.obs.changes[-1].step == command.step:
            self.obs.changes[-1] = self.obs.changes[-1]._replace(after=command.value)

    # ------------------------------------------------------------------ from a history

    def _follow(self, history: History, until: float) -> None:
        obs, series = self.obs, history.steps
        another = self._run is not None and history.run is not self._run
        shrunk = len(history.epochs) < len(self._epochs) or len(history.commands) < self._commands
        if another or self._steps > series.end or shrunk:
            self.__init__(history, self.every_cure)  # type: ignore[misc]  # a resume: what came after its checkpoint is forgotten
            obs = self.obs
        if history.run is not None and history.run is not self._run:
            self._run = history.run
            obs.parent = _parent(history)
            obs.begin(history.run)
        if (history.ranks, history.ranks.version) != self._ranks:
            self._ranks = history.ranks, history.ranks.version
            obs.set_ranks(history.ranks.ranks)
        if history.facts is not None and history.facts is not self._facts:
            self._facts = history.facts
            obs.set_facts(history.facts)
        self._follow_steps(history, until)
        if len(history.epochs) != len(self._epochs):
            self._epochs = list(history.epochs)
            obs.set_epochs(self._epochs)
        for finding in history.findings:
            obs.add_finding(finding)
        self.remember(history)
        if history.end is not None and history.end is not self._ended:
            self._ended = history.end
            obs.close(history.end)

    def _follow_steps(self, history: History, until: float) -> None:
        series, obs = history.steps, self.obs
        obs.bad_norms = history.bad_norms
        first = max(self._steps, series.first)
        while first < series.end and time.perf_counter() < until:
            piece = slice(first - series.first, min(first + CHUNK, series.end) - series.first)
            columns = (series.loss, series.accuracy, series.grad_norm, series.lr)
            obs.add_steps(first, *(column[piece].astype(np.float64) for column in columns))
            self._steps = first = series.first + piece.stop
        steps = history.layer_steps
        behind = len(steps) - self._samples
        stride = max(1, behind // MOST_SAMPLES)
        while self._samples < len(steps) and time.perf_counter() < until:
            place = self._samples
            self._samples = min(place + stride, len(steps))
            sample = history.layers_at(int(steps[place]))
            if sample is not None and sample.step == steps[place]:
                obs.add_layers(sample)


def _parent(history: History) -> RunStarted | None:
    """Return the first record of the run that a run was forked from; None without, or where it is gone."""
    name = history.run.parent.get("run") if history.run is not None else None
    if not isinstance(name, str) or not name or name in (".", "..") or "/" in name:
        return None
    return first_run(RunFolder(history.folder.path.parent / name))


def examine(history: History) -> list[Diagnosis]:
    """Return the root causes of a run, as far as its history is read; [] for a healthy one."""
    return Doctor(history).update()


def arrange(found: Sequence[Diagnosis]) -> list[Diagnosis]:
    """Root causes, each with the ids of what follows; the most trusted and furthest upstream first, notes last."""
    upstream = sorted(found, key=lambda one: FAULTS[one.id].order)
    roots: list[Diagnosis] = []
    follows: dict[str, list[str]] = {}
    for one in upstream:
        cause = next((root for root in upstream if root.id != one.id and _explains(root, one)), None)
        if cause is None:
            roots.append(one)
        else:
            follows.setdefault(cause.id, []).append(one.id)
    names = {root.id for root in roots}
    for cause_id, ids in list(follows.items()):  # a consequence of a consequence belongs to the root
        top = _root_of(cause_id, follows, names)
        if top != cause_id:
            follows.setdefault(top, []).extend(ids)
    roots.sort(key=_rank)
    return [
        msgspec.structs.replace(root, consequences=tuple(sorted(set(follows.get(root.id, ())), key=_place)))
        for root in roots
    ]


def _sure(one: Diagnosis) -> Diagnosis:
    """Return a finding with the confidence that the benchmark gives it; a note states what is seen, and has none."""
    sure = 1.0 if one.severity == "note" else round(TABLE.confidence(one.id), 2)
    return msgspec.structs.replace(one, sure=sure)


def _rank(one: Diagnosis) -> tuple[bool, bool, int, int]:
    """Sort key: faults before notes, the certain before the likely, causes before what follows.

    Notes on the run come before those on the net; of heuristic findings, what was seen much earlier comes first too.
    """
    late = max(one.step, 0) if one.kind == "heuristic" else 0
    note = one.severity == "note"
    return note, note and one.id.startswith("L"), TRUST[one.kind], 2 * FAULTS[one.id].order + late


def _place(fault_id: str) -> int:
    return FAULTS[fault_id].order


def _root_of(fault_id: str, follows: dict[str, list[str]], roots: set[str]) -> str:
    seen = set()
    while fault_id not in roots and fault_id not in seen:
        seen.add(fault_id)
        fault_id = next((cause for cause, ids in follows.items() if fault_id in ids), fault_id)
    return fault_id


def _explains(cause: Diagnosis, one: Diagnosis) -> bool:
    """Return True if `cause` is upstream in the table, names `one` there, and was not seen much later."""
    fault = FAULTS[cause.id]
    if one.id not in fault.causes or fault.order >= FAULTS[one.id].order:
        return False
    if cause.severity == "note" and one.severity != "note":
        return False
    return cause.step - fault.span <= one.step + AT_ONCE


def _rate_before(words: str) -> float:
    """0.05 of `rate 0.05 → 10`; NaN of anything else. Of a run that has just been resumed nothing else knows it."""
    told = re.match(r"rate (\d+(?:\.\d+)?(?:e[+-]\d+)?) →", words)
    return float(told[1]) if told else math.nan


def findings(found: Sequence[Diagnosis]) -> list[Finding]:
    """As records for the log."""
    return [one.as_finding() for one in found]
