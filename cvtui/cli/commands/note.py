"""`cvtui note`: read or write the line that stands with a run, and its tags."""

from __future__ import annotations

from pathlib import Path

import click

from cvtui.cli import out
from cvtui.cli.run_argument import RunName, runs_option
from cvtui.errors import RequestError


@click.command(name="note", short_help="Read or write the note and the tags of a run.")
@click.argument("run", type=RunName())
@click.argument("text", required=False)
@runs_option()
@click.option("--tag", "tags", multiple=True, metavar="WORD", help="Add a tag; may be repeated.")
@click.option("--untag", multiple=True, metavar="WORD", help="Remove a tag; may be repeated.")
@click.option("--remove", is_flag=True, help="Remove the note, tags and all.")
def note(run: str, text: str | None, runs: Path, tags: tuple[str, ...], untag: tuple[str, ...], remove: bool) -> None:
    """Print the note of RUN, or write TEXT as its note: one line, in which #word is a tag.

    `cvtui runs --tag WORD` lists the runs with a tag, `cvtui runs --filter note~WORD` those whose note has a word.
    """
    from cvtui.cli.run_argument import find_run
    from cvtui.runlog.manage import note_of, write_note
    from cvtui.runlog.run_filter import tagged, untagged

    if remove and (text is not None or tags or untag):
        raise RequestError("--remove: removes the whole note; it goes with no TEXT, --tag or --untag")
    folder = find_run(run, runs)
    written = "" if remove else note_of(folder) if text is None else text
    for word in untag:
        written = untagged(written, word)
    for word in tags:
        written = tagged(written, word)
    if remove or text is not None or tags or untag:
        write_note(folder, written)
    shown = note_of(folder)
    if shown:
        out.line(shown)
    else:
        out.line(f"{folder.name} has no note.", err=True)
