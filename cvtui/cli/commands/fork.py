"""`cvtui fork`: a new run from another's checkpoint, with a changed recipe."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from cvtui.cli.commands.data import need
from cvtui.cli.commands.train import Train, check_runs_folder, named
from cvtui.cli.end_options import END_OPTIONS, end_options, hooks_of
from cvtui.cli.recipe_options import recipe_options
from cvtui.cli.run_argument import RunName, RunPlaces, find_run, places_option
from cvtui.cli.start_run import check_place, start_run
from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.recipe.recipe import Recipe
    from cvtui.runlog.folder import RunFolder


class Fork(Train):
    """Command whose help shows its own options first, then the recipe's."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        own = [option for option in self.params if isinstance(option, click.Option) and option.name in OWN]
        rows = [option.get_help_record(context) for option in own]
        with formatter.section("Options"):
            formatter.write_dl([row for row in rows if row], col_max=28)
        formatter.write_paragraph()
        formatter.write_text("And every option of the recipe (see `cvtui --help`), such as --lr 1e-4 --epochs 40.")


OWN = ("epoch", "checkpoint", "runs", "no_ui", "as_json", "quiet", *END_OPTIONS)


@click.command("fork", cls=Fork)
@click.argument("run", type=RunName())
@click.option("--epoch", type=click.IntRange(min=0), metavar="N", help="Begin after this epoch of RUN.")
@click.option("--checkpoint", default="", metavar="NAME", help="Begin at this checkpoint: best, last, epoch-0005 …")
@places_option()
@click.option("--no-ui", is_flag=True, help="Without the screen: train in the foreground and print a line per epoch.")
@click.option("--json", "as_json", is_flag=True, help="Print the run's records, one JSON object a line (no screen).")
@click.option("--quiet", is_flag=True, help="With --no-ui: only the result and errors.")
@end_options
def fork(
    run: str,
    epoch: int | None,
    checkpoint: str,
    runs: RunPlaces,
    no_ui: bool,
    as_json: bool,
    quiet: bool,
    on_end: str | None,
    notify: tuple[str, ...],
    **options: str | None,
) -> int:
    """Start a new run from a checkpoint of RUN (its newest by default) with a changed recipe.

    Weights, and the optimizer's state where the rule stays the same, are taken over; steps and epochs count on from
    there, and RUN's curve continues in the new one. The net and the classes stay.
    """
    from cvtui.recipe.toml import dumps, override
    from cvtui.recipe.validation import check
    from cvtui.runlog import fork as run_fork
    from cvtui.runlog.history import History
    from cvtui.runlog.origin import check_same_classes, recipe_of

    parent = find_run(run, runs)
    recipe = recipe_of(parent, "forked")
    history = History(parent)
    history.poll()
    saved = run_fork.pick(history, epoch=epoch, checkpoint=checkpoint)
    changes = {name: text for name, text in options.items() if text is not None}
    name = changes.pop("name", "")
    _check_kept(parent, recipe, changes)
    try:
        checked = check(override(recipe, {**changes, "name": name}))
    except RequestError as error:
        raise named(error, None, changes) from None
    check_same_classes(parent, history.run, checked.data.classes)
    if saved.epoch >= checked.recipe.epochs:
        raise RequestError(
            f"--epochs: {parent.name!r} has done {saved.epoch} there, so {checked.recipe.epochs} leave nothing to do",
            hint=f"--epochs {saved.epoch + 5} trains five more, --epoch N begins earlier",
        )
    check_runs_folder(runs.home, name or None)
    need(checked.recipe, weights=False)
    hooks = hooks_of(on_end, notify)
    screen = not (no_ui or as_json)
    check_place(screen)  # before there is a folder, which would be listed as a lost run
    folder = run_fork.fork(parent, saved, runs.home, name, dumps(checked.asked))
    return start_run(folder, checked, runs, hooks, screen=screen, as_json=as_json, quiet=quiet)


fork.params[3:3] = recipe_options()


def _check_kept(parent: RunFolder, recipe: Recipe, changes: Mapping[str, str]) -> None:
    """Check that net and classes stay. RequestError with the way out."""
    again = f"cvtui {shlex.quote(str(parent.path / 'recipe.toml'))}"
    for name, what, more in (("net", "net", f" --weights {parent.name}"), ("only", "classes", "")):
        if changes.get(name, kept := getattr(recipe, name)) != kept:
            raise RequestError(
                f"--{name}: a fork keeps the {what} of its run ({kept or 'all of its data'})",
                hint=f"{again} --{name} {shlex.quote(changes[name])}{more} trains a new run",
            )
