"""Fine-tuning the head of a frozen ResNet-18 beside a plain loop: `python -m tests.benchmarks.frozen_features`.

Drawn pictures, 64x64, five classes of 48 to train on and 12 to validate; weights as torchvision draws them (speed does
not depend on them). CPU seconds of whole runs on one thread, in turns, medians: a run of cvtui, and a loop of plain
PyTorch that computes the frozen part without gradients in every epoch, validates after each, and saves nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.models import resnet18

from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.recipe.toml import dumps, from_table
from cvtui.runlog.folder import RunFolder

SIDE, CLASSES, IMAGES, BATCH = 64, 5, 60, 16


def write(base: Path) -> None:
    maker = np.random.default_rng(0)
    for label in range(CLASSES):
        (base / str(label)).mkdir(parents=True)
        for number in range(IMAGES):
            pixels = maker.integers(0, 200, (SIDE, SIDE, 3), np.uint8) + np.uint8(10 * label)
            Image.fromarray(pixels).save(base / str(label) / f"{number}.png")


def ours(base: Path, epochs: int) -> float:
    fields = {"net": "torchvision:resnet18", "data": f"folder:{base / 'set'}", "freeze": "all-but-head", "threads": 1,
              "epochs": epochs, "batch_size": BATCH, "optimizer": "adamw", "device": "cpu"}  # fmt: skip
    folder = RunFolder.fresh(base, "run", dumps(from_table(fields)))
    began = time.process_time()
    assert train_folder(folder.path, Signals()) == 0
    return time.process_time() - began


def plain(base: Path, epochs: int) -> float:
    began = time.process_time()
    files = sorted((base / "set").glob("*/*.png"))
    pixels = torch.from_numpy(np.stack([np.asarray(Image.open(file)) for file in files])).permute(0, 3, 1, 2)
    x, y = pixels.float() / 127.5 - 1, torch.tensor([int(file.parent.name) for file in files])
    held = torch.arange(len(x)) % 5 == 0
    x = x.to(memory_format=torch.channels_last)
    model = resnet18(num_classes=CLASSES).to(memory_format=torch.channels_last).requires_grad_(False).eval()
    model.fc.requires_grad_(True)
    optimizer = torch.optim.AdamW(model.fc.parameters(), lr=1e-3, fused=True)
    train, train_labels = x[~held], y[~held]
    for _ in range(epochs):
        for some in torch.randperm(len(train)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(train[some]), train_labels[some]).backward()
            optimizer.step()
        with torch.inference_mode():
            (model(x[held]).argmax(1) == y[held]).float().mean().item()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", default="5,20")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as spare:
        base = Path(spare)
        write(base / "set")
        ours(base, 1)
        print("| epochs | cvtui | plain PyTorch | times as fast |\n| --- | --- | --- | --- |")
        for epochs in map(int, given.epochs.split(",")):
            rounds = [(ours(base, epochs), plain(base, epochs)) for _ in range(given.rounds)]
            first, second = (median(one) for one in zip(*rounds, strict=True))
            print(f"| {epochs} | {first:.1f} s | {second:.1f} s | {second / first:.1f} x |", flush=True)


if __name__ == "__main__":
    main()
