"""What is imported where, as Python itself saw it (import-linter reads only the source)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "torchvision", "textual", "rich", "click", "numpy", "msgspec", "filelock"}


HALF_A_SECOND = {"torch.utils.flop_counter", "triton"}
"""Of a training's start, which needs neither: whoever counts operations imports the first then, and with it Triton."""
COMPILER = "torch._dynamo.eval_frame"
"""A second and more, which neither an optimizer nor torchvision needs."""


def run(*words: str) -> str:
    return f"from cvtui.cli.main import main\nmain({list(words)!r})"


def loaded(steps: Sequence[str], cwd: Path) -> list[set[str]]:
    """Top-level names in sys.modules after each of `steps`, one after the other in a process of their own.

    With cvtui's rooms by their full name.
    """
    seen = cwd / "seen.json"
    done = subprocess.run(
        [sys.executable, "-c", STEPS],
        cwd=cwd,
        env={**os.environ, "SEEN": str(seen), "STEPS": json.dumps(steps)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return [
        {".".join(name.split(".")[: 2 if name.startswith("cvtui.") else 1]) for name in names}
        | {name for name in names if name in HALF_A_SECOND | {COMPILER}}
        for names in json.loads(seen.read_text())
    ]


STEPS = """
import json, os, sys
found = []
for step in json.loads(os.environ["STEPS"]):
    try:
        exec(step)
    except SystemExit:
        pass
    found.append(sorted(sys.modules))
open(os.environ["SEEN"], "w").write(json.dumps(found))
"""

LIGHT = [
    ("import cvtui", HEAVY | {"cvtui.calc"}),
    ("import cvtui.calc", HEAVY | {"cvtui.recipe", "cvtui.runlog"}),
    ("import cvtui.calc, cvtui.calc.net.parser; cvtui.calc.net.parser.parse('conv8-fc')", HEAVY),
    (
        "from cvtui.recipe.recipe import Recipe; from cvtui.recipe.validation import check; check(Recipe())",
        HEAVY - {"msgspec"},
    ),
    ("import cvtui.runlog.writer", HEAVY - {"msgspec"}),
    ("import cvtui.runlog.history", {"torch", "textual", "rich", "click"}),
    ("import cvtui.tui.app", {"torch", "torchvision", "cvtui.engine", "cvtui.labs.experiments", "cvtui.cli"}),
]
COMMANDS = [
    ("import cvtui.cli.main", HEAVY - {"click"} | {"cvtui.recipe", "cvtui.calc", "cvtui.runlog"}),
    (run("--help"), HEAVY - {"click", "msgspec"} | {"cvtui.runlog", "cvtui.tui", "cvtui.engine"}),
    (run("note", "none"), HEAVY - {"click", "msgspec"} | {"cvtui.tui", "cvtui.engine"}),
    (run("explain", "none", "0"), HEAVY - {"click", "msgspec"} | {"cvtui.tui", "cvtui.engine"}),
    (run("mistakes", "none"), {"torch", "textual", "numpy", "cvtui.tui", "cvtui.engine"}),
    (run("evaluate", "none"), {"torch", "textual", "numpy", "cvtui.tui", "cvtui.engine"}),
    (run("runs"), {"torch", "textual", "numpy", "cvtui.tui", "cvtui.engine"}),
    (run("--no-ui", "--lr", "-1"), {"torch", "textual", "cvtui.tui", "cvtui.engine"}),
]
ENGINE = [
    ("import cvtui.engine.__main__", {"textual", "rich", "click", "cvtui.tui", "cvtui.cli"}),
    (
        "import cvtui.engine.prewarm",
        {"textual", "rich", "click", "cvtui.tui", "cvtui.cli", "torchvision", COMPILER} | HALF_A_SECOND,
    ),
    (
        "from cvtui.engine.runtime.fast_start import leave_dynamo_out; leave_dynamo_out(); import torchvision",
        {COMPILER},
    ),
]


@pytest.mark.parametrize(
    "steps",
    [LIGHT, COMMANDS, ENGINE[:1], pytest.param(ENGINE, marks=pytest.mark.torch)],
    ids=["light", "commands", "engine", "engine with PyTorch"],
)
def test_nothing_heavy_where_it_is_not_needed(steps: Sequence[tuple[str, set[str]]], tmp_path: Path) -> None:
    """Each step may load what the next may not do without, and nothing that one of the next must be without."""
    for (code, never), names in zip(steps, loaded([code for code, _ in steps], tmp_path), strict=True):
        assert not names & never, code


def test_the_contracts_of_who_may_import_whom_hold() -> None:
    pytest.importorskip("importlinter")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
