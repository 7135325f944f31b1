"""The data of hand-written loops: small, quick, and learnt well by a small net within 200 steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from cvtui.assets import asset

CLASSES = 10


@dataclass
class Data:
    """Images N x C x H x W as the model gets them, and labels (int64)."""

    train: Tensor
    train_labels: Tensor
    validation: Tensor
    validation_labels: Tensor


def digits(_seed: int) -> Data:
    """Return the 8x8 digits of the program, standardised."""
    with np.load(asset("digits.npz"), allow_pickle=False) as arrays:
        parts = [
            (
                torch.from_numpy(arrays[f"{part}_images"].astype(np.float32))[:, None],
                torch.from_numpy(arrays[f"{part}_labels"].astype(np.int64)),
            )
            for part in ("train", "validation")
        ]
    mean, std = parts[0][0].mean(), parts[0][0].std()
    train, validation = [((images - mean) / std, labels) for images, labels in parts]
    return Data(*train, *validation)


def patches(seed: int) -> Data:
    """Ten smooth patterns of 16x16 in three colours, moved by up to two pixels, under noise; others with each seed."""
    rng = np.random.default_rng([seed, 77])
    coarse = torch.from_numpy(rng.normal(size=(CLASSES, 3, 5, 5)).astype(np.float32))
    prototypes = torch.nn.functional.interpolate(coarse, size=(16, 16), mode="bilinear")
    prototypes = prototypes / prototypes.std()
    parts = []
    for count in (1500, 400):
        labels = rng.permutation(np.arange(count) % CLASSES)
        moves = rng.integers(-2, 3, size=(count, 2))
        images = torch.stack(
            [
                torch.roll(prototypes[label], (int(dy), int(dx)), (1, 2))
                for label, (dy, dx) in zip(labels, moves, strict=True)
            ]
        )
        images = images + torch.from_numpy(rng.normal(0.0, 1.0, images.shape).astype(np.float32))
        parts.append((images / images.std(), torch.from_numpy(labels.astype(np.int64))))
    return Data(*parts[0], *parts[1])


SETS = {"digits": digits, "patches": patches}


def textures(classes: int = 3, side: int = 24, count: int = 600) -> tuple[TensorDataset, TensorDataset]:
    """Crops of noise of three grain sizes, 480 and 120.

    No pixel and no neighbour tells them apart, a small convolution does.
    """
    rng = np.random.default_rng(7)
    wave = np.fft.fftfreq(side)
    radius = np.sqrt(wave[:, None] ** 2 + wave[None] ** 2)
    labels = rng.permutation(np.arange(count) % classes)
    images = []
    for label in labels:
        band = np.exp(-(((radius - 0.22 - 0.08 * label) / 0.04) ** 2))
        grain = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) * band).real
        images.append(grain / grain.std() + 0.2 * rng.normal(size=(side, side)))
    return _halves(np.stack(images)[:, None], labels)


def points() -> tuple[TensorDataset, TensorDataset]:
    """600 points of the unit square, in two classes: x + y at most 1, or more."""
    x = np.random.default_rng(0).random((600, 2))
    return _halves(x, x.sum(1) > 1)


def _halves(x: np.ndarray, y: np.ndarray) -> tuple[TensorDataset, TensorDataset]:
    images, labels = torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y.astype(np.int64))
    at = len(labels) * 4 // 5
    return TensorDataset(images[:at], labels[:at]), TensorDataset(images[at:], labels[at:])
