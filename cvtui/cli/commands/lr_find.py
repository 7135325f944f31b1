"""`cvtui lr-find`: a range test, a bracket, three short runs, a choice with its reason."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cvtui.cli import out
from cvtui.cli.commands.data import need, tell_notes
from cvtui.cli.commands.train import make_recipe
from cvtui.cli.recipe_options import FIT, recipe_options, tell_fitted
from cvtui.cli.run_argument import runs_option
from cvtui.compare.lr_search import FIXED
from cvtui.errors import RequestError
from cvtui.recipe.learning_rate import options_at

if TYPE_CHECKING:
    from cvtui.compare.lr_range_rule import Bracket
    from cvtui.compare.lr_search import FoundRate, LrFinder

POLL_SECONDS = 0.2


@click.command("lr-find")
@click.argument("recipe", required=False, type=click.Path(), metavar="[RECIPE.toml]")
@runs_option("Where the run folders go (in a folder of their own there).")
@click.option(
    "--steps",
    type=click.IntRange(50, 100_000),
    default=150,
    show_default=True,
    metavar="N",
    help="Steps of the range test.",
)
@click.option(
    "--highest",
    type=click.FloatRange(1e-6, 1e6),
    default=10.0,
    show_default=True,
    metavar="X",
    help="Rate where it ends.",
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@FIT
def lr_find(
    recipe: str | None, runs: Path, steps: int, highest: float, as_json: bool, fit: bool, **options: str | None
) -> int:
    """Find a good learning rate.

    The loss while the rate climbs from very low to very high (Smith 2015) gives a bracket; three short runs at a third
    of, at, and at three times its middle decide. Nothing of yours is touched: each run is a process of its own that
    starts from fresh weights.
    """
    from cvtui.compare.lr_range_rule import NoBracket
    from cvtui.compare.lr_search import LrFinder

    given = {name: text for name, text in options.items() if text is not None}
    fitted: list[str] = []
    checked = make_recipe(recipe, given, runs, fit=fit, tell=fitted.append)
    need(checked.recipe)
    if not as_json:
        tell_fitted(fitted)
        tell_notes(checked.data.notes)
    with LrFinder(checked, runs, steps, highest) as finder:
        try:
            _watch(finder, quiet=as_json)
        except NoBracket as error:
            folder = finder.race.racers[0].folder
            raise RequestError(f"lr-find: {error}", hint=f"cvtui attach {folder.path} shows the curve") from None
    assert finder.found is not None
    return _report(finder.found, as_json, scaled=bool(checked.recipe.scale_lr))


lr_find.params[1:1] = [option for option in recipe_options() if option.name not in FIXED]


def _watch(finder: LrFinder, *, quiet: bool) -> None:
    """Follow the search: a picture of the runs on a terminal, a line a stage elsewhere."""
    from cvtui.cli.commands.sweep import race_picture
    from cvtui.compare import Judge

    console = out.console(stderr=True)
    if quiet or not console.is_terminal:
        told = ""
        while finder.step():
            if not quiet and finder.words != told:
                told = finder.words
                console.print(told, highlight=False)
            time.sleep(POLL_SECONDS)
        return
    from rich.live import Live

    judge = Judge()

    def picture() -> Any:
        return race_picture(finder.race, console, judge)

    with Live(console=console, refresh_per_second=4, transient=True, get_renderable=picture):
        while finder.step():
            time.sleep(POLL_SECONDS)


def _report(found: FoundRate, as_json: bool, *, scaled: bool) -> int:
    """Print the result; return the exit code.

    `scaled`: the recipe multiplies its rate, which would spoil the one that was found.
    """
    chosen, bracket = found.lr, found.bracket
    if as_json:
        trials = [
            {"lr": trial.lr, "val_loss": trial.val_loss if math.isfinite(trial.val_loss) else None,
             "val_accuracy": trial.val_accuracy, "verdict": trial.verdict.name}
            for trial in found.trials
        ]  # fmt: skip
        told = {
            "low": bracket.low, "high": bracket.high, "pick": bracket.pick, "lr": chosen, "trials": trials,
            "curve": {"lr": bracket.lr.tolist(), "loss": bracket.loss.tolist()},
        }  # fmt: skip
        out.json_line(told)
        return 0 if chosen is not None else 1
    _show(bracket)
    for trial in found.trials:
        mark = "●" if trial.lr == chosen else " "
        accuracy = f"{trial.val_accuracy:.2%}" if trial.val_accuracy is not None else "–"
        shown = f"{trial.val_loss:.4f}" if math.isfinite(trial.val_loss) else "not finite"
        out.line(f"{mark} lr {trial.lr:<9g} validation loss {shown:<11} accuracy {accuracy:<8} {trial.verdict.name}")
    if chosen is None:
        out.line("none of the three learned; take a rate at the low end of the bracket")
        return 1
    why = "the lowest validation loss of the three"
    out.line(f"use it: {options_at(chosen, scaled)}  ({why}; the bracket is {bracket.low:.2g} to {bracket.high:.2g})")
    return 0


def _show(found: Bracket) -> None:
    """Print the curve over log lr."""
    from cvtui.compare.lr_figure import range_curve
    from cvtui.draw.text_figures import draw

    console = out.console()
    for line in draw(range_curve(found), min(console.width, 100), colour=not console.no_color):
        console.print(line, no_wrap=True, overflow="crop")
