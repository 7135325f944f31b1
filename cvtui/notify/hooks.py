"""What a person asked for at a run's end: a command, and addresses for notifications."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import msgspec

from cvtui import settings
from cvtui.errors import RequestError


class EndHooks(msgspec.Struct, frozen=True, omit_defaults=True):
    """The shell command and the addresses of `--on-end` and `--notify`; addresses hold secrets."""

    command: str = ""
    urls: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.command or self.urls)

    def __repr__(self) -> str:
        return f"EndHooks(command={bool(self.command)}, urls={[shown(url) for url in self.urls]})"


def shown(url: str) -> str:
    """Return an address without its secrets: `tgram://…`."""
    scheme, colon, _ = url.partition("://")
    return f"{scheme}://…" if colon and scheme.isascii() and scheme.replace("-", "").isalnum() else "…"


def saved_hooks() -> EndHooks:
    """Return the hooks of the settings file; what is no text there counts as not there."""
    kept = settings.load()
    command, urls = kept.get("on_end"), kept.get("notify")
    return EndHooks(
        command if isinstance(command, str) else "",
        tuple(url for url in urls if isinstance(url, str) and url) if isinstance(urls, list) else (),
    )


def asked_hooks(on_end: str | None, urls: Sequence[str], *, saved: bool = True) -> EndHooks:
    """Return the hooks of a command line; what it doesn't name comes from the settings. RequestError.

    An empty text turns a saved hook off for this run.
    """
    kept = saved_hooks() if saved else EndHooks()
    found = EndHooks(
        kept.command if on_end is None else on_end.strip(),
        tuple(url.strip() for url in urls if url.strip()) if urls else kept.urls,
    )
    check_command(on_end or "")
    check_urls(found.urls if urls else ())  # those of the settings were checked when they were kept
    return found


def check_command(command: str) -> None:
    """RequestError for text that no shell can be given."""
    if "\0" in command:
        raise RequestError("--on-end: the command holds a NUL character")


def check_urls(urls: Sequence[str]) -> None:
    """RequestError where apprise is missing, or doesn't know an address; only its scheme is named."""
    if not urls:
        return
    if importlib.util.find_spec("apprise") is None:
        raise RequestError("--notify: the package apprise is not installed", hint="pip install 'cvtui[notify]'")
    for url in urls:
        if service_of(url) is None:
            raise RequestError(
                f"--notify: apprise does not know this address: {shown(url)}",
                hint="https://github.com/caronc/apprise/wiki lists them, such as ntfy://TOPIC or mailto://…",
            )


def service_of(url: str) -> Any:
    """Return apprise's object for one address; None for an address that it doesn't know."""
    import logging

    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # its warnings print the address
    service = apprise.Apprise()
    return service if service.add(url) else None
