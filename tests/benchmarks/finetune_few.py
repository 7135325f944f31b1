"""Few pictures a class, with weights of a related, richer set: `python -m tests.benchmarks.finetune_few`.

The weights are trained here on some fifty classes: written letters (A to M, a to m), drawn figures, crops of eleven
photographs, and which way up those are. Six targets that hold none of these classes, 5 pictures to train on and 40 to
validate of each class: letters N to Z, handwritten digits, other figures, crops of other photographs, textures, and
which way up other photographs are. Each choice gets the same epochs as training from scratch, so about the same time
(its CPU seconds stand beside); the accuracy is that of the last epoch, the mean of some seeds.
Needs scikit-image and scikit-learn, and the fonts of DejaVu and Liberation.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from tests.benchmarks.finetune import SIDE, Pictures, accuracy, crops, ours, prepared, shape, ways_up
from tests.benchmarks.recipe_sets import FONTS

FEW, HELD, MANY = 5, 40, 100
COMMON: dict[str, Any] = {"optimizer": "adamw", "weight_decay": 0.05, "batch_size": 8, "epochs": 30, "warmup": "1ep"}
TRIED: dict[str, dict[str, Any]] = {
    "scratch, default rate": {"weights": "", "lr": 0.002},
    "scratch, 0.005": {"weights": "", "lr": 0.005},
    "all at 0.002": {"lr": 0.002},
    "all at 0.005": {"lr": 0.005},
    "backbone 0.3x of 0.005": {"lr": 0.005, "lr_backbone": "0.3x"},
    "backbone 0.1x of 0.005": {"lr": 0.005, "lr_backbone": "0.1x"},
    "head alone, 0.01": {"lr": 0.01, "freeze": "all-but-head"},
}
Draw = Callable[[np.random.Generator], Image.Image]


def letter(text: str) -> Draw:
    """Draw a letter in any font and colors, a little turned."""
    fonts = [file for file in sorted(FONTS.glob("*/*.ttf")) if "Math" not in file.name]

    def draw(maker: np.random.Generator) -> Image.Image:
        font = ImageFont.truetype(str(fonts[int(maker.integers(len(fonts)))]), int(maker.integers(16, 28)))
        paper, ink = (tuple(int(value) for value in maker.integers(low, low + 110, 3)) for low in (145, 0))
        page = Image.new("RGB", (SIDE, SIDE), paper)
        place = (16 + float(maker.uniform(-4, 4)), 16 + float(maker.uniform(-4, 4)))
        ImageDraw.Draw(page).text(place, text, fill=ink, font=font, anchor="mm")
        turned = page.rotate(float(maker.uniform(-15, 15)), Image.Resampling.BILINEAR, fillcolor=paper)
        return noisy(np.asarray(turned, float), maker, 15)

    return draw


def noisy(values: np.ndarray, maker: np.random.Generator, deviation: float) -> Image.Image:
    return Image.fromarray((values + maker.normal(0, deviation, values.shape)).clip(0, 255).astype(np.uint8))


def figure(kind: str) -> Draw:
    """Draw a figure that no target has: regular and starred polygons, rings, bars."""
    corners = {"pentagon": (5, 1.0), "hexagon": (6, 1.0), "star5": (10, 0.45), "star4": (8, 0.4), "star6": (12, 0.55)}

    def draw(maker: np.random.Generator) -> Image.Image:
        ground, ink = (tuple(int(value) for value in maker.integers(0, 256, 3)) for _ in range(2))
        page = Image.new("RGB", (SIDE, SIDE), ground)
        pen, size, turn = ImageDraw.Draw(page), float(maker.uniform(7, 12)), float(maker.uniform(0, 6.3))
        x, y = (float(maker.uniform(12, 20)) for _ in range(2))
        if kind in corners:
            count, inner = corners[kind]
            angles = [turn + 2 * np.pi * number / count for number in range(count)]
            reach = [size * (1 if number % 2 == 0 else inner) for number in range(count)]
            pen.polygon([(x + r * np.cos(a), y + r * np.sin(a)) for r, a in zip(reach, angles, strict=True)], fill=ink)
        elif kind == "ring":
            pen.ellipse((x - size, y - size, x + size, y + size), outline=ink, width=3)
        else:  # a bar
            ends = [(x + sign * size * np.cos(turn), y + sign * size * np.sin(turn)) for sign in (-1, 1)]
            pen.line(ends, fill=ink, width=4)
        return noisy(np.asarray(page, float), maker, 25)

    return draw


def drawn(kinds: dict[str, Draw], maker: np.random.Generator, counts: tuple[int, int]) -> Pictures:
    return {name: ([draw(maker) for _ in range(counts[0])], [draw(maker) for _ in range(counts[1])])
            for name, draw in kinds.items()}  # fmt: skip


def source_set(maker: np.random.Generator) -> Pictures:
    """Return the set that weights are trained on."""
    from skimage import data

    names = ("clock", "coins", "colorwheel", "hubble_deep_field", "moon", "page", "rocket", "text", "camera", "horse",
             "retina")  # fmt: skip
    read = {name: np.asarray(getattr(data, name)()) for name in names}
    read = {name: (255 * array).astype(np.uint8) if array.dtype == bool else array for name, array in read.items()}
    many = (MANY, 5)
    source = drawn({f"upper {text}": letter(text) for text in "ABCDEFGHIJKLM"}, maker, many)
    source |= drawn({f"lower {text}": letter(text) for text in "abdefghijkm"}, maker, many)
    kinds = ("pentagon", "hexagon", "star4", "star5", "star6", "ring", "bar")
    source |= drawn({kind: figure(kind) for kind in kinds}, maker, many)
    source |= crops(read, maker, many)
    upright = {name: read[name] for name in ("rocket", "camera", "horse", "clock")}
    return source | {f"way {name}": halves for name, halves in ways_up(crops(upright, maker, (MANY // 4, 2))).items()}


def sets() -> tuple[Pictures, dict[str, Pictures]]:
    """Return the set that weights are trained on, and the six targets."""
    from skimage import data
    from sklearn.datasets import load_digits, load_sample_images

    maker = np.random.default_rng(0)
    source = source_set(maker)
    china, flower = load_sample_images().images
    photos = {"chelsea": data.chelsea(), "astronaut": data.astronaut(), "coffee": data.coffee()}
    photos |= {"china": china, "flower": flower}
    digits = load_digits()
    numbers: Pictures = {}
    for digit in range(10):
        every = [
            Image.fromarray(np.uint8(image * 15.9)).resize((SIDE, SIDE), Image.Resampling.BILINEAR).convert("RGB")
            for image in digits.images[digits.target == digit][: FEW + HELD]
        ]
        numbers[str(digit)] = (every[:FEW], every[FEW:])
    textures = {name: getattr(data, name)() for name in ("brick", "grass", "gravel")}

    def other(kind: str) -> Draw:
        made = shape(kind)
        return lambda maker: Image.fromarray(made(maker).clip(0, 255).astype(np.uint8))

    few = (FEW, HELD)
    return source, {
        "letters": drawn({text: letter(text) for text in "NOPQRSTUVWXYZ"}, maker, few),
        "digits": numbers,
        "figures": drawn({kind: other(kind) for kind in ("circle", "square", "triangle", "cross")}, maker, few),
        "photos": crops(photos, maker, few),
        "textures": crops(textures, maker, few),
        "which way up": ways_up(crops({name: photos[name] for name in ("astronaut", "coffee")}, maker, (3, 20))),
    }


def main(sets: Callable[[], tuple[Pictures, dict[str, Pictures]]] = sets, about: str | None = __doc__) -> int:
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="a folder for sets and weights, which are made once")
    parser.add_argument("--only", default="", help="choices, by the beginnings of their names, joined by |")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as spare:
        base = given.keep or Path(spare)
        weights = prepared(base, sets, **{**COMMON, "lr": 0.003, "batch_size": 32, "epochs": 30})
        table(base, str(weights), given.seeds, tuple(filter(None, given.only.split("|"))))
    return 0


def table(base: Path, weights: str, seeds: int, only: tuple[str, ...]) -> None:
    """Print the accuracy of each choice on each set, its deviation over the seeds, and a run's CPU seconds."""
    places = {place.name: place for place in sorted((base / "sets").iterdir()) if place.name != "source"}
    print("| choice | " + " | ".join(places) + " | mean | CPU s a run |\n| --- |" + " --- |" * (len(places) + 2))
    for name, changes in TRIED.items():
        if only and not name.startswith(only):
            continue
        cells, means, seconds = [], [], []
        for place in places.values():
            fields = {**COMMON, "weights": weights, "data": f"folder:{place}", **changes}
            runs = [ours(base / "runs", **fields, seed=seed) for seed in range(seeds)]
            found = [accuracy(history) for history, _ in runs]
            means.append(mean(found))
            cells.append(f"{mean(found):.1%}" + (f" ± {stdev(found):.1%}" if seeds > 1 else ""))
            seconds += [spent for _, spent in runs]
        print(f"| {name} | {' | '.join(cells)} | {mean(means):.1%} | {mean(seconds):.1f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
