"""A bar on a terminal's stderr, for a process of ours that tells how far it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cvtui.cli import out

Show = Callable[[int, int], None]
"""(images done, of so many)."""


@contextmanager
def progress_bar(what: str, *, shown: bool = True) -> Iterator[Show]:
    """Show on a terminal how many images are done; PyTorch starts first."""
    console = out.console(stderr=True)
    if not shown or not sys.stderr.isatty():  # FORCE_COLOR, as of CI and notebooks, makes no terminal
        yield lambda _done, _of: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console, transient=True
    ) as bar:
        task = bar.add_task("starting PyTorch …", total=None)
        yield lambda done, of: bar.update(task, description=what, completed=done, total=of)
