"""`CVTUI_PLAIN=1` trains with PyTorch's own classes, and gets the same losses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cvtui.engine.train import checkpoint
from tests.engine import making

SCRIPT = """
import json, sys
from pathlib import Path
from cvtui.engine.runtime.fast_start import loading
with loading():
    from cvtui.engine.train import state
    from cvtui.engine.train.control import Signals
    from cvtui.engine.worker import train_folder
made = []
make = state.make_optimizer
state.make_optimizer = lambda *arguments: made.append(make(*arguments)) or made[-1]
code = train_folder(Path(sys.argv[1]), Signals())
print(json.dumps({
    "code": code,
    "optimizer": type(made[0]).__module__,
    "stand_in": type(sys.modules["torch._dynamo"]).__name__,
}))
"""


def trained(folder: Path, plain: str) -> dict[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "10000", "CVTUI_PLAIN": plain}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)], env=environment, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {"net": "conv8-bn-relu-pool-fc", "optimizer": "adamw", "clip": 1.0},
        {"optimizer": "momentum", "on_nan": "skip(steps=100)", "lr": 0.05},
    ],
    ids=["adamw", "momentum"],
)
def test_the_same_losses_with_and_without(tmp_path: Path, changes: dict[str, Any]) -> None:
    usual, bare = (making.folder(tmp_path, name, epochs=1, **changes) for name in ("usual", "bare"))
    quick, plain = trained(usual.path, ""), trained(bare.path, "1")
    assert quick["optimizer"].startswith("cvtui.engine.optim.")
    assert quick["stand_in"] == "_StandIn"
    assert plain["optimizer"].startswith("torch.optim.")
    assert plain["stand_in"] == "module", "the real torch._dynamo"
    assert quick["code"] == plain["code"] == 0
    histories = [making.history(run) for run in (usual, bare)]
    assert histories[0].run is not None
    assert len(histories[0].steps.loss) == histories[0].run.total_steps
    for column in ("loss", "grad_norm", "lr"):
        first, second = (getattr(history.steps, column) for history in histories)
        np.testing.assert_array_equal(first, second, err_msg=column)
    weights = [checkpoint.load(run.checkpoints / "last.pt")["model"] for run in (usual, bare)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
