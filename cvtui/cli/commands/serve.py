"""`cvtui serve`: the screen in a browser."""

from __future__ import annotations

import click

from cvtui.cli import out
from cvtui.cli.run_argument import RunName, RunPlaces, find_run, places_option


@click.command("serve", short_help="The screen in a browser, on this machine alone unless asked.")
@click.argument("run", required=False, type=RunName())
@places_option()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, metavar="N", help="0 takes a free one."
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS",
    help="Where to listen: another address lets other machines in, unencrypted.",
)  # fmt: skip
def serve(run: str | None, runs: RunPlaces, port: int, host: str) -> None:
    """Show the screen in a browser, or the screen on RUN; ctrl+c ends it, trainings go on.

    The printed address holds a secret: who has it can do there what you can in a terminal. From another machine, take
    `ssh -L 8000:localhost:8000 HOST` and leave --host as it is. Needs the extra serve (pip install 'cvtui[serve]').
    """
    from cvtui.own_python import own_module
    from cvtui.serve.server import is_loopback
    from cvtui.serve.server import serve as serve_screens

    words = ["attach", str(find_run(run, runs).path)] if run else []
    for place in (*map(str, runs.local), *runs.addresses):
        words += ["--runs", place]

    def told(address: str) -> None:
        out.line(f"the screen is at {address}")
        if not is_loopback(host):
            out.line("anyone who sees that address can run programs as you, and nothing is encrypted", err=True)
        out.line("ctrl+c ends it; trainings go on", err=True)

    serve_screens(own_module("cvtui", *words), host, port, told)
