"""The benchmark's own machinery: its nets are those of the recipes, and it runs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from tests.benchmarks.cases import CASES
from tests.benchmarks.contestants import Engine, as_a_user
from tests.benchmarks.watching import SLICE, Turns

PRINT = "import json, os; print(json.dumps(dict(os.environ)))"


@pytest.mark.parametrize("name", CASES)
def test_everybody_trains_the_same_net(name: str) -> None:
    case = CASES[name]
    table = check(Recipe(**case.fields)).table
    assert sum(parameter.numel() for parameter in case.net().parameters()) == table.parameters


def test_a_contestant_has_the_environment_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """PATH and PYTHONPATH as they are; nothing said about threads. An engine once ran with none at all."""
    for name in ("OMP_NUM_THREADS", "GOMP_SPINCOUNT", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    before = dict(os.environ)
    with as_a_user():
        inside = subprocess.run([sys.executable, "-c", PRINT], capture_output=True, check=True).stdout
    found = json.loads(inside)
    assert {name: value for name, value in before.items() if "THREADS" not in name and "SPIN" not in name}.items() <= (
        found.items()
    )
    assert not {"OMP_NUM_THREADS", "GOMP_SPINCOUNT", "MKL_NUM_THREADS"} & set(found)
    assert dict(os.environ) == before


def test_a_run_that_waits_for_its_turn_sees_no_time_pass(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0

    class Others(io.StringIO):
        def readline(self, *_: object) -> str:  # type: ignore[override]
            nonlocal now
            now += 7.0
            return "\n"

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    monkeypatch.setattr(sys, "stdin", Others())
    turns = Turns()
    turns.wait()
    assert time.perf_counter() == 100.0
    now += SLICE / 2
    turns.hand_over()
    assert not capsys.readouterr().out, "its turn is not over"
    now += SLICE
    turns.hand_over()
    assert capsys.readouterr().out == "next\n"
    assert time.perf_counter() == pytest.approx(100.0 + 1.5 * SLICE)
    now += 0.02
    turns.count()
    assert turns.wall == pytest.approx(1.5 * SLICE + 0.02)


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads /proc")
def test_the_engine_of_a_race_is_given_the_whole_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_A_USER", "here")
    engine = Engine("cvtui", CASES["mlp"], "cpu", tmp_path)
    try:
        told = Path(f"/proc/{engine._worker.pid}/environ").read_bytes().split(b"\0")
        assert b"OF_A_USER=here" in told
        assert any(word.startswith(b"PATH=") for word in told)
    finally:
        engine.close()


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
