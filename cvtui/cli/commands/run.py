"""`cvtui run SCRIPT`: a training script of your own under the watch, without a changed line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from cvtui.cli.output.findings import SEVERITIES
from cvtui.cli.run_argument import runs_option
from cvtui.cli.script_words import own_count
from cvtui.errors import RequestError


class ScriptCommand(click.Command):
    """Command whose options end at the script's name: what stands behind it is not looked at."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        count = own_count(args)
        rest = super().parse_args(ctx, args[:count])
        ctx.params["program"] = args[count:]
        return rest

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "{SCRIPT.py | -m MODULE} [ARGUMENTS]…"]


@click.command("run", cls=ScriptCommand)
@click.option("-m", "module", metavar="MODULE", help="Run a module, as `python -m MODULE` does.")
@click.option("--name", default="", help="The run's name; date and script without one.")
@runs_option()
@click.option(
    "--watch-every", type=click.IntRange(0), default=10, show_default=True, metavar="N",
    help="Look at all layers at every N-th step at most; 0: never.",
)  # fmt: skip
@click.option("--doctor", is_flag=True, help="Print the doctor's findings on stderr at the end.")
@click.option(
    "--ci", type=click.Choice(SEVERITIES), help="As --doctor, and exit code 1 where a finding is at least that severe."
)
def run(
    module: str | None, name: str, runs: Path, watch_every: int, doctor: bool, ci: str | None, program: list[str]
) -> NoReturn:
    """Run a PyTorch training SCRIPT as it is, and record it: `cvtui attach` shows it live.

    Model, optimizer, loss, labels and loader are found; weights are bit-equal with and without. The script's
    arguments, stdin, stdout and exit code are its own. What can't be seen is said in the run's log, with what to add.
    Options of cvtui stand before SCRIPT.
    """
    from cvtui.recipe.run_name import check_name

    if program[:1] == ["--"]:
        program = program[1:]
    if module is None:
        if not program:
            raise RequestError("run: which script? cvtui run train.py --lr 0.1, or cvtui run -m package.module")
        script = Path(program[0])
        if not script.exists():
            raise RequestError(f"run: there is no script {program[0]!r}; options of cvtui stand before its name")
    target, *arguments = program if module is None else [module, *program]
    if name:
        check_name(name, "--name")
    become(target, arguments, module is not None, name=name, runs=runs, every=watch_every, doctor=doctor, ci=ci or "")


def become(target: str, arguments: list[str], is_module: bool, *, runs: Path, **options: object) -> NoReturn:
    """Replace this process by the script's: its process id, streams and signals are those of the command."""
    import json
    from importlib.util import find_spec

    package = find_spec("cvtui")
    assert package is not None
    assert package.origin is not None
    start = Path(package.origin).parent / "engine" / "run_script" / "start.py"
    stem = target.rpartition(".")[2] if is_module else Path(target).resolve().stem
    told = json.dumps({**options, "runs": str(runs), "program": run_stem(stem)})
    words = [sys.executable, *python_options(), str(start), told, "module" if is_module else "script", target]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [*words, *arguments])


def run_stem(name: str) -> str:
    """Return a script's name as a part of a run's."""
    kept = "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in name).strip("-_")
    return kept[:40] or "script"


def python_options() -> list[str]:
    """Return Python's own options of this process (`-u`, `-W error`): all that stands before what it runs."""
    found = sys.orig_argv[
        1 : len(sys.orig_argv) - len(sys.argv)
    ]  # without what it runs: a file, or cvtui of `-m cvtui`
    return found[:-1] if found[-1:] == ["-m"] else found
