"""A log of another program as a run folder, so that what reads runs can read it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cvtui.runlog.events import EpochDone, RunEnded, RunStarted, Steps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.foreign.kinds import CLEARML
from cvtui.runlog.foreign.roles import Chosen
from cvtui.runlog.foreign.rows import Rows
from cvtui.runlog.foreign.scalars import ScalarLog
from cvtui.runlog.writer import EventWriter

CHUNK = 10_000
ZERO = 0.01
"""A loss above this doesn't become exactly 0 from one row to the next."""
UNKNOWN = "not known"
"""The loss of such a run: no rule may take it for a cross-entropy."""
RECIPE = "# The log of another program: there is no recipe that would repeat it.\n"


def write_run(log: ScalarLog, chosen: dict[str, Chosen], rows: Rows, base: Path) -> RunFolder:
    """Write the folder `base`/log: steps, evaluations, an end. Values between two rows are those of the first."""
    folder = RunFolder.create(base, "log", RECIPE)
    rates = _held(rows, chosen.get("lr"))
    peak = max((rate for rate in rates if math.isfinite(rate)), default=math.nan)
    first = rows.steps[0] if rows.late else 0
    with EventWriter(folder) as writer:
        writer.write(
            RunStarted(
                time=0.0,
                layers=[],
                parameters=0,
                steps_per_epoch=0,
                device="",
                threads=0,
                libraries={},
                data={},
                recipe={"data": "your own", "net": "", "loss": UNKNOWN} | ({"lr": peak} if peak > 0 else {}),
                total_steps=first + max(rows.end, _planned(log, rows)),
                step=first or None,
                kind="watch",
            )
        )  # fmt: skip
        losses, accuracies = _losses(log, chosen, rows), _held(rows, chosen.get("accuracy"), share(chosen, "accuracy"))
        for begin in range(0, rows.end, CHUNK):
            piece = slice(begin, begin + CHUNK)
            loss = losses[piece]
            writer.write(
                Steps(
                    first=first + begin,
                    loss=[_number(value) for value in loss],
                    lr=[_number(value) for value in rates[piece]],
                    accuracy=[_number(value) for value in accuracies[piece]] if "accuracy" in chosen else [],
                    not_finite=_infinite(loss),
                )
            )
        for epoch in _epochs(chosen, rows, first):
            writer.write(epoch)
        writer.write(RunEnded(time=0.0, step=first + rows.end, status="finished"))
    return folder


def share(chosen: dict[str, Chosen], role: str) -> float:
    """Return the factor that makes an accuracy a share: 0.01 where the log has per cent."""
    values = [value for value in chosen[role].values.values() if math.isfinite(value)] if role in chosen else []
    return 0.01 if values and 1.0 < max(values) <= 100.0 else 1.0


def hidden_nan(log: ScalarLog, losses: Mapping[int, float]) -> int | None:
    """Return the step from which numbers were written in place of a NaN loss; None without.

    Hugging Face's filter (`logging_nan_inf_filter`) leaves such losses out of the mean, down to 0; the gradient's norm
    tells. ClearML writes 0: a loss that was no such thing before, and is exactly 0 to the end.
    """
    if log.kind == CLEARML:
        rows = sorted(losses.items())
        bad = _tail(rows, lambda value: value == 0)
        return rows[bad][0] if len(rows) - bad > 1 and bad and rows[bad - 1][1] > ZERO else None
    norms = sorted(log.columns.get("grad_norm", {}).items()) if log.means else []
    bad = _tail(norms, lambda value: not math.isfinite(value))
    return norms[bad][0] if len(norms) - bad > 1 else None


def _tail(rows: Sequence[tuple[int, float]], is_bad: Callable[[float], bool]) -> int:
    """Return where the bad rows at the end begin."""
    bad = len(rows)
    while bad and is_bad(rows[bad - 1][1]):
        bad -= 1
    return bad


def _planned(log: ScalarLog, rows: Rows) -> int:
    return (log.total - rows.steps[0]) // rows.unit if log.total and rows.unit else 0


def _losses(log: ScalarLog, chosen: dict[str, Chosen], rows: Rows) -> list[float]:
    """Return the loss of each step. A mean since the row before it is that of the steps before it."""
    values = chosen["loss"].values
    bad = hidden_nan(log, values)
    if bad is not None:
        values = {step: math.nan if step >= bad else value for step, value in values.items()}
    return _held(rows, Chosen(chosen["loss"].names, values))


def _held(rows: Rows, column: Chosen | None, factor: float = 1.0) -> list[float]:
    """Return the values of a column on the run's axis, each held until the next; NaN before the first."""
    held = [math.nan] * rows.end
    if column is None:
        return held
    places: dict[int, float] = {}
    for step, value in sorted(column.values.items()):
        before = step < rows.steps[0]
        places[0 if before else max(0, rows.place(step - 1) if rows.unit == 0 else _at(rows, step))] = factor * value
    marks = sorted(place for place in places if place < rows.end)
    for place, after in zip(marks, [*marks[1:], rows.end], strict=True):
        held[place:after] = [places[place]] * (after - place)
    return held


def _at(rows: Rows, step: int) -> int:
    return (step - rows.steps[0]) // rows.unit


def _epochs(chosen: dict[str, Chosen], rows: Rows, first: int) -> list[EpochDone]:
    """Return an evaluation for each step with a validation result, with the training means since the one before."""
    losses = chosen["val_loss"].values if "val_loss" in chosen else {}
    right = chosen["val_accuracy"].values if "val_accuracy" in chosen else {}
    factor = share(chosen, "val_accuracy")
    numbers = epoch_numbers(chosen)
    found: list[EpochDone] = []
    before = -1 << 60
    best = -math.inf
    for count, step in enumerate(sorted({*losses, *right})):
        accuracy = factor * right[step] if step in right and math.isfinite(right[step]) else None
        best, is_best = (accuracy, True) if accuracy is not None and accuracy > best else (best, False)
        loss = losses.get(step, math.nan)
        found.append(
            EpochDone(
                epoch=numbers.get(step, count + 1),
                step=first + rows.place(step),
                time=0.0,
                seconds=0.0,
                train_loss=_mean(chosen.get("loss"), before, step),
                train_accuracy=_mean(chosen.get("accuracy"), before, step, share(chosen, "accuracy")),
                val_loss=_number(loss),
                val_accuracy=accuracy,
                images_per_second=0.0,
                best=is_best,
                not_finite={"val_loss": "nan"} if step in losses and math.isnan(loss) else {},
            )
        )  # fmt: skip
        before = step
    return found


def epoch_numbers(chosen: dict[str, Chosen]) -> dict[int, int]:
    """Return the log's own number of each evaluation's epoch by step; {} where it has none that tells them apart."""
    steps = sorted({step for role in ("val_loss", "val_accuracy") if role in chosen for step in chosen[role].values})
    column = chosen["epoch"].values if "epoch" in chosen else {}
    told = [column[step] for step in steps if step in column]
    whole = len(told) == len(steps) and all(math.isfinite(one) and one == int(one) for one in told)
    return (
        {step: int(one) for step, one in zip(steps, told, strict=True)} if whole and len(set(told)) == len(told) else {}
    )


def _mean(column: Chosen | None, after: int, until: int, factor: float = 1.0) -> float | None:
    values = [value for step, value in column.values.items() if after < step <= until] if column is not None else []
    return _number(factor * math.fsum(values) / len(values)) if values else None


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _infinite(values: Sequence[float]) -> dict[str, dict[str, list[int]]]:
    """Say which values were NaN or infinite."""
    kinds = {
        "nan": [place for place, value in enumerate(values) if math.isnan(value)],
        "inf": [place for place, value in enumerate(values) if value == math.inf],
        "-inf": [place for place, value in enumerate(values) if value == -math.inf],
    }
    told = {kind: places for kind, places in kinds.items() if places}
    return {"loss": told} if told else {}
