"""Bytes a second from the screen to its terminal: `python -m tests.benchmarks.line [seconds]`.

A real run of the default recipe, a real screen on it in a pseudo-terminal of 160x45, at 10, 4 and 1 frames a second.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.worker_process import launch
from tests.cli.terminal import Terminal
from tests.waiting import wait_until


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory() as base:
        folder = RunFolder.create(Path(base) / "runs", "run", dumps(Recipe(epochs=100_000, threads=1)))
        worker = launch(folder, detached=True)
        history = History(folder)
        wait_until(lambda: history.poll() and history.steps_done > 200, 60, "the run")
        for fps in ("10", "4", "1"):
            with Terminal("attach", "run", "--fps", fps, cwd=Path(base), size=(160, 45)) as terminal:
                terminal.shows("Loss")
                time.sleep(3)  # the first pictures are whole ones
                before, begun = len(terminal.said.encode()), time.monotonic()
                time.sleep(seconds)
                sent = (len(terminal.said.encode()) - before) / (time.monotonic() - begun)
                print(f"--fps {fps:>2}: {sent / 1000:6.1f} kB a second")
                terminal.type("\x11")
        folder.send(Command(command="stop", time=0.0))
        worker.wait(30)


if __name__ == "__main__":
    main()
