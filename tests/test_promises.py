"""What the pages promise: every test that they name exists, and the code that they show runs."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_tests_that_the_pages_name_are_there() -> None:
    for page in PAGES:
        for path, name in re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", page.read_text(encoding="utf-8")):
            assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{page.name}: {path}::{name}"


def test_each_promise_of_reliability_names_its_test() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    table = text.partition("\n## What happens when…\n")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 43
    assert not [row for row in rows if not re.search(r"\| `tests/[\w/]+\.py::test_\w+` \|$", row)]


def run(code: str, folder: Path) -> None:
    """Run it in this process, which has PyTorch already."""
    with contextlib.chdir(folder):
        exec(compile(code, "the page", "exec"), {"__name__": "__main__"})


@pytest.mark.torch
def test_the_loop_in_the_readme_runs(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    given = """
import torch
x, y = torch.randn(4, 3, 32, 32), torch.arange(4)
loader, validation = [(x, y)], (x, y)
"""
    run(given + code, tmp_path)
    log = (tmp_path / "runs" / "mine" / "events.jsonl").read_text()
    assert log.count('"type":"epoch"') == 10
    assert '"status":"finished"' in log


@pytest.mark.torch
def test_the_example_trains(tmp_path: Path) -> None:
    """With eight images, for three epochs: what it imports is there, and its run is recorded."""
    text = (ROOT / "assets" / "examples" / "resnet18.py").read_text(encoding="utf-8")
    assert text.count("part.pixels.") == text.count("part.labels)") == 1
    run(text.replace("part.pixels.", "part.pixels[:8].").replace("part.labels)", "part.labels[:8])"), tmp_path)
    assert '"status":"finished"' in (tmp_path / "runs" / "resnet18" / "events.jsonl").read_text()
