"""What the programs of the ninth set read in place of a data set that must be fetched: arrays, or folders of PNGs."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from tests.benchmarks.doctor.real import parts

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def photos(classes: int = 6, side: int = 24, count: int = 600, noise: float = 1.0) -> Arrays:
    """Return train and test as CIFAR's files hold them: bytes N x H x W x 3 and numbers of classes."""
    images, labels, more, their = parts.pictures((3, side, side), classes, count=count, noise=noise)
    bytes_, test = ((255 * one).round().byte().permute(0, 2, 3, 1).contiguous().numpy() for one in (images, more))
    return bytes_, labels.numpy(), test, their.numpy()


def written_digits(side: int = 16, count: int = 960) -> Arrays:
    """Return train and test as MNIST's files hold them: bytes N x H x W and numbers of classes."""
    images, labels, more, their = parts.digits(side)
    bytes_, test = ((255 * one[:, 0]).round().byte().numpy() for one in (images[:count], more))
    return bytes_, labels[:count].numpy(), test, their.numpy()


def folders(root: str, names: list[str], side: int = 24, count: int = 480, noise: float = 1.0) -> None:
    """Write root/train/NAME/0001.png and root/val/NAME/0001.png, and train.csv and val.csv of (file, name)."""
    images, labels, more, their = photos(len(names), side, count, noise)
    for part, pictures, numbers in (("train", images, labels), ("val", more, their)):
        rows = []
        for place, (picture, number) in enumerate(zip(pictures, numbers, strict=True)):
            file = Path(root, part, names[int(number)], f"{place:04}.png")
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(file)
            rows.append((f"{part}/{names[int(number)]}/{place:04}.png", names[int(number)]))
        with Path(root, f"{part}.csv").open("w", newline="", encoding="utf-8") as table:
            csv.writer(table).writerows([("file", "label"), *rows])
