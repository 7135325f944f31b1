"""One run of a lab that this session has started: its folder, its process, and what it has shown so far."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from cvtui.draw.figures import LabShown
from cvtui.errors import RequestError
from cvtui.labs.folder import LabFolder, LabHistory

State = Literal["running", "stopping", "done", "stopped", "failed"]
STOP_TIMEOUTS = (1.0, 4.0)
"""Seconds after which a lab that was asked to stop gets SIGTERM, and SIGKILL."""


class LabRun:
    """Process and history of one lab; starts when made. Raises RequestError for a wrong knob or folder."""

    def __init__(self, runs: Path, name: str, knobs: Mapping[str, object]) -> None:
        self.name = name
        self.knobs = knobs
        self.folder = LabFolder.make(runs, name, knobs)
        self.history = LabHistory(self.folder)
        self.began = time.monotonic()
        self.process: subprocess.Popen[bytes] = self.folder.start()
        self.reason = ""
        """Why it ended, if it wasn't asked to."""
        self._state: State = "running"
        self._stop_asked = 0.0

    @property
    def state(self) -> State:
        """Return the state at the last `poll`."""
        return self._state

    @property
    def alive(self) -> bool:
        return self._state in ("running", "stopping")

    @property
    def shown(self) -> LabShown | None:
        return self.history.shown

    @property
    def seconds(self) -> float:
        """Since the start while it works, else what the lab says of itself."""
        if self.alive:
            return time.monotonic() - self.began
        return self.shown.seconds if self.shown is not None else 0.0

    def poll(self) -> bool:
        """Read new records. Return True if anything changed."""
        if not self.alive:
            return False
        over = self.process.poll() is not None  # before reading: then nothing that it wrote is missed
        changed = self.history.poll()
        if over:
            self._finish(self.process.returncode)
        elif self._stop_asked:
            self._force_stop(time.monotonic() - self._stop_asked)
        return changed or over

    def _finish(self, code: int) -> None:
        if code == 0 and self.shown is not None and self.shown.done:
            self._state = "done"
        elif self._stop_asked or code == 130:
            self._state = "stopped"
        else:
            self._state = "failed"
            end = self.history.end
            self.reason = end.reason if end is not None and end.reason else f"its process ended with {code}"

    def _force_stop(self, since: float) -> None:
        if since > STOP_TIMEOUTS[1]:
            self.process.kill()
        elif since > STOP_TIMEOUTS[0]:
            self.process.terminate()

    def stop(self) -> None:
        """Request a stop; `poll` updates the state."""
        if self.alive and not self._stop_asked:
            self._stop_asked = time.monotonic()
            self._state = "stopping"
            try:
                self.folder.stop()
            except RequestError:  # the folder is gone
                self.process.terminate()

    def terminate(self) -> None:
        """Terminate the process: a lab does not outlive its session."""
        if self.process.poll() is None:
            self.process.terminate()
