"""Fine-tuning a ResNet-18 on crops of photographs beside plain PyTorch: `python -m tests.benchmarks.finetune_backbone`.

Five classes: crops of five of scikit-image's and scikit-learn's photographs, 64x64, 32 of a class to train on and 40 of
other parts of the picture to validate. The weights are trained here, on crops of eleven other pictures. Three
contestants with the same net, weights, mean and deviation of pixels, batches of 16, AdamW and rate:

- cvtui: a run, with all that it does (log, checkpoints to go on from, statistics of layers, the doctor, pictures)
- tutorial: the loop that tutorials write: ImageFolder, DataLoader with two workers, the best epoch's state_dict saved
- leanest: the leanest loop that we know: all pictures in memory, channels_last, the fused AdamW, nothing saved

once with every layer trained, once with those before layer3 frozen, once with the head alone. Whole runs within one
process that has loaded everything, one thread, in turns; the last validation accuracy as mean and standard deviation
over the seeds, medians of the seconds by the clock and of the CPU seconds (the loader's workers included). Speed is the
contestant's seconds by cvtui's: above 1.0 cvtui is faster. Needs scikit-image and scikit-learn; 3 minutes.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.models import ResNet, resnet18
from torchvision.transforms import v2

from tests.benchmarks import finetune

SIDE, BATCH, RATE, DECAY = 64, 16, 3e-4, 0.01
COUNTS, SOURCE_COUNTS = (32, 40), (100, 20)
"""Crops of a picture to train on, to validate."""
FROZEN = ("", "until:layer3", "all-but-head")
FIXED: dict[str, Any] = {
    "net": "torchvision:resnet18", "optimizer": "adamw", "lr": RATE, "weight_decay": DECAY, "batch_size": BATCH,
    "device": "cpu", "schedule": "constant", "size": str(SIDE),
}  # fmt: skip


class Task(NamedTuple):
    """What every contestant is given."""

    base: Path
    photos: Path
    weights: Path
    """A checkpoint of cvtui, which says how pixels were prepared."""
    plain: Path
    """The same weights as a state_dict alone."""
    pixels: tuple[Tensor, Tensor]
    """Mean and deviation of 0 to 255 that they were trained with."""
    frozen: str = ""
    epochs: int = 0
    seed: int = 0


class Found(NamedTuple):
    """One run's last accuracy, its seconds by the clock and its CPU seconds."""

    accuracy: float
    seconds: float
    cpu: float


def ours(task: Task) -> float:
    """Train a run of cvtui; return its last accuracy."""
    fields = {**FIXED, "data": f"folder:{task.photos}", "weights": str(task.weights), "freeze": task.frozen}
    return finetune.accuracy(finetune.ours(task.base / "runs", **fields, epochs=task.epochs, seed=task.seed)[0])


def model_of(task: Task, classes: int) -> tuple[ResNet, list[nn.Module]]:
    """Return the net with the task's weights but a new head, and its frozen parts."""
    model = resnet18(num_classes=classes)
    state = torch.load(task.plain, weights_only=True)
    model.load_state_dict({name: v for name, v in state.items() if not name.startswith("fc.")}, strict=False)
    early: list[nn.Module] = [model.conv1, model.bn1, model.layer1, model.layer2]
    parts = {"": [], "until:layer3": early, "all-but-head": [*early, model.layer3, model.layer4]}[task.frozen]
    for part in parts:
        part.requires_grad_(False)
    return model, parts


def trained(
    model: ResNet, frozen: list[nn.Module], loaders: tuple[Any, Any], optimizer: torch.optim.Optimizer, epochs: int,
    save: Path | None,
) -> float:  # fmt: skip
    """Train the loop that everybody writes; return the last validation accuracy."""
    best, right = 0.0, 0.0
    for _ in range(epochs):
        model.train()
        for part in frozen:
            part.eval()
        for x, y in loaders[0]:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        model.eval()
        hits, seen = 0, 0
        with torch.inference_mode():
            for x, y in loaders[1]:
                hits, seen = hits + int((model(x).argmax(1) == y).sum()), seen + len(y)
        right = hits / seen
        if save is not None and right > best:
            best = right
            torch.save(model.state_dict(), save)
    return right


def tutorial(task: Task) -> float:
    """Train with ImageFolder and DataLoader; return the last accuracy."""
    torch.manual_seed(task.seed)
    average, spread = ((one / 255).tolist() for one in task.pixels)
    steps = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(average, spread)]
    train, val = (ImageFolder(str(task.photos / half), v2.Compose(steps)) for half in ("train", "val"))
    loaders = DataLoader(train, BATCH, shuffle=True, num_workers=2), DataLoader(val, 64, num_workers=2)
    model, parts = model_of(task, len(train.classes))
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=RATE, weight_decay=DECAY)
    return trained(model, parts, loaders, optimizer, task.epochs, task.base / "best.pt")


class InMemory:
    """Batches of tensors, shuffled anew at each pass or in their order."""

    def __init__(self, task: Task, half: str, batch: int, shuffled: bool) -> None:
        x, self.y = finetune.tensors(task.photos, half)
        average, spread = (one.view(1, 3, 1, 1) for one in task.pixels)
        self.x = ((x - average) / spread).to(memory_format=torch.channels_last)
        self.batch, self.shuffled = batch, shuffled

    def __iter__(self) -> Any:
        order = torch.randperm(len(self.x)) if self.shuffled else torch.arange(len(self.x))
        return ((self.x[some], self.y[some]) for some in order.split(self.batch))


def leanest(task: Task) -> float:
    """Train with all pictures in memory, channels_last and the fused AdamW; return the last accuracy."""
    torch.manual_seed(task.seed)
    loaders = InMemory(task, "train", BATCH, True), InMemory(task, "val", 64, False)
    model, parts = model_of(task, int(loaders[0].y.max()) + 1)
    model = model.to(memory_format=torch.channels_last)
    trainable = (p for p in model.parameters() if p.requires_grad)
    optimizer = torch.optim.AdamW(trainable, lr=RATE, weight_decay=DECAY, fused=True)
    return trained(model, parts, loaders, optimizer, task.epochs, None)


def prepared(base: Path) -> Task:
    """Write the photographs, and train weights on other pictures (which loads all of cvtui too)."""
    finetune.SIDE, maker = SIDE, np.random.default_rng(0)
    source, photos = finetune.pictures()
    finetune.write(finetune.crops(source, maker, SOURCE_COUNTS), base / "source")
    finetune.write(finetune.crops(photos, maker, COUNTS), base / "photos")
    fields = {**FIXED, "data": f"folder:{base / 'source'}", "epochs": 3, "batch_size": 64}
    history = finetune.ours(base / "runs", **fields, preprocess="standardise")[0]
    print(f"the weights' own set: {finetune.accuracy(history):.1%}", flush=True)
    weights = (history.folder.checkpoints / "last.pt").rename(base / "weights.pt")
    state = torch.load(weights, weights_only=True)
    torch.save(state["model"], base / "plain.pt")
    scale, shift = (torch.tensor(state["preprocess"][name]) for name in ("scale", "shift"))
    return Task(base, base / "photos", weights, base / "plain.pt", (-shift / scale, 1 / scale))


CONTESTANTS: dict[str, Callable[[Task], float]] = {"cvtui": ours, "tutorial": tutorial, "leanest": leanest}


def cpu_seconds() -> float:
    """Of this process and of those that it has waited for."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def timed(train: Callable[[Task], float], task: Task) -> Found:
    began, cpu = time.perf_counter(), cpu_seconds()
    right = train(task)
    return Found(right, time.perf_counter() - began, cpu_seconds() - cpu)


def rows(frozen: str, found: dict[str, list[Found]]) -> list[str]:
    """Return the table's rows of one choice of frozen layers."""
    told = []
    mine = [median(one[place] for one in found["cvtui"]) for place in (1, 2)]
    for name, runs in found.items():
        right = [one.accuracy for one in runs]
        spread = f" ± {100 * stdev(right):.1f}" if len(right) > 1 else ""
        seconds = [median(one[place] for one in runs) for place in (1, 2)]
        speed = [f"{theirs / own:.2f} x" for theirs, own in zip(seconds, mine, strict=True)]
        cells = [frozen or "nothing", name, f"{100 * mean(right):.1f}{spread} %", f"{seconds[0]:.1f} s"]
        told.append(f"| {' | '.join([*cells, f'{seconds[1]:.1f} s', *speed])} |")
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3, help="seeds; each contestant trains once with each")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as spare:
        task = prepared(Path(spare))._replace(epochs=given.epochs)
        print("| frozen | contestant | accuracy | by the clock | CPU | speed by the clock | by CPU |")
        print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
        for frozen in FROZEN:
            found: dict[str, list[Found]] = {name: [] for name in CONTESTANTS}
            for seed in range(given.rounds):
                for name, train in CONTESTANTS.items():
                    found[name].append(timed(train, task._replace(frozen=frozen, seed=seed)))
            print(*rows(frozen, found), sep="\n", flush=True)


if __name__ == "__main__":
    main()
