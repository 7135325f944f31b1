"""`cvtui doctor RUN`: what is wrong with a run, with the evidence, and what would help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from cvtui.cli import out
from cvtui.cli.run_argument import RunName, RunPlaces, find_run, places_option
from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.doctor import Diagnosis
    from cvtui.runlog.history import History

TESTS = {
    "rate/10": "train one epoch at a tenth of the rate; if that learns, it was the rate",
    "overfit": "see whether the net can memorise one batch",
    "zeroed": "compare the loss of one batch with that of inputs that are all 0",
}
SIGNS = {"stop": ("✗", "red"), "warn": ("▲", "yellow"), "note": ("·", "dim")}


@click.command("doctor")
@click.argument("run", required=False, type=RunName())
@places_option()
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@click.option("--all", "everything", is_flag=True, help="Also what only follows from something else.")
@click.option("--fix", "cure", is_flag=True, help="Train again with the cure applied, and say what it gained.")
@click.option("--test", "trial", is_flag=True, help="Run the short test of the first finding that has one.")
def doctor(run: str | None, runs: RunPlaces, as_json: bool, everything: bool, cure: bool, trial: bool) -> int:
    """Say what is wrong with RUN (the newest without a name), living or ended, also one recorded by cvtui.watch.

    Root causes come first; what follows from them is named behind them.
    """
    import msgspec

    from cvtui.doctor import Doctor
    from cvtui.runlog.history import History

    history = History(find_run(run, runs))
    history.poll()
    examiner = Doctor(history)
    roots = examiner.update()
    found = [*roots, *consequences(roots, examiner.all)] if everything else roots
    if cure and trial:
        raise RequestError("--fix and --test each train something: give one of them")
    if trial:
        from cvtui.cli.commands.doctor_trial import run_test

        return run_test(history, roots, history.folder.path.parent, as_json=as_json)
    if cure:
        from cvtui.cli.commands.doctor_fix import fix

        return fix(history, roots, history.folder.path.parent, as_json=as_json)
    if as_json:
        click.echo(msgspec.json.encode({"findings": [one.as_json() for one in found]}).decode())
        return 0
    show(history, found)
    return 0


def consequences(roots: Sequence[Diagnosis], found: Sequence[Diagnosis]) -> list[Diagnosis]:
    """Return the findings that are no root cause."""
    names = {root.id for root in roots}
    return [one for one in found if one.id not in names]


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


def certainty(one: Diagnosis) -> str:
    """Say how sure a finding is, and of one that is unclear what would tell it from others."""
    from cvtui.doctor.confidence import UNCLEAR

    if one.sure >= UNCLEAR:
        return f"confidence {one.sure:.0%}"
    return f"unclear (confidence {one.sure:.0%})" + ("; a short test tells" if one.test in TESTS else "")


def finding_lines(one: Diagnosis, run: str = "") -> list[Any]:
    """Return a finding as rich Texts: what, why, and what to do. run: the one that its test can be put to."""
    from rich.padding import Padding
    from rich.text import Text

    from cvtui.doctor import catalogue
    from cvtui.text import harmless

    sign, style = SIGNS[one.severity]
    head = Text.assemble(
        (f"{sign} {one.name}", f"{style} bold" if one.severity != "note" else "bold"), (f"  {one.id}", "dim")
    )
    if one.severity != "note":
        head.append(f"  {certainty(one)}", "dim")
    lines: list[Any] = [head, Padding(Text(harmless(one.sentence)), (0, 0, 0, 2))]
    about = [f"seen: {one.evidence}"] if one.evidence else []
    if one.threshold is not None and one.value is not None:
        about.append(f"limit {one.threshold:.3g} ({one.source})")
    if one.layer:
        about.append(f"layer {one.layer}")
    about.append(f"step {one.step:,}" if one.step >= 0 else "before the first step")
    lines.append(Padding(Text(harmless("; ".join(about)), "dim"), (0, 0, 0, 2)))
    for file in one.files:
        lines.append(Padding(Text(harmless(file), "dim"), (0, 0, 0, 4)))
    changes = ", ".join(f"{name} = {value}" for name, value in one.cure.items())
    cure = f"{one.advice} Here: {changes} ({one.tried})." if changes else one.advice
    lines.append(Padding(Text(harmless(cure)), (0, 0, 0, 2)))
    if one.test in TESTS:
        way = f"`cvtui doctor {run} --test`: " if run else ""
        lines.append(Padding(Text(f"To be sure: {way}{TESTS[one.test]}.", "dim"), (0, 0, 0, 2)))
    if one.consequences:
        names = ", ".join(f"{catalogue[name].name} ({name})" for name in one.consequences)
        lines.append(Padding(Text(f"Consequences: {names}.", "dim"), (0, 0, 0, 2)))
    return lines
