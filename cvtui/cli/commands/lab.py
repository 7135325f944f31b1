"""`cvtui lab`: the lecture's experiments. The list, one command per lab, its knobs as options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cvtui.cli import out
from cvtui.cli.run_argument import OwnFolder
from cvtui.errors import RequestError
from cvtui.labs.lookup import find, labs
from cvtui.labs.spec import Kind, Knob, Lab

if TYPE_CHECKING:
    from cvtui.draw.figures import LabShown
    from cvtui.labs.folder import LabFolder

_METAVARS: dict[Kind, str] = {
    "int": "N", "float": "X", "floats": "X,Y,…", "choices": "A,B,…", "net": "NET", "flag": "on|off",
}  # fmt: skip

VERDICTS: dict[bool | None, tuple[str, str]] = {
    True: ("holds", "green"),
    False: ("does not hold here", "red"),
    None: ("says nothing about these knobs", "yellow"),
}


class Labs(click.Group):
    """Group whose commands are made from the table of labs on demand."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(labs())

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        return command_of(labs()[name]) if name in labs() else None

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-"):
            find(args[0])  # RequestError names the nearest
        return super().resolve_command(context, args)


@click.command(
    "lab",
    cls=Labs,
    invoke_without_command=True,
    subcommand_metavar="[NAME] [OPTIONS]",
    epilog="`cvtui lab NAME --help` lists a lab's knobs.",
)
@click.option("--json", "as_json", is_flag=True, help="The list as JSON.")
@click.pass_context
def lab(context: click.Context, as_json: bool) -> None:
    """Run one of the lecture's experiments, turn its knobs, see what it claims.

    Without a name, all of them are listed. A lab runs in a process of its own and leaves a folder in RUNS/labs.
    """
    if context.invoked_subcommand is None:
        _list(as_json)


def _list(as_json: bool) -> None:
    if as_json:
        out.json_line([_described(entry) for entry in labs().values()])
        return
    from rich.table import Table

    console = out.console()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for entry in labs().values():
        table.add_row(entry.name, entry.title)
    console.print(table)
    console.print("\ncvtui lab NAME runs one; cvtui lab NAME --help lists its knobs.", style="dim")


def _described(entry: Lab) -> dict[str, Any]:
    knobs = [
        {"name": knob.name, "kind": knob.kind, "default": knob.default, "allowed": knob.allowed(), "doc": knob.doc}
        for knob in entry.all_knobs
    ]
    return {"name": entry.name, "title": entry.title, "page": entry.page, "claim": entry.claim, "knobs": knobs}


def command_of(entry: Lab) -> click.Command:
    """Make the command of one lab; knobs are read as text, and checked as on the screen."""
    options: list[click.Parameter] = [_option(knob) for knob in entry.all_knobs]
    options.append(click.Option(["--json", "as_json"], is_flag=True, help="Numbers and figures as one JSON object."))
    options.append(
        click.Option(
            ["--runs"],
            type=OwnFolder(),
            default=Path("runs"),
            show_default=True,
            metavar="DIR",
            help="Where run folders lie; the lab's own goes to DIR/labs.",
        )
    )
    options.append(click.Option(["--quiet"], is_flag=True, help="No progress bar."))

    return click.Command(
        entry.name,
        params=options,
        callback=_callback(entry),
        help=f"{entry.title}.\n\n{entry.claim}\n\nWhat to look for: {entry.notice}",
        short_help=entry.title,
    )


def _option(knob: Knob) -> click.Option:
    shown = "|".join(knob.choices) if knob.kind == "choice" else _METAVARS[knob.kind]
    default = ("on" if knob.default else "off") if knob.kind == "flag" else knob.default
    words = f"{knob.doc} [{knob.allowed()}; default {default if default != '' else 'none'}]"
    if knob.kind == "choice":
        words = f"{knob.doc} [default {default}]"
    return click.Option([f"--{knob.name}", f"knob_{knob.name.replace('-', '_')}"], metavar=shown, help=words)


def _callback(entry: Lab) -> Callable[..., None]:
    def callback(as_json: bool, runs: Path, quiet: bool, **knobs: str | None) -> None:
        given = {
            name.removeprefix("knob_"): value for name, value in knobs.items() if value is not None
        }  # click writes hyphens as underscores; the table knows both
        run(entry, given, runs, as_json=as_json, quiet=quiet)

    return callback


def run(entry: Lab, given: Mapping[str, str], runs: Path, *, as_json: bool, quiet: bool) -> None:
    """Run a lab with a bar on a terminal, and print its result. Exits 1 when it failed."""
    from cvtui.labs.folder import LabFolder
    from cvtui.labs.lookup import check

    knobs = check(entry.name, given)
    folder = LabFolder.make(runs, entry.name, knobs)
    shown = _wait(folder, entry, quiet or as_json)
    if shown.claim_holds:
        from cvtui.labs.lecture import keep_held, shown_by

        keep_held(shown_by(entry.name, knobs))
    if as_json:
        answer = {
            "lab": entry.name,
            "claim": entry.claim,
            "knobs": knobs,
            "numbers": shown.numbers,
            "claim_holds": shown.claim_holds,
            "sentence": shown.sentence,
            "seconds": shown.seconds,
            "folder": str(folder.path),
            "figures": shown.figures,
        }
        out.json_line(answer)
        return
    _print(entry, knobs, shown)


def _wait(folder: LabFolder, entry: Lab, quiet: bool) -> LabShown:
    """Wait for the lab; return what it shows at its end. ctrl+c stops the lab and ends with 130."""
    import sys
    import time

    from cvtui.labs.folder import LabHistory
    from cvtui.runlog.worker_process import stop

    process = folder.start()
    history = LabHistory(folder)
    try:
        with _Bar(entry.name, on=not quiet and sys.stderr.isatty()) as bar:
            while process.poll() is None:
                if history.poll() and history.shown is not None:
                    bar.show(history.shown.progress, history.shown.doing)
                time.sleep(0.02)
    except BaseException:  # also ctrl+c: the lab must not go on alone
        stop(process, 2.0)
        raise
    history.poll()
    if process.returncode == 0 and history.shown is not None and history.shown.done:
        return history.shown
    if process.returncode == 130:
        raise click.exceptions.Exit(130)
    if process.returncode == 2 and history.end is not None:
        raise RequestError(history.end.reason)
    reason = history.end.reason if history.end else f"its process ended with {process.returncode}"
    out.line(f"cvtui: the lab {entry.name} failed: {reason} (log: {folder.log})", err=True)
    raise click.exceptions.Exit(1)


class _Bar:
    """Progress bar on stderr, removed at the end; nothing where it is off."""

    def __init__(self, name: str, *, on: bool) -> None:
        self.name = name
        self.on = on

    def __enter__(self) -> _Bar:
        if self.on:
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._progress = Progress(
                TextColumn(self.name),
                BarColumn(),
                TextColumn("{task.percentage:3.0f} %"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[doing]}", style="dim"),
                console=out.console(stderr=True),
                transient=True,
            )
            self._task = self._progress.add_task(self.name, total=1.0, doing="starting")
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.on:
            self._progress.stop()

    def show(self, share: float, doing: str) -> None:
        if self.on:
            self._progress.update(self._task, completed=share, doing=doing)


def _print(entry: Lab, knobs: Mapping[str, Any], shown: LabShown) -> None:
    from rich.text import Text

    from cvtui.draw.text_figures import draw_all

    console = out.console()
    colour = console.color_system is not None and not console.no_color
    width = max(40, min(console.width, 160))
    console.print(Text(f"{entry.title}", style="bold") + Text(f"   {entry.command(knobs)}", style="dim"))
    console.print(Text(f"Claim: {entry.claim}"))
    console.print()
    for line in draw_all(shown.figures, width, tall=console.height if console.is_terminal else None, colour=colour):
        console.print(line, no_wrap=True, overflow="crop", soft_wrap=True)
    console.print()
    word, style = VERDICTS[shown.claim_holds]
    console.print(Text.assemble("The claim ", (word, f"bold {style}"), f". {shown.sentence}"))
    console.print(Text(f"What to look for: {entry.notice}", style="dim"))
    console.print(Text(f"{shown.seconds:.1f} s; all numbers: cvtui lab {entry.name} --json", style="dim"))
