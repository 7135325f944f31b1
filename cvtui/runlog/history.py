"""A run read from its folder while it trains or later: the only source of screen and doctor."""

from __future__ import annotations

import os
from collections import Counter, deque
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from cvtui import door
from cvtui.runlog import disk_note, events
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.layer_index import LayerIndex, decode_layers, layers_step
from cvtui.runlog.ranks import RankFiles
from cvtui.runlog.record_limits import BROKEN, MOST_STEPS, sanitized
from cvtui.runlog.run_state import log_has_begun, state_without_end
from cvtui.runlog.scalar_curves import ScalarTable
from cvtui.runlog.series import Series
from cvtui.runlog.tail import Tail
from cvtui.runlog.thinning import drop_confusions, drop_machines

LARGEST_GAP = 10_000_000
"""Steps missing between two records; a larger gap is taken for a broken line (it'd be filled with NaN in memory)."""
GATHERED_STEPS = 20_000
"""Steps held as Python's own numbers (32 bytes each) before they become arrays."""

_STEPS = b'{"type":"steps",'
_others = msgspec.json.Decoder(
    events.RunStarted
    | events.EpochDone
    | events.PictureSaved
    | events.CheckpointSaved
    | events.CommandApplied
    | events.Finding
    | events.Facts
    | events.Scalars
    | events.Machine
    | events.Log
    | events.RunEnded
)


class _Named(msgspec.Struct):
    """Just the type of a line, for what this version does not know."""

    type: str


_steps = msgspec.json.Decoder(events.Steps)
_named = msgspec.json.Decoder(_Named)


class History:
    """A run's records. `poll` takes in what is new; everything else is what has been taken in so far.

    run, end           RunStarted of the latest process, RunEnded once it is over (None before)
    steps              Series: loss, lr, accuracy, grad_norm, seconds
    bad_norms          steps whose gradient norm was NaN or infinite
    epochs, commands, findings, checkpoints, pictures      lists of their records
    facts              what all `Facts` records say together (None before)
    logs               the last 1,000 `Log` records
    logs_dropped       how many came before those
    scalars            a custom loop's own numbers, by name
    machines           `Machine` records, the older ones thinned out
    threads            CPU threads that it trains on now (0 before)
    ranks              processes that train together, and their newest steps (none of a run of one process)
    layer_steps        steps that have a `layers` record (int64, rising)
    skipped, unknown   broken lines; lines of types that this version does not know, counted by type
    version            rises with every change

    After a resume the steps that are done again replace those that were there, with all that belongs to them.
    Nothing in a file makes `poll` raise.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.version = 0
        self.trouble = ""
        """What keeps the trainer from writing (worker.note), or that the folder is gone; "" when all is well."""
        self._tail = Tail(folder.events)
        self._begin()

    def _begin(self) -> None:
        self.run: events.RunStarted | None = None
        self.threads = 0
        self.end: events.RunEnded | None = None
        self.steps = Series()
        self.bad_norms: set[int] = set()
        self.group_rates: dict[str, float] = {}
        """The last rate of each parameter group, where there are several."""
        self.epochs: list[events.EpochDone] = []
        self._confusions = 0
        """Epochs whose confusion matrix is held."""
        self.commands: list[events.CommandApplied] = []
        self.findings: list[events.Finding] = []
        self.facts: events.Facts | None = None
        self.checkpoints: list[events.CheckpointSaved] = []
        self.pictures: list[events.PictureSaved] = []
        self.logs: deque[events.Log] = deque(maxlen=1000)
        self.logs_dropped = 0
        self.scalars = ScalarTable()
        self.machines: list[events.Machine] = []
        self.skipped = 0
        self.unknown: Counter[str] = Counter()
        self._paused = False
        self._gathered: events.Steps | None = None
        self._layers = LayerIndex(self.folder.events)
        self.ranks = RankFiles(self.folder)

    # ------------------------------------------------------------------ taking in

    def poll(self, most: int | None = None) -> bool:
        """Read new complete records. Return True if anything changed.

        `most` bounds it to about so many bytes (a screen that opens 10 million steps stays alive: 50 MB are 0.3 s);
        `behind` tells whether there is more.
        """
        changed = False
        for offset, line in self._tail.lines(most):
            if self._tail.restarted:
                self._begin()
                self._tail.restarted = False
            changed = True
            self._read(offset, line)
        if self._tail.restarted:  # truncated to nothing
            self._begin()
            changed = True
        self._settle()
        if door.is_file(self._tail.path) or self.run is None:
            trouble = disk_note.read(self.folder.note)
        else:
            trouble = "" if self.folder.path.is_dir() else "the run folder is gone"
        if self.run is not None and self.run.ranks:
            changed |= self.ranks.poll()
        changed |= trouble != self.trouble
        self.trouble = trouble
        if changed:
            self.version += 1
        return changed

    def _read(self, offset: int, line: bytes) -> None:
        """Read one line; `layers` lines (most of the bytes) are only indexed, not decoded."""
        try:
            if line.startswith(_STEPS):
                self._add_steps(_decode_steps(line))
            elif (step := layers_step(line)) is not None:
                self._layers.add(step, offset, line)
            elif line.strip():
                self._settle()
                self._read_other(offset, line.strip(b"\0"))
        except BROKEN:
            self.skipped += 1

    def _add_steps(self, steps: events.Steps) -> None:
        """Gather consecutive records, and turn them into arrays at once: 3 x faster than one by one."""
        for group in steps.groups:
            last = group.lr[-1] if group.lr else group.rate
            if last is not None:
                self.group_rates[group.name] = last
        gathered = self._gathered
        if gathered is not None and len(gathered.loss) >= GATHERED_STEPS:
            self._settle()
        elif gathered is not None and steps.first == gathered.first + len(gathered.loss) and _is_square(steps):
            gathered.loss.extend(steps.loss)
            gathered.lr.extend(steps.lr)
            gathered.accuracy.extend(steps.accuracy)
            gathered.grad_norm.extend(steps.grad_norm)
            gathered.seconds.extend(steps.seconds)
            self.bad_norms |= steps.bad_norms()
            return
        self._settle()
        if not 0 <= steps.first <= MOST_STEPS or (len(self.steps) and steps.first > self.steps.end + LARGEST_GAP):
            raise ValueError
        if steps.first < self.steps.end:
            self._rewind(steps.first)
        self.bad_norms |= steps.bad_norms()
        if _is_square(steps):
            self._gathered = steps
        else:
            self._store(steps)

    def _settle(self) -> None:
        """Store the gathered steps: before any other record, and at the end of a poll."""
        gathered, self._gathered = self._gathered, None
        if gathered is not None:
            self._store(gathered)

    def _store(self, steps: events.Steps) -> None:
        self.steps.skip_to(steps.first)
        self.steps.append(
            len(steps.loss),
            {
                "loss": steps.loss,
                "lr": steps.lr,
                "accuracy": steps.accuracy,
                "grad_norm": steps.grad_norm,
                "seconds": steps.seconds,
            },
        )

    def _rewind(self, step: int) -> None:
        """Forget what was recorded after `step` steps: a resume records it again."""
        self.steps.cut(step)
        if step <= self.steps.first:
            self.steps = Series()
        self.bad_norms = {one for one in self.bad_norms if one < step}
        self.epochs = [record for record in self.epochs if record.step <= step]
        self.commands = [record for record in self.commands if record.step <= step]
        self.findings = [record for record in self.findings if record.step <= step]
        self.checkpoints = [record for record in self.checkpoints if record.step <= step]
        self.pictures = [record for record in self.pictures if record.step <= step]
        self.machines = [record for record in self.machines if record.step <= step]
        self.scalars.cut(step)
        self._layers.cut(step + 1)

    def _read_other(self, offset: int, line: bytes) -> None:
        try:
            record = _others.decode(line)
        except BROKEN:
            self._read_unknown(offset, line)
            return
        self._add(sanitized(record))

    def _add(self, record: Any) -> None:
        match record:
            case events.RunStarted():
                self._add_process(record)
            case events.EpochDone():
                self._add_epoch(record)
            case events.CommandApplied():
                self.commands.append(record)
                self._paused = {"pause": True, "resume": False}.get(record.command, self._paused)
            case events.Finding():
                self.findings.append(record)
            case events.Facts():
                self.facts = merged(self.facts, record)
            case events.CheckpointSaved():
                self.checkpoints.append(record)
            case events.PictureSaved():
                self.pictures.append(record)
            case events.Log():
                self.logs_dropped += len(self.logs) == self.logs.maxlen
                self.logs.append(record)
                self.threads = record.threads or self.threads
            case events.RunEnded():
                self.end = record
            case _:
                self._add_numbers(record)

    def _add_process(self, run: events.RunStarted) -> None:
        self.run, self.end, self._paused = run, None, False
        self.threads = run.threads
        if run.step is not None and run.step < self.steps.end:
            self._rewind(run.step)

    def _add_epoch(self, epoch: events.EpochDone) -> None:
        while self.epochs and self.epochs[-1].epoch >= epoch.epoch:
            self.epochs.pop()
        self.epochs.append(epoch)
        if epoch.confusion:
            self._confusions = drop_confusions(self.epochs, self._confusions + 1)

    def _add_numbers(self, record: events.Scalars | events.Machine) -> None:
        if isinstance(record, events.Scalars):
            self.scalars.add(record)
            return
        self.machines.append(record)
        drop_machines(self.machines)

    def _read_unknown(self, offset: int, line: bytes) -> None:
        """Read a line with another order of keys, or of an unknown type. Raises one of BROKEN."""
        kind = _named.decode(line).type
        if kind == "steps":
            self._add_steps(_decode_steps(line))
        elif kind == "layers":
            self._layers.add(decode_layers(line).step, offset, line)
        elif kind in KNOWN:
            raise ValueError(kind)
        elif kind in self.unknown or len(self.unknown) < 100:
            self.unknown[kind[:40]] += 1

    # ------------------------------------------------------------------ being asked

    @property
    def layer_steps(self) -> NDArray[np.int64]:
        """Steps that have a `layers` record, rising."""
        return self._layers.steps

    def layers_at(self, step: int) -> events.LayersSampled | None:
        """Return the layer statistics at `step`, or the nearest before it that can be read; None without any."""
        return self._layers.at(step)

    @property
    def latest_layers(self) -> events.LayersSampled | None:
        """The layer statistics of the last step that has some."""
        return self._layers.at(MOST_STEPS)

    @property
    def steps_done(self) -> int:
        return self.steps.end

    def state(self) -> str:
        """Return starting, running, paused, finished, stopped, diverged, failed, or lost.

        lost: the process ended without an `end` record.
        """
        if self.end is not None:
            return self.end.status
        return state_without_end(self.folder, self.run is not None, self._paused, self._tail)

    @property
    def log_is_cut(self) -> bool:
        """Return True if the log ends within its first record: nothing of the run can be read."""
        return self.run is None and self._tail.offset == 0 and log_has_begun(self.folder)

    def behind(self) -> bool:
        """Return True if the file has data that `poll` has not read yet."""
        return self._tail.behind()

    def last_log_lines(self, count: int = 10) -> list[str]:
        """Return the last lines of worker.log: what the process itself printed before it died."""
        try:
            with door.opened(self.folder.log) as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 64 * 1024))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        return text.splitlines()[-count:]


KNOWN = frozenset(
    struct.__struct_config__.tag
    for struct in (
        events.RunStarted,
        events.Steps,
        events.EpochDone,
        events.LayersSampled,
        events.PictureSaved,
        events.CheckpointSaved,
        events.CommandApplied,
        events.Finding,
        events.Facts,
        events.Scalars,
        events.Machine,
        events.Log,
        events.RunEnded,
    )
)


_DEFAULTS = {name: getattr(events.Facts(), name) for name in events.Facts.__struct_fields__}


def merged(old: events.Facts | None, new: events.Facts) -> events.Facts:
    """Merge two `facts`: the newer one wins, and what it leaves out (has at its default) stays."""
    if old is None:
        return new
    said = {name: value for name, default in _DEFAULTS.items() if (value := getattr(new, name)) != default}
    said["mode_losses"] = (old.mode_losses + new.mode_losses)[-100:]
    return msgspec.structs.replace(old, **said)


def _is_square(steps: events.Steps) -> bool:
    """Return True if all lists are as long as `loss`, so that the next record can be joined to them."""
    length = len(steps.loss)
    return (
        len(steps.lr) == length
        and len(steps.accuracy) == length
        and len(steps.grad_norm) == length
        and len(steps.seconds) == length
    )


def _decode_steps(line: bytes) -> events.Steps:
    """Decode a `steps` line, without a `not_finite` that does not fit the schema. Raises one of BROKEN."""
    try:
        return _steps.decode(line)
    except BROKEN:
        loose: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
        if loose.pop("not_finite", None) is None:
            raise
        return msgspec.convert(loose, events.Steps)
