"""A run on several ranks is the run of one process: a real torchrun on gloo."""

from __future__ import annotations

import importlib
import os
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cvtui.runlog.history import History
from cvtui.runlog.ranks import read_ranks
from tests.engine.making import folder, history, train
from tests.engine.ranks.jobs import torchrun

pytestmark = [pytest.mark.torch, pytest.mark.long]

SMALL: dict[str, Any] = {"net": "conv4-relu-pool-fc", "limit": 333, "batch_size": 32, "epochs": 2}
RARE: dict[str, Any] = {"imbalance": 0.1, "limit": 0}
CASES: dict[str, dict[str, Any]] = {
    "plain": {"epochs": 10},
    "augmented": {"augment": "flip,shift(1),crop(1),rotate(10),cutout(3),jitter(0.3),erasing"},
    "mixed": {"mix": "mixup,cutmix", "augment": "flip"},
    "weights": {"balance": "weights", **RARE},
    "mixed-weights": {"balance": "weights", "mix": "mixup", **RARE},
    "sampler": {"balance": "sampler", **RARE},
    "accumulated": {"accumulate": 3, "batch_size": 20, "limit": 0},
    "accumulated-weights": {"accumulate": 3, "batch_size": 8, "balance": "weights", **RARE},
    "clipped": {"clip": 0.5, "optimizer": "momentum", "lr": 0.05},
    "ema": {"ema": 0.99},
    "last-of-one": {"limit": 0, "batch_size": 359},
    "bce": {"loss": "bce"},
    "plateau": {"schedule": "plateau(patience=0)", "epochs": 4},
    "frozen": {"net": "conv4-relu-conv4-relu-pool-fc", "freeze": "until:conv1", "unfreeze_at": 2},
    "muon": {"optimizer": "muon"},
    "files": {"data": "folder:pictures", "limit": 0, "size": "16", "augment": "flip,randaugment"},
    "module": {"data": "folder:pictures", "limit": 0, "size": "16", "net": "mine:build", "init": "own"},
    "read-anew": {"data": "mine:data", "limit": 0},
    "points": {"data": "moons", "net": "fc8-tanh-fc", "limit": 0},
}  # fmt: skip
MINE = """
    import numpy, torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.unused, self.fc = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(3, 3), torch.nn.Linear(4, 3)
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x):
            return self.fc(torch.relu(self.conv(x)).mean((2, 3)))

    def build():
        return Net()

    def picture(number, side):
        pixels = numpy.random.default_rng(number).integers(0, 256, (side, side, 3)).astype(numpy.uint8)
        pixels[..., number % 3] //= 2
        return pixels

    class Items(torch.utils.data.Dataset):
        def __init__(self, count):
            self.count = count

        def __len__(self):
            return self.count

        def __getitem__(self, number):
            return numpy.roll(picture(number, 12), int(torch.randint(3, ())), 0), number % 3

    def data():
        return Items(150), Items(40)
"""
"""PyTorch code with a part that is not used, and items that draw random numbers whenever they are read."""
NORMED: dict[str, Any] = {**SMALL, "net": "conv4-bn-relu-drop0.3-pool-fc", "batch_size": 41, "limit": 330}


@pytest.mark.parametrize("ranks", [2, 3])
def test_losses_are_those_of_one_process(ranks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    (tmp_path / "mine.py").write_text(textwrap.dedent(MINE))
    for part, count in (("train", 150), ("val", 40)):
        for number in range(count):
            place = tmp_path / "pictures" / part / "abc"[number % 3] / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(importlib.import_module("mine").picture(number, 16)).save(place)
    alone = {name: folder(tmp_path / "one", name, **{**SMALL, **how}) for name, how in CASES.items()}
    many = {name: folder(tmp_path / "many", name, **{**SMALL, **how}) for name, how in CASES.items()}
    normed = folder(tmp_path / "many", "normed", **NORMED)
    torchrun(tmp_path, [*many.values(), normed], ranks)
    for name, run in alone.items():
        assert train(run)[0] == 0
        same_run(history(run), history(many[name]), name)
    found = history(many["plain"])
    assert len(found.steps.loss) == 110
    assert found.run is not None
    assert found.run.ranks["world_size"] == ranks
    assert any(log.text.startswith(f"{ranks} ranks share each step's 32 images") for log in found.logs)
    assert [(rank.started.rank, len(rank.steps)) for rank in read_ranks(found.folder)] == [
        (rank, 110) for rank in range(ranks)
    ]
    counted = [sum(step.images for step in rank.steps.values()) for rank in read_ranks(found.folder)]
    assert sum(counted) == 10 * 333
    norms = history(normed)  # not equal, and it says so
    assert norms.end is not None
    assert norms.end.status == "finished"
    assert sum("batch norm: mean and deviation over each rank's own" in log.text for log in norms.logs) == 1
    assert sum(log.text.startswith("dropout: each rank draws its own") for log in norms.logs) == 1


def same_run(one: History, many: History, name: str) -> None:
    """Losses and gradients to 1e-5, every count equal: accuracies, images, confusion."""
    assert len(one.steps.loss) == len(many.steps.loss) > 9, name
    assert np.allclose(one.steps.loss, many.steps.loss, rtol=1e-5, atol=0), name
    assert np.allclose(one.steps.grad_norm, many.steps.grad_norm, rtol=1e-4, atol=0), name
    assert np.allclose(one.steps.accuracy, many.steps.accuracy, rtol=0, atol=1e-8), name
    assert one.steps.lr.tolist() == many.steps.lr.tolist(), name
    assert len(one.epochs) == len(many.epochs)
    for mine, other in zip(one.epochs, many.epochs, strict=True):
        assert mine.val_loss == pytest.approx(other.val_loss, rel=1e-5), name
        assert mine.train_loss == pytest.approx(other.train_loss, rel=1e-5), name
        assert (mine.val_accuracy, mine.confusion, mine.best) == (other.val_accuracy, other.confusion, other.best), name
        assert mine.train_accuracy == pytest.approx(other.train_accuracy, rel=1e-6), name
    names = {picture.name for picture in many.pictures}
    assert names == {picture.name for picture in one.pictures}, name
