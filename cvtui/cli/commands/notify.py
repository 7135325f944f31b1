"""`cvtui notify`: what is told when any run ends, kept in the settings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cvtui import settings
from cvtui.cli import out
from cvtui.cli.exit import EXIT_FAILED
from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.notify.hooks import EndHooks

TERMINAL = ("unfocused", "always", "off")


@click.command("notify")
@click.option("--url", "urls", multiple=True, metavar="URL", help="Send word to this address; '-' reads it from stdin.")
@click.option("--on-end", metavar="COMMAND", help="Run this command at the end of every run; '' for none.")
@click.option("--terminal", type=click.Choice(TERMINAL), help="When the screen rings and notifies the terminal.")
@click.option("--clear", is_flag=True, help="Forget addresses and command.")
@click.option("--test", is_flag=True, help="Tell a test message now.")
def notify(urls: tuple[str, ...], on_end: str | None, terminal: str | None, clear: bool, test: bool) -> int:
    """Keep what is told when a run ends: addresses for apprise, a command, the terminal's notification.

    It holds for every run that is started, resumed or forked from now on; --on-end and --notify of a run win over it.
    Addresses hold secrets: they are kept in a file that only you can read, and never shown.
    """
    from cvtui.notify.hooks import check_command, check_urls, saved_hooks

    found = [_from_stdin() if url == "-" else url for url in urls]
    check_urls(found)
    check_command(on_end or "")
    if clear:
        _keep(on_end="", notify=[])
    if found:
        kept = () if clear else saved_hooks().urls
        _keep(notify=list(dict.fromkeys([*kept, *found])))
    if on_end is not None:
        _keep(on_end=on_end.strip())
    if terminal is not None:
        _keep(terminal=terminal)
    hooks = saved_hooks()
    _show(hooks)
    return _test(hooks) if test else 0


def _keep(**values: object) -> None:
    """Save settings. RequestError where they can't be written."""
    settings.keep(**values)
    kept = settings.load()
    if any(kept.get(name) != value for name, value in values.items()):
        raise RequestError(f"notify: can't write {str(settings.path())!r}")


def _from_stdin() -> str:
    line = sys.stdin.readline().strip()
    if not line:
        raise RequestError("--url -: no address came on stdin")
    return line


def _show(hooks: EndHooks) -> None:
    from cvtui.notify.hooks import shown

    out.line(f"addresses  {', '.join(shown(url) for url in hooks.urls) or 'none'}")
    out.line(f"command    {hooks.command or 'none'}")
    terminal = settings.load().get("terminal")
    out.line(f"terminal   {terminal if terminal in TERMINAL else TERMINAL[0]}")


def _test(hooks: EndHooks) -> int:
    """Tell a test message; return the exit code."""
    import subprocess

    from cvtui.notify.message import example
    from cvtui.notify.send import tell

    if not hooks:
        raise RequestError("notify: nothing to test: there is no address and no command", hint="--url URL keeps one")
    failures = tell(hooks, example(), subprocess.DEVNULL)
    for text in failures:
        out.line(text, err=True)
    if not failures:
        out.line("told")
    return EXIT_FAILED if failures else 0
