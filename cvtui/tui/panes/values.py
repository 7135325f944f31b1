"""The values pane: the numbers of one moment (the cursor's, or now), and the run's best epochs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from textual.content import Content

from cvtui.runlog.axes import Smoothed
from cvtui.text import clean, compact, count, duration, percent, significant
from cvtui.tui.panes.gradient import APART
from cvtui.tui.panes.styled_lines import StyledLine, StyledLines
from cvtui.tui.panes.text_pane import TextPane
from cvtui.tui.panes.view_state import OverlayRun, ViewState
from cvtui.tui.widgets import MUTED

if TYPE_CHECKING:
    from cvtui.runlog.events import EpochDone
    from cvtui.runlog.history import History
    from cvtui.runlog.series import FloatColumn

BEST = 5
"""Number of epochs listed."""


def best_epochs(epochs: list[EpochDone], most: int = BEST) -> list[EpochDone]:
    """Return the epochs with the highest validation accuracy; the earlier one wins a tie, as in the engine.

    Of runs that log no accuracy: those with the lowest validation loss. All epochs are compared.
    """
    measured = [epoch for epoch in epochs if epoch.val_accuracy is not None]
    measured = measured or [epoch for epoch in epochs if epoch.val_loss is not None]
    return sorted(measured, key=_rank)[:most]


def _rank(epoch: EpochDone) -> tuple[float, int]:
    if epoch.val_accuracy is not None:
        return -epoch.val_accuracy, epoch.epoch
    return math.inf if epoch.val_loss is None else epoch.val_loss, epoch.epoch


def nearest_epoch(epochs: list[EpochDone], step: int) -> EpochDone | None:
    """Return the epoch whose end is nearest to the step; the earlier of two."""
    return min(epochs, key=lambda epoch: (abs(epoch.step - step), epoch.step), default=None)


class ValuesPane(TextPane):
    """A column "here" in two parts: what the step left behind, and what the nearest epoch's end measured."""

    NAME = "values"
    KEY = "V"
    TITLE = "Values"

    def __init__(self) -> None:
        super().__init__()
        self._loss, self._accuracy = Smoothed("loss"), Smoothed("accuracy")

    def key(self, history: History, view: ViewState) -> object:
        return (history.steps_done, len(history.epochs), id(history.run), view.cursor, view.beta, view.overlays)

    def draw(self, history: History, view: ViewState) -> None:
        lines = [
            *self._at_step(history, view),
            *self._at_epoch(history, view),
            *_best(history),
            *_overlays(view.overlays),
        ]
        self.query_one(StyledLines).set_lines(lines or [_quiet("no step")])

    def _at_step(self, history: History, view: ViewState) -> list[StyledLine]:
        steps = history.steps
        if not len(steps):
            return []
        at = steps.end - 1 if view.cursor is None else min(max(view.cursor, steps.first), steps.end - 1)
        index = at - steps.first
        loss = float(steps.loss[index])
        smooth = ""
        if view.beta:
            smooth = f"{significant(_known(float(self._loss.values(history, view.beta)[index])))} smoothed"
        last = ", the last one" if at == steps.end - 1 else ""
        lines = [_heading(f"step {count(at)}{last}"), _row("training loss", significant(_known(loss)), smooth)]
        if (there := _last_known(steps.accuracy, index)) is not None:
            smooth = f"{percent(float(self._accuracy.values(history, view.beta)[there]))} smoothed" if view.beta else ""
            where = smooth if there == index else f"at step {count(steps.first + there)}"
            lines.append(_row("training accuracy", percent(float(steps.accuracy[there])), where))
        lines.append(_row("learning rate", compact(float(steps.lr[index]))))
        there = _last_known(steps.grad_norm, index)
        if there is not None and history.bad_norms.isdisjoint(range(steps.first + there, at + 1)):
            where = "" if there == index else f"at step {count(steps.first + there)}"
            lines.append(_row("gradient norm", significant(float(steps.grad_norm[there])), where))
        if math.isfinite(seconds := float(steps.seconds[index])):
            lines.append(_row("training time", duration(seconds, decimal=True)))
        return lines

    def _at_epoch(self, history: History, view: ViewState) -> list[StyledLine]:
        epoch = nearest_epoch(history.epochs, history.steps_done if view.cursor is None else view.cursor)
        if epoch is None:
            return []
        lines = [_heading(f"nearest epoch: {epoch.epoch}, at step {count(epoch.step)}")]
        if epoch.val_loss is not None:
            lines.append(_row("validation loss", significant(epoch.val_loss), f"{significant(epoch.train_loss)} train"))
        if epoch.val_accuracy is not None:
            mean = f"{percent(epoch.train_accuracy)} train" if epoch.train_accuracy is not None else ""
            lines.append(_row("validation acc.", percent(epoch.val_accuracy), mean))
        return lines


def _best(history: History) -> list[StyledLine]:
    best = best_epochs(history.epochs)
    lines = [_heading("best epochs by validation")] if best else []
    for index, epoch in enumerate(best):
        value = significant(epoch.val_loss) if epoch.val_accuracy is None else percent(epoch.val_accuracy)
        loss = f"loss {significant(epoch.val_loss)}" if epoch.val_accuracy is not None else ""
        star = ("★ ", "$text-success") if index == 0 else "  "
        what = f"epoch {epoch.epoch:<4} step {count(epoch.step)}"
        lines.append(StyledLine(Content(""), Content.assemble(star, f"{what:<20}", f"{value:>8}  ", (loss, MUTED))))
    return lines


def _overlays(overlays: tuple[OverlayRun, ...]) -> list[StyledLine]:
    """Return the best epoch of each run drawn over this one."""
    lines = [_heading("drawn over it: the best of each")] if overlays else []
    for other in overlays:
        best = next(iter(best_epochs(other.history.epochs, 1)), None)
        text = "no epoch"
        if best is not None:
            value = percent(best.val_accuracy) if best.val_accuracy is not None else significant(best.val_loss)
            text = f"{value}  epoch {best.epoch}"
        lines.append(StyledLine(Content(""), Content.assemble("  ", f"{clean(other.name):<20} ", (text, MUTED))))
    return lines


def _last_known(column: FloatColumn, index: int) -> int | None:
    """Return where the last number up to here lies: a short custom loop has some at every tenth step alone."""
    return next((at for at in range(index, max(-1, index - APART - 1), -1) if math.isfinite(column[at])), None)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _heading(text: str) -> StyledLine:
    return StyledLine(Content(""), Content.styled(text, "bold $text-primary"))


def _quiet(text: str) -> StyledLine:
    return StyledLine(Content(""), Content.styled(text, MUTED))


def _row(what: str, value: str, beside: str = "") -> StyledLine:
    return StyledLine(Content(""), Content.assemble(f"  {what:<18} {value:>10}  ", (beside, MUTED)))
