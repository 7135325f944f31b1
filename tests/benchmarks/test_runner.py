"""The benchmark's own machinery: its nets are those of the recipes, and it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cvtui.recipe import Recipe, check
from tests.benchmarks.cases import CASES


@pytest.mark.parametrize("name", CASES)
def test_everybody_trains_the_same_net(name: str) -> None:
    case = CASES[name]
    table = check(Recipe(**case.fields)).table
    assert sum(parameter.numel() for parameter in case.net().parameters()) == table.parameters


@pytest.mark.long
def test_a_quick_round_of_all_prints_a_table(tmp_path: Path) -> None:
    out = tmp_path / "table.md"
    words = ["--quick", "--rounds", "1", "--cases", "mlp", "--out", str(out)]
    subprocess.run([sys.executable, "-m", "tests.benchmarks", *words], check=True, timeout=300, capture_output=True)
    text = out.read_text()
    assert "| plain PyTorch loop, tensors in memory |" in text
    assert "a screen attached" in text
    for peer in ("Lightning", "fastai"):
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {peer}")]
        assert " x)" in row or "not installed" in row
