"""Draw the toy sets: a few hundred points on a plane in two or more classes, for questions of separability.

All lie within about -1.5..1.5 and have nearly as many points of each class; deterministic in the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from cvtui.engine.data.images import Images, OnProgress, Split
from cvtui.errors import RequestError, nearest
from cvtui.recipe.datasets.toy_sets import CLASS_RANGE, TRAIN, VALIDATION, parse_toy, shares, toy_facts
from cvtui.recipe.recipe import Recipe

Floats = NDArray[np.float64]
Make = Callable[[NDArray[np.int64], int, float, np.random.Generator], Floats]
"""(class of each point, number of classes, noise, random numbers) -> points [n, 2]."""


def jittered(places: Floats, noise: float, rng: np.random.Generator) -> Floats:
    moved: Floats = places + rng.normal(0.0, noise, places.shape)
    return moved


def xor(labels: NDArray[np.int64], _classes: int, noise: float, rng: np.random.Generator) -> Floats:
    """Opposite corners of a square belong together: no line has the one class on one side (Minsky and Papert 1969)."""
    first = rng.choice([-1.0, 1.0], len(labels))
    second = np.where(labels == 0, first, -first)
    centre: Floats = 0.75 * np.stack([first, second], 1)
    return jittered(centre, noise, rng)


def circles(labels: NDArray[np.int64], classes: int, noise: float, rng: np.random.Generator) -> Floats:
    """Rings around each other, the innermost class 0; their radii lie evenly between 0.4 and 1.2."""
    radius = np.linspace(0.4, 1.2, classes)[labels]
    angle = rng.uniform(0.0, 2.0 * np.pi, len(labels))
    return jittered(radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), noise, rng)


def moons(labels: NDArray[np.int64], _classes: int, noise: float, rng: np.random.Generator) -> Floats:
    """Two half circles that reach into each other."""
    angle = rng.uniform(0.0, np.pi, len(labels))
    upper = np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], 1)
    lower = np.stack([0.5 - np.cos(angle), 0.25 - np.sin(angle)], 1)
    moon: Floats = np.where((labels == 0)[:, None], upper, lower) * 0.9
    return jittered(moon, noise, rng)


def spiral(labels: NDArray[np.int64], classes: int, noise: float, rng: np.random.Generator) -> Floats:
    """One arm a class, each of a turn and a quarter."""
    along = np.sqrt(rng.uniform(0.02, 1.0, len(labels)))
    angle = 2.5 * np.pi * along + 2.0 * np.pi * labels / classes
    return jittered(1.3 * along[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), noise, rng)


def blobs(labels: NDArray[np.int64], classes: int, noise: float, rng: np.random.Generator) -> Floats:
    """Round clouds on a circle: the set that a line does separate."""
    angle = 2.0 * np.pi * labels / classes + 0.3
    return jittered(0.9 * np.stack([np.cos(angle), np.sin(angle)], 1), noise, rng)


TOYS: dict[str, tuple[Make, float]] = {
    "xor": (xor, 0.18),
    "circles": (circles, 0.07),
    "moons": (moons, 0.1),
    "spiral": (spiral, 0.03),
    "blobs": (blobs, 0.2),
}
"""By the names of `CLASS_RANGE`: how it is drawn, and its usual noise (std around each point's place)."""


def toy(
    name: str, n: int, seed: int = 0, noise: float | None = None, classes: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw n points in random order: (x [n, 2], y [n]). None is the set's own noise, or number of classes.

    RequestError for a name, number of points, noise or number of classes that can't be.
    """
    if name not in TOYS:
        raise RequestError(f"there is no toy set {name!a}; there are: {', '.join(TOYS)}{nearest(name, list(TOYS))}")
    (make, usual_noise), (usual, most) = TOYS[name], CLASS_RANGE[name]
    classes = usual if classes is None else classes
    noise = usual_noise if noise is None else noise
    if not 2 <= classes <= most:
        raise RequestError(f"{name} has no {classes} classes; allowed: 2{f' to {most}' if most > 2 else ''}")
    if n < classes or not 0.0 <= noise <= 10.0:
        raise RequestError(f"{name}: {n} points with noise {noise:g}; allowed: {classes} points or more, noise 0 to 10")
    rng = np.random.default_rng([seed, *name.encode()])
    labels = rng.permutation(np.arange(n) % classes)
    return make(labels, classes, noise, rng).astype(np.float32), labels


@lru_cache(maxsize=2)  # a warm engine forecasts many times and then trains
def read_toy(text: str) -> Split:
    """Draw `spiral(3)`: 400 points to train on and 100 to validate, float32 N x 2. One fixed set, like the others."""
    name, classes = parse_toy(text)
    x, y = toy(name, TRAIN + VALIDATION, seed=0, classes=classes)
    points, labels = torch.from_numpy(x), torch.from_numpy(y)
    train, validation = [], []  # as many of each class in either part
    for number in range(classes):
        places = (labels == number).nonzero().flatten()
        cut = shares(classes)[0][number]
        train.append(places[:cut])
        validation.append(places[cut:])
    parts = [torch.cat(part).sort().values for part in (train, validation)]
    first, second = (Images(points[part].contiguous(), labels[part].contiguous()) for part in parts)
    return Split(first, second, classes=toy_facts(text).classes)


def read(recipe: Recipe, _: OnProgress | None = None) -> Split:
    """Draw the recipe's set."""
    return read_toy(recipe.data)
