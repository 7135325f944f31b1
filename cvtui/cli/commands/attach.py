"""`cvtui attach`: the screen on a run that something else started."""

from __future__ import annotations

from pathlib import Path

import click

from cvtui.cli.run_argument import RunName, find_run, runs_option
from cvtui.cli.screen import FPS


@click.command("attach")
@click.argument("run", required=False, type=RunName())
@runs_option()
@FPS
def attach(run: str | None, runs: Path, fps: float) -> int:
    """Open the screen on RUN (a name or a folder; the newest by default), living or ended.

    Closing the screen never stops a training.
    """
    from cvtui.cli.screen import open_screen

    return open_screen(runs=runs, attach=find_run(run, runs).path, fps=fps)
