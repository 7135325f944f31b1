"""`cvtui` to its first painted frame, whole process, beside `python -c "import textual.app, textual.widgets"`.

    python tests/benchmarks/first_frame.py [--rounds N] [--check]

The two take turns, and the ratio of the fastest of each is what counts (budget: 2.5): whatever else the machine does
can only add to either. The session runs in a pseudo-terminal of 80x24; its first frame is painted when the form's
Start button has been written.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

BUDGET = 2.5
BASE = [sys.executable, "-c", "import textual.app, textual.widgets"]
PAINTED = b"Start"


def seconds_to_import() -> float:
    began = time.perf_counter()
    subprocess.run(BASE, check=True)
    return time.perf_counter() - began


def seconds_to_first_frame(folder: str, size: tuple[int, int] = (80, 24)) -> float:
    """From exec to the bytes of the Start button; the process is killed then."""
    began = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.execv(sys.executable, [sys.executable, "-m", "cvtui"])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    seen = b""
    try:
        while PAINTED not in seen:
            ready, _, _ = select.select([terminal], [], [], 30.0)
            if not ready:
                raise TimeoutError(f"no first frame within 30 s; written so far: {seen[-500:]!r}")
            seen += os.read(terminal, 65536)
        return time.perf_counter() - began
    finally:
        os.kill(pid, signal.SIGKILL)
        os.close(terminal)
        os.waitpid(pid, 0)


def measure(rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of (import, first frame), round by round; the first round of both is for the disk cache."""
    imports, frames = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds + 1):
            imports.append(seconds_to_import())
            frames.append(seconds_to_first_frame(folder))
    return imports[1:], frames[1:]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--check", action="store_true", help="exit code 1 beyond the budget")
    asked = options.parse_args()
    imports, frames = measure(asked.rounds)
    ratio = min(frames) / min(imports)
    for what, seconds in (
        ("import textual.app, textual.widgets", imports),
        ("cvtui to its first painted frame", frames),
    ):
        middle = statistics.median(seconds)
        print(f"{what:36} fastest {min(seconds) * 1000:5.0f} ms, median {middle * 1000:5.0f} ms")
    print(f"ratio of the fastest {ratio:.2f} x  (budget {BUDGET} x)")
    return 1 if asked.check and ratio > BUDGET else 0


if __name__ == "__main__":
    sys.exit(main())
