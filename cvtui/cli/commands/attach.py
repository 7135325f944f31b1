"""`cvtui attach`: the screen on a run that something else started."""

from __future__ import annotations

from pathlib import Path

import click

from cvtui.cli.end_options import end_options, hooks_of
from cvtui.cli.run_argument import RunName, find_run, runs_option
from cvtui.cli.screen import FPS


@click.command("attach")
@click.argument("run", required=False, type=RunName())
@runs_option()
@FPS
@end_options
def attach(run: str | None, runs: Path, fps: float, on_end: str | None, notify: tuple[str, ...]) -> int:
    """Open the screen on RUN (a name or a folder; the newest by default), living or ended.

    Closing the screen never stops a training. --on-end and --notify tell its end, if it is being trained.
    """
    from cvtui.cli.screen import check_terminal, open_screen
    from cvtui.notify.start import watch_end

    folder = find_run(run, runs)
    asked = hooks_of(on_end, notify, saved=False)
    if asked and folder.alive():
        check_terminal("`cvtui runs` lists the runs without a screen")
        watch_end(folder, asked)
    return open_screen(runs=runs, attach=folder.path, fps=fps, hooks=hooks_of(on_end, notify))
