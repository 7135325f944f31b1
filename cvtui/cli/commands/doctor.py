"""`cvtui doctor RUN`: what is wrong with a run, with the evidence, and what would help."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cvtui.cli import out
from cvtui.cli.output.findings import SEVERITIES, consequences, exit_code, finding_lines
from cvtui.cli.run_argument import RunName, RunPlaces, find_run, places_option
from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.doctor import Diagnosis
    from cvtui.runlog.folder import RunFolder
    from cvtui.runlog.history import History


@click.command("doctor")
@click.argument("run", required=False, type=RunName())
@places_option()
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@click.option("--all", "everything", is_flag=True, help="Also what only follows from something else.")
@click.option("--fix", "cure", is_flag=True, help="Train again with the cure applied, and say what it gained.")
@click.option("--test", "trial", is_flag=True, help="Run the short test of the first finding that has one.")
@click.option("--explain", "fault", metavar="ID", help="The page of a fault (F12, L02), without a run.")
@click.option(
    "--ci",
    type=click.Choice(SEVERITIES),
    help="For scripts: findings as JSON, and exit code 1 where one is at least that severe.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="ROLE=NAME",
    help="Of another program's log: which column is loss, accuracy, val_loss, val_accuracy or lr. May be repeated.",
)
@click.option("--curves", is_flag=True, help="Of another program's log: draw its loss and accuracy first.")
def doctor(
    run: str | None,
    runs: RunPlaces,
    as_json: bool,
    everything: bool,
    cure: bool,
    trial: bool,
    ci: str | None,
    columns: Sequence[str],
    curves: bool,
    fault: str | None,
) -> int:
    """Say what is wrong with RUN (the newest without a name), living or ended, also one recorded by cvtui.watch.

    RUN may also be the path of another program's log: TensorBoard events, a run of W&B, MLflow, DVCLive, Comet or
    ClearML, CSV or JSON of Lightning, Ultralytics, mmengine, Keras and others, or a text file with its losses.

    Root causes come first; what follows from them is named behind them.
    """
    if fault is not None:
        if run is not None or columns or curves or ci or as_json or everything or cure or trial:
            raise RequestError("--explain prints the page of a fault: give it alone")
        return explain(fault)
    check_together(cure, trial, ci)
    folder, log = find_run_or_log(run, runs)
    if log is not None:
        from cvtui.cli.commands.doctor_log import examine

        return examine(log, columns, as_json=as_json, everything=everything, ci=ci, trains=cure or trial, curves=curves)
    if columns:
        raise RequestError("--column names a column of another program's log: a run of cvtui needs none")
    if curves:
        raise RequestError("--curves draws another program's log; `cvtui attach` shows a run of cvtui")
    assert folder is not None
    return _examine(folder, as_json=as_json, everything=everything, cure=cure, trial=trial, ci=ci)


def _examine(folder: RunFolder, *, as_json: bool, everything: bool, cure: bool, trial: bool, ci: str | None) -> int:
    """Examine a run; print what is found, or train what would prove or cure it."""
    from cvtui.doctor import Doctor
    from cvtui.runlog.history import History

    history = History(folder)
    history.poll()
    examiner = Doctor(history)
    roots = examiner.update()
    found = [*roots, *consequences(roots, examiner.all)] if everything else roots
    if trial:
        from cvtui.cli.commands.doctor_trial import run_test

        return run_test(history, roots, history.folder.path.parent, as_json=as_json)
    if cure:
        from cvtui.cli.commands.doctor_fix import fix

        return fix(history, roots, history.folder.path.parent, as_json=as_json)
    if as_json or ci:
        out.json_line({"findings": [one.as_json() for one in found]})
        return exit_code(found, ci)
    show(history, found)
    return 0


def check_together(cure: bool, trial: bool, ci: str | None) -> None:
    """Refuse options that don't go together. RequestError."""
    if cure and trial:
        raise RequestError("--fix and --test each train something: give one of them")
    if ci and (cure or trial):
        raise RequestError(f"--ci only looks: it can't be given with {'--fix' if cure else '--test'}")


def find_run_or_log(run: str | None, runs: RunPlaces) -> tuple[RunFolder | None, Path | None]:
    """Return the run of that name, or else the path of another program's log. RequestError for neither."""
    from cvtui.runlog.folder import is_run
    from cvtui.runlog.foreign.find import is_log

    try:
        return find_run(run, runs), None
    except RequestError:
        path = Path(run) if run else None
        if path is None or not is_log(path) or is_run(path):
            raise
        return None, path


def _known(ids: Sequence[str]) -> str:
    """Return sorted ids as spans without gaps: "F01 to F50, F52 to F57"."""
    spans: list[list[str]] = []
    for one in ids:
        if spans and one == f"{one[0]}{int(spans[-1][-1][1:]) + 1:02}" and spans[-1][0][0] == one[0]:
            spans[-1].append(one)
        else:
            spans.append([one])
    return ", ".join(f"{span[0]} to {span[-1]}" if len(span) > 1 else span[0] for span in spans)


def explain(fault: str) -> int:
    """Print the page of a fault: what it looks like, why, how to tell it from others, how to cure it."""
    from rich.padding import Padding
    from rich.text import Text

    from cvtui.doctor.pages import PARAGRAPHS, page

    if fault.upper() not in PARAGRAPHS:
        raise RequestError(f"--explain: no fault {fault!r}; there are {_known(sorted(PARAGRAPHS))}")
    console = out.console()
    listed = False
    for number, block in enumerate(page(fault.upper())):
        item = block.startswith("- ")
        if number and not (item and listed):
            console.print()
        listed = item
        heading = block.startswith("#")
        text = Text(block.lstrip("# ") if heading else block.removeprefix("- "), "bold" if heading else "")
        console.print(Padding(Text.assemble("· ", text), (0, 0, 0, 2)) if item else text)
    return 0


def show(history: History, found: Sequence[Diagnosis]) -> None:
    """One finding_lines a finding."""
    console = out.console()
    if not found:
        console.print(no_problems(history), soft_wrap=False, markup=False)
        return
    for number, one in enumerate(found):
        if number:
            console.print()
        for line in finding_lines(one, _run_to_test(history)):
            console.print(line)
    console.print(f"\n`cvtui doctor --explain {found[0].id}` tells more.", markup=False, style="dim")


def _run_to_test(history: History) -> str:
    """Return the run's name where `--test` can train its recipe once more, else ""."""
    return history.folder.name if history.run is not None and history.run.kind != "watch" else ""


def no_problems(history: History) -> str:
    """Say that nothing is wrong, and how much was examined."""
    steps = history.steps_done
    if not steps:
        return "no step has been made yet: there is nothing to judge"
    samples = len(history.layer_steps)
    return f"no problems found ({steps:,} steps, {samples:,} layer samples, {len(history.epochs):,} evaluations" + (
        ")" if samples else "; watch_every = 0: the layers were not sampled)"
    )
