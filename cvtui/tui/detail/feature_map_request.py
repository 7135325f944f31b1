"""Request feature maps of a validation image, from a live run or from a process of their own. No Textual here."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

from cvtui.errors import RequestError
from cvtui.runlog.events import Command
from cvtui.runlog.worker_process import launch_look
from cvtui.text import clean
from cvtui.tui.detail.picture_index import LOOKED_AT, image_of, validation_count

if TYPE_CHECKING:
    from cvtui.runlog.events import PictureSaved
    from cvtui.runlog.history import History

DEBOUNCE_SECONDS = 0.25
"""Pause before a request: paging through images sends none."""
GRACE_SECONDS = 5.0
"""Between the end of the process that looked, and its pictures in the log."""


class FeatureMapRequest:
    """One wish at a time, the latest. `waiting`: pictures are on their way; `words`: why there are none."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.wanted: int | None = None
        self.message = ""
        self._not_before = 0.0
        self._asked_at = 0.0
        """Unix time at which a living run was asked; 0: it was not."""
        self._process: subprocess.Popen[bytes] | None = None
        self._process_image: int | None = None
        self._ended_at = 0.0
        self._pictures = 0

    @property
    def waiting(self) -> bool:
        return self.wanted is not None

    def ask(self, image: int) -> None:
        """Request this image; replaces the previous request."""
        self.wanted, self.message, self._asked_at, self._ended_at = image, unavailable_reason(self.history), 0.0, 0.0
        self._pictures = len(self.history.pictures)
        if self.message:
            self.wanted = None
        self._not_before = time.monotonic() + DEBOUNCE_SECONDS

    def forget(self) -> None:
        """Cancel the request: what is shown is there already."""
        self.wanted, self.message = None, ""

    def tick(self) -> None:
        """Poll: send the request, or check for its result."""
        if self.wanted is None or time.monotonic() < self._not_before:
            return
        alive = self.history.end is None and self.history.folder.alive()
        if self._asked_at and alive:
            self._wait_for_answer()
        elif self._process is not None:
            self._wait_for_process(self._process)
        elif alive:
            self._ask_run()
        else:
            self._start_process()

    def _ask_run(self) -> None:
        assert self.wanted is not None
        self._asked_at = time.time()
        try:
            self.history.folder.send(Command(command="look", time=self._asked_at, value=self.wanted))
        except RequestError as error:
            self._finish(error.message)

    def _wait_for_answer(self) -> None:
        for command in reversed(self.history.commands):
            if command.time < self._asked_at:
                return
            if command.command == "look" and command.value == self.wanted:
                shown = any(one.name == LOOKED_AT and image_of(one) == self.wanted for one in self.history.pictures)
                self._finish("" if shown else clean(command.words))
                return

    def _start_process(self) -> None:
        assert self.wanted is not None
        self._process_image, self._ended_at, self._pictures = self.wanted, 0.0, len(self.history.pictures)
        try:
            self._process = launch_look(self.history.folder, self.wanted)
        except (RequestError, OSError) as error:
            self._finish(str(error))

    def _wait_for_process(self, process: subprocess.Popen[bytes]) -> None:
        code = process.poll()
        if code is None:
            return
        if self._process_image != self.wanted:  # another image was requested meanwhile
            self._process = None
        elif code:
            self._process = None
            lines = self.history.last_log_lines(1)
            self._finish(clean(lines[0]).removeprefix("cvtui: ") if lines else "the look failed")
        elif any(one.name == LOOKED_AT and image_of(one) == self.wanted for one in self._new_pictures()):
            self._process = None
            self._finish("")
        else:
            self._ended_at = self._ended_at or time.monotonic()
            if time.monotonic() - self._ended_at > GRACE_SECONDS:
                self._process = None
                self._finish("its pictures did not come")

    def _new_pictures(self) -> list[PictureSaved]:
        return self.history.pictures[self._pictures :]

    def _finish(self, message: str) -> None:
        self.wanted, self.message, self._asked_at = None, message, 0.0


def unavailable_reason(history: History) -> str:
    """Why there can be no feature maps of an image of this run now; "" where there can."""
    run = history.run
    if run is None:
        return "The run has not begun."
    if run.kind == "watch":
        if validation_count(history) is None:
            return "No validation images are known: cvtui.watch(…, validation=…) tells them."
        if history.end is not None or not history.folder.alive():
            return "The images of a loop of your own are known only while its script runs."
    return ""
