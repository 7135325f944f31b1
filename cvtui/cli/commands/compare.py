"""`cvtui compare RUN…`: curves over each other, what differs in the recipes, results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from cvtui.cli import out
from cvtui.cli.run_argument import RunName, RunPlaces, find_run, places_option
from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.compare import RunDifferences, Verdict
    from cvtui.compare.differences import RunOutcome
    from cvtui.runlog.history import History


@click.command("compare")
@click.argument("names", metavar="RUN…", nargs=-1, type=RunName())
@places_option()
@click.option("--json", "as_json", is_flag=True, help="The table as JSON.")
def compare(names: tuple[str, ...], runs: RunPlaces, as_json: bool) -> None:
    """Compare two or more runs: their curves, what differs in their recipes, results."""
    from cvtui.compare import compare as compared
    from cvtui.compare import judge

    if len(names) < 2:
        raise RequestError("compare: name two runs or more", hint="`cvtui runs` lists them")
    result = compared([find_run(name, runs) for name in names])
    verdicts = judge([outcome.history for outcome in result.outcomes])
    labels = [outcome.name for outcome in result.outcomes]
    if as_json:
        print_json(result, labels, verdicts)
        return
    show_result(result, labels, verdicts)


def print_json(result: RunDifferences, labels: Sequence[str], verdicts: Sequence[Verdict]) -> None:
    """Print `{"differs": […], "best": NAME, "runs": [{name, state, recipe values, …, verdict}]}`."""
    rows = [
        {
            "name": outcome.name,
            "label": label,
            "state": outcome.state,
            "values": outcome.values,
            "best_val_accuracy": outcome.best_accuracy,
            "best_epoch": outcome.best_epoch,
            "val_loss": outcome.val_loss,
            "not_finite": next(
                (epoch.not_finite for epoch in outcome.history.epochs if epoch.epoch == outcome.best_epoch), {}
            ),
            "seconds": outcome.seconds,
            "steps": outcome.history.steps_done,
            "verdict": verdict.name,
            "why": verdict.why,
        }
        for outcome, label, verdict in zip(result.outcomes, labels, verdicts, strict=True)
    ]
    best = result.best.name if result.best else None
    out.json_line({"differs": result.fields, "best": best, "runs": rows})


def show_result(result: RunDifferences, labels: Sequence[str], verdicts: Sequence[Verdict]) -> None:
    """Print the curves, then the table; the best run is marked."""
    console = out.console()
    for line in curves(result.outcomes, labels, verdicts, min(console.width, 120), not console.no_color):
        console.print(line, no_wrap=True, overflow="crop")
    console.print()
    as_table = table(result, labels, verdicts)
    if console.measure(as_table).minimum <= console.width and _fits(result, labels, console.width):
        console.print(as_table)
    else:
        for line in blocks(result, labels, verdicts):
            console.print(line, soft_wrap=True)
    if result.best is not None:
        console.print(f"best: {result.best.name}; {_repeat_command(result.best.history)}", soft_wrap=True)


def _repeat_command(history: History) -> str:
    """Return how to train the run again."""
    from cvtui.runlog.origin import check_trainable

    try:
        check_trainable(history.folder, history.run, "repeated")
    except RequestError as error:
        return f"{error.message}; {error.hint}"
    return f"to repeat it: cvtui {history.folder.recipe}"


def curves(
    outcomes: Sequence[RunOutcome], labels: Sequence[str], verdicts: Sequence[Verdict], width: int, colour: bool
) -> list[Any]:
    """Draw the smoothed training loss of each run over steps, named by its shape."""
    import numpy as np

    from cvtui.draw.figures import Curve, Curves
    from cvtui.draw.text_figures import draw
    from cvtui.runlog.axes import Smoother

    drawn = []
    for outcome, label, verdict in zip(outcomes, labels, verdicts, strict=True):
        steps = outcome.history.steps
        smoother = Smoother(0.95)
        smoother.extend(steps.loss)
        chosen = np.unique(np.linspace(0, len(steps) - 1, min(400, len(steps))).astype(np.int64))
        y = [float(value) if np.isfinite(value) else None for value in smoother.values[chosen]]
        x = [float(steps.first + place) for place in chosen]
        drawn.append(Curve(name=f"{label}: {verdict.name}", x=x, y=y))
    values = [value for curve in drawn for value in curve.y if value is not None]
    log_y = bool(values) and min(values) > 0 and max(values) > 20 * min(values)
    figure = Curves(title="Training loss", x_label="step", y_label="loss", log_y=log_y, curves=drawn)
    return draw(figure, width, colour=colour)


_RESULTS = 48
"""Columns of a table's results: accuracy, epoch, loss, time, and as much of the curve as can be read."""


def _fits(result: RunDifferences, labels: Sequence[str], width: int) -> bool:
    """Return True if the table has room for whole names and values; only the last column folds."""
    columns = [
        max(len(field), *(len(outcome.values[field]) for outcome in result.outcomes)) + 2 for field in result.fields
    ]
    return max(map(len, labels)) + 4 + sum(columns) + _RESULTS <= width


def blocks(result: RunDifferences, labels: Sequence[str], verdicts: Sequence[Verdict]) -> list[str]:
    """Return the table's content as lines, a run below the other, for a terminal that is too narrow for it."""
    lines = []
    for outcome, label, verdict in zip(result.outcomes, labels, verdicts, strict=True):
        lines.append(("● " if outcome is result.best else "  ") + label)
        values = [f"{field.replace('_', ' ')} {outcome.values[field]}" for field in result.fields]
        lines += [f"    {' · '.join(part)}" for part in (values, _results(outcome)) if part]
        lines.append(f"    {verdict.name}: {verdict.why}")
    return lines


def _results(outcome: RunOutcome) -> list[str]:
    best = [] if outcome.best_accuracy is None else [f"best val. accuracy {outcome.best_accuracy:.2%}"]
    epoch = [f"epoch {outcome.best_epoch}"] if outcome.best_epoch else []
    loss = [] if outcome.val_loss is None else [f"val. loss {outcome.val_loss:.4f}"]
    return [*best, *epoch, *loss, f"{outcome.seconds:.1f} s"]


def table(result: RunDifferences, labels: Sequence[str], verdicts: Sequence[Verdict]) -> Any:
    """Return a table with one row a run: what differs, and its results."""
    from rich.table import Table
    from rich.text import Text

    found = Table(box=None, pad_edge=False, header_style="bold")
    found.add_column("run", no_wrap=True, min_width=2 + max(map(len, labels), default=0))
    for field in result.fields:
        found.add_column(field.replace("_", " "))
    for title in ("best val. accuracy", "epoch", "val. loss", "time"):
        found.add_column(title, justify="right")
    found.add_column("curve")
    for outcome, label, verdict in zip(result.outcomes, labels, verdicts, strict=True):
        best = outcome is result.best
        found.add_row(
            Text(("● " if best else "  ") + label),
            *(Text(outcome.values[field]) for field in result.fields),
            f"{outcome.best_accuracy:.2%}" if outcome.best_accuracy is not None else "–",
            str(outcome.best_epoch or "–"),
            f"{outcome.val_loss:.4f}" if outcome.val_loss is not None else "–",
            f"{outcome.seconds:.1f} s",
            Text(f"{verdict.name}: {verdict.why}"),
            style="bold" if best else "",
        )
    return found
