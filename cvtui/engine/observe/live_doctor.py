"""Run the doctor on a run's records as they are written, and log its findings."""

from __future__ import annotations

import threading
import time

from cvtui.doctor import Diagnosis, Doctor
from cvtui.engine.data.images import Split
from cvtui.engine.observe.data_checks import Named, data_facts
from cvtui.runlog.events import EpochDone, Facts, Finding, Log, Record, RunEnded, RunStarted, Steps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.writer import EventWriter
from cvtui.text import error_line

LOOK_SHARE = 0.0025
"""Of a run's time that looks at its steps may take, and those at epochs' ends as much again …"""
SECONDS_APART = 0.5
"""… and the most that lies between two, and between two at epochs' ends. (A look takes 1.2 ms at first, 2 to
4 ms later: with epochs of 0.25 s, of which the steps and the end brought a look each, it was 1.6 % of a loop.)"""


class LiveDoctorWriter(EventWriter):
    """Event writer that runs the doctor on each record and logs its findings.

    Each finding is written once. A doctor that raises is dropped: it must not cost a training.
    """

    def __init__(self, folder: RunFolder) -> None:
        super().__init__(folder)
        self._folder = folder
        self._doctor: Doctor | None = Doctor()
        self._reported: dict[str, tuple[str, ...]] = {}
        self._warned: dict[str, str] = {}
        """Id -> name of findings that were logged as faults."""
        self._seen_bad = False
        self._next_look = 0.0
        self._next_epoch = 0.0
        self.seconds = 0.0
        """Spent on it so far."""
        self._owed = self._owed_epoch = False
        """A look is due at the end of the block of records under way; it is one at an epoch's end."""
        self._usual = 0.0
        """Seconds of a look at steps alone."""

    def write(self, record: Record) -> None:
        """Write as EventWriter does; the record `end` comes last, after the findings about it."""
        if isinstance(record, RunEnded):
            self._diagnose(record)
            self._retract_warnings()
            super().write(record)
            return
        super().write(record)
        if isinstance(record, Finding):
            self._reported.setdefault("F03" if record.id == "not-finite" else record.id, ())
        self._diagnose(record)

    def has_found(self, rule: str) -> bool:
        """Return True if a finding of that id was logged."""
        return rule in self._reported

    def settle(self) -> None:
        """Write what a block has gathered, and look at it."""
        super().settle()
        self._diagnose(None)

    def _diagnose(self, record: Record | None) -> None:
        if self._doctor is None:
            return
        begun = time.perf_counter()
        try:
            if isinstance(record, RunStarted) and record.step is not None:
                self._doctor = self._resumed_doctor()  # a resume
            if record is not None:
                self._doctor.take(record)
            if record is not None and self._due(record, begun):
                self._owed, self._owed_epoch = True, self._owed_epoch or isinstance(record, EpochDone)
            if self._owed and not self._depth:
                self._look(self._doctor, begun)
        except Exception as error:
            self._doctor = None
            text = f"the doctor had to leave ({error_line(error)}); `cvtui doctor` looks at the run again"
            super().write(Log(time=time.time(), level="warning", text=text))
        self.seconds += time.perf_counter() - begun

    def _look(self, doctor: Doctor, begun: float) -> None:
        """Look at all records so far, and write what is new."""
        epoch, self._owed, self._owed_epoch = self._owed_epoch, False, False
        layers, began = "layers" in doctor.obs.fresh, time.thread_time()
        for diagnosis in doctor.update():
            self._report(diagnosis)
        taken = time.thread_time() - began
        next_look = begun + min(SECONDS_APART, taken / LOOK_SHARE)
        self._next_look = max(self._next_look, next_look)
        if epoch:
            self._next_epoch = next_look
        self._count(layers, taken)

    def _count(self, layers: bool, seconds: float) -> None:
        """Count what a look at new layer samples takes beyond one without."""
        if layers:
            self.layer_seconds += max(0.0, seconds - self._usual)
        else:
            self._usual += 0.2 * (seconds - self._usual) if self._usual else seconds

    def _retract_warnings(self) -> None:
        """Log the warnings that no longer hold at the end, in one line each."""
        if self._doctor is None:
            return
        now = {one.id: one.severity for one in self._doctor.all}
        for rule, name in self._warned.items():
            if now.get(rule, "note") == "note":
                what = "the run got over it" if rule in now else "more steps have shown that it was none"
                text = f"the doctor takes back its warning “{name}” ({rule}): {what}"
                super().write(Log(time=time.time(), text=text))

    def _resumed_doctor(self) -> Doctor:
        """Make a doctor for a resumed run.

        Of the past it knows only rates that were set by hand.
        """
        self.flush()
        doctor, history = Doctor(), History(self._folder)
        history.poll()
        doctor.remember(history)
        return doctor

    def _due(self, record: Record, now: float) -> bool:
        if isinstance(record, EpochDone):
            return now >= self._next_epoch
        if isinstance(record, Steps):
            return now >= self._next_look
        return isinstance(record, Facts | RunEnded | Finding)

    def _report(self, diagnosis: Diagnosis) -> None:
        before = self._reported.get(diagnosis.id)
        if before is not None and set(diagnosis.consequences) <= {*before, "F03"}:
            return
        if diagnosis.severity == "note" and diagnosis.kind == "static":
            return  # worth knowing, and no news of this run: `cvtui doctor` has it
        if diagnosis.id == "F03" and not self._seen_bad:
            self._seen_bad = True  # the trainer tells where it came from a moment later
            return
        self._reported[diagnosis.id] = diagnosis.consequences
        if diagnosis.severity != "note":
            self._warned[diagnosis.id] = diagnosis.name
        if before is None:
            super().write(diagnosis.as_finding())


def _named(split: Split) -> Named | None:
    """Return the names of images and classes, where the images lie somewhere that can be named."""
    return None if split.named is None else Named(split.named, split.classes)


class DataScan:
    """Data checks in a thread of their own while the training begins."""

    def __init__(self, split: Split, classes: int) -> None:
        self._found: Facts | None = None
        self._thread: threading.Thread | None = threading.Thread(target=self._scan, args=(split, classes), daemon=True)
        self._thread.start()

    def _scan(self, split: Split, classes: int) -> None:
        try:
            self._found = data_facts(
                split.train, split.validation, classes=classes, named=_named(split), several=bool(split.label_sets)
            )
        except Exception:  # a check that can't be made is none
            self._found = None

    def take(self) -> Facts | None:
        """Return the result once, when it is there; else None."""
        if self._thread is None or self._thread.is_alive():
            return None
        self._thread = None
        return self._found

    def close(self) -> Facts | None:
        """Wait for the checks (a second or so) and return their result."""
        if self._thread is None:
            return None
        self._thread.join(5.0)
        return self.take()
