"""`cvtui mistakes`: which validation images a run gets wrong, worst first, and where they lie."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cvtui.cli import out
from cvtui.cli.progress_bar import progress_bar
from cvtui.cli.records import told_records
from cvtui.cli.run_argument import RunName, RunPlaces, places_option
from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.runlog.folder import RunFolder
    from cvtui.runlog.mistakes import Evaluated, Mistake

WIDE = 10_000
SHOWN_MOVES = 10
FIELDS = ("image", "truth", "said", "share", "truth_share", "loss", "number")
"""Of a mistake, in --csv and --json."""


@click.command(name="mistakes", short_help="Which validation images a run gets wrong, worst first.")
@click.argument("run", type=RunName(), required=False)
@places_option()
@click.option("--by", type=click.Choice(["confidence", "loss"]), default="confidence", show_default=True,
              help="What is worst: the probability of the wrong class, or the loss.")  # fmt: skip
@click.option("--cell", default="", metavar="TRUE,PREDICTED", help="Of one cell of the confusion matrix: gravel,brick.")
@click.option("--checkpoint", default="", metavar="NAME", help="last, epoch-0010 …; by default the best.")
@click.option("--csv", "as_csv", is_flag=True, help="A table with commas.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per mistake and line.")
@click.option("--paths", is_flag=True, help="The files alone, one a line, for a script of yours.")
@click.option("--move-to", type=click.Path(path_type=Path), metavar="DIR",
              help="Move the files there, one folder per true class; asks first.")  # fmt: skip
@click.option("--yes", is_flag=True, help="With --move-to: don't ask.")
def mistakes(
    run: str | None,
    runs: RunPlaces,
    by: str,
    cell: str,
    checkpoint: str,
    as_csv: bool,
    as_json: bool,
    paths: bool,
    move_to: Path | None,
    yes: bool,
) -> None:
    """List the validation images that RUN gets wrong (a name or a folder; the newest by default), worst first.

    The best checkpoint is evaluated again, with the running mean of the weights where there is one: as many mistakes as
    its confusion matrix has. Each is named by its file, or by its number in a file with many.
    """
    from cvtui.cli.run_argument import find_run
    from cvtui.runlog.fork import checkpoint_file
    from cvtui.runlog.mistakes import parse_cell, worst_first

    if as_csv + as_json + paths > 1:
        raise RequestError("mistakes: --csv, --json and --paths exclude each other")
    folder = find_run(run, runs)
    checkpoint_file(folder, checkpoint)  # what is not there is said before torch is loaded
    about, found = evaluated(folder, checkpoint)
    found = worst_first(found, by)
    if cell:
        truth, said = parse_cell(cell, about.classes)
        found = [one for one in found if (one.truth, one.said) == (truth, said)]
    for note in about.notes:
        out.line(f"note: {note}", err=True)
    if move_to is not None:
        _move(found, move_to, asked=yes)
    else:
        _print(about, found, "csv" if as_csv else "json" if as_json else "paths" if paths else "")


def evaluated(folder: RunFolder, checkpoint: str) -> tuple[Evaluated, list[Mistake]]:
    """Evaluate in a process of its own, with a bar on a terminal. RequestError for what it refuses."""
    from cvtui.runlog.mistakes import Evaluated, Mistake, decode
    from cvtui.runlog.worker_process import mistakes_command

    about: Evaluated | None = None
    found: list[Mistake] = []
    with (
        progress_bar("evaluating") as show,
        told_records("mistakes", mistakes_command(folder, checkpoint), decode) as records,
    ):
        for told in records:
            if isinstance(told, Evaluated):
                about = told
            elif isinstance(told, Mistake):
                found.append(told)
            else:
                show(told.done, told.of)
    assert about is not None  # a process that ends well has told it
    return about, found


# ------------------------------------------------------------------ lists


def _print(about: Evaluated, found: list[Mistake], form: str) -> None:
    if form == "csv":
        writer = out.csv_writer()
        writer.writerow(FIELDS)
        writer.writerows([["" if (value := getattr(one, name)) is None else value for name in FIELDS] for one in found])
    elif form == "json":
        for one in found:
            out.json_line({name: getattr(one, name) for name in FIELDS})
    elif form == "paths":
        _print_paths([one.image for one in found])
    else:
        _print_table(about, found)


def _print_paths(paths: list[str]) -> None:
    """Print paths a line each, to a script as they are; those with a line break are counted on stderr."""
    if sys.stdout.isatty():
        for path in paths:
            out.line(path)
        return
    whole = [path for path in paths if len(path.splitlines()) == 1]
    for path in whole:
        click.echo(path)
    if len(whole) < len(paths):
        out.line(f"note: left out {len(paths) - len(whole):,} whose names hold a line break (see --json)", err=True)


def _print_table(about: Evaluated, found: list[Mistake]) -> None:
    from rich.table import Table

    from cvtui.text import count, harmless, percent, significant

    mean = ", running mean of the weights" if about.ema else ""
    share = percent(about.mistakes / max(1, about.images))
    out.line(
        f"{count(about.mistakes)} of {count(about.images)} validation images wrong ({share}): {about.checkpoint}, "
        f"epoch {about.epoch}{mean}"
    )
    if len(found) != about.mistakes:
        out.line(f"{count(len(found))} of them in this cell")
    if not found:
        return
    console = out.console()
    if not console.is_terminal:
        console.width = WIDE  # a pipe has no width: nothing is cut there
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("image", overflow="fold")
    for name in ("true", "predicted"):
        table.add_column(name, overflow="fold")
    for name in ("probability", "of the true", "loss"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        shares = ("–" if share is None else percent(share) for share in (one.share, one.truth_share))
        table.add_row(harmless(one.image), harmless(one.truth), harmless(one.said), *shares, significant(one.loss))
    console.print(table)


# ------------------------------------------------------------------ moving


def _move(found: list[Mistake], target: Path, *, asked: bool) -> None:
    """Move the files into `target`, a folder per true class. RequestError before anything is moved."""
    from cvtui.export.whole_file import move

    moves = moves_of(found, target)
    for source, place in moves[:SHOWN_MOVES]:
        out.line(f"{source} → {place}", err=True)
    if len(moves) > SHOWN_MOVES:
        out.line(f"and {len(moves) - SHOWN_MOVES:,} more", err=True)
    what = f"move {len(moves):,} file{'s' if len(moves) != 1 else ''} into {str(target)!r}"
    if not asked:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise RequestError(f"--move-to: nothing was moved; this would {what}", hint="--yes moves them")
        if not click.confirm(f"{what[0].upper()}{what[1:]}?", err=True):
            out.line("Nothing was moved.", err=True)
            return
    for number, (source, place) in enumerate(moves):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            move(source, place)
        except OSError as error:
            raise RequestError(
                f"--move-to: {str(source)!r} can't be moved ({error.strerror or error}); {number:,} files were moved"
            ) from None
    out.line(f"{len(moves):,} moved; a run on these data has fewer validation images from now on")


def moves_of(found: list[Mistake], target: Path) -> list[tuple[Path, Path]]:
    """Return (from, to) of every file. RequestError where one is missing, or something stands in its place."""
    if not found:
        raise RequestError("--move-to: there is no mistake to move")
    inside = next((one for one in found if not one.file), None)
    if inside is not None:
        raise RequestError(f"--move-to: {inside.image!r} is not a file of its own", hint="--csv or --json lists them")
    moves: dict[Path, Path] = {}
    for one in found:
        source = Path(one.image)
        place = target / one.truth.replace(os.sep, "_").strip(".") / source.name
        if not source.is_file():
            raise RequestError(f"--move-to: {one.image!r} is not there any more; nothing was moved")
        if os.path.lexists(place):
            raise RequestError(f"--move-to: {str(place)!r} exists; nothing was moved", hint="name a new folder")
        if place in moves:
            raise RequestError(f"--move-to: {str(moves[place])!r} and {one.image!r} have one name; nothing was moved",
                               hint="--paths lists them for a script of yours")  # fmt: skip
        moves[place] = source
    return [(source, place) for place, source in moves.items()]
