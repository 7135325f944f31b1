"""Bytes that wrapped round at 128 are rough; pictures with sharp edges between dark and light are no sign of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cvtui.doctor.registry import limit
from cvtui.engine.observe.wrapped_bytes import roughness

pytestmark = pytest.mark.torch


def noisy(images: Tensor, spread: float) -> Tensor:
    return (
        (images + spread * torch.randn(images.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 255).round()
    )


def soft(middle: float, spread: float) -> Tensor:
    """Draw what is smooth, as photographs are."""
    few = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return noisy(middle + spread * F.interpolate(few, scale_factor=8, mode="bicubic"), 3)


def checkers(side: int) -> Tensor:
    rows = torch.arange(64) // side
    return noisy(((rows[:, None] + rows) % 2 * 200.0 + 28).expand(16, 1, 64, 64), 10)


@pytest.mark.parametrize(("middle", "spread"), [(128, 60), (200, 60), (60, 50), (110, 80)])
def test_photographs_that_wrapped_round_are_rough_and_whole_ones_are_not(middle: float, spread: float) -> None:
    images, most = soft(middle, spread), limit("F28", "rough")
    whole, wrapped = roughness(images), roughness((images - 128) % 256)
    assert wrapped is not None
    assert wrapped > most
    assert whole is None or whole < 1


@pytest.mark.parametrize("side", [2, 3, 5])
def test_sharp_edges_are_no_sign(side: int) -> None:
    assert roughness(checkers(side)) is None
