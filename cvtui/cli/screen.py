"""Open the screen, where there is a terminal that is large enough."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cvtui.cli import process
from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.notify.hooks import EndHooks
    from cvtui.recipe.recipe import Recipe

SMALLEST = (40, 10)
"""Room for one pane of a run. The form, Calc and Labs need more, and say so in the screen."""
TERMINAL_SECONDS = 0.5
"""Seconds between two looks at whether the terminal is still there: without SIGHUP (a session that has none as its own)
a screen once went on unseen for two hours, at a third of a core. Until the look, Textual reads its end in a circle."""


def in_browser() -> bool:
    """Return True if textual-serve has started this process: pipes, whose other end is a page that tells its size."""
    return os.environ.get("TEXTUAL_DRIVER", "").endswith(":WebDriver")


def in_notebook_cell() -> bool:
    """Return True behind `!` in a notebook's cell: a terminal, but one without keys, that draws nothing over.

    IPython runs the command on a pseudo-terminal and shows what it has written; these two are ipykernel's.
    """
    return os.environ.get("TERM") == "xterm-color" and os.environ.get("GIT_PAGER") == "cat"


def check_terminal(way_out: str) -> None:
    """Raise RequestError, with the way out, where no screen can be drawn: no terminal, or too small."""
    if in_browser():
        return
    if in_notebook_cell():
        raise RequestError(
            "the screen needs a terminal with keys, and a notebook's cell is none",
            hint=f"open a terminal beside the notebook (JupyterLab: File, New, Terminal); here {way_out}",
        )
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        raise RequestError("the screen needs a terminal, and this is none", hint=way_out)
    if os.environ.get("TERM") == "dumb":
        raise RequestError("the screen needs a terminal that can move its cursor; TERM is 'dumb'", hint=way_out)
    try:
        columns, lines = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        return
    if 0 < columns < SMALLEST[0] or 0 < lines < SMALLEST[1]:  # 0: the terminal does not tell
        raise RequestError(
            f"the terminal is {columns}x{lines}; the screen needs at least {SMALLEST[0]}x{SMALLEST[1]}",
            hint=f"enlarge the window, or {way_out}",
        )


FPS = click.option(
    "--fps", type=click.FloatRange(0.2, 10), default=10.0, show_default=True, metavar="N",
    help="Frames of a live run a second: fewer for a slow line.",
)  # fmt: skip
"""The option of every command that opens the screen on a run."""


def relax_garbage_collection() -> None:
    """Let the garbage collector run seldom, and never on what has been loaded.

    What a screen makes and forgets (styles, strips, messages: some thousand objects a frame) is looked at after 2,000
    instead of 700 of them, and seldom at all of it: that was a third of a screen's time. (With 100,000 it takes 0.7
    instead of 1.5 % of a busy screen's time, but then a key waits 90 ms for it now and then, and so 7 ms at most.)
    """
    gc.freeze()
    gc.enable()
    gc.set_threshold(2_000, 10, 1_000)


def _draw_on_stdout() -> None:
    """Let Textual draw on stdout where stderr goes to a file (`2>log`): it writes to the stderr of the start."""
    if sys.stderr is None or not sys.stderr.isatty():
        setattr(sys, "__stderr__", open(os.dup(sys.stdout.fileno()), "w", encoding="utf-8"))  # noqa: B010, SIM115


def _believe_the_terminal() -> None:
    """Take size and colours from the terminal itself, where its environment tells those of its start, or of another.

    Textual takes COLUMNS and LINES before the terminal's own size, which the kernel keeps up to date. terminado, the
    server of JupyterLab's and Notebook's terminals, exports both, and the screen kept its size in a resized window. It
    doesn't tell either that xterm.js shows all colours.
    """
    try:
        tells = all(os.get_terminal_size(sys.stdout.fileno()))
    except OSError:
        tells = False
    if tells:
        os.environ.pop("COLUMNS", None)
        os.environ.pop("LINES", None)
    if "PYXTERM_DIMENSIONS" in os.environ and os.environ.get("TERM") == "xterm-256color":  # inside tmux: another TERM
        os.environ.setdefault("COLORTERM", "truecolor")


def _end_with_the_terminal() -> None:
    """End with SIGHUP, also where that was ignored at the start (`nohup`).

    Without its terminal the screen would stay for ever, unseen. The training does not end with it.
    """
    process.restore_signals("SIGTERM")
    if hasattr(signal, "SIGHUP"):  # not on Windows
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _watched(addresses: Sequence[str]) -> list[Path]:
    """Return the folders of other hosts' runs, which are kept up to date while the screen is open."""
    from cvtui.runlog import other_hosts

    if addresses:
        from cvtui.cli.other_hosts import opened

        opened(addresses)
    for mirror in other_hosts.mirrors.values():  # also that of a run that was named by its address
        mirror.start()
    return list(other_hosts.mirrors)


def open_screen(
    *,
    recipe: Recipe | None = None,
    runs: Path,
    addresses: Sequence[str] = (),
    places: Sequence[Path] = (),
    attach: Path | None = None,
    fps: float = 10.0,
    hooks: EndHooks | None = None,
) -> int:
    """Open the screen and return its exit code.

    `runs`: where runs are made; `places`, `addresses`: where they are listed from beside that, here and on other hosts;
    `recipe` fills the form; `attach` is a run folder to open at once; `fps`: frames of a live run a second, at most;
    `hooks`: what is told when a run that is started there ends.
    """
    check_terminal("`cvtui runs` lists the runs without a screen" if attach else "--no-ui trains without a screen")
    gc.disable()  # until the first picture is there: nothing of what is loaded for it is garbage (40 ms)
    from cvtui.runlog.commands import CommandReader
    from cvtui.text import harmless
    from cvtui.tui.app import CvtuiApp

    def shown() -> None:
        relax_garbage_collection()
        if not in_browser():
            app.set_interval(TERMINAL_SECONDS, end_without_terminal)

    def end_without_terminal() -> None:
        if not os.isatty(0):
            app.exit()

    if not in_browser():
        _believe_the_terminal()
    others = [*places, *_watched(addresses)]
    app = CvtuiApp(recipe, runs, attach, places=others, fps=fps, shown=shown, hooks=hooks)
    _end_with_the_terminal()
    if not in_browser():
        _draw_on_stdout()
    app.run()
    for run in app.living():
        commands = CommandReader(run.commands).poll()
        if not commands or commands[-1].command != "stop":
            print(f"{harmless(str(run.path))} is still training; `cvtui attach` shows it again", file=sys.stderr)
    return app.return_code or 0
