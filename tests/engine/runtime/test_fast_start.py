"""An engine leaves torch.compile's machinery out, and whoever needs it still gets it."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import torch
from cvtui.engine.runtime.fast_start import leave_dynamo_out
leave_dynamo_out()
x = torch.ones(4, 3)
def losses():
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
    found = []
    for _ in range(3):
        loss = model(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    optimizer.load_state_dict(optimizer.state_dict())
    return found
without = losses()
assert not {"torch._inductor", "torch._dynamo.eval_frame"} & set(sys.modules), "loaded all the same"
compiled = torch.compile(lambda x: x * 2, backend="eager")
assert compiled(x).sum().item() == 24.0
assert "torch._dynamo.eval_frame" in sys.modules
assert losses() == without
print("well")
"""


@pytest.mark.long
def test_no_inductor_before_somebody_compiles() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "well\n"), done.stderr[-2000:]
