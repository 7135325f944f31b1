"""The doctor on a log of another program: the rules that a curve alone can answer, in the log's own steps."""

from __future__ import annotations

import bisect
import math
import re
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cvtui.doctor.catalogue import FAULTS
from cvtui.doctor.diagnosis import Diagnosis
from cvtui.doctor.doctor import Doctor, arrange
from cvtui.runlog.foreign.convert import epoch_numbers, hidden_nan, share, write_run
from cvtui.runlog.foreign.find import read_log
from cvtui.runlog.foreign.kinds import CLEARML
from cvtui.runlog.foreign.roles import ROLES, Chosen, choose, spread
from cvtui.runlog.foreign.rows import Rows, rows_of
from cvtui.runlog.foreign.scalars import ScalarLog
from cvtui.runlog.history import History
from cvtui.text import compact, counted

BY_CURVES = ("F01", "F03", "F18", "F19", "F32", "F36")
"""Faults that curves alone can show; all others need layers, gradients, data or the loss itself."""
FEW = 5
"""Rows of a log from which on it can be said that the loss doesn't fall."""
MANY = 15
"""Rows of a log of which three in a row, not two, must show that the loss diverged."""
STILL = 0.05
"""Less than this share better in the last quarter of a log than in the quarter before: it stands still."""


@dataclass(frozen=True)
class LogReport:
    """What the doctor found in a log, and what it took for what."""

    path: Path
    log: ScalarLog
    chosen: dict[str, Chosen]
    rows: Rows
    findings: list[Diagnosis]
    """Root causes first; steps and sentences in the log's own steps."""
    all: list[Diagnosis]
    """What follows from something else too."""
    evaluations: int
    unasked: dict[str, str]
    """Rules of curves that could not be asked, with the reason."""

    @property
    def asked(self) -> list[str]:
        """Faults that were looked for."""
        return [one for one in BY_CURVES if one not in self.unasked]

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` says of the log."""
        return {
            "kind": self.log.kind,
            "path": str(self.path),
            "axis": self.rows.word,
            "columns": {role: list(one.names) for role, one in self.chosen.items()},
            "asked": self.asked,
            "not_asked": self.unasked,
            "notes": self.log.notes,
        }


def examine_log(path: Path, told: Mapping[str, str]) -> LogReport:
    """Read the log at a path and ask the rules. told: role → column of the user. RequestError."""
    log = read_log(path)
    chosen = spread(log, choose(log, told))
    rows = rows_of(log, chosen)
    if (bad := hidden_nan(log, chosen["loss"].values)) is not None:
        log.notes.append(
            f"from {rows.word} {bad:,} on the loss is exactly 0, which ClearML writes for NaN and infinity: "
            "it is taken for NaN there"
            if log.kind == CLEARML
            else f"from step {bad:,} on grad_norm is NaN, and the Trainer leaves NaN out of the losses that it logs "
            "(logging_nan_inf_filter): the loss is taken for NaN there"
        )
    with tempfile.TemporaryDirectory(prefix="cvtui-") as base:
        history = History(write_run(log, chosen, rows, Path(base)))
        history.poll()
        doctor = Doctor(history)
        doctor.update()
        evaluations = len(history.epochs)
    unasked = _unasked(chosen, rows)
    kept = [one for one in doctor.all if one.id in BY_CURVES and one.id not in unasked and _lasts(one, chosen, rows)]
    if any(one.id == "F01" for one in kept):  # on its way up a loss passes that of a guess
        kept = [one for one in kept if one.id != "F36"]
    kept = [_in_its_steps(one, rows) for one in kept]
    return LogReport(path, log, chosen, rows, arrange(kept), kept, evaluations, unasked)


def _unasked(chosen: dict[str, Chosen], rows: Rows) -> dict[str, str]:
    """Return the rules of curves that this log can't answer."""
    reasons: dict[str, str] = {}
    losses = chosen["loss"].values
    first = losses[min(losses)]
    why = ""
    if rows.late:
        why = f"the log begins at {rows.word} {rows.steps[0]:,}: what the loss was at first is not in it"
    elif math.isfinite(first) and (first <= 0 or min(losses.values()) < 0):
        why = "a loss of 0 or less can't be compared with the first one"
    if why:
        reasons |= dict.fromkeys(("F01", "F19", "F36"), why)
    elif len(losses) < FEW:
        reasons |= dict.fromkeys(("F19", "F36"), f"{len(losses)} rows are too few")
    elif rows.single:
        reasons |= dict.fromkeys(("F19", "F36"), f"{len(losses)} single steps may be too few to learn")
    if "val_loss" not in chosen and not {"accuracy", "val_accuracy"} <= chosen.keys():
        reasons["F18"] = "the log has no validation loss"
    if "lr" not in chosen:
        reasons["F32"] = "the log has no learning rate"
    return dict(sorted(reasons.items()))


def _lasts(one: Diagnosis, chosen: dict[str, Chosen], rows: Rows) -> bool:
    """Return True if the rows of the log themselves show it: a value that is held is still one value."""
    column = chosen["loss"].values
    losses = [column[step] for step in sorted(column)]
    if one.id == "F01":
        return _diverges(losses)
    if one.id == "F36":
        few = max(FEW, len(losses) // 10)  # a first batch that happened to be easy is none to compare with
        seen = bisect.bisect_right(rows.begins, one.step - (rows.steps[0] if rows.late else 0))
        later = [losses[begin : begin + few] for begin in range(seen, len(losses) - few + 1, max(1, few // 2))]
        return not min(map(_middle, [*later, losses[-few:]])) < 0.9 * _middle(losses[:few])
    if one.id == "F19":
        quarter = len(losses) // 4
        before, last = _mean(losses[-2 * quarter : -quarter]), _mean(losses[-quarter:])
        return quarter > 1 and not last < (1 - STILL) * before
    return True


def _diverges(losses: list[float]) -> bool:
    """Return True if several rows in a row lie at twice the first ones, and the last are no better than these.

    (One row alone, a first batch that happened to be easy, or a spike that the run got over, is none.)
    """
    finite = [loss for loss in losses if math.isfinite(loss)]
    begin = statistics.median(finite[:5]) if finite else 0.0
    row = most = 0
    for loss in losses:
        row = 0 if loss <= 2 * begin else row + 1
        most = max(most, row)
    end = _middle(losses[-max(3, len(losses) // 20) :])
    return most >= (3 if len(losses) >= MANY else 2) and not end < 0.9 * begin


def _middle(values: list[float]) -> float:
    """Return the median, a NaN counted as the highest."""
    ordered = sorted(math.inf if math.isnan(value) else value for value in values)
    return ordered[len(ordered) // 2]


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


_N = r"\d(?:[\d,]*\d)?"
_STEPS = re.compile(rf"(?P<the>the )?\b(?P<word>steps?|those to) (?P<a>{_N})(?: to (?P<b>{_N}))?(?: of (?P<of>{_N}))?")
_COMMANDS = re.compile(r"\s*\(`cvtui [^)]*\)|; `cvtui [^.;]*|\s*`cvtui [^`]*`")


def _in_its_steps(one: Diagnosis, rows: Rows) -> Diagnosis:
    """Return a finding that names the log's own steps, and no command that wants a run of cvtui."""
    offset = rows.steps[0] if rows.late else 0

    def told(text: str) -> int:
        return rows.told(int(text.replace(",", "")) - offset)

    def named(match: re.Match[str]) -> str:
        first, last = told(match["a"]), told(match["b"]) if match["b"] else None
        of = f" of {told(match['of']):,}" if match["of"] else ""
        if match["word"] == "those to":
            return f"those to {first:,}"
        if last is None or last == first:
            return f"{rows.word} {first:,}{of}"
        return f"{match['the'] or ''}{rows.word}s {first:,} to {last:,}{of}"

    return msgspec.structs.replace(
        one,
        step=rows.told(one.step - offset - (one.id == "F18")) if one.step >= 0 else one.step,  # F18's is of steps done
        sentence=_STEPS.sub(named, one.sentence),
        evidence=_STEPS.sub(named, one.evidence),
        advice=_COMMANDS.sub("", one.advice),
        cure={},
        threshold=None,  # limits were measured on runs whose every step is known
    )


def lines(report: LogReport) -> list[str]:
    """Say what was read and taken for what, and what could not be asked."""
    rows, log = report.rows, report.log
    span = f"{rows.word} {rows.steps[0]:,}" + (f" to {rows.steps[-1]:,}" if len(rows.steps) > 1 else "")
    told = [f"{log.kind}: {counted(len(log.columns), 'column')}, {counted(log.values, 'value')}, {span}"]
    for role in ROLES:
        if role == "epoch" and not epoch_numbers(report.chosen):
            continue
        if role in report.chosen:
            one = report.chosen[role]
            cent = " (per cent)" if role.endswith("accuracy") and share(report.chosen, role) != 1 else ""
            told.append(f"{role:<13}{one.words}{cent}, {counted(len(one.values), 'value')}")
        elif role != "epoch":
            told.append(f"{role:<13}not found")
    told.append("another column: --column loss=NAME (or accuracy, val_loss, val_accuracy, lr; `lr=` for none)")
    if report.evaluations and not epoch_numbers(report.chosen) and rows.word != "epoch":
        told.append("the log doesn't number its epochs: below, epoch 1 is its first evaluation")
    if log.means:
        told.append("each loss is the mean since the one before it")
    elif rows.unit and (gap := (rows.steps[-1] - rows.steps[0]) / max(1, len(rows.steps) - 1)) > 1.5:
        told.append(f"the loss is logged about every {compact(gap)} steps; each value is taken to last until the next")
    return told + log.notes


def unseen(report: LogReport) -> list[str]:
    """Say what a log can't tell."""
    named = {one for one in FAULTS if one.startswith("F")}
    told = [f"{one} {FAULTS[one].name}: not asked, {why}" for one, why in report.unasked.items()]
    told.append(
        f"looked for: {', '.join(report.asked)}. The other {len(named) - len(BY_CURVES)} faults need layers, "
        "gradients, data or the loss itself, which no log holds: cvtui.watch in the training loop sees them."
    )
    return told
