"""`cvtui lr-find`: which learning rate? A range test, a bracket, three short real runs, a choice with its reason."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cvtui.cli.run_folders import runs_option
from cvtui.cli.sweep import watch_race
from cvtui.cli.train import FieldType, make_recipe
from cvtui.errors import RequestError
from cvtui.recipe.fields import FIELDS

if TYPE_CHECKING:
    from cvtui.compare import Race
    from cvtui.compare.lr_find import Bracket
    from cvtui.recipe import Recipe

HIGHEST = 10.0
DECADES = 8
STEPS = 150
FIXED = frozenset({"lr", "schedule", "schedule_per", "warmup", "epochs", "name", "watch_every", "keep"})


@click.command("lr-find")
@click.argument("recipe", required=False, type=click.Path(), metavar="[RECIPE.toml]")
@runs_option("Where the run folders go (in a folder of their own there).")
@click.option("--steps", type=click.IntRange(50, 100_000), default=STEPS, show_default=True, help="Of the range test.")
@click.option(
    "--highest", type=click.FloatRange(1e-6, 1e6), default=HIGHEST, show_default=True, help="Rate where it ends."
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def lr_find(recipe: str | None, runs: Path, steps: int, highest: float, as_json: bool, **options: str | None) -> int:
    """Which learning rate? The loss while the rate climbs from very low to very high (Smith 2015) gives a bracket;
    three short runs at a third of, at, and at three times its middle decide. Nothing of yours is touched: each run is a
    process of its own that starts from fresh weights."""
    from cvtui.compare.lr_find import NoBracket, bracket, round_rate

    given = {name: text for name, text in options.items() if text is not None}
    base = make_recipe(recipe, given)
    place = runs / (time.strftime("%Y-%m-%d-%H%M%S") + "-lr-find")
    epochs = max(1, math.ceil(steps / base.steps_per_epoch))
    climb = _changed(
        base.recipe, lr=highest, schedule=f"range-test({DECADES})", epochs=epochs, warmup="0", schedule_per="iteration"
    )
    test = _race([("range test", climb)], place, "range", quiet=as_json)
    history = test.racers[0].history
    try:
        found = bracket(history.steps.lr, history.steps.loss)
    except NoBracket as error:
        raise RequestError(f"lr-find: {error}", hint=f"cvtui attach {history.folder.path} shows the curve") from None
    rates = [round_rate(found.pick * factor) for factor in (1 / 3, 1.0, 3.0)]
    short = max(2, math.ceil(2 * STEPS / base.steps_per_epoch))
    trials = [(f"lr {rate:g}", _changed(base.recipe, lr=rate, epochs=short)) for rate in rates]
    race = _race(trials, place, "trial", quiet=as_json)
    return _tell(found, race, rates, as_json)


lr_find.params[1:1] = [
    click.Option([field.option, field.name], type=FieldType(field), metavar=field.name.upper(), help=field.doc)
    for name, field in FIELDS.items()
    if name not in FIXED
]


def _changed(recipe: Recipe, **changes: Any) -> Recipe:
    import msgspec

    return msgspec.structs.replace(recipe, watch_every=0, keep="last", name="", **changes)


def _race(entrants: list[tuple[str, Recipe]], place: Path, stem: str, *, quiet: bool) -> Race:
    from cvtui.compare import Entrant, Race
    from cvtui.recipe import check

    with Race([Entrant(label, check(recipe)) for label, recipe in entrants], place, stem, jobs=len(entrants)) as race:
        watch_race(race, quiet=quiet)
    return race


def _tell(found: Bracket, race: Race, rates: list[float], as_json: bool) -> int:
    from cvtui.compare import judge
    from cvtui.compare.differences import compared

    result = compared([racer.history for racer in race.racers])
    losses = [_final_loss(outcome.history.epochs) for outcome in result.outcomes]
    verdicts = judge([outcome.history.steps.loss for outcome in result.outcomes])
    best = min(range(len(rates)), key=lambda index: losses[index])
    chosen = rates[best] if math.isfinite(losses[best]) else None
    if as_json:
        import msgspec

        trials = [
            {"lr": rate, "val_loss": loss if math.isfinite(loss) else None, "val_accuracy": outcome.best_accuracy,
             "verdict": verdict.name}
            for rate, loss, outcome, verdict in zip(rates, losses, result.outcomes, verdicts, strict=True)
        ]  # fmt: skip
        told = {
            "low": found.low, "high": found.high, "pick": found.pick, "lr": chosen, "trials": trials,
            "curve": {"lr": found.lr.tolist(), "loss": found.loss.tolist()},
        }  # fmt: skip
        click.echo(msgspec.json.encode(told).decode())
        return 0 if chosen is not None else 1
    _show(found)
    for rate, loss, outcome, verdict in zip(rates, losses, result.outcomes, verdicts, strict=True):
        mark = "●" if rate == chosen else " "
        accuracy = f"{outcome.best_accuracy:.2%}" if outcome.best_accuracy is not None else "–"
        shown = f"{loss:.4f}" if math.isfinite(loss) else "not finite"
        click.echo(f"{mark} lr {rate:<9g} validation loss {shown:<11} accuracy {accuracy:<8} {verdict.name}")
    if chosen is None:
        click.echo("none of the three learned; take a rate at the low end of the bracket")
        return 1
    why = "the lowest validation loss of the three"
    click.echo(f"use it: --lr {chosen:g}  ({why}; the bracket is {found.low:.2g} to {found.high:.2g})")
    return 0


def _final_loss(epochs: Any) -> float:
    loss = epochs[-1].val_loss if epochs else None
    return float(loss) if loss is not None else math.inf


def _show(found: Bracket) -> None:
    """The curve over log lr."""
    from rich.console import Console

    from cvtui.runlog.figures import Curve, Curves
    from cvtui.tui.figures import draw

    console = Console()
    curve = Curve(name="loss", x=found.lr.tolist(), y=found.loss.tolist())
    title = f"Range test: bracket {found.low:.2g} to {found.high:.2g}, its guess {found.pick:.2g}"
    figure = Curves(title=title, x_label="learning rate", y_label="loss", log_x=True, curves=[curve])
    for line in draw(figure, min(console.width, 100), colour=not console.no_color):
        console.print(line, no_wrap=True, overflow="crop")
