"""What `cvtui calc` and `cvtui matrix` may load: their start is most of their time."""

from __future__ import annotations

import subprocess
import sys

import pytest

COMMON = {
    "click",
    "rich",
    "cvtui",
    "cvtui.calc",
    "cvtui.cli",
    "cvtui.draw",
    "cvtui.errors",
    "cvtui.frozen",
    "cvtui.text",
    "cvtui._version",
}
ALLOWED = {"calc": COMMON | {"cvtui.recipe"}, "matrix": COMMON}
"""draw: only a table's columns and bars, which need no numpy (else numpy would be among what is found here)."""


@pytest.mark.parametrize(
    "words",
    [
        ("calc", "[(conv32-relu)*2-pool]*3-(fc128-relu)-fc"),
        ("calc", "conv32f?s?p?", "--output", "16x16x32", "--against-fc"),
        ("calc", "conv32", "--json"),
        ("matrix", "--filter", "1 2 3", "--size", "5"),
    ],
)
def test_only_what_is_named_here_is_loaded(words: tuple[str, ...]) -> None:
    code = (
        "import sys\n"
        "before = {*sys.modules}\n"  # a venv may load something of its own
        "from cvtui.cli.main import main\n"
        f"try: main({list(words)!r})\n"
        "finally: print(*sys.modules.keys() - before, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout
    loaded = {".".join(name.split(".")[: 2 if name.startswith("cvtui.") else 1]) for name in done.stderr.split()}
    others = {name for name in loaded if name.split(".")[0] not in sys.stdlib_module_names and name[0] != "_"}
    assert others <= ALLOWED[words[0]]
