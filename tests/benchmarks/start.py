"""How long the commands take to start: `python tests/benchmarks/start.py [rounds]`.

Budgets: `cvtui calc` whole at most 1.5 x importing click and rich's tables; `cvtui` to its first painted frame at most
2.5 x importing textual.app and textual.widgets. Measured in turn, as CPU time of the process and as time on the wall
(the least of the rounds: everything above it is the machine's other work). The first frame is read from a
pseudo-terminal; its CPU time is not asked for, because the process lives on.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable

NET = "[(conv32-relu)*2-pool]*3-(fc128-relu)-fc"
IMPORTS = "import click, rich.table, rich.console"
TEXTUAL = "import textual.app, textual.widgets"
PAINTED = b"preprocess"
"""A word of the form: when it is on the terminal, the first frame is."""


def whole(*words: str) -> Callable[[str], tuple[float, float]]:
    """Measures `python WORDS` from start to end: (seconds on the wall, CPU seconds)."""

    def measure(cwd: str) -> tuple[float, float]:
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, cwd=cwd, env=environment(), check=True)
        wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return measure


def first_frame(cwd: str) -> tuple[float, float]:
    """Seconds until `cvtui` has painted its form on a terminal of 120x40."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "cvtui"], stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=environment(),
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    try:
        while PAINTED not in said:
            said += os.read(ours, 65536)
            assert time.perf_counter() - begin < 30, said
        return time.perf_counter() - begin, float("nan")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)


def environment() -> dict[str, str]:
    """As installed: compiled modules are kept."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "TERM": "xterm-256color", "PYTHONPYCACHEPREFIX": "/tmp/cvtui-benchmark-pycache"}


COMMANDS: dict[str, Callable[[str], tuple[float, float]]] = {
    "click and rich": whole("-c", IMPORTS),
    "cvtui calc": whole("-m", "cvtui", "calc", NET),
    "cvtui --help": whole("-m", "cvtui", "--help"),
    "textual": whole("-c", TEXTUAL),
    "cvtui, first frame": first_frame,
}
YARDSTICKS = {"cvtui calc": "click and rich", "cvtui --help": "click and rich", "cvtui, first frame": "textual"}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    least = {name: (float("inf"), float("inf")) for name in COMMANDS}
    with tempfile.TemporaryDirectory() as cwd:
        for _ in range(rounds + 1):  # the first one compiles
            for name, measure in COMMANDS.items():
                wall, cpu = measure(cwd)
                least[name] = min(least[name][0], wall), min(least[name][1], cpu)
    for name, (wall, cpu) in least.items():
        words = f"{name:<20} {wall * 1e3:6.0f} ms" + (f", CPU {cpu * 1e3:4.0f} ms" if cpu < 1e9 else " " * 13)
        if name in YARDSTICKS:
            yard = least[YARDSTICKS[name]]
            words += f"   {wall / yard[0]:.2f} x {YARDSTICKS[name]}"
        print(words)


if __name__ == "__main__":
    main()
