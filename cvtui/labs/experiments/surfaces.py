"""Surfaces over two weights, each with one of the lecture's problems of SGD."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A function of two numbers, with the window to draw and where the race begins."""

    name: str
    value: Callable[[Tensor], Tensor]
    """[..., 2] -> [...]."""
    start: tuple[float, float]
    window: tuple[float, float, float, float]
    """x_low, x_high, y_low, y_high."""
    lr: float
    """The rate of SGD, momentum and Nesterov; the adaptive ones have their own."""
    goal: tuple[float, float]
    """The lowest point (of a saddle one of the two)."""
    noise: float = 0.0
    """Standard deviation of what is added to each gradient: what a minibatch does."""


def quadratic(condition: float, noise: float = 0.0) -> Surface:
    """½ (x² + κ y²): its curvatures differ by κ, the condition number. 1.9/κ is just under where SGD diverges (2/κ)."""

    def value(point: Tensor) -> Tensor:
        return 0.5 * (point[..., 0] ** 2 + condition * point[..., 1] ** 2)

    return Surface(
        name="quadratic",
        value=value,
        start=(-4.0, 4.0 / math.sqrt(condition)),
        window=(-5.0, 5.0, -8.0 / math.sqrt(condition), 8.0 / math.sqrt(condition)),
        lr=1.9 / condition,
        goal=(0.0, 0.0),
        noise=noise,
    )


def saddle(offset: float) -> Surface:
    """½ x² − ½ y² + ¼ y⁴: a saddle at 0, minima at y = ±1. The race begins on the ridge y = 0, `offset` beside it."""

    def value(point: Tensor) -> Tensor:
        x, y = point[..., 0], point[..., 1]
        return 0.5 * x**2 - 0.5 * y**2 + 0.25 * y**4

    return Surface(
        name="saddle",
        value=value,
        start=(1.0, offset),
        window=(-1.5, 1.5, -1.5, 1.5),
        lr=0.05,
        goal=(0.0, 1.0),
    )


def local_minimum() -> Surface:
    """Bowl with a dent on its way down: 0.05 (x² + y²) − 0.15 exp(−4 ((x + 2)² + y²)); the dent lies near (−2, 0)."""

    def value(point: Tensor) -> Tensor:
        x, y = point[..., 0], point[..., 1]
        return 0.05 * (x**2 + y**2) - 0.15 * torch.exp(-4.0 * ((x + 2.0) ** 2 + y**2))

    return Surface(
        name="minimum",
        value=value,
        start=(-4.0, 0.3),
        window=(-5.0, 3.0, -3.0, 3.0),
        lr=0.2,
        goal=(0.0, 0.0),
    )


def rosenbrock() -> Surface:
    """(1 − x)² + 100 (y − x²)²: a long bent valley (Rosenbrock 1960)."""

    def value(point: Tensor) -> Tensor:
        x, y = point[..., 0], point[..., 1]
        return (1.0 - x) ** 2 + 100.0 * (y - x**2) ** 2

    return Surface(
        name="rosenbrock",
        value=value,
        start=(-1.2, 1.0),
        window=(-1.8, 1.8, -0.8, 2.2),
        lr=1e-3,
        goal=(1.0, 1.0),
    )


def surface(name: str, condition: float, offset: float, noise: float) -> Surface:
    """By name; `condition` is of the quadratics, `offset` of the saddle, `noise` of the noisy quadratic."""
    match name:
        case "saddle":
            return saddle(offset)
        case "minimum":
            return local_minimum()
        case "rosenbrock":
            return rosenbrock()
        case "noisy":
            return quadratic(condition, noise)
        case _:
            return quadratic(condition)
