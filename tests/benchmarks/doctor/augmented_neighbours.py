"""python -m tests.benchmarks.doctor.augmented_neighbours: whether nearest images tell of a class that is destroyed.

Of digits and patches: how many changed validation images have a nearest training image of their own class. An
augmentation that destroys the class (six upside down is nine) would have to lie below all that are harmless.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tests.benchmarks.doctor.sets import digits, patches


def moved(images: Tensor, most: int) -> Tensor:
    """Return each image moved by up to `most` pixels, which leaves its class as it is."""
    moves = torch.randint(-most, most + 1, (len(images), 2), generator=torch.Generator().manual_seed(0)).tolist()
    return torch.stack([image.roll(tuple(by), (1, 2)) for image, by in zip(images, moves, strict=True)])


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "unchanged": lambda x: x,
    "moved by up to 1 pixel": lambda x: moved(x, 1),
    "moved by up to 2 pixels": lambda x: moved(x, 2),
    "mirrored": lambda x: x.flip(3),
    "upside down": lambda x: x.flip(2, 3),
}


def main() -> None:
    for name, data in (("digits", digits(0)), ("patches", patches(0))):
        for change, apply in CHANGES.items():
            apart = torch.cdist(
                apply(data.validation).flatten(1), data.train.flatten(1), compute_mode="donot_use_mm_for_euclid_dist"
            )
            right = data.train_labels[apart.argmin(1)] == data.validation_labels
            print(f"{name:8} {change:24} {right.float().mean():.2f}")


if __name__ == "__main__":
    main()
