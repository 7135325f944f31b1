"""`cvtui.watch` in loops of Lightning and accelerate with two gloo processes: one run, a side file of each rank."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

from cvtui.doctor import Doctor
from cvtui.runlog.folder import RunFolder, list_runs
from cvtui.runlog.history import History
from cvtui.runlog.ranks import read_ranks

pytestmark = [pytest.mark.torch, pytest.mark.long]

NET = """
    import sys
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset
    import cvtui

    torch.manual_seed(0)
    y = torch.randint(3, (192,))
    x = torch.randn(192, 1, 6, 6) + y.view(-1, 1, 1, 1)
    data = TensorDataset(x, y)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
"""
LIGHTNING = """
    import lightning as L

    class Classifier(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x)

        def training_step(self, batch, _):
            return nn.functional.cross_entropy(self(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    class Watch(L.Callback):
        def on_train_start(self, trainer, module):
            self.run = cvtui.watch(trainer.strategy.model, trainer.optimizers[0], name="job", every=2, runs=sys.argv[1])
            self.run.__enter__()

        def on_train_batch_end(self, trainer, module, outputs, batch, index):
            self.run.step(loss=outputs["loss"], labels=batch[1])

        def on_train_epoch_end(self, trainer, module):
            self.run.epoch()

        def on_train_end(self, trainer, module):
            self.run.__exit__(None, None, None)

        def on_exception(self, trainer, module, error):
            self.run.__exit__(type(error), error, None)

    trainer = L.Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_epochs=2, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, callbacks=[Watch()],
    )
    trainer.fit(Classifier(), DataLoader(data, batch_size=16, shuffle=True))
"""
ACCELERATE = """
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    model, optimizer, loader = accelerator.prepare(net, optimizer, DataLoader(data, batch_size=16, shuffle=True))
    with cvtui.watch(model, optimizer, name="job", every=2, runs=sys.argv[1]) as run:
        for epoch in range(2):
            for x, y in loader:
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x), y)
                accelerator.backward(loss)
                optimizer.step()
                run.step(loss=loss, labels=y)
            run.epoch()
    accelerator.end_training()
"""


def trained(base: Path, text: str, *command: str) -> History:
    script = base / "job.py"
    script.write_text(textwrap.dedent(NET) + textwrap.dedent(text))
    done = subprocess.run(
        [sys.executable, *command, str(script), str(base / "runs")],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True, text=True, timeout=240, check=False, cwd=base,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert [line.split(": ")[1] for line in done.stderr.splitlines() if "cvtui:" in line] == ["watching as job"]
    assert [run.name for run in list_runs(base / "runs")] == ["job"]
    history = History(RunFolder.open(base / "runs" / "job"))
    history.poll()
    return history


def check_one_run_of_two(history: History) -> None:
    assert history.run is not None
    assert history.run.ranks["world_size"] == 2
    assert history.end is not None
    assert (history.end.status, history.steps.end, len(history.epochs)) == ("finished", 12, 2)  # 192 / 2 / 16, twice
    assert [layer.name.rpartition("net.")[2] for layer in history.run.layers if layer.watched] == ["0", "1", "3"]
    assert len(history.layer_steps) > 2
    ranks = read_ranks(history.folder)
    assert [(rank.started.rank, len(rank.steps)) for rank in ranks] == [(0, 12), (1, 12)]
    assert {step.images for rank in ranks for step in rank.steps.values()} == {16}
    assert sum(step.own is not None for step in ranks[1].steps.values()) == 12
    checks = [rank.checks for rank in ranks]
    assert all(one is not None and one.wrapped == "ddp" and len(one.losses) == 10 for one in checks)
    assert checks[0] is not None
    assert checks[1] is not None
    assert checks[0].weights == checks[1].weights
    assert checks[0].inputs != checks[1].inputs
    assert not [one for one in Doctor(history).update() if one.id in ("F53", "F54", "F55")]


@pytest.mark.skipif(find_spec("lightning") is None, reason="lightning is not installed (extra bench)")
def test_lightning_with_two_processes_is_one_run(tmp_path: Path) -> None:
    check_one_run_of_two(trained(tmp_path, LIGHTNING))


@pytest.mark.skipif(find_spec("accelerate") is None, reason="accelerate is not installed (extra bench)")
def test_accelerate_with_two_processes_is_one_run(tmp_path: Path) -> None:
    launcher = "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"
    check_one_run_of_two(trained(tmp_path, ACCELERATE, *launcher))
