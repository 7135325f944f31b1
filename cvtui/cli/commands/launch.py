"""`cvtui launch`: the torchrun lines that train a run on several machines, ready to copy."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cvtui.cli import out
from cvtui.cli.run_argument import RunName, runs_option
from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.recipe.recipe import Recipe
    from cvtui.runlog.folder import RunFolder

PORT = 29400
"""Of torchrun's meeting place, where none is given: its own default."""


@click.command(name="launch", short_help="The torchrun lines that train a run on several machines.")
@click.argument("run", type=RunName())
@runs_option()
@click.option("--nnodes", type=click.IntRange(1, 10_000), default=2, show_default=True, help="Machines.")
@click.option("--nproc", type=click.IntRange(1, 1024), metavar="N", help="Processes on each; the recipe's by default.")
@click.option("--host", default="HOST", metavar="HOST[:PORT]", help="Where they meet: the first machine.")
def launch(run: str, runs: Path, nnodes: int, nproc: int | None, host: str) -> int:
    """Print what to type on each of several machines to train RUN there together; nothing is started.

    RUN is a run (a name or a folder), which goes on from its newest checkpoint, or a RECIPE.toml, for which a run
    folder is made. The folder must be seen under the same path by all machines, such as on a shared disk. They train
    together as on one: batch_size is cut over all their processes.
    """
    from cvtui.recipe.validation import check
    from cvtui.runlog.origin import recipe_of

    folder = _folder(run, runs)
    recipe = recipe_of(folder, "launched")
    each = nproc or recipe.nproc
    checked = check(recipe)
    if nnodes * each > checked.recipe.batch_size:
        raise RequestError(
            f"--nnodes: a batch of {checked.recipe.batch_size:,} can't be cut over {nnodes:,} x {each:,} processes; "
            f"allowed: {checked.recipe.batch_size:,} in all, or a larger batch_size"
        )
    out.line(command_line(folder, recipe, nnodes, each, host))
    where = "on each of them" if nnodes > 1 else "there"
    out.line(f"Type it {where}, {folder.path.absolute()} being the same folder; `cvtui attach` shows the run.")
    if host == "HOST" and nnodes > 1:
        out.line("HOST is the name or address of the first machine, which the others must reach.")
    return 0


def _folder(run: str, runs: Path) -> RunFolder:
    """Return the run's folder; that of a recipe file is made."""
    from cvtui.cli.run_argument import find_run

    path = Path(run)
    if path.suffix != ".toml" or not path.is_file():
        return find_run(run, runs)
    from cvtui.cli.commands.train import make_recipe
    from cvtui.cli.follow import make_folder

    return make_folder(make_recipe(run, {}, runs), runs, strict_name=False)


def command_line(folder: RunFolder, recipe: Recipe, nnodes: int, nproc: int, host: str) -> str:
    """Return the line of one machine; the same on all."""
    from cvtui import door

    begun = (told := door.state(folder.events)) is not None and bool(told.st_size)
    place = host if ":" in host else f"{host}:{PORT}"
    words = [
        "torchrun", f"--nnodes={nnodes}", f"--nproc-per-node={nproc}", f"--max-restarts={recipe.max_restarts}",
        f"--rdzv-id={folder.name}", "--rdzv-backend=c10d", f"--rdzv-endpoint={place}",
        "-m", "cvtui.engine", str(folder.path.absolute()), *(["--resume"] if begun else []),
    ]  # fmt: skip
    return shlex.join(words)
