"""The data set `shapes`: pictures of ten kinds of thing, drawn by numpy when they are asked for.

Place, size, angle, both colours, a slope in the background and the noise are random for each picture, so no pixel by
itself says anything: a linear layer gets about a third right, a small CNN nearly all. Every shape is a signed distance
in its own coordinates (Inigo Quilez, "2D distance functions"), which gives soft edges for one subtraction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Draw: TypeAlias = Callable[[Floats, Floats, np.random.Generator], Floats]

SIDE = 32
CLASSES = ("disc", "ring", "square", "triangle", "cross", "star", "stripes", "checker", "gradient", "blob")


def make_shapes(train: int, validation: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pictures (N, 32, 32, 3) and labels (N,), N = train + validation; the first `train` of them are to train on.

    Every class has its tenth of either part. One seed gives one set, on every machine with the same numpy.
    """
    if train % len(CLASSES) or validation % len(CLASSES):
        raise ValueError(f"both parts must be multiples of {len(CLASSES)}, not {train} and {validation}")
    rng = np.random.default_rng(seed)
    per_class = (train + validation) // len(CLASSES)
    drawn = np.stack([_pictures(SHAPES[name], per_class, rng) for name in CLASSES])
    first = train // len(CLASSES)
    parts = []
    for part in (drawn[:, :first], drawn[:, first:]):
        labels = np.repeat(np.arange(len(CLASSES), dtype=np.uint8), part.shape[1])
        order = rng.permutation(len(labels))
        parts.append((part.reshape(-1, SIDE, SIDE, 3)[order], labels[order]))
    (images, labels), (more_images, more_labels) = parts
    return np.concatenate([images, more_images]), np.concatenate([labels, more_labels])


def _pictures(draw: Draw, count: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """`count` pictures of one class: (count, 32, 32, 3)."""
    radius = _uniform(rng, count, 8.0, 13.0)
    room = SIDE / 2 - 0.7 * radius  # at most a corner of the shape leaves the picture
    centre_x = SIDE / 2 - 0.5 + room * _uniform(rng, count, -1.0, 1.0)
    centre_y = SIDE / 2 - 0.5 + room * _uniform(rng, count, -1.0, 1.0)
    angle = _uniform(rng, count, 0.0, 2 * np.pi)
    across = np.arange(SIDE, dtype=np.float32)
    x, y = across[None, None, :] - centre_x, across[None, :, None] - centre_y
    u = (x * np.cos(angle) + y * np.sin(angle)) / radius
    v = (y * np.cos(angle) - x * np.sin(angle)) / radius
    distance = draw(u, v, rng)
    # Distances are in radii: times the radius, they are pixels, and an edge is one pixel wide.
    share = distance if draw is _gradient else np.clip(0.5 - distance * radius, 0.0, 1.0)
    back, front = _two_colours(count, rng)
    slope = _uniform(rng, count, -15.0, 15.0) * (across[None, None, :] - SIDE / 2) / SIDE
    slope = slope + _uniform(rng, count, -15.0, 15.0) * (across[None, :, None] - SIDE / 2) / SIDE
    picture = back + share[..., None] * (front - back) + slope[..., None]
    sigma = _uniform(rng, count, 3.0, 18.0)[..., None]
    picture += sigma * rng.standard_normal(picture.shape, dtype=np.float32)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _uniform(rng: np.random.Generator, count: int, low: float, high: float) -> Floats:
    """One number a picture, shaped (count, 1, 1)."""
    return rng.uniform(low, high, size=(count, 1, 1)).astype(np.float32)


def _two_colours(count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw a dark background and a lighter foreground, (count, 1, 1, 3) each, at least 80 apart."""
    back = rng.uniform(0.0, 130.0, size=(count, 1, 1, 3)).astype(np.float32)
    front = rng.uniform(70.0, 255.0, size=(count, 1, 1, 3)).astype(np.float32)
    near = np.linalg.norm(front - back, axis=-1, keepdims=True) < 80.0
    return back, np.where(near, back + np.float32(90.0), front)


# Signed distances (negative inside), in units of the radius: (count, 32, 32) from the coordinates u and v.


def _disc(u: Floats, v: Floats, _rng: np.random.Generator) -> Floats:
    return np.hypot(u, v) - np.float32(0.8)


def _ring(u: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    return np.abs(np.hypot(u, v) - np.float32(0.72)) - _uniform(rng, len(u), 0.12, 0.2)


def _square(u: Floats, v: Floats, _rng: np.random.Generator) -> Floats:
    furthest: Floats = np.maximum(np.abs(u), np.abs(v))
    return furthest - np.float32(0.72)


def _triangle(u: Floats, v: Floats, _rng: np.random.Generator) -> Floats:
    edges: Floats = np.maximum(np.abs(u) * np.float32(np.sqrt(0.75)) + v * np.float32(0.5), -v)
    return edges - np.float32(0.5)


def _cross(u: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    width = _uniform(rng, len(u), 0.18, 0.3)
    a, b = np.abs(u), np.abs(v)
    lying: Floats = np.maximum(a - 1, b - width)
    standing: Floats = np.maximum(a - width, b - 1)
    both: Floats = np.minimum(lying, standing)
    return both


def _star(u: Floats, v: Floats, _rng: np.random.Generator) -> Floats:
    """Five points: one sector of 36 degrees, folded, has one straight edge from the tip to the notch."""
    sector = np.float32(2 * np.pi / 5)
    folded = np.abs((np.arctan2(v, u) % sector) - sector / 2)  # 0 at a notch, 36 degrees at a tip
    radius = np.hypot(u, v)
    notch = 0.42
    edge_x, edge_y = np.cos(np.pi / 5) - notch, np.sin(np.pi / 5)  # from the notch to the tip, at radius 1
    normal_x, normal_y = np.float32(edge_y / np.hypot(edge_x, edge_y)), np.float32(-edge_x / np.hypot(edge_x, edge_y))
    distance: Floats = (radius * np.cos(folded) - np.float32(notch)) * normal_x + radius * np.sin(folded) * normal_y
    return distance


def _stripes(u: Floats, _v: Floats, rng: np.random.Generator) -> Floats:
    return _wave(u, rng) * np.float32(0.15)


def _checker(u: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    period = _uniform(rng, len(u), 0.7, 1.1)
    waves: Floats = np.sin(u * (2 * np.pi / period)) * np.sin(v * (2 * np.pi / period))
    return waves * period * np.float32(0.2)


def _wave(u: Floats, rng: np.random.Generator) -> Floats:
    return np.sin(u * (2 * np.pi / _uniform(rng, len(u), 0.5, 1.0)))


def _gradient(u: Floats, _v: Floats, rng: np.random.Generator) -> Floats:
    """No distance: the share of the second colour itself, a straight ramp across the picture."""
    ramp: Floats = 0.5 + u * _uniform(rng, len(u), 0.2, 0.35)
    return np.clip(ramp, 0.0, 1.0)


def _blob(u: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    """Draw a lump: a circle whose radius has three random waves."""
    angle = np.arctan2(v, u)
    edge = np.full_like(u, 0.75)
    for waves, height in ((2, 0.22), (3, 0.18), (4, 0.08)):
        phase = _uniform(rng, len(u), 0.0, 2 * np.pi)
        edge += np.float32(height) * np.cos(waves * angle + phase)
    return (np.hypot(u, v) - edge) * np.float32(0.8)


SHAPES: dict[str, Draw] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
    "star": _star,
    "stripes": _stripes,
    "checker": _checker,
    "gradient": _gradient,
    "blob": _blob,
}
