"""Run a command and send notifications, each within a time limit; nothing here raises."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from typing import IO

from cvtui.notify.hooks import EndHooks, service_of, shown
from cvtui.notify.message import EndMessage

COMMAND_SECONDS, URL_SECONDS = 600.0, 30.0
"""Time limits of the command and of one notification."""


def tell(hooks: EndHooks, message: EndMessage, output: IO[bytes] | int, limit: float | None = None) -> list[str]:
    """Run the command and send all notifications at once; return what failed, one line each, without secrets.

    output: where the command's stdout and stderr go. limit: seconds, in place of the usual limits.
    """
    command_limit, url_limit = (limit or COMMAND_SECONDS), (limit or URL_SECONDS)
    threads = [_Try(lambda url=url: notify(url, message), shown(url), url_limit) for url in hooks.urls]  # type: ignore[misc]
    failures = [run_command(hooks.command, message, output, command_limit)] if hooks.command else []
    return [text for text in (*failures, *(one.result() for one in threads)) if text]


def run_command(command: str, message: EndMessage, output: IO[bytes] | int, limit: float) -> str:
    """Run a shell command with the run's environment; return why it failed, or ""."""
    try:
        process = subprocess.Popen(
            command,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **message.environment},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"--on-end: the command can't be started: {getattr(error, 'strerror', None) or error}"
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"--on-end: the command was ended after {limit:g} s"
    if code:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"--on-end: the command {how}"
    return ""


def notify(url: str, message: EndMessage) -> str:
    """Send one notification; return why it failed, or ""."""
    service = service_of(url)
    if service is None:
        return "apprise does not know this address"
    result = service.notify(title=f"cvtui: {message.title}", body=message.body)
    if result:
        return ""
    status = getattr(result, "status", None)
    word = getattr(status, "name", None) or "FAILURE"
    return f"not delivered ({str(word).lower()})"


class _Try:
    """One notification in a thread of its own, which may hang."""

    def __init__(self, work: Callable[[], str], name: str, limit: float) -> None:
        self._work, self._name, self._limit = work, name, limit
        self._until = time.monotonic() + limit
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._failure = self._work()
        except ImportError:
            self._failure = "apprise is not installed: pip install 'cvtui[notify]'"
        except BaseException as error:
            self._failure = type(error).__name__  # its text may hold the address

    def result(self) -> str:
        """Wait for it, and return why it failed, or ""."""
        self._thread.join(max(0.0, self._until - time.monotonic()))
        failure = f"no answer within {self._limit:g} s" if self._failure is None else self._failure
        return f"--notify {self._name}: {failure}" if failure else ""
