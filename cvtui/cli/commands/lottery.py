"""`cvtui lottery`: prune the smallest weights, rewind, train again; how many weights are needed."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cvtui.cli import out
from cvtui.cli.commands.data import need
from cvtui.cli.commands.sweep import watch_race
from cvtui.cli.commands.train import check_runs_folder, make_recipe
from cvtui.cli.recipe_options import recipe_options
from cvtui.cli.run_argument import runs_option
from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.compare.lottery import Judgement, LotteryRound
    from cvtui.recipe.validation import Checked
    from cvtui.runlog.lottery_note import Kind, Scope

ROUNDS = 8
PRUNE = 0.2
CONTROLS: dict[str, tuple[Kind, ...]] = {
    "both": ("reinit", "random-mask"),
    "reinit": ("reinit",),
    "random-mask": ("random-mask",),
    "none": (),
}
FIXED = frozenset({"keep"})
"""The next round prunes what the last checkpoint holds."""


@click.command("lottery")
@click.argument("recipe", required=False, type=click.Path(), metavar="[RECIPE.toml]")
@runs_option("Where the run folders go (in a folder of their own there).")
@click.option(
    "--rounds", type=click.IntRange(1, 100), default=ROUNDS, show_default=True, metavar="N", help="Times to prune."
)
@click.option(
    "--prune",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=PRUNE,
    show_default=True,
    metavar="X",
    help="Share of the weights left that goes each time.",
)
@click.option(
    "--rewind-steps",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="K",
    help="Go back to the weights after K steps (0: to the first ones; deep nets need some, Frankle 2020).",
)
@click.option(
    "--scope",
    type=click.Choice(["layer", "global"]),
    default="layer",
    show_default=True,
    help="layer: each loses that share, the classifier half of it. global: the smallest of all but the classifier's.",
)
@click.option(
    "--control",
    type=click.Choice(list(CONTROLS)),
    default="both",
    show_default=True,
    help="What each ticket is held against: the same mask drawn anew (reinit), its weights at other places.",
)
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, metavar="N", help="Runs at once.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def lottery(
    recipe: str | None,
    runs: Path,
    rounds: int,
    prune: float,
    rewind_steps: int,
    scope: Scope,
    control: str,
    jobs: int,
    as_json: bool,
    **options: str | None,
) -> int:
    """Find lottery tickets (Frankle & Carbin 2019): train, prune the smallest weights, rewind the others, repeat.

    Each round is a run beside controls, in a folder of its own. At the end sparsity against accuracy, and whether what
    the paper promises holds here.
    """
    given = {name: text for name, text in options.items() if text is not None}
    base = make_recipe(recipe, given, runs)
    if base.auto:
        raise RequestError("--batch-size: all rounds of a lottery take one batch size; give a number in place of auto")
    if base.recipe.nproc > 1:
        raise RequestError(f"--nproc: {base.recipe.nproc} is not allowed; each run of a lottery trains in one process")
    if base.recipe.freeze:
        raise RequestError(f"--freeze: {base.recipe.freeze} does not go with a lottery, which prunes what was trained")
    if rewind_steps >= base.total_steps:
        raise RequestError(f"--rewind-steps: {rewind_steps:,} is not allowed; the run has {base.total_steps:,} steps")
    check_runs_folder(runs, base.recipe.name or None)
    need(base.recipe)
    place = runs / (base.recipe.name or time.strftime("%Y-%m-%d-%H%M%S") + "-lottery")
    lottery_rounds = _Rounds(base, place, prune, scope, rewind_steps, jobs, quiet=as_json)
    trials = lottery_rounds.train(rounds, CONTROLS[control])
    return _report(trials, base, place, as_json)


lottery.params[1:1] = [option for option in recipe_options() if option.name not in FIXED]


class _Rounds:
    """Rounds of one lottery, one after the other: each prunes the weights that the last one ended with."""

    def __init__(
        self, base: Checked, place: Path, prune: float, scope: Scope, rewind_steps: int, jobs: int, *, quiet: bool
    ) -> None:
        self.base, self.place, self.prune, self.scope = base, place, prune, scope
        self.rewind_steps, self.jobs, self.quiet = rewind_steps, jobs, quiet
        self.origin = ""

    def train(self, rounds: int, controls: tuple[Kind, ...]) -> list[LotteryRound]:
        """Train all rounds; fewer where a ticket did not end well enough to be pruned again."""
        from cvtui.calc import Table
        from cvtui.compare.lottery import shares_left

        table = self.base.table
        if not isinstance(table, Table):
            raise RequestError("net: a lottery prunes the layers of a net expression, not PyTorch code")
        shares = shares_left(table, self.prune, self.scope, rounds)
        trials, parent = self._round(0, ("dense",), 1.0, "")
        for number in range(1, rounds + 1):
            if trials[-1].state != "finished" and trials[-1].kind in ("dense", "ticket"):
                break
            found, after = self._round(number, ("ticket", *controls), shares[number], parent)
            trials += found
            if found[0].state != "finished":
                break
            parent = after
        return trials

    def _round(self, number: int, kinds: tuple[Kind, ...], left: float, parent: str) -> tuple[list[LotteryRound], str]:
        """Train the runs of one round at once; return their results, and the folder's name of the first."""
        import msgspec

        from cvtui.compare import Entrant, Race
        from cvtui.compare.lottery import trial_of
        from cvtui.recipe.validation import check
        from cvtui.runlog.lottery_note import Ticket, write_ticket

        checked = check(msgspec.structs.replace(self.base.recipe, keep="last", name=""))
        entrants = [
            Entrant(f"round {number}, {kind}, {left:.1%} left", checked, name=f"round-{number:02d}-{kind}")
            for kind in kinds
        ]
        with Race(entrants, self.place, "round", self.jobs) as race:
            for racer, kind in zip(race.racers, kinds, strict=True):
                ticket = Ticket(
                    round=number, kind=kind, prune=self.prune, scope=self.scope, rewind_steps=self.rewind_steps,
                    parent=parent, origin=self.origin,
                )  # fmt: skip
                write_ticket(racer.folder, ticket)
            watch_race(race, quiet=self.quiet)
        end = race.racers[0].history.end
        if number == 0 and end is not None and end.status == "failed":
            raise RequestError(f"lottery: the dense net could not be trained: {end.reason}")
        first = race.racers[0].folder.name
        self.origin = self.origin or first
        return [
            trial_of(number, kind, left, racer.history) for kind, racer in zip(kinds, race.racers, strict=True)
        ], first


def _report(trials: list[LotteryRound], base: Checked, place: Path, as_json_too: bool) -> int:
    from cvtui.compare.lottery import as_json, judge_lottery

    judgement = judge_lottery(trials, base.data.validation)
    bad = [trial for trial in trials if trial.kind in ("dense", "ticket") and trial.state != "finished"]
    if as_json_too:
        out.json_line({**as_json(trials, judgement), "folder": str(place)})
    else:
        _show(trials, judgement, place)
    for trial in bad:
        out.line(f"cvtui: {trial.name} {trial.state}; no later round can follow it", err=True)
    return 1 if bad else 0


def _show(trials: list[LotteryRound], judgement: Judgement, place: Path) -> None:
    """Print the figure, the table, the promise and the verdict."""
    from rich.text import Text

    from cvtui.compare.lottery import PROMISE, figure
    from cvtui.draw.text_figures import draw

    console = out.console()
    for line in draw(figure(trials), min(console.width, 100), colour=not console.no_color):
        console.print(line, no_wrap=True, overflow="crop")
    console.print()
    console.print(_table(trials, judgement.best))
    verdict = {True: "it holds here", False: "it does not hold here", None: "not settled here"}[judgement.holds]
    console.print(Text(PROMISE))
    console.print(Text(f"{verdict}: {judgement.sentence}"))
    console.print(Text(f"the runs: cvtui runs --runs {place}"), soft_wrap=True)


def _table(trials: list[LotteryRound], best: LotteryRound | None) -> Any:
    """Return a table with one row a round; the epoch is that of the lowest validation loss."""
    from rich.table import Table
    from rich.text import Text

    from cvtui.compare.lottery import NAMES

    all_kinds: tuple[Kind, ...] = ("ticket", "reinit", "random-mask")
    kinds = [kind for kind in all_kinds if any(trial.kind == kind for trial in trials)]
    found = Table(box=None, pad_edge=False, header_style="bold")
    found.add_column("round", justify="right")
    found.add_column("weights left", justify="right")
    for kind in kinds:
        found.add_column(NAMES[kind], justify="right")
        found.add_column("epoch", justify="right")
    for number in sorted({trial.round for trial in trials}):
        own = {trial.kind: trial for trial in trials if trial.round == number}
        first = own.get("dense") or own["ticket"]
        shown = [first if number == 0 else own.get(kind) for kind in kinds]
        mark = "● " if best is not None and first is best else "  "
        cells = [text for trial in shown for text in (_accuracy(trial), _epoch(trial))]
        found.add_row(Text(f"{mark}{number}"), f"{first.left:.1%}", *cells)
    return found


def _accuracy(trial: LotteryRound | None) -> str:
    if trial is None or trial.accuracy is None or not math.isfinite(trial.accuracy):
        return trial.state if trial is not None else "–"
    return f"{trial.accuracy:.2%}"


def _epoch(trial: LotteryRound | None) -> str:
    return str(trial.loss_epoch) if trial is not None and trial.loss_epoch is not None else "–"
