"""`cvtui sweep --lr 1e-1,1e-2,1e-3`: a fair race between recipes, a run folder each."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cvtui.cli import out
from cvtui.cli.commands.compare import curves, print_json, show_result
from cvtui.cli.commands.data import need, tell_notes
from cvtui.cli.commands.train import make_recipe
from cvtui.cli.recipe_options import FIT, FieldType, tell_fitted
from cvtui.cli.run_argument import runs_option
from cvtui.errors import RequestError
from cvtui.job_share import tell_share
from cvtui.recipe.fields import FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cvtui.compare import Judge, Race
    from cvtui.compare.cluster import Cluster
    from cvtui.compare.grid import Entrant
    from cvtui.runlog.events import RunEnded

POLL_SECONDS = 0.2
NOT_VARIED = frozenset({"name"})


@click.command("sweep")
@click.argument("recipe", required=False, type=click.Path(), metavar="[RECIPE.toml]")
@runs_option("Where the run folders go.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 200),
    metavar="N",
    help="Runs at once: 2, on several GPUs one for each, with submitit all.",
)
@click.option(
    "--launcher",
    type=click.Choice(["processes", "submitit"]),
    default="processes",
    show_default=True,
    help="Processes of this machine, or jobs on a Slurm cluster (extra: slurm).",
)
@click.option(
    "--slurm",
    multiple=True,
    metavar="KEY=VALUE",
    help="With submitit: partition=gpu, gpus_per_node=1, timeout_min=120 …; cluster=local tries it here.",
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@FIT
def sweep(
    recipe: str | None,
    runs: Path,
    jobs: int | None,
    launcher: str,
    slurm: tuple[str, ...],
    as_json: bool,
    fit: bool,
    **options: str | None,
) -> int:
    """Run a fair race: every combination of the values given, from the same weights and with the same batches.

    Any option of a recipe takes a list: --lr 1e-1,1e-2,1e-3 --init he,xavier. Each run gets a folder of its own, and
    they share the cores; on a machine with several GPUs each has one of them. Each curve is named by its shape, as in
    the lecture: low, good, high or very high.
    """
    from cvtui.compare import Race, expand
    from cvtui.compare.differences import compared
    from cvtui.runlog.refused import was_refused

    given = {name: text for name, text in options.items() if text is not None}
    lists = _lists(given)
    first = {name: values[0] for name, values in lists.items()}
    fitted: list[str] = []
    base = make_recipe(recipe, first, runs, fit=fit, tell=fitted.append).asked
    entrants = expand(base, lists)
    jobs, gpus, cluster = _places(entrants, runs, jobs, launcher, slurm)
    for entrant in entrants:
        need(entrant.checked.recipe)
    if not as_json:
        tell_fitted(fitted)
        tell_notes(note for entrant in entrants for note in entrant.checked.data.notes)
    stem = given.get("name") or ""
    if not stem:
        entrants = _named(entrants, [name for name, values in lists.items() if len(values) > 1], runs)
    with Race(entrants, runs, stem, jobs, gpus=gpus, cluster=cluster) as race:
        watch_race(race, quiet=as_json)
        labels = [racer.label for racer in race.racers]
        result = compared([racer.history for racer in race.racers])
    refused = [racer for racer in race.racers if was_refused(racer.history)]
    ends = [outcome.history.end for outcome in result.outcomes]
    try:
        _tell(result, labels, ends, as_json)
        for racer in refused:
            reason = racer.history.end.reason if racer.history.end else ""
            out.line(f"{racer.label}: it never began, and keeps no folder: {reason}", err=True)
    finally:
        for racer in refused:
            racer.folder.discard()
    return 0 if any(outcome.state in ("finished", "diverged") for outcome in result.outcomes) else 1


def _lists(given: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the values of each option that is given. RequestError where there is nothing to compare."""
    from cvtui.compare.grid import split_values

    lists = {name: split_values(text) for name, text in given.items() if name not in NOT_VARIED}
    for name, values in lists.items():
        if not values:
            raise RequestError(f"{FIELDS[name].option}: {given[name]!r} holds no value")
    if not any(len(values) > 1 for values in lists.values()):
        raise RequestError("sweep: nothing to compare", hint="give an option a list, as in --lr 1e-1,1e-2,1e-3")
    return lists


def _named(entrants: Sequence[Entrant], varied: Sequence[str], runs: Path) -> list[Entrant]:
    """Call the runs after their data and what differs, with the next number of the folder."""
    from dataclasses import replace

    from cvtui.runlog.folder import names_in
    from cvtui.runlog.run_names import race_names

    recipes = [entrant.checked.asked for entrant in entrants]
    names = race_names(
        recipes[0].data, names_in(runs), [{key: getattr(recipe, key) for key in varied} for recipe in recipes]
    )
    return [replace(entrant, name=name) for entrant, name in zip(entrants, names, strict=True)]


def _tell(result: Any, labels: Sequence[str], ends: Sequence[RunEnded | None], as_json: bool) -> None:
    """Print the result. RequestError where all runs failed for one reason."""
    from cvtui.compare import judge

    reasons = {end.reason if end is not None and end.status == "failed" else "" for end in ends}
    if len(reasons) == 1 and (reason := reasons.pop()):  # a net that no GPU here can hold is told once, not N times
        raise RequestError(f"sweep: no run could be trained: {reason}")
    verdicts = judge([outcome.history for outcome in result.outcomes])
    if as_json:
        print_json(result, labels, verdicts)
    else:
        show_result(result, labels, verdicts)


def _places(
    entrants: Sequence[Entrant], runs: Path, jobs: int | None, launcher: str, slurm: Sequence[str]
) -> tuple[int, list[str], Cluster | None]:
    """Return how many runs there are at once, the GPUs to hand out, and the cluster that takes them."""
    from cvtui.compare.cluster import Cluster, parameters_of
    from cvtui.compare.gpus import visible_gpus
    from cvtui.compare.race import chooses_gpu

    if launcher == "submitit":
        return jobs or len(entrants), [], Cluster(runs, parameters_of(slurm))
    if slurm:
        raise RequestError("--slurm: it is for --launcher submitit")
    gpus = visible_gpus() if any(map(chooses_gpu, entrants)) else []
    jobs = jobs or max(2, len(gpus))
    if jobs > max(1, len(gpus)) and any(entrant.checked.auto for entrant in entrants):
        raise RequestError(
            "sweep: --batch-size auto takes the memory for one run alone", hint="--jobs 1, or give it numbers"
        )
    return jobs, gpus, None


sweep.params[1:1] = [
    click.Option([field.option, field.name], type=FieldType(field), metavar="V,V,…", help=field.doc)
    for field in FIELDS.values()
]


def watch_race(race: Race, quiet: bool) -> None:
    """Follow the race: curves and a bar each on a terminal, one line per finished run elsewhere."""
    console = out.console(stderr=True)
    if quiet or not console.is_terminal:
        told: set[str] = set()
        while race.step():
            if not quiet:
                _report(race, told, console)
            tell_share(*_share(race))
            time.sleep(POLL_SECONDS)
        if not quiet:
            _report(race, told, console)
        return
    from rich.live import Live

    from cvtui.compare import Judge

    judge = Judge()

    def picture() -> Any:
        return race_picture(race, console, judge)

    with Live(console=console, refresh_per_second=4, transient=True, get_renderable=picture):
        while race.step():
            time.sleep(POLL_SECONDS)


def _share(race: Race) -> tuple[float, str]:
    over = sum(racer.over for racer in race.racers)
    return sum(racer.share for racer in race.racers) / len(race.racers), f"{over} of {len(race.racers)} runs"


def _report(race: Race, told: set[str], console: Any) -> None:
    waiting = sum(racer.process is None for racer in race.racers)
    for racer in race.racers:
        if racer.where and racer.folder.name not in told:
            told.add(racer.folder.name)
            queue = f"; {waiting} of {len(race.racers)} wait" if waiting else ""
            console.print(f"{racer.label}: begins {racer.where}{queue}", highlight=False)
        if racer.over and racer.label not in told:
            told.add(racer.label)
            console.print(f"{racer.label}: {racer.state}", highlight=False)


def race_picture(race: Race, console: Any, judge: Judge) -> Any:
    from rich.console import Group
    from rich.text import Text

    from cvtui.compare.differences import compared

    histories = [racer.history for racer in race.racers]
    result = compared(histories)
    verdicts = judge(histories)
    labels = [racer.label for racer in race.racers]
    lines = curves(result.outcomes, labels, verdicts, min(console.width, 100), not console.no_color)
    wide = max(len(label) for label in labels)
    for racer in race.racers:
        filled = round(racer.share * 30)
        bar = "━" * filled + "╌" * (30 - filled)
        where = f" {racer.where}" if racer.where and not racer.over else ""
        lines.append(Text(f"{racer.label:<{wide}}  {bar} {racer.share:4.0%}  {racer.state}{where}"))
    return Group(*lines)
