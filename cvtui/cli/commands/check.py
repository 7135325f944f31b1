"""`cvtui check`: pre-flight check of a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cvtui.cli import out
from cvtui.cli.commands.data import tell_notes
from cvtui.cli.commands.train import make_recipe
from cvtui.cli.exit import EXIT_FAILED
from cvtui.cli.precheck_process import run_precheck
from cvtui.cli.recipe_options import FIT, recipe_options, tell_fitted

if TYPE_CHECKING:
    from cvtui.doctor import Diagnosis
    from cvtui.doctor.checklist import ChecklistItem


@click.command("check")
@click.argument("recipe", required=False, type=click.Path(), metavar="[RECIPE.toml]")
@click.option("--json", "as_json", is_flag=True, help="Checks and findings as JSON.")
@FIT
def check(recipe: str | None, as_json: bool, fit: bool, **options: str | None) -> int:
    """Pre-flight check of a recipe: its data, its first steps, and whether the net can memorise one batch.

    Takes some seconds and keeps nothing. A question mark stands where a number is beyond its limit and it is too early
    to call that a fault. The exit code is 1 when something is wrong.
    """
    given = {name: text for name, text in options.items() if text is not None}
    fitted: list[str] = []
    checked = make_recipe(recipe, given, fit=fit, tell=fitted.append)
    from cvtui.doctor.checklist import checklist
    from cvtui.recipe.memory_check import check_machine

    check_machine(checked)
    doctor = run_precheck(checked.asked)

    roots = doctor.update()
    items = checklist(doctor.obs, doctor.all)
    if as_json:
        told = {"checks": items, "findings": [one.as_json() for one in roots], "notes": checked.data.notes}
        out.json_line(told)
    else:
        tell_fitted(fitted)
        tell_notes(checked.data.notes)
        show(items, roots)
    return EXIT_FAILED if any(item.mark == "fault" for item in items) or _is_sick(roots) else 0


check.params[1:1] = recipe_options()


def _is_sick(roots: list[Diagnosis]) -> bool:
    return any(one.severity != "note" for one in roots)


def show(items: list[ChecklistItem], roots: list[Diagnosis]) -> None:
    """Print the checklist, then the findings."""
    from rich.table import Table
    from rich.text import Text

    from cvtui.cli.output.findings import finding_lines
    from cvtui.text import harmless

    console = out.console()
    signs = {"ok": ("✓", "green"), "doubt": ("?", "yellow"), "fault": ("✗", "red"), "unknown": ("·", "dim")}
    table: Any = Table.grid(padding=(0, 2, 0, 0))
    for item in items:
        table.add_row(Text(*signs[item.mark]), item.question, Text(harmless(item.answer), "dim"))
    console.print(table)
    for one in roots:
        console.print()
        for line in finding_lines(one):
            console.print(line)
