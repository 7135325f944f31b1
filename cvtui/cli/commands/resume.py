"""`cvtui resume`: resume a run that was stopped, killed or lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cvtui.cli.commands.data import need
from cvtui.cli.end_options import end_options, hooks_of
from cvtui.cli.run_argument import RunName, RunPlaces, find_run, places_option
from cvtui.cli.start_run import check_place, start_run
from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.recipe.recipe import Recipe
    from cvtui.runlog.folder import RunFolder
    from cvtui.runlog.history import History


@click.command("resume")
@click.argument("run", required=False, type=RunName())
@places_option()
@click.option("--lr", default="", metavar="RATE", help="Resume at another rate: 0.001, or /10 of what it would be.")
@click.option(
    "--nproc", type=click.IntRange(1, 1024), metavar="N", help="Resume in N processes; recipe.toml gets the number."
)
@click.option("--no-ui", is_flag=True, help="Without the screen: train in the foreground and print a line per epoch.")
@click.option("--json", "as_json", is_flag=True, help="Print the new records, one JSON object a line (no screen).")
@click.option("--quiet", is_flag=True, help="With --no-ui: only the result and errors.")
@end_options
def resume(
    run: str | None,
    runs: RunPlaces,
    lr: str,
    nproc: int | None,
    no_ui: bool,
    as_json: bool,
    quiet: bool,
    on_end: str | None,
    notify: tuple[str, ...],
) -> int:
    """Resume RUN (a name or a folder; the newest by default) from its newest checkpoint.

    On the CPU, with the same PyTorch and number of threads, the losses and weights are those of a run that was never
    interrupted, to the last bit. A run that diverged may resume at a lower rate: --lr /10.

    RUN's recipe.toml may be edited before, such as to more epochs. What a resume can't change is refused, with the way
    out: docs/reliability.md has the table.
    """
    import msgspec

    from cvtui.recipe.learning_rate import parse_rate
    from cvtui.recipe.validation import check
    from cvtui.runlog.history import History
    from cvtui.runlog.origin import check_resumable, recipe_of

    if lr:
        parse_rate(lr, 1.0)  # wrong words are told before anything starts
    folder = find_run(run, runs)
    if folder.alive():
        raise RequestError(f"{folder.name!r} is being trained right now", hint=f"cvtui attach {folder.name} shows it")
    history = History(folder)
    history.poll()
    recipe = recipe_of(folder, "resumed")
    if nproc is not None:
        recipe = msgspec.structs.replace(recipe, nproc=nproc)
    check_unfinished(folder, history, recipe)
    checked = check(recipe)
    check_resumable(folder, history.run, checked.recipe, checked.data.classes)
    need(checked.recipe, weights=False)
    screen = not (no_ui or as_json)
    check_place(screen, resume=True)
    if nproc is not None:
        _write_recipe(folder, recipe)
    hooks = hooks_of(on_end, notify)
    return start_run(folder, checked, runs, hooks, screen=screen, resume=True, rate=lr, as_json=as_json, quiet=quiet)


def check_unfinished(folder: RunFolder, history: History, recipe: Recipe) -> None:
    """Refuse a run of which nothing is left to do. RequestError with the way out."""
    from cvtui.recipe.ending import EARLY, is_stale

    if history.end is None:
        return
    done = max((epoch.epoch for epoch in history.epochs), default=0)
    if history.end.status == "finished" and done >= recipe.epochs:
        raise RequestError(
            f"{folder.name!r} has finished: nothing is left to do",
            hint=f"more epochs in {folder.recipe} give it more, cvtui {folder.recipe} repeats it",
        )
    best = max((epoch.epoch for epoch in history.epochs if epoch.best), default=0)
    if history.end.reason.startswith(EARLY) and is_stale(recipe.patience, done, best):
        raise RequestError(
            f"{folder.name!r} has finished by {history.end.reason}",
            hint=f"a larger patience in {folder.recipe} (or 0) continues",
        )


def _write_recipe(folder: RunFolder, recipe: Recipe) -> None:
    """Write the run's recipe.toml. RequestError."""
    from cvtui import door
    from cvtui.recipe.toml import dumps

    try:
        door.write(folder.recipe, dumps(recipe).encode())
    except OSError as error:
        raise RequestError(f"--nproc: can't write {str(folder.recipe)!r}: {error.strerror}") from None
