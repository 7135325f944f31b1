"""`cvtui attach`: the screen on a run that something else started."""

from __future__ import annotations

import click

from cvtui.cli.end_options import end_options, hooks_of
from cvtui.cli.run_argument import RunName, RunPlaces, find_run, places_option
from cvtui.cli.screen import FPS


@click.command("attach")
@click.argument("run", required=False, type=RunName())
@places_option()
@FPS
@end_options
def attach(run: str | None, runs: RunPlaces, fps: float, on_end: str | None, notify: tuple[str, ...]) -> int:
    """Open the screen on RUN (a name or a folder; the newest by default), living or ended.

    Closing the screen never stops a training. --on-end and --notify tell its end, if it is being trained.
    """
    from cvtui.cli.screen import check_terminal, open_screen
    from cvtui.notify.start import watch_end
    from cvtui.runlog.other_hosts import check_here

    folder = find_run(run, runs)
    asked = hooks_of(on_end, notify, saved=False)
    if on_end or notify:
        check_here(folder.path, "watched for --on-end and --notify", "attach")
    if asked and folder.alive():
        check_terminal("`cvtui runs` lists the runs without a screen")
        watch_end(folder, asked)
    return open_screen(
        runs=runs.home,
        addresses=runs.addresses,
        places=runs.local,
        attach=folder.path,
        fps=fps,
        hooks=hooks_of(on_end, notify),
    )
