"""A folder of many small files, beside torchvision: `python -m tests.benchmarks.folder_sets [--files 100000]`.

Both sides do the same in processes of their own, in turns: read a folder of JPEGs (the sides are equal, so nothing is
scaled), train one epoch and the next ones on a small net. torchvision: ImageFolder, ToTensor, Normalize, a DataLoader
with as many workers. Seconds to the first step count from the start of the process, imports among them; images a second
are those of the epochs after the first. CPU seconds are those of the process to its first step, without what decodes
beside it. "cvtui --no-ui" is the whole command, which lists the folder while the training process loads PyTorch and
hands the listing on; "listing handed on" is that process alone; the other rows too, which list it themselves. "import
torch" is a process that does no more. A set of 10,000 files or more is decoded in the order of
its first epoch, while it is trained on. Three states of cvtui: nothing kept yet, the decoded set kept, and a set that
does not fit into the memory (it streams).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import IO, Any

import numpy as np

from cvtui.recipe.datasets.folder_listing import HANDED_LISTING
from cvtui.recipe.datasets.image_folder import hand_on, listing
from cvtui.recipe.recipe import Recipe

CLASSES = 10
SIDE = 32
BATCH = 64
EPOCHS = 3

PLAIN = """
import sys, time, json, os
import psutil
from torch import nn
import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
folder, workers, epochs, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(1)
change = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.25] * 3)])
data = datasets.ImageFolder(folder, change)
loader = DataLoader(data, batch, shuffle=True, num_workers=workers)
net = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))
net(torch.zeros(1, 3, 32, 32))
rule, loss = torch.optim.SGD(net.parameters(), 0.01), nn.CrossEntropyLoss()
first, ends = 0.0, []
for epoch in range(epochs):
    for x, y in loader:
        rule.zero_grad(); loss(net(x), y).backward(); rule.step()
        if not first: first, cpu = time.time(), time.process_time()
    ends.append(time.time())
me = psutil.Process()
print(json.dumps({"first": first - me.create_time(), "cpu": cpu,
                  "rate": len(data) * (epochs - 1) / (ends[-1] - ends[0]),
                  "memory": me.memory_info().rss}))
"""
OURS = """
import sys, time, json, os
import psutil
streams = sys.argv[1] == "streams"
from cvtui.engine.runtime.fast_start import loading
with loading():  # as the engine starts
    from cvtui.engine.worker import train_folder
from cvtui.engine.data import image_folder
if streams:
    image_folder.free_memory = lambda: 0
from cvtui.engine.data.filling import settle
from cvtui.engine.train.preparation import prepare
from cvtui.engine.train.step import training_step
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
folder, epochs, batch, cache = sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
told = []
t = prepare(check(Recipe(data="folder:" + folder, size="32", net="conv8s2-relu-fc", optimizer="sgd", lr=0.01, threads=1,
                         device="cpu", batch_size=batch, epochs=epochs, val_share=0.001, cache=cache)),
            on_progress=told.append, early=True)  # as a run does
first, ends = 0.0, []
for epoch in range(epochs):
    for images in t.batches(epoch + 1):
        t.update_lr(); training_step(t, images); t.updated()
        if not first: first, cpu = time.time(), time.process_time()
    t.data = settle(t.data)
    ends.append(time.time())
me = psutil.Process()
print(json.dumps({"first": first - me.create_time(), "cpu": cpu,
                  "rate": t.data.train.size * (epochs - 1) / (ends[-1] - ends[0]),
                  "memory": me.memory_info().rss, "told": len(told)}))
"""

BARE = """
import time, json, psutil, torch
me = psutil.Process()
print(json.dumps({"first": time.time() - me.create_time(), "cpu": time.process_time(), "rate": 0.0,
                  "memory": me.memory_info().rss}))
"""


def make(root: Path, count: int) -> None:
    """Write `count` JPEGs of 32 x 32, ten classes."""
    from PIL import Image

    random = np.random.default_rng(0)
    for label in range(CLASSES):
        (root / f"class{label}").mkdir(parents=True)
    for number in range(count):
        base = random.integers(0, 255, (4, 4, 3), np.uint8)
        picture = Image.fromarray(base).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        picture.save(root / f"class{number % CLASSES}" / f"{number:06d}.jpg", quality=85)


def handed(folder: Path) -> IO[bytes] | None:
    """Return the listing of a folder as a command hands it on."""
    recipe = Recipe(data=f"folder:{folder}", size="32", val_share=0.001)
    listing(folder, recipe.val_share, recipe.seed)
    return hand_on(recipe)


def ran(script: str, arguments: list[Any], cache: Path, given: IO[bytes] | None = None) -> dict[str, float]:
    """Run one side in a process of its own; what it printed. given: a listing for it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "10000", "XDG_CACHE_HOME": str(cache)}
    files = [] if given is None else [given.fileno()]
    if given is not None:
        environment[HANDED_LISTING] = str(given.fileno())
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, pass_fds=files)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def command_to_first_step(folder: Path, cache: Path) -> float:
    """Start `cvtui --no-ui`; return the seconds to the end of its first step, and stop it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(cache)}
    words = ["--no-ui", "--json", "--data", f"folder:{folder}", "--size", "32", "--net", "conv8s2-relu-fc",
             "--optimizer", "sgd", "--lr", "0.01", "--device", "cpu", "--batch-size", str(BATCH), "--epochs", "1",
             "--val-share", "0.001", "--runs", str(cache / "runs")]  # fmt: skip
    began = time.time()
    with subprocess.Popen(
        [sys.executable, "-m", "cvtui", *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        records = map(json.loads, process.stdout)
        start = next(record["time"] for record in records if record["type"] == "run")
        first = next(record["seconds"][0] for record in records if record["type"] == "steps")
        process.send_signal(signal.SIGINT)
        for _ in records:
            pass
    return float(start + first - began)


def main(arguments: list[str] | None = None) -> dict[str, dict[str, float]]:
    """Print the table; return the medians."""
    from cvtui.runlog.worker_process import usable_cores

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    chosen = parser.parse_args(arguments)
    workers = max(1, usable_cores() - 1)
    found: dict[str, list[dict[str, float]]] = {}
    whole = []
    with tempfile.TemporaryDirectory() as place:
        folder, cache = Path(place) / "set", Path(place) / "cache"
        make(folder, chosen.files)
        fields = [folder, chosen.epochs, BATCH]
        for number in range(chosen.rounds):
            sides = {
                "torchvision": (PLAIN, [folder, workers, chosen.epochs, BATCH], cache),
                "cvtui, nothing kept": (OURS, ["", *fields, "on"], Path(place) / f"cache{number}"),
                "cvtui, decoded set kept": (OURS, ["", *fields, "on"], Path(place) / f"cache{number}"),
                "cvtui, listing handed on": (OURS, ["", *fields, "on"], Path(place) / f"handed{number}"),
                "cvtui, streams": (OURS, ["streams", *fields, "off"], cache),
                "import torch": (BARE, [], cache),
            }
            for name, (script, words, where) in sides.items():
                given = handed(folder) if "handed" in name else None
                found.setdefault(name, []).append(ran(script, words, where, given))
            whole.append(command_to_first_step(folder, Path(place) / f"command{number}"))
    table = {name: {key: median(one[key] for one in runs) for key in runs[0]} for name, runs in found.items()}
    plain = table["torchvision"]
    print(f"{chosen.files:,} files, {workers} worker{'s' * (workers > 1)}, medians of {chosen.rounds}")
    print(f"{'':26}{'first step':>12}{'x':>7}{'CPU':>10}{'x':>7}{'images/s':>12}{'x':>7}{'memory':>10}")
    for name, row in table.items():
        print(f"{name:26}{row['first']:10.2f} s{row['first'] / plain['first']:7.2f}{row['cpu']:8.2f} s"
              f"{row['cpu'] / plain['cpu']:7.2f}{row['rate']:12,.0f}"
              f"{row['rate'] / plain['rate']:7.2f}{row['memory'] / 2**20:7,.0f} MB")  # fmt: skip
    print(f"{'cvtui --no-ui':26}{median(whole):10.2f} s{median(whole) / plain['first']:7.2f}")
    return table


if __name__ == "__main__":
    main()
