"""Fine-tuning on six small sets of pictures: `python -m tests.benchmarks.finetune [--search] [--seeds 2]`.

Weights are trained here on crops of eleven of scikit-image's pictures. Each target set has 20 pictures a class to train
on and 40 to validate (crops of other parts of a picture, where it is one). Three contestants of the same epochs: from
scratch (the default recipe), fine-tuned (FINETUNE below), and the same steps in plain PyTorch, whose CPU seconds are
the yardstick of ours (whole runs, in turns, one thread), alone and with a torch.save an epoch. `--search` tries other
fields in place of FINETUNE's.
Needs scikit-image and scikit-learn.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from cvtui.engine.nn.model import Net
from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.recipe.toml import dumps, from_table
from cvtui.recipe.validation import check
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History

NET = "conv16s2-bn-relu-conv32-bn-relu-pool-conv64-bn-relu-conv64-bn-relu-gap-fc"
SIDE = 32
TRAIN, VALIDATION = 20, 40
FIXED: dict[str, Any] = {"net": NET, "size": str(SIDE), "device": "cpu", "threads": 1, "deterministic": "on"}
FINETUNE: dict[str, Any] = {
    "optimizer": "adamw", "lr": 5e-3, "weight_decay": 0.05, "lr_backbone": "", "freeze": "", "unfreeze_at": 0,
    "epochs": 30, "batch_size": 16, "warmup": "1ep",
}  # fmt: skip
"""The best of `--search` so far."""
LENGTH = {name: FINETUNE[name] for name in ("epochs", "batch_size")}
"""Of training from scratch, so that it takes as many steps."""
Pictures = dict[str, tuple[list[Image.Image], list[Image.Image]]]
"""Class -> pictures to train on, to validate."""


# ------------------------------------------------------------------ sets


def crops(arrays: dict[str, np.ndarray], maker: np.random.Generator, counts: tuple[int, int]) -> Pictures:
    """Crop squares of 40 to 80 pixels: from the left 3/5 to train on, from the right 2/5 to validate."""
    found: Pictures = {}
    for name, array in arrays.items():
        picture = Image.fromarray(array).convert("RGB")
        border = round(picture.width * 0.6)
        halves = (picture.crop((0, 0, border, picture.height)), picture.crop((border, 0, *picture.size)))
        both = []
        for half, count in zip(halves, counts, strict=True):
            part = []
            for _ in range(count):
                side = int(maker.integers(40, 81))
                x, y = int(maker.integers(0, half.width - side)), int(maker.integers(0, half.height - side))
                part.append(half.crop((x, y, x + side, y + side)).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
            both.append(part)
        found[name] = (both[0], both[1])
    return found


def drawn(kinds: dict[str, Callable[[np.random.Generator], np.ndarray]], maker: np.random.Generator) -> Pictures:
    def several(draw: Callable[[np.random.Generator], np.ndarray], count: int) -> list[Image.Image]:
        return [Image.fromarray(draw(maker).clip(0, 255).astype(np.uint8)).convert("RGB") for _ in range(count)]

    return {name: (several(draw, TRAIN), several(draw, VALIDATION)) for name, draw in kinds.items()}


def shape(kind: str) -> Callable[[np.random.Generator], np.ndarray]:
    def draw(maker: np.random.Generator) -> np.ndarray:
        y, x = np.mgrid[:SIDE, :SIDE].astype(float)
        size, angle = maker.uniform(6, 11), maker.uniform(0, np.pi)
        x, y = x - maker.uniform(11, 21), y - maker.uniform(11, 21)
        u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        inside = {
            "circle": np.hypot(u, v) < size,
            "square": np.maximum(abs(u), abs(v)) < size * 0.9,
            "triangle": (v > -size / 2) & (abs(u) < (size - v) * 0.58),
            "cross": (np.minimum(abs(u), abs(v)) < size / 4) & (np.maximum(abs(u), abs(v)) < size),
        }[kind]
        colors = maker.uniform(0, 255, (2, 3))
        return np.where(inside[..., None], colors[0], colors[1]) + maker.normal(0, 30, (SIDE, SIDE, 3))

    return draw


def stripes(turn: int) -> Callable[[np.random.Generator], np.ndarray]:
    def draw(maker: np.random.Generator) -> np.ndarray:
        y, x = np.mgrid[:SIDE, :SIDE].astype(float)
        angle = np.pi * (turn + maker.uniform(-0.35, 0.35)) / 6
        wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * maker.uniform(0.5, 1.4) + maker.uniform(0, 6.3))
        return 128 + 60 * wave[..., None] * maker.uniform(0.3, 1, 3) + maker.normal(0, 45, (SIDE, SIDE, 3))

    return draw


def ways_up(pictures: Pictures) -> Pictures:
    """Turn the crops by 0 to 3 quarters: the class is by how many."""
    found: Pictures = {}
    for turn in range(4):
        halves = [[image.rotate(90 * turn) for part in pictures.values() for image in part[half]] for half in (0, 1)]
        found[f"turned{turn}"] = (halves[0], halves[1])
    return found


def pictures() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return eleven pictures that weights are trained on, and five photographs."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    names = (
        "clock", "coins", "colorwheel", "hubble_deep_field", "moon", "page", "rocket", "text", "camera", "horse",
        "retina",
    )  # fmt: skip
    read = {name: np.asarray(getattr(data, name)()) for name in names}
    read = {name: (255 * array).astype(np.uint8) if array.dtype == bool else array for name, array in read.items()}
    china, flower = load_sample_images().images
    photos = {"chelsea": data.chelsea(), "astronaut": data.astronaut(), "coffee": data.coffee()}
    return read, photos | {"china": china, "flower": flower}


def sets() -> tuple[Pictures, dict[str, Pictures]]:
    """Return the set that weights are trained on, and the six targets."""
    from skimage import data
    from sklearn.datasets import load_digits

    maker = np.random.default_rng(0)
    read, photos = pictures()
    source = crops(read, maker, (200, 40))
    textures = {name: getattr(data, name)() for name in ("brick", "grass", "gravel")}
    digits = load_digits()
    numbers: Pictures = {}
    for digit in range(10):
        every = [
            Image.fromarray(np.uint8(image * 15.9)).resize((SIDE, SIDE), Image.Resampling.BILINEAR).convert("RGB")
            for image in digits.images[digits.target == digit][: TRAIN + VALIDATION]
        ]
        numbers[str(digit)] = (every[:TRAIN], every[TRAIN:])
    few = crops({name: photos[name] for name in ("chelsea", "astronaut", "coffee")}, maker, (7, 14))
    return source, {
        "photos": crops(photos, maker, (TRAIN, VALIDATION)),
        "textures": crops(textures, maker, (TRAIN, VALIDATION)),
        "which way up": ways_up(few),
        "digits": numbers,
        "shapes": drawn({kind: shape(kind) for kind in ("circle", "square", "triangle", "cross")}, maker),
        "stripes": drawn({f"turned{turn}": stripes(turn) for turn in range(6)}, maker),
    }


def write(pictures: Pictures, folder: Path) -> Path:
    for name, halves in pictures.items():
        for half, images in zip(("train", "val"), halves, strict=True):
            place = folder / half / name
            place.mkdir(parents=True)
            for number, image in enumerate(images):
                image.save(place / f"{number:03}.png")
    return folder


# ------------------------------------------------------------------ contestants


def ours(base: Path, **fields: Any) -> tuple[History, float]:
    """Train a run; return its history and CPU seconds."""
    folder = RunFolder.fresh(base, "run", dumps(from_table({**FIXED, **fields})))
    began = time.process_time()
    code = train_folder(folder.path, Signals())
    spent = time.process_time() - began
    history = History(folder)
    while history.poll():
        pass
    assert code == 0, history.end
    return history, spent


def accuracy(history: History) -> float:
    """Of the last epoch: the best one would be chosen by what it is measured with."""
    return history.epochs[-1].val_accuracy or 0.0


def tensors(folder: Path, half: str) -> tuple[Tensor, Tensor]:
    classes = sorted(place.name for place in (folder / half).iterdir())
    found = [
        (np.asarray(Image.open(file)), number)
        for number, name in enumerate(classes)
        for file in sorted((folder / half / name).iterdir())
    ]
    pixels = torch.from_numpy(np.stack([image for image, _ in found])).permute(0, 3, 1, 2).float()
    return pixels, torch.tensor([number for _, number in found])


def plain_model(table: Any, weights: dict[str, Tensor]) -> Net:
    """Make the net with the weights that fit; all others are drawn anew."""
    model = Net(table)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    own = model.state_dict()
    model.load_state_dict({**own, **{name: value for name, value in weights.items() if value.shape == own[name].shape}})
    return model.to(memory_format=torch.channels_last)


def split(parameters: list[Any], factor: float, decay: float) -> list[dict[str, Any]]:
    """Group parameters: tables decay, the rest doesn't."""
    tables, rest = [p for p in parameters if p.dim() > 1], [p for p in parameters if p.dim() < 2]
    return [{"params": part, "factor": factor, "weight_decay": wd} for part, wd in ((tables, decay), (rest, 0.0))]


def plain(  # noqa: C901  # one loop, to be read from top to bottom
    folder: Path, weights: dict[str, Tensor], preprocess: dict[str, Any], seed: int, save: Path | None = None
) -> tuple[float, float]:
    """Do what FINETUNE asks in plain PyTorch; return the last accuracy and the CPU seconds.

    save: file that gets model and optimizer after every epoch, as a run's last.pt does.
    """
    began = time.process_time()
    recipe = from_table({**FIXED, "data": f"folder:{folder}", **FINETUNE})
    torch.manual_seed(seed)
    (x, y), (val_x, val_y) = tensors(folder, "train"), tensors(folder, "val")
    scale, shift = (torch.tensor(preprocess[name]).view(1, 3, 1, 1) for name in ("scale", "shift"))
    model = plain_model(check(recipe).table, weights)
    head = list(model.fc1.parameters())  # type: ignore[union-attr]
    body = [p for name, p in model.named_parameters() if not name.startswith("fc1.")]
    factor = float(recipe.lr_backbone.removesuffix("x") or 1)
    frozen = (recipe.unfreeze_at or 1) - 1 if recipe.freeze else 0
    groups = split(head, 1.0, recipe.weight_decay)
    if not frozen:
        groups += split(body, factor, recipe.weight_decay)
    for parameter in body:
        parameter.requires_grad_(not frozen)
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr, fused=True)
    steps = math.ceil(len(x) / recipe.batch_size)
    warm, total, step = steps * int(recipe.warmup.removesuffix("ep")), steps * recipe.epochs, 0
    right = 0.0
    for epoch in range(recipe.epochs):
        if epoch == frozen and epoch:
            for parameter in body:
                parameter.requires_grad_(True)
            for group in split(body, factor, recipe.weight_decay):
                optimizer.add_param_group(group)
        model.train()
        for module in model.modules() if epoch < frozen else ():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        for some in torch.randperm(len(x)).split(recipe.batch_size):
            share = (step - warm) / (total - warm)
            rate = (step + 1) / (warm + 1) if step < warm else (1 + math.cos(math.pi * share)) / 2
            for group in optimizer.param_groups:
                group["lr"] = recipe.lr * rate * group["factor"]
            optimizer.zero_grad()
            batch = (x[some] * scale + shift).to(memory_format=torch.channels_last)
            nn.functional.cross_entropy(model(batch), y[some]).backward()
            optimizer.step()
            step += 1
        model.eval()
        with torch.inference_mode():
            right = (model(val_x * scale + shift).argmax(1) == val_y).float().mean().item()
        if save is not None:
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, save)
    return right, time.process_time() - began


# ------------------------------------------------------------------ the table

TRIED: dict[str, dict[str, Any]] = {
    "scratch": {"weights": None},
    "all at lr": {"freeze": "", "unfreeze_at": 0, "lr_backbone": ""},
    "head only": {"freeze": "all-but-head", "unfreeze_at": 0, "lr_backbone": ""},
    "backbone 0.1x": {"freeze": "", "unfreeze_at": 0, "lr_backbone": "0.1x"},
    "backbone 0.3x": {"freeze": "", "unfreeze_at": 0, "lr_backbone": "0.3x"},
    "layer decay 0.75": {"freeze": "", "unfreeze_at": 0, "lr_backbone": "", "layer_decay": 0.75},
    "thaw at 3, 0.1x": {"freeze": "all-but-head", "unfreeze_at": 3, "lr_backbone": "0.1x"},
    "thaw at 3, 0.3x": {"freeze": "all-but-head", "unfreeze_at": 3, "lr_backbone": "0.3x"},
    "thaw at 3, 1x": {"freeze": "all-but-head", "unfreeze_at": 3, "lr_backbone": ""},
    "all at lr, flip": {"freeze": "", "unfreeze_at": 0, "lr_backbone": "", "augment": "flip"},
}


def search(base: Path, weights: str, targets: dict[str, Path], seeds: int, rates: list[float]) -> None:
    """Print the accuracy of each choice on each set, at each rate."""
    print(f"{'':24}" + "".join(f"{name:>14}" for name in targets) + f"{'mean':>8}")
    for name, changes in TRIED.items():
        for rate in rates:
            fields = {**FINETUNE, "weights": weights, "lr": rate, **changes}
            if fields["weights"] is None:
                fields = {**LENGTH, "lr": rate}
            row = [
                mean(accuracy(ours(base, **fields, data=f"folder:{place}", seed=seed)[0]) for seed in range(seeds))
                for place in targets.values()
            ]
            print(f"{name:18}{rate:6g}" + "".join(f"{one:14.1%}" for one in row) + f"{mean(row):8.1%}", flush=True)


def table(base: Path, weights: Path, targets: dict[str, Path], seeds: int) -> None:
    """Print scratch, ours and plain PyTorch on each set."""
    state = torch.load(weights, weights_only=True)
    print("| set | classes | from scratch | fine-tuned | plain PyTorch | CPU s, ours | plain | ratio | saves | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, place in targets.items():
        kinds = ("scratch", "ours", "plain", "seconds", "plain seconds", "saving seconds")
        found: dict[str, list[float]] = {key: [] for key in kinds}
        for seed in range(seeds):
            fields = {"data": f"folder:{place}", "seed": seed}
            found["scratch"].append(accuracy(ours(base, **fields, **LENGTH)[0]))
            history, seconds = ours(base, **fields, **FINETUNE, weights=str(weights))
            right, other = plain(place, state["model"], state["preprocess"], seed)
            for key, value in (("ours", accuracy(history)), ("seconds", seconds), ("plain", right)):
                found[key].append(value)
            found["plain seconds"].append(other)
            found["saving seconds"].append(plain(place, state["model"], state["preprocess"], seed, base / "last.pt")[1])
        scratch, tuned, theirs = (mean(found[key]) for key in ("scratch", "ours", "plain"))
        ours_s, plain_s, saving_s = (median(found[key]) for key in kinds[3:])
        classes = len(list((place / "train").iterdir()))
        print(
            f"| {name} | {classes} | {scratch:.1%} | {tuned:.1%} | {theirs:.1%} | {ours_s:.2f} | {plain_s:.2f} | "
            f"{plain_s / ours_s:.2f} | {saving_s:.2f} | {saving_s / ours_s:.2f} |",
            flush=True,
        )


def prepared(base: Path, sets: Callable[[], tuple[Pictures, dict[str, Pictures]]], **fields: Any) -> Path:
    """Make the sets below `base`, and weights trained on the first with these fields, unless they are there."""
    if not (base / "sets").is_dir():
        source, targets = sets()
        for name, pictures in {"source": source, **targets}.items():
            write(pictures, base / "sets" / name)
    weights = base / "weights.pt"
    if not weights.is_file():
        began, spent = ours(base / "runs", data=f"folder:{base / 'sets' / 'source'}", **fields)
        print(f"the weights' own set: {accuracy(began):.1%} after {spent:.0f} CPU s", file=sys.stderr, flush=True)
        (began.folder.checkpoints / "last.pt").rename(weights)
    return weights


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--search", action="store_true", help="try other fields")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rates", default="0.002,0.005", help="of --search")
    parser.add_argument("--keep", type=Path, help="a folder for sets and weights, which are made once")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as spare:
        base = given.keep or Path(spare)
        weights = prepared(base, sets, epochs=12)
        places = {place.name: place for place in sorted((base / "sets").iterdir()) if place.name != "source"}
        if given.search:
            rates = [float(rate) for rate in given.rates.split(",")]
            search(base / "runs", str(weights), places, given.seeds, rates)
        else:
            table(base / "runs", weights, places, given.seeds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
