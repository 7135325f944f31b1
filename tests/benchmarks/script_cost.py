"""What `cvtui run` costs a script: `python -m tests.benchmarks.script_cost [--rounds N] [--epochs N]`.

Two scripts: a net of 1 ms a step on a tensor data set, and ResNet-18 on 3 x 32 x 32. Each round runs one four times at
once, on one thread, a tenth of a second each in turn (as watching.py does): without, under `cvtui run`, with
`cvtui.watch` and `run.step(loss=loss)` in it, and without once more, which tells how far such a measurement is off.
Told are seconds of the script's own loop, means of the rounds with their standard errors: all of them, and `late`
without the first epoch, in which the layers' samples are not yet kept apart in time and the first steps are looked at.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.watching import HERE, Turn, mean, race

SCRIPT = """
import sys
from tests.benchmarks.watching import Turns
turns = Turns()
import torch
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
turns.wait()
for _ in range(epochs):
    model.train()
    for x, y in train:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        if run is not None:
            run.step(loss=loss)
        turns.hand_over()
    model.eval()
    right = 0
    with torch.no_grad():
        for x, y in held:
            output = model(x)
            F.cross_entropy(output, y).item()
            right += (output.argmax(1) == y).sum().item()
            turns.hand_over()
    if run is not None:
        run.epoch()
    turns.count()
    spent += turns.wall, turns.cpu
print("end", *spent, flush=True)
"""


WAYS = ("plain", "run", "watch", "again")


def words_of(script: Path, kind: str, epochs: int, way: str) -> list[str]:
    """Return the command line of one of the WAYS."""
    runs = str(script.parent / "runs")
    before = ["-m", "cvtui", "run", "--runs", runs] if way == "run" else []
    return [sys.executable, *before, str(script), kind, str(epochs), *([runs] if way == "watch" else [])]


def shares(turns: dict[str, Turn]) -> dict[str, list[float]]:
    """Return for each way (run / plain less 1) by the clock, the same late, by CPU time, the same late."""
    found = {}
    for way, turn in turns.items():
        seconds = list(map(float, (turn.last or "").split()))
        walls, cpus = seconds[::2], seconds[1::2]
        found[way] = [walls[-1], walls[-1] - walls[0], cpus[-1], cpus[-1] - cpus[0]]
    base = [(one + other) / 2 for one, other in zip(found["plain"], found["again"], strict=True)]
    told = {way: [one / other - 1 for one, other in zip(found[way], base, strict=True)] for way in ("run", "watch")}
    told["again"] = [one / other - 1 for one, other in zip(found["again"], found["plain"], strict=True)]
    return told


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--epochs", type=int, default=4)
    words.add_argument("--kinds", default="small,resnet18")
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as base:
        script = Path(base) / "train.py"
        script.write_text(SCRIPT, encoding="utf-8")
        for kind in asked.kinds.split(","):
            rows: dict[str, list[list[float]]] = {"run": [], "watch": [], "again": []}
            for number in range(asked.rounds):
                ways = WAYS[number % 4 :] + WAYS[: number % 4]
                turns = {way: Turn(words_of(script, kind, asked.epochs, way), HERE) for way in ways}
                race(list(turns.values()))
                for way, row in shares(turns).items():
                    rows[way].append(row)
            for way, kept in rows.items():
                whole, late, cpu, late_cpu = (mean(kept, column) for column in range(4))
                print(f"{kind:<9} {way:<6} clock {whole}, late {late}; CPU {cpu}, late {late_cpu} %", flush=True)


if __name__ == "__main__":
    main()
