"""The terminal's own notification of a run that ends unseen."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from textual.app import App

from cvtui import settings
from cvtui.notify.end_watch import EndWatch
from cvtui.notify.message import EndMessage
from cvtui.runlog.folder import RunFolder
from cvtui.tui.terminal_notice import notification, terminal_around_tmux

POLL_SECONDS = 1.0


class EndNotice:
    """Follows the living runs of a session, on whatever screen one is."""

    def __init__(self, app: App[Any], write: Callable[[str], None]) -> None:
        """`write`: to the terminal, past the screen."""
        self._app = app
        self._write_out = write
        self._watches: dict[RunFolder, EndWatch] = {}
        self._timer = app.set_interval(POLL_SECONDS, self.poll, pause=True)

    def follow(self, folder: RunFolder, size: int = 0) -> None:
        """Follow a run until it is over; `size`: bytes of its log before it was resumed."""
        if folder not in self._watches:
            self._watches[folder] = EndWatch(folder, size)
        self._timer.resume()

    def poll(self) -> None:
        """Look at each run once."""
        for folder, watch in list(self._watches.items()):
            message = watch.poll()
            if watch.over:
                del self._watches[folder]
            if message is not None:
                self._tell(message)
        if not self._watches:
            self._timer.pause()

    def _tell(self, message: EndMessage) -> None:
        """Ring and notify, as the settings say: where the screen isn't focused, always, or never."""
        wanted = settings.load().get("terminal", "unfocused")
        if wanted == "off" or (wanted != "always" and self._app.app_focus):
            return
        self._app.run_worker(lambda: self._write(message), thread=True, group="notice")

    def _write(self, message: EndMessage) -> None:
        text = notification(f"cvtui: {message.title}", message.body, os.environ, terminal_around_tmux(os.environ))
        self._app.call_from_thread(self._write_out, text)
