"""Start-up time of the commands: `python tests/benchmarks/start.py [rounds]`.

Budget: `cvtui calc` whole at most 1.5 x importing click and rich's tables. Measured in turn, as time on the wall and as
CPU time (the least of the rounds: everything above it is the machine's other work). first_frame.py measures the screen.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

NET = "[(conv32-relu)*2-pool]*3-(fc128-relu)-fc"
IMPORTS = "import click, rich.table, rich.console"


def whole(*words: str) -> Callable[[str], tuple[float, float]]:
    """Measures `python WORDS` from start to end: (seconds on the wall, CPU seconds)."""

    def measure(cwd: str) -> tuple[float, float]:
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, cwd=cwd, env=environment(), check=True)
        wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return measure


def environment() -> dict[str, str]:
    """As installed: compiled modules are kept."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "TERM": "xterm-256color", "PYTHONPYCACHEPREFIX": "/tmp/cvtui-benchmark-pycache"}


COMMANDS: dict[str, Callable[[str], tuple[float, float]]] = {
    "click and rich": whole("-c", IMPORTS),
    "cvtui calc": whole("-m", "cvtui", "calc", NET),
    "cvtui --help": whole("-m", "cvtui", "--help"),
}
YARDSTICKS = {"cvtui calc": "click and rich", "cvtui --help": "click and rich"}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    least = {name: (float("inf"), float("inf")) for name in COMMANDS}
    with tempfile.TemporaryDirectory() as cwd:
        for _ in range(rounds + 1):  # the first one compiles
            for name, measure in COMMANDS.items():
                wall, cpu = measure(cwd)
                least[name] = min(least[name][0], wall), min(least[name][1], cpu)
    for name, (wall, cpu) in least.items():
        words = f"{name:<16} {wall * 1e3:5.0f} ms, CPU {cpu * 1e3:5.0f} ms"
        if name in YARDSTICKS:
            yard = least[YARDSTICKS[name]]
            words += f"   {wall / yard[0]:.2f} x {YARDSTICKS[name]}"
        print(words)


if __name__ == "__main__":
    main()
