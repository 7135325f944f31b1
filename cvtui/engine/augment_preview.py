"""Preview of the augmentation: a few images of the first step, before and after."""

from __future__ import annotations

import base64
import io
from typing import Any

import torch
from torch import Tensor

from cvtui.engine.data.images import Images
from cvtui.engine.train.state import TrainingState

SHOWN = 8
"""Images."""
LARGEST = 64
"""Pixels a side; larger images are shown smaller."""


def preview(training: TrainingState) -> dict[str, Any] | None:
    """Make `before` and `after`: up to 8 PNGs each (base64) of images of the run's first step.

    Same images, same order, without and with the changes of this step. None where nothing is changed.
    """
    if not (training.augment or training.mix) or not training.data.train.are_pictures:
        return None
    images = next(training.batches(1))
    changed = training.augmented(images, 0)  # the whole batch: each image's changes depend on its index in it
    if training.mix:
        changed = changed._replace(pixels=_mixed(training, changed))
    before, after = images.pixels[:SHOWN].cpu(), changed.pixels[:SHOWN].cpu()
    if before.dtype != torch.uint8:
        before, after = _as_bytes(before, after)
    return {"before": [png(image) for image in before], "after": [png(image) for image in after]}


def png(image: Tensor) -> str:
    """Encode uint8 H x W x C as a PNG in base64: RGB, or grey.

    Of any other number of channels than three it is the grey of their mean.
    """
    from PIL import Image

    pixels = image if image.shape[-1] == 3 else image.float().mean(-1).round().to(torch.uint8)
    picture = Image.fromarray(pixels.numpy())
    picture.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


def _mixed(training: TrainingState, images: Images) -> Tensor:
    """Mix the pixels themselves; a step does it behind the preprocessing, which changes no mean of two images."""
    inputs, _ = training.mixed(images.pixels.permute(0, 3, 1, 2).float(), images.labels)
    mixed = inputs.permute(0, 2, 3, 1)
    return mixed.round().to(images.pixels.dtype) if images.pixels.dtype == torch.uint8 else mixed


def _as_bytes(before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Floats of any range, both on one scale: the least of `before` black, the most white."""
    before, after = before.float(), after.float()
    low, high = before.min(), before.max()
    span = (high - low).clamp_min(1e-12)
    one, two = (((x - low) / span * 255).nan_to_num(0).clamp(0, 255).to(torch.uint8) for x in (before, after))
    return one, two
