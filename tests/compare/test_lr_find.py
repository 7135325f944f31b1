"""The range test's bracket: on curves made by formula, and on a real net."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cvtui.compare.lr_range_rule import NoBracket, bracket

LR = np.logspace(-7, 1, 160)


def curve(falls_at: float, best: float, wild: float) -> np.ndarray:
    """Flat, falling from `falls_at` to its lowest at `best`, exploding at `wild` (rates)."""
    x = np.log10(LR)
    fall = 1 / (1 + np.exp(-4 * (x - (np.log10(falls_at) + np.log10(best)) / 2)))
    rise = np.exp(np.clip(6 * (x - np.log10(wild)), -50, 6))
    return 2.3 - 1.8 * fall + rise


def test_the_bracket_lies_around_the_falling_part() -> None:
    found = bracket(LR, curve(1e-4, 1e-2, 1.0))
    assert found.low < 1e-2 < found.high * 1.01
    assert found.low <= found.pick <= found.high
    assert found.high < 1.0


def test_nan_ends_the_curve() -> None:
    loss = curve(1e-4, 1e-2, 1.0)
    loss[LR > 0.3] = np.nan
    found = bracket(LR, loss)
    assert np.isfinite(found.loss).all()
    assert found.high <= 0.3


@pytest.mark.parametrize("loss", [np.full(160, 2.3), np.linspace(2.3, 5, 160), np.full(160, np.nan)])
def test_a_curve_that_never_falls_says_so(loss: np.ndarray) -> None:
    with pytest.raises(NoBracket):
        bracket(LR, loss)


@pytest.mark.long
def test_the_command_on_digits(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "cvtui",
        "lr-find",
        "--net",
        "fc32-relu-fc",
        "--optimizer",
        "sgd",
        "--threads",
        "1",
    ]
    done = subprocess.run(
        [*command, "--runs", str(tmp_path), "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["low"] < found["lr"] <= found["high"] * 3
    assert 0.01 <= found["lr"] <= 2  # SGD on a small MLP of standardised digits
    chosen = next(trial for trial in found["trials"] if trial["lr"] == found["lr"])
    assert chosen["val_loss"] == min(trial["val_loss"] or 99 for trial in found["trials"])
    assert not list(tmp_path.glob("*/recipe.toml")), "its runs lie in a folder of their own"
