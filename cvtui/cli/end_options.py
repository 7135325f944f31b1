"""Options of the commands that train: what is told when the run ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from cvtui.notify.hooks import EndHooks

Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])

END_OPTIONS = ("on_end", "notify")


def end_options(command: Wrapped) -> Wrapped:
    """Give a command the options --on-end and --notify."""
    notify = click.option(
        "--notify", multiple=True, metavar="URL",
        help="Where to send word of the end, by apprise (needs cvtui[notify]); may be repeated.",
    )  # fmt: skip
    on_end = click.option(
        "--on-end", metavar="COMMAND",
        help="Run this when the run has finished, stopped, diverged, failed, stalled or is lost ($CVTUI_STATE).",
    )  # fmt: skip
    return on_end(notify(command))


def hooks_of(on_end: str | None, notify: tuple[str, ...], *, saved: bool = True) -> EndHooks:
    """Return what is asked by options, and else by the settings. RequestError."""
    from cvtui.notify.hooks import asked_hooks

    return asked_hooks(on_end, notify, saved=saved)
