"""`cvtui runs`: the run folders with their state and result."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any, Literal

import click

from cvtui.cli import out
from cvtui.cli.run_argument import RunPlaces, places_option
from cvtui.errors import RequestError
from cvtui.runlog.other_hosts import full_name, where
from cvtui.text import duration

if TYPE_CHECKING:
    from rich.text import Text

    from cvtui.runlog.run_summary import RunSummary

STYLES = {
    "running": "green", "starting": "green", "paused": "yellow", "finished": "", "stopped": "dim",
    "diverged": "red", "failed": "red", "lost": "red",
}  # fmt: skip

COLUMNS: tuple[tuple[str, int, Literal["left", "right"]], ...] = (
    ("state", 0, "left"), ("epochs", 0, "right"), ("best val", 0, "right"), ("time", 90, "right"),
    ("started", 100, "left"), ("data", 112, "left"), ("net", 150, "left"),
)  # fmt: skip
"""Name, the least width of the terminal that has room for it, alignment."""

WIDE = 10_000


@click.command("runs")
@places_option()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per run and line.")
@click.option("--filter", "text", default="", metavar="TEXT", help="Only some: 'acc>0.97 net~conv lr<=0.01 digits'.")
@click.option("--tag", "tags", multiple=True, metavar="WORD", help="Only those with #WORD in their note; repeatable.")
@click.option("--curves", is_flag=True, help="A tiny loss curve of each, all on the same scales, instead of the table.")
def runs(runs: RunPlaces, as_json: bool, text: str, tags: tuple[str, ...], curves: bool) -> None:
    """List the runs, newest first: what tells them apart, state, epochs, best validation accuracy, data and net."""
    from cvtui.runlog.run_filter import checked_tag, parse_filter, with_tag
    from cvtui.runlog.run_summary import summary

    if as_json and curves:
        raise RequestError("--json: goes with the table, not with --curves; leave one of them out")
    tests = [parse_filter(text), *(with_tag(checked_tag(tag)) for tag in tags)]
    every = [summary(folder) for folder in runs.runs()]
    found = [run for run in every if all(keeps(run) for keeps in tests)]
    if as_json:
        for entry in found:
            out.json_line(as_dict(entry))
    elif found:
        (_draw if curves else _print)(found)
    elif every:
        out.line(f"None of the {len(every)} runs in {runs} passes the filter.", err=True)
    else:
        out.line(f"No run in {runs} yet; `cvtui` starts one.", err=True)
    if not as_json:
        _tell_of_logs(runs)


def _tell_of_logs(places: RunPlaces) -> None:
    """Name the logs of other programs that lie there too."""
    from cvtui.runlog.foreign.listing import logs_below, told

    if logs := logs_below(places.local):
        named = ", ".join(str(path) for path in logs[:4]) + (" …" if len(logs) > 4 else "")
        out.line(f"{told(logs)}: {named}", err=True)
        out.line(f"`cvtui doctor {shlex.quote(str(logs[0]))} --curves` shows {'one' if logs[1:] else 'it'}.", err=True)


def as_dict(entry: RunSummary) -> dict[str, Any]:
    """Return what --json prints of one run."""
    names = (
        "name", "state", "reason", "epochs", "epochs_asked", "steps", "steps_asked", "best_val_accuracy", "val_loss",
        "not_finite", "data", "net", "started", "seconds", "parent", "note", "trouble", "pinned", "recipe",
    )  # fmt: skip
    return {"folder": full_name(entry.folder.path), **{name: getattr(entry, name) for name in names}}


def _draw(found: list[RunSummary]) -> None:
    from cvtui.cli.output.small_multiples import grid
    from cvtui.runlog.differing import differing

    console = out.console()
    for line in grid(found, differing(found), console.width):
        console.print(line, no_wrap=True, overflow="crop")


def _print(found: list[RunSummary]) -> None:
    from rich.table import Table
    from rich.text import Text

    from cvtui.runlog.differing import differing
    from cvtui.text import harmless

    console = out.console()
    if not console.is_terminal:
        console.width = WIDE  # a pipe has no width: nothing is cut there
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("run", style="bold", overflow="fold")
    places = {entry.folder: where(entry.folder.path) for entry in found}
    several = len(set(places.values())) > 1
    if several:
        table.add_column("where", overflow="fold")
    differs = differing(found)
    if any(differs.values()):
        table.add_column("differs in", overflow="fold")
    for name, least, justify in COLUMNS:
        if console.width >= least:
            table.add_column(name, justify=justify, no_wrap=True, overflow="ellipsis")
    for entry in found:
        cells = _cells(entry)
        shown = [cells[name] for name, least, _ in COLUMNS if console.width >= least]
        place = [Text(harmless(places[entry.folder]), "dim")] if several else []
        apart = [Text(harmless(differs[entry.folder]))] if any(differs.values()) else []
        table.add_row(Text(harmless(entry.name)), *place, *apart, *shown)
    console.print(table)
    for entry in found:
        if entry.trouble:
            console.print(Text(f"▲ {harmless(entry.name)}: {harmless(entry.trouble)}", "red"), soft_wrap=True)


def _cells(entry: RunSummary) -> dict[str, Text]:
    """Return the text of each column."""
    from rich.text import Text

    from cvtui.text import harmless

    best = "" if entry.best_val_accuracy is None else f"{100 * entry.best_val_accuracy:.2f} %"
    return {
        "state": Text(entry.state, STYLES.get(entry.state, "")),
        "epochs": Text(f"{entry.epochs}/{entry.epochs_asked or '?'}"),
        "best val": Text(best),
        "time": Text(duration(entry.seconds, decimal=True)),
        "started": Text(time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.started)) if entry.started else ""),
        "data": Text(harmless(entry.data)),
        "net": Text(harmless(entry.net)),
    }
