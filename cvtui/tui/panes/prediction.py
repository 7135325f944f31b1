"""The prediction pane: what could be known before the run, beside what came."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.content import Content

from cvtui.text import binary_size, clean, count, significant
from cvtui.tui.panes.pane import MUTED, Pane
from cvtui.tui.panes.predictions import Foretold, foretell
from cvtui.tui.panes.styled_lines import Line, Lines
from cvtui.tui.panes.view_state import ViewState

if TYPE_CHECKING:
    from cvtui.runlog.history import History


FIRST_LOSS = "first loss ("


@dataclass(frozen=True, slots=True)
class Compared:
    """One line: what, as foretold, as it came, and whether the two agree (None: nothing to compare yet)."""

    what: str
    foretold: str
    came: str
    agree: bool | None


def compare(history: History, foretold: Foretold) -> list[Compared]:
    """Counts must agree exactly; the first loss within 25 % of what it is while all classes
    look alike and within 5 % of what the drawn weights give."""
    run = history.run
    if run is None:
        return []
    lines = [
        _exact("steps per epoch", foretold.steps_per_epoch, run.steps_per_epoch, at_most=foretold.at_most),
        _exact("parameters", foretold.parameters, run.parameters),
    ]
    loss = history.steps.loss
    first = float(loss[0]) if len(loss) and history.steps.first == 0 else None
    lines.append(_close(f"{FIRST_LOSS}{foretold.first_rule})", foretold.first_loss, first, 1.25))
    if foretold.start_loss is not None:
        lines.append(_close("with these weights", foretold.start_loss, first, 1.05))
    if foretold.memory is not None:
        lines.append(Compared("memory", binary_size(foretold.memory), "", None))
    return lines


def why_not_so(history: History, foretold: Foretold, facts: list[Compared]) -> str:
    """Where the first loss is not the one foretold: what is known of the logits, whose spread adds to it."""
    if all(line.agree is not False for line in facts if line.what.startswith(FIRST_LOSS)):
        return ""
    watched = [layer.name for layer in history.run.layers if layer.watched] if history.run is not None else []
    std = foretold.activation_std.get(watched[-1]) if watched else None
    if std is None or std < 0.5:
        return ""
    rule = foretold.first_rule
    return f"{rule} holds while all classes look alike; here the logits begin with a std of {significant(std)}."


def compare_layers(history: History, foretold: Foretold) -> list[Compared]:
    """The std of each layer's output: foretold, and as it came in the first sample of the run."""
    sampled = history.layers_at(int(history.layer_steps[0])) if len(history.layer_steps) else None
    came = {} if sampled is None else {layer.name: layer.std for layer in sampled.layers}
    return [_close(clean(name), std, came.get(name), 1.5) for name, std in foretold.activation_std.items()]


def stds_at(history: History, cursor: int | None) -> tuple[str, dict[str, str]]:
    """The same at the cursor: which step's sample it is, and each layer's std there; nothing without a cursor."""
    sampled = None if cursor is None else history.layers_at(cursor)
    if sampled is None:
        return "", {}
    return f"at {count(sampled.step)}", {clean(layer.name): significant(layer.std) for layer in sampled.layers}


def _exact(what: str, foretold: int | None, came: int, at_most: bool = False) -> Compared:
    if foretold is None:
        return Compared(what, "–", count(came), None)
    text = f"≤ {count(foretold)}" if at_most else count(foretold)
    return Compared(what, text, count(came), came == foretold or (at_most and 0 < came < foretold))


def _close(what: str, foretold: float | None, came: float | None, factor: float) -> Compared:
    agree = None
    if foretold and came is not None:
        agree = math.isfinite(came) and 1 / factor <= came / foretold <= factor
    return Compared(what, significant(foretold), significant(came), agree)


class PredictionPane(Pane):
    NAME = "prediction"
    TITLE = "Prediction"
    TAB = "Expected"

    def compose(self) -> ComposeResult:
        yield Lines()

    @property
    def text(self) -> str:
        return self.query_one(Lines).text

    def key(self, history: History, view: ViewState) -> object:
        return (id(history.run), len(history.steps) > 0, len(history.layer_steps) > 0, view.cursor)

    def draw(self, history: History, view: ViewState) -> None:
        foretold = foretell(history)
        facts, layers = compare(history, foretold), compare_layers(history, foretold)
        why = why_not_so(history, foretold, facts)
        wide = max((len(line.what) for line in (*facts, *layers)), default=0)
        lines = [_heading("", wide), *(_line(line, wide) for line in facts)]
        if why:
            lines.append(Line(Content(""), Content.styled(why, MUTED)))
        if layers:
            when, there = stds_at(history, view.cursor)
            lines += [_line(Compared("", "", "", None), wide), _heading("activation std", wide, when)]
            lines += [_line(line, wide, there.get(line.what, "")) for line in layers]
        if history.run is None:
            lines = [Line(Content(""), Content.styled("The run has not begun yet.", MUTED))]
        self.query_one(Lines).set_lines(lines)


def _heading(what: str, wide: int, when: str = "") -> Line:
    return Line(Content(""), Content.styled(f"{what:<{wide}}  {'foretold':>9}  {'came':>9}    {when:>9}", MUTED))


def _line(line: Compared, wide: int, there: str = "") -> Line:
    glyph, colour = {True: ("✓", "$text-success"), False: ("≠", "$text-warning"), None: (" ", MUTED)}[line.agree]
    body = Content.assemble(
        f"{line.what:<{wide}}  ",
        (f"{line.foretold:>9}  ", MUTED),
        f"{line.came:>9} ",
        (glyph, colour),
        f"  {there:>9}",
    )
    return Line(Content(""), body)
