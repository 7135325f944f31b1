"""Changes by torchvision.transforms.v2, image by image: each draws by a seed of its own.

On a batch torchvision draws once for all its images. Its transforms draw from PyTorch's global generator, which is
seeded for each image and put back afterwards: dropout draws from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from cvtui.engine.nn.module_source import import_library

Transform = Callable[[Tensor], Tensor]
"""C x H x W to the same."""


def _erasing(v2: Any, _side: Sequence[int], p: float, least: float, most: float) -> Any:
    return v2.RandomErasing(p, (least, most))


def _resized_crop(v2: Any, side: Sequence[int], least: float, most: float) -> Any:
    return v2.RandomResizedCrop(list(side), (least, most), antialias=True)


TRANSFORMS: dict[str, Callable[..., Any]] = {
    "resized-crop": _resized_crop,
    "randaugment": lambda v2, _, ops, magnitude: v2.RandAugment(int(ops), int(magnitude)),
    "trivialaugment": lambda v2, _: v2.TrivialAugmentWide(),
    "autoaugment": lambda v2, _: v2.AutoAugment(v2.AutoAugmentPolicy.IMAGENET),
    "autoaugment-cifar10": lambda v2, _: v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10),
    "autoaugment-svhn": lambda v2, _: v2.AutoAugment(v2.AutoAugmentPolicy.SVHN),
    "augmix": lambda v2, _, severity, width, alpha: v2.AugMix(int(severity), int(width), alpha=float(alpha)),
}
"""By the names of `AUGMENTS`: (torchvision.transforms.v2, height and width, **parameters) -> its transform."""


@lru_cache(maxsize=32)
def _made(name: str, side: tuple[int, int], values: tuple[tuple[str, float], ...]) -> Transform:
    v2 = import_library("torchvision.transforms.v2", f"augment: {name}")
    make = _erasing if name == "erasing" else TRANSFORMS[name]
    made: Transform = make(v2, side, **dict(values))
    return made


def draw_seeds(random: torch.Generator, shape: Sequence[int], **_: float) -> tuple[Tensor]:
    """Draw a seed for each image."""
    return (torch.randint(1 << 62, (shape[0],), generator=random),)


def draw_rectangles(random: torch.Generator, shape: Sequence[int], **values: float) -> tuple[Tensor]:
    """Draw what is erased of each image, N x H x W: by erasing an image of ones."""
    (seeds,) = draw_seeds(random, shape)
    whole = torch.ones(1, *shape[1:3])
    erase = _made("erasing", (shape[1], shape[2]), tuple(values.items()))
    return (torch.stack([one[0] == 0 for one in _by_seeds(erase, [whole] * len(seeds), seeds)]),)


def change(name: str, pixels: Tensor, seeds: Tensor, **values: float) -> Tensor:
    """Change N x H x W x C image by image; uint8, or floats within 0..1."""
    transform = _made(name, (pixels.shape[1], pixels.shape[2]), tuple(values.items()))
    images = pixels.permute(0, 3, 1, 2).contiguous()
    return torch.stack(list(_by_seeds(transform, images.unbind(), seeds))).permute(0, 2, 3, 1).contiguous()


def _by_seeds(transform: Transform, images: Sequence[Tensor], seeds: Tensor) -> Iterator[Tensor]:
    with kept_generator() as generator:
        for image, seed in zip(images, seeds.tolist(), strict=True):
            generator.manual_seed(seed)
            yield transform(image)


@contextmanager
def kept_generator() -> Iterator[torch.Generator]:
    """Lend PyTorch's global generator, and put it back as it was."""
    generator = torch.default_generator
    state = generator.get_state()
    try:
        yield generator
    finally:
        generator.set_state(state)
