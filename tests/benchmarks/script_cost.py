"""What `cvtui run` costs a script: `python -m tests.benchmarks.script_cost [--pairs N] [--epochs N]`.

Two scripts, each in processes of its own, without, under `cvtui run` and with `cvtui.watch` in it, in turn: a net of
1 ms a step on a tensor data set, and
ResNet-18 on 3 x 32 x 32. CPU seconds of the script's own loop, one thread; medians of the pairs' ratios. `late` leaves
out the first epoch, in which the layers' samples are not yet kept apart in time and the first steps are looked at;
`watch` is the late part with `cvtui.watch` and `run.step(loss=loss)` in the script: the share that isn't `cvtui run`'s.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPT = """
import sys, time, torch
from torch import nn
from torch.nn import functional as F
torch.set_num_threads(1)
torch.manual_seed(0)
kind, epochs = sys.argv[1], int(sys.argv[2])
if kind == "small":
    count, batch, shape = 6400, 32, (1, 8, 8)
    convs = nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU()
    model = nn.Sequential(*convs, nn.Flatten(), nn.Linear(512, 10))
else:
    import torchvision
    count, batch, shape = 256, 16, (3, 32, 32)
    model = torchvision.models.resnet18(num_classes=10)
images, labels = torch.randn(count, *shape), torch.arange(count) % 10
train = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, labels), batch, shuffle=True)
held = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images[: count // 5], labels[: count // 5]), batch)
optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
spent = []
run = None
if sys.argv[3:]:
    import cvtui
    run = cvtui.watch(model, optimizer, runs=sys.argv[3]).__enter__()
for _ in range(epochs):
    begun = time.process_time()
    model.train()
    for x, y in train:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        if run is not None:
            run.step(loss=loss)
    model.eval()
    right = 0
    with torch.no_grad():
        for x, y in held:
            output = model(x)
            F.cross_entropy(output, y).item()
            right += (output.argmax(1) == y).sum().item()
    if run is not None:
        run.epoch()
    spent.append(time.process_time() - begun)
print(*spent)
"""


def spent(script: Path, kind: str, epochs: int, way: str) -> list[float]:
    """Return the CPU seconds of each epoch; way: plain, run or watch."""
    runs = str(script.parent / "runs")
    before = ["-m", "cvtui", "run", "--runs", runs] if way == "run" else []
    words = [sys.executable, *before, str(script), kind, str(epochs), *([runs] if way == "watch" else [])]
    done = subprocess.run(words, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True)
    return list(map(float, done.stdout.split()))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--pairs", type=int, default=5)
    words.add_argument("--epochs", type=int, default=4)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as base:
        script = Path(base) / "train.py"
        script.write_text(SCRIPT, encoding="utf-8")
        for kind in ("small", "resnet18"):
            ratios: dict[str, list[float]] = {"whole": [], "late": [], "watch": []}
            for number in range(asked.pairs):
                turns = ("plain", "run", "watch")[:: -1 if number % 2 else 1]
                found = {way: spent(script, kind, asked.epochs, way) for way in turns}
                late = {way: sum(seconds[1:]) for way, seconds in found.items()}
                ratios["whole"].append(sum(found["run"]) / sum(found["plain"]) - 1)
                ratios["late"].append(late["run"] / late["plain"] - 1)
                ratios["watch"].append(late["watch"] / late["plain"] - 1)
            told = "  ".join(f"{name} {statistics.median(values):+.1%}" for name, values in ratios.items())
            print(f"{kind:<10} {told}", flush=True)


if __name__ == "__main__":
    main()
