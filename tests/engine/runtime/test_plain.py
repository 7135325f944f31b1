"""`CVTUI_PLAIN=1` trains with PyTorch's own classes, and gets the same losses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cvtui.engine.train import checkpoint
from tests.engine import making

SCRIPT = """
import inspect, json, sys
from pathlib import Path
from cvtui.engine.runtime.fast_start import end, loading
with loading():
    import torch
    from cvtui.engine.train import preparation
    from cvtui.engine.train.control import Signals
    from cvtui.engine.worker import train_folder
before = sys.modules.get("torch._dynamo")
assert "torch.distributed.tensor" not in sys.modules
inspect.getmodule(inspect.currentframe())
torch.testing.assert_close(torch.ones(2), torch.ones(2))
made = []
make = preparation.make_optimizer
preparation.make_optimizer = lambda *arguments: made.append(make(*arguments)) or made[-1]
codes = [train_folder(Path(folder), Signals()) for folder in sys.argv[1:]]
print(json.dumps({
    "codes": codes,
    "optimizers": [type(one).__module__ for one in made],
    "stand_in": type(sys.modules["torch._dynamo"]).__name__,
    "stays": before is sys.modules["torch._dynamo"],
}))
end(0)
"""
"""Looks for a module as `inspect` does, which asks every module for its file, and then trains.

Within the own import of torch.distributed.tensor, which `assert_close` makes, the real torch._dynamo cannot be loaded
(PyTorch 2.14).
"""

RECIPES: dict[str, dict[str, Any]] = {
    "adamw": {"net": "conv8-bn-relu-pool-fc", "optimizer": "adamw", "clip": 1.0},
    "momentum": {"optimizer": "momentum", "on_nan": "skip(steps=100)", "lr": 0.05},
}


def trained(folders: list[Path], plain: str) -> dict[str, Any]:
    """Train them one after another in one process: what `CVTUI_PLAIN` changes is decided when PyTorch is loaded."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "10000", "CVTUI_PLAIN": plain}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, folders)], env=environment, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_same_losses_with_and_without(tmp_path: Path) -> None:
    usual, bare = (
        [making.folder(tmp_path / way, name, epochs=1, **changes) for name, changes in RECIPES.items()]
        for way in ("usual", "bare")
    )
    quick, plain = trained([run.path for run in usual], ""), trained([run.path for run in bare], "1")
    assert all(name.startswith("cvtui.engine.optim.") for name in quick["optimizers"])
    assert quick["stand_in"] == "_StandIn"
    assert quick["stays"], "inspect asks every module for its file, and loads nothing"
    assert all(name.startswith("torch.optim.") for name in plain["optimizers"])
    assert plain["stand_in"] == "module", "the real torch._dynamo"
    assert len(quick["optimizers"]) == len(plain["optimizers"]) == len(RECIPES)
    assert quick["codes"] == plain["codes"] == [0, 0]
    for pair in zip(usual, bare, strict=True):
        histories = [making.history(run) for run in pair]
        assert histories[0].run is not None
        assert len(histories[0].steps.loss) == histories[0].run.total_steps
        for column in ("loss", "grad_norm", "lr"):
            first, second = (getattr(history.steps, column) for history in histories)
            np.testing.assert_array_equal(first, second, err_msg=f"{column} of {pair[0].name}")
        weights = [checkpoint.load(run.checkpoints / "last.pt")["model"] for run in pair]
        assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
