"""`cvtui launch`: the torchrun lines that train a run on several machines, ready to copy."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cvtui.cli import out
from cvtui.cli.run_argument import RunName, RunPlaces, places_option
from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.recipe.recipe import Recipe
    from cvtui.recipe.validation import Checked
    from cvtui.runlog.folder import RunFolder

PORT = 29400
"""Where the machines meet, if no port is given: torchrun's own default."""
PRINTED = 8
"""Most machines of which each has its line printed."""
_PLACE = re.compile(r"(?P<host>[A-Za-z0-9][A-Za-z0-9_.-]*)(?::(?P<port>\d{1,5}))?")


@click.command(name="launch", short_help="The torchrun lines that train a run on several machines.")
@click.argument("run", type=RunName())
@places_option()
@click.option("--nnodes", type=click.IntRange(1, 10_000), default=2, show_default=True, metavar="N", help="Machines.")
@click.option("--nproc", type=click.IntRange(1, 1024), metavar="N", help="Processes on each; the recipe's by default.")
@click.option("--host", default="HOST", metavar="HOST[:PORT]", help="The first machine, where they meet.")
def launch(run: str, runs: RunPlaces, nnodes: int, nproc: int | None, host: str) -> int:
    """Print what to type on each of several machines to train RUN there together; nothing is started.

    RUN is a run (a name or a folder), which goes on from its newest checkpoint, or a RECIPE.toml, for which a run
    folder is made. The folder must be seen under the same path by all machines, such as on a shared disk. They train
    together as on one: batch_size is cut over all their processes.
    """
    from cvtui.cli.follow import make_folder

    place, port = parse_place(host)
    folder, checked = _find(run, runs)
    recipe = checked.recipe
    each = nproc or recipe.nproc
    if nnodes * each > recipe.batch_size:
        raise RequestError(
            f"--nnodes: a batch of {recipe.batch_size:,} can't be cut over {nnodes:,} x {each:,} processes; "
            f"allowed: {recipe.batch_size:,} in all, or a larger batch_size"
        )
    folder = folder or make_folder(checked, runs.home, strict_name=False)
    shown = nnodes if nnodes <= PRINTED else 2
    for node in range(shown if nnodes > 1 else 0):
        name = "the first machine" + ("" if place == "HOST" else f" ({place})") if node == 0 else f"machine {node + 1}"
        out.line(f"# on {name}:")
        out.line(command_line(folder, recipe, each, nnodes, node, place, port))
    if nnodes == 1:
        out.line(command_line(folder, recipe, each))
    for line in _advice(folder, nnodes, shown, place):
        out.line(line)
    return 0


def _advice(folder: RunFolder, nnodes: int, shown: int, place: str) -> list[str]:
    """Return what is told below the lines."""
    lines = []
    if shown < nnodes:
        lines.append(f"… and so on, to --node-rank={nnodes - 1}.")
    if nnodes > 1:
        lines.append(f"{folder.path.absolute()} must be the same folder on each; `cvtui attach` shows the run.")
        lines.append(
            "Each waits 10 minutes for the others, without a word (or so many seconds: --rdzv-conf=timeout=30)."
        )
        if place == "HOST":
            lines.append("HOST is the name or address of the first machine, as the others reach it.")
    return lines


def parse_place(text: str) -> tuple[str, int]:
    """Return host and port. RequestError."""
    found = _PLACE.fullmatch(text)
    port = int(found["port"] or PORT) if found else 0
    if found is None or not 0 < port < 65536:
        raise RequestError(f"--host: {text!r} is not a machine; allowed: HOST or HOST:PORT, such as 10.0.0.1:{PORT}")
    return found["host"], port


def _find(run: str, runs: RunPlaces) -> tuple[RunFolder | None, Checked]:
    """Return the run's folder, and its recipe; of a recipe file no folder yet."""
    from cvtui.cli.commands.resume import check_unfinished
    from cvtui.cli.run_argument import find_run
    from cvtui.recipe.validation import check
    from cvtui.runlog.history import History
    from cvtui.runlog.origin import recipe_of

    path = Path(run)
    if path.suffix == ".toml" and path.is_file():
        from cvtui.cli.commands.train import make_recipe

        return None, make_recipe(run, {}, runs.home)
    folder = find_run(run, runs)
    if folder.alive():
        raise RequestError(f"{folder.name!r} is being trained right now", hint=f"cvtui attach {folder.name} shows it")
    history = History(folder)
    history.poll()
    check_unfinished(folder, history, recipe_of(folder, "launched"))
    return folder, check(recipe_of(folder, "launched"))


def command_line(
    folder: RunFolder, recipe: Recipe, nproc: int, nnodes: int = 1, node: int = 0, host: str = "", port: int = PORT
) -> str:
    """Return the line of machine `node` (from 0)."""
    from cvtui import door

    begun = (told := door.state(folder.events)) is not None and bool(told.st_size)
    # torchrun's static meeting place: its c10d finds out by the host's name which machine is the first, and fails where
    # that name leads to 127.0.1.1 (Debian, Ubuntu) or the others don't know it.
    place = [f"--nnodes={nnodes}", f"--node-rank={node}", f"--rdzv-id={folder.name}", f"--master-addr={host}",
             f"--master-port={port}"] if nnodes > 1 else ["--standalone"]  # fmt: skip
    words = [
        "torchrun", *place, f"--nproc-per-node={nproc}", f"--max-restarts={recipe.max_restarts}",
        "-m", "cvtui.engine", str(folder.path.absolute()), *(["--resume"] if begun else []),
    ]  # fmt: skip
    return shlex.join(words)
