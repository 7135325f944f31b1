"""`cvtui lecture`: the lecture's claims, each with the lab or the calculation that shows it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from cvtui.cli import out
from cvtui.cli.run_argument import OwnFolder
from cvtui.cli.screen import in_notebook_cell
from cvtui.labs.claims import CLAIMS, Claim, InCalc, InLab, Question


@click.command("lecture")
@click.argument("number", metavar="[N]", required=False)
@click.option("--json", "as_json", is_flag=True, help="The list, or the claim's numbers, as JSON.")
@click.option(
    "--runs",
    type=OwnFolder(),
    default=Path("runs"),
    show_default=True,
    metavar="DIR",
    help="Where run folders lie; a lab's own goes to DIR/labs.",
)
@click.option("--quiet", is_flag=True, help="No question and no progress bar.")
def lecture(number: str | None, as_json: bool, runs: Path, quiet: bool) -> None:
    """List the lecture's 28 claims in its order; with N, show that claim N holds.

    A claim opens a lab or a calculation, with the knobs that show it. On a terminal some ask for your prediction first
    (enter skips). ✓ marks what has been seen to hold on this machine.
    """
    from cvtui.labs.lecture import claim

    if number is None:
        _list(as_json)
        return
    one = claim(number)
    if isinstance(one.opens, InLab):
        _lab(one, one.opens, runs, as_json, quiet)
    else:
        _calc(one, one.opens, as_json, quiet)


def _list(as_json: bool) -> None:
    from cvtui.labs.lecture import held

    seen = held()
    if as_json:
        entries = [
            {"number": one.number, "claim": one.text, "command": one.opens.command, "held": one.number in seen}
            for one in CLAIMS
        ]
        out.json_line(entries)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_header=False)
    table.add_column(style="green", no_wrap=True)
    table.add_column(justify="right", style="bold")
    table.add_column()
    table.add_column(style="dim", no_wrap=True)
    for one in CLAIMS:
        place = one.opens.name if isinstance(one.opens, InLab) else "calc"
        table.add_row("✓" if one.number in seen else " ", str(one.number), one.text, place)
    console = out.console()
    console.print(table)
    console.print(
        f"\n{len(seen & {one.number for one in CLAIMS})} of {len(CLAIMS)} seen to hold (✓); "
        "cvtui lecture N shows one of them.",
        style="dim",
    )


def _lab(one: Claim, page: InLab, runs: Path, as_json: bool, quiet: bool) -> None:
    from cvtui.cli.commands.lab import run
    from cvtui.labs.lookup import find

    if not as_json:
        _begin(one, quiet)
    run(find(page.name), page.knobs, runs, as_json=as_json, quiet=quiet)


def _calc(one: Claim, page: InCalc, as_json: bool, quiet: bool) -> None:
    from cvtui.cli.commands.calc import calc, show_net
    from cvtui.cli.commands.lab import VERDICTS
    from cvtui.labs.lecture import calculated, keep_held

    if not as_json:
        _begin(one, quiet)
    if as_json:
        calc.main([*shlex.split(page.command)[2:], "--json"], standalone_mode=False)
    else:
        show_net(page.net, page.input, page.output, page.against_fc)
    holds, sentence = calculated(page)
    if holds:
        keep_held({one.number})
    if not as_json:
        from rich.text import Text

        word, style = VERDICTS[holds]
        out.console().print(Text.assemble("\nThe claim ", (word, f"bold {style}"), f": {sentence}"))


def _begin(one: Claim, quiet: bool) -> None:
    """Print the claim and the command that opens its page; ask for a prediction where a person can answer."""
    from rich.text import Text

    console = out.console()
    console.print(Text(f"{one.number}. {one.text}", style="bold"))
    console.print(Text(f"{one.opens.command}\n", style="dim"))
    asks = sys.stdin.isatty() and sys.stdout.isatty() and not in_notebook_cell()  # FORCE_COLOR makes no terminal
    if one.question is not None and not quiet and asks:
        _ask(one.question)


def _ask(question: Question) -> None:
    out.line(f"First predict: {question.text}")
    for place, answer in enumerate(question.answers, 1):
        out.line(f"  {place}  {answer}")
    given = click.prompt("Your prediction (enter skips)", default="", show_default=False).strip()
    if given.isascii() and given.isdigit() and 1 <= int(given) <= len(question.answers):
        right = int(given) - 1 == question.right
        out.line("Right." if right else f"Not quite: {question.answers[question.right]}.")
    out.line("")
