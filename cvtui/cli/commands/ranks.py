"""`cvtui ranks`: the steps of each process of a distributed run, and which one the others wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cvtui.cli import out
from cvtui.cli.run_argument import RunName, RunPlaces, places_option
from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.runlog.ranks import Rank

WIDE = 10_000


@click.command(name="ranks", short_help="Step times of each rank of a distributed run.")
@click.argument("run", type=RunName(), required=False)
@places_option()
@click.option("--json", "as_json", is_flag=True, help="One JSON object: the ranks, and the slow one.")
def ranks(run: str | None, runs: RunPlaces, as_json: bool) -> None:
    """Show the step times of each rank of RUN (a name or a folder; the newest by default).

    A rank is slow where its own work (waiting for data, computing, updating) keeps the others waiting; what a rank
    waits for the others does not count against it.
    """
    from cvtui.cli.run_argument import find_run
    from cvtui.runlog.ranks import read_ranks, straggler

    folder = find_run(run, runs)
    found = read_ranks(folder)
    if not found:
        raise RequestError(
            f"ranks: the run {folder.name!r} trained in one process, or its ranks/ is gone",
            hint="a run with --nproc, or `cvtui.watch` under torchrun, records them (docs/distributed.md)",
        )
    slow = straggler(found)
    if as_json:
        import msgspec

        told = None if slow is None else {**msgspec.to_builtins(slow), "sentence": slow.sentence}
        out.json_line({"ranks": [as_dict(one) for one in found], "straggler": told})
    else:
        _print(found)


def as_dict(rank: Rank) -> dict[str, Any]:
    """Return what --json prints of one rank: seconds, shares 0..1, bytes."""
    started, worst, shares = rank.started, rank.worst(), rank.shares()
    return {
        "rank": started.rank,
        "world_size": started.world_size,
        "host": started.host,
        "pid": started.pid,
        "device": started.device,
        "restart": started.restart,
        "steps": len(rank.steps),
        "images": rank.median(lambda step: step.images),
        "median_seconds": rank.median(lambda step: step.seconds),
        "worst_seconds": None if worst is None else worst[1],
        "worst_step": None if worst is None else worst[0],
        "data_share": shares.data,
        "own_share": shares.own,
        "others_share": shares.others,
        "update_share": shares.update,
        "rest_share": shares.rest,
        "memory": rank.memory,
    }


def _print(found: list[Rank]) -> None:
    from rich.table import Table

    from cvtui.runlog.ranks import verdict
    from cvtui.text import harmless, percent

    console = out.console()
    if not console.is_terminal:
        console.width = WIDE  # a pipe has no width: nothing is cut there
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    names = ("rank", "steps", "median", "worst", "data", "compute", "others", "update", "rest", "images", "memory")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("where", overflow="fold")

    def seconds(value: float | None) -> str:
        return "–" if value is None else f"{1000 * value:,.1f} ms"

    for one in found:
        told = as_dict(one)
        shares = [told[f"{name}_share"] for name in ("data", "own", "others", "update", "rest")]
        worst = "–" if told["worst_step"] is None else f"{seconds(told['worst_seconds'])} (step {told['worst_step']:,})"
        where = f"{told['device']}, {told['host']}, process {told['pid']}"
        images = "–" if not told["images"] else f"{told['images']:g}"
        table.add_row(
            str(told["rank"]), f"{told['steps']:,}", seconds(told["median_seconds"]), worst,
            *("–" if share is None else percent(share, 0) for share in shares),
            images, f"{told['memory'] / 2**20:,.0f} MiB", harmless(where),
        )  # fmt: skip
    console.print(table)
    missing = found[0].started.world_size - len(found)
    if missing > 0:
        out.line(f"{missing} of {found[0].started.world_size} ranks recorded nothing.")
    out.line(verdict(found))
