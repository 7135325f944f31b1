"""The prediction pane: expected values, known before the run, beside the measured ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content

from cvtui.text import binary_size, clean, count, significant
from cvtui.tui.panes.predictions import Predictions, predict
from cvtui.tui.panes.styled_lines import StyledLine, StyledLines
from cvtui.tui.panes.text_pane import TextPane
from cvtui.tui.panes.view_state import ViewState
from cvtui.tui.widgets import MUTED

if TYPE_CHECKING:
    from cvtui.runlog.history import History


FIRST_LOSS = "first loss ("


@dataclass(frozen=True, slots=True)
class PredictionCheck:
    """One line: quantity, prediction, measurement, and whether they agree (None: not comparable yet)."""

    what: str
    predicted: str
    measured: str
    agree: bool | None


def compare(history: History, predictions: Predictions) -> list[PredictionCheck]:
    """Compare counts exactly, and the first loss within tolerances.

    Within 25 % of the loss while all classes look alike, and within 5 % of what the initial weights give.
    """
    run = history.run
    if run is None:
        return []
    lines = [_exact("parameters", predictions.parameters, run.parameters)]
    if run.steps_per_epoch:  # a custom loop need not tell it
        steps = _exact("steps per epoch", predictions.steps_per_epoch, run.steps_per_epoch, predictions.at_most)
        lines.insert(0, steps)
    loss = history.steps.loss
    first = float(loss[0]) if len(loss) and history.steps.first == 0 else None
    lines.append(_close(f"{FIRST_LOSS}{predictions.first_rule})", predictions.first_loss, first, 1.25))
    if predictions.start_loss is not None:
        lines.append(_close("with these weights", predictions.start_loss, first, 1.05))
    if predictions.memory is not None:
        lines.append(PredictionCheck("memory", binary_size(predictions.memory), "", None))
    return lines


def why_different(history: History, predictions: Predictions, facts: list[PredictionCheck]) -> str:
    """Return why the first loss is not as predicted: the logits' spread adds to it."""
    if all(line.agree is not False for line in facts if line.what.startswith(FIRST_LOSS)):
        return ""
    watched = [layer.name for layer in history.run.layers if layer.watched] if history.run is not None else []
    std = predictions.activation_std.get(watched[-1]) if watched else None
    if std is None or std < 0.5:
        return ""
    rule = predictions.first_rule
    return f"{rule} holds while all classes look alike; here the logits begin with a std of {significant(std)}."


def compare_layers(history: History, predictions: Predictions) -> list[PredictionCheck]:
    """Compare the std of each layer's output in the first sample with the prediction."""
    sampled = history.layers_at(int(history.layer_steps[0])) if len(history.layer_steps) else None
    measured = {} if sampled is None else {layer.name: layer.std for layer in sampled.layers}
    return [_close(clean(name), std, measured.get(name), 1.5) for name, std in predictions.activation_std.items()]


def stds_at(history: History, cursor: int | None) -> tuple[str, dict[str, str]]:
    """Return (label of the sample at the cursor, {layer: std there}); empty without a cursor."""
    sampled = None if cursor is None else history.layers_at(cursor)
    if sampled is None:
        return "", {}
    return f"at {count(sampled.step)}", {clean(layer.name): significant(layer.std) for layer in sampled.layers}


def _exact(what: str, predicted: int | None, measured: int, at_most: bool = False) -> PredictionCheck:
    if predicted is None:
        return PredictionCheck(what, "–", count(measured), None)
    text = f"≤ {count(predicted)}" if at_most else count(predicted)
    return PredictionCheck(what, text, count(measured), measured == predicted or (at_most and 0 < measured < predicted))


def _close(what: str, predicted: float | None, measured: float | None, factor: float) -> PredictionCheck:
    agree = None
    if predicted and measured is not None:
        agree = math.isfinite(measured) and 1 / factor <= measured / predicted <= factor
    return PredictionCheck(what, significant(predicted), significant(measured), agree)


class PredictionPane(TextPane):
    NAME = "prediction"
    KEY = "P"
    TITLE = "Prediction"
    TAB = "Expected"

    def key(self, history: History, view: ViewState) -> object:
        return (id(history.run), len(history.steps) > 0, len(history.layer_steps) > 0, view.cursor)

    def draw(self, history: History, view: ViewState) -> None:
        predictions = predict(history)
        facts, layers = compare(history, predictions), compare_layers(history, predictions)
        why = why_different(history, predictions, facts)
        wide = max((len(line.what) for line in (*facts, *layers)), default=0)
        lines = [_heading("", wide), *(_line(line, wide) for line in facts)]
        if why:
            lines.append(StyledLine(Content(""), Content.styled(why, MUTED)))
        if layers:
            when, there = stds_at(history, view.cursor)
            lines += [_line(PredictionCheck("", "", "", None), wide), _heading("activation std", wide, when)]
            lines += [_line(line, wide, there.get(line.what, "")) for line in layers]
        if history.run is None:
            lines = [StyledLine(Content(""), Content.styled("The run has not begun.", MUTED))]
        self.query_one(StyledLines).set_lines(lines)


def _heading(what: str, wide: int, when: str = "") -> StyledLine:
    return StyledLine(
        Content(""), Content.styled(f"{what:<{wide}}  {'expected':>9}  {'actual':>9}    {when:>9}", MUTED)
    )


def _line(line: PredictionCheck, wide: int, there: str = "") -> StyledLine:
    glyph, colour = {True: ("✓", "$text-success"), False: ("≠", "$text-warning"), None: (" ", MUTED)}[line.agree]
    body = Content.assemble(
        f"{line.what:<{wide}}  ",
        (f"{line.predicted:>9}  ", MUTED),
        f"{line.measured:>9} ",
        (glyph, colour),
        f"  {there:>9}",
    )
    return StyledLine(Content(""), body)
