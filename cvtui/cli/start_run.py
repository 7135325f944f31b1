"""Train a run folder that is there, a fork or a stopped run: in the foreground, or beside the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cvtui.cli.run_argument import RunPlaces
    from cvtui.notify.hooks import EndHooks
    from cvtui.recipe.validation import Checked
    from cvtui.runlog.folder import RunFolder


def check_place(screen: bool, *, resume: bool = False) -> None:
    """Raise RequestError where the screen is asked for and there is no terminal for it."""
    if screen:
        from cvtui.cli.screen import check_terminal

        check_terminal(f"--no-ui {'resumes' if resume else 'trains'} without a screen")


def start_run(
    folder: RunFolder,
    checked: Checked,
    runs: RunPlaces,
    hooks: EndHooks,
    *,
    screen: bool,
    resume: bool = False,
    rate: str = "",
    as_json: bool = False,
    quiet: bool = False,
) -> int:
    """Start its process, show it, and return the exit code. Ask `check_place` before anything is written."""
    if not screen:
        from cvtui.cli.follow import follow

        return follow(folder, checked, resume=resume, rate=rate, as_json=as_json, quiet=quiet, hooks=hooks)
    from cvtui.cli.screen import open_screen
    from cvtui.notify.start import log_size, watch_end
    from cvtui.runlog.worker_process import launch

    size = log_size(folder) if resume else 0
    launch(folder, detached=True, resume=resume, rate=rate)
    watch_end(folder, hooks, size)
    return open_screen(runs=runs.home, addresses=runs.addresses, places=runs.local, attach=folder.path, hooks=hooks)
