"""Each random change against what numpy says it should be; and the same images for a step, whenever it is done."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from cvtui.engine.augment import CHANGES, Augment
from cvtui.recipe.choices import AUGMENTS


def pictures(count: int = 64, height: int = 6, width: int = 9, channels: int = 3) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, height, width, channels), dtype=torch.uint8, generator=random)


def changed(text: str, images: Tensor, step: int = 5, seed: int = 0) -> Tensor:
    found = Augment(text, seed)(images, step)
    assert found.dtype == torch.uint8
    assert found.shape == images.shape
    return found


def test_every_change_of_the_recipe_is_there() -> None:
    assert set(CHANGES) == set(AUGMENTS)
    assert not Augment("none", 0)
    assert not Augment("", 0)
    assert Augment("flip, crop(2)", 0)


@pytest.mark.parametrize(
    "text", ["flip", "shift(2)", "crop(2)", "rotate(20)", "cutout(3)", "jitter(0.3)", "flip,crop(1)"]
)
def test_a_step_has_its_own_numbers_and_always_the_same(text: str) -> None:
    images = pictures()
    before = images.clone()
    first = changed(text, images)
    assert torch.equal(first, changed(text, images)), "so that a resumed run sees what the other saw"
    assert not torch.equal(first, changed(text, images, step=6))
    assert not torch.equal(first, changed(text, images, seed=1))
    assert torch.equal(images, before), "the set itself is not touched"


def test_flip_mirrors_about_half() -> None:
    images = pictures(400)
    found = changed("flip", images)
    flipped = (found == images.flip(2)).flatten(1).all(1)
    same = (found == images).flatten(1).all(1)
    assert (flipped | same).all()
    assert 140 < int(flipped.sum()) < 260


@pytest.mark.parametrize(("text", "fill"), [("shift(2)", "edge"), ("crop(2)", "constant")])
def test_moved_images_are_windows_of_the_padded_one(text: str, fill: str) -> None:
    images = pictures(200)
    found = changed(text, images)
    padded = np.pad(images.numpy(), ((0, 0), (2, 2), (2, 2), (0, 0)), mode=fill)  # type: ignore[call-overload]
    seen = set()
    for number in range(200):
        places = [
            (top, left) for top in range(5) for left in range(5)
            if np.array_equal(padded[number, top : top + 6, left : left + 9], found[number].numpy())
        ]  # fmt: skip
        assert places, number
        seen.update(places[:1])
    assert len(seen) > 15, "all moves come up"


def test_rotating_turns_by_the_angle_about_the_centre() -> None:
    """A quarter turn of a square is exact; a small one moves a spot along its circle."""
    images = torch.zeros(300, 33, 33, 1, dtype=torch.uint8)
    images[:, 16, 26] = 255  # ten pixels to the right of the centre
    found = changed("rotate(30)", images)[..., 0].double()
    rows, columns = torch.arange(33.0).double()[None, :, None], torch.arange(33.0).double()[None, None, :]
    total = found.sum((1, 2))
    y, x = (found * rows).sum((1, 2)) / total - 16, (found * columns).sum((1, 2)) / total - 16
    assert torch.allclose((x**2 + y**2).sqrt(), torch.full((300,), 10.0).double(), atol=0.3)
    angles = torch.rad2deg(torch.atan2(y, x))
    assert angles.abs().max() <= 31
    assert angles.min() < -20
    assert angles.max() > 20


def test_cutout_takes_a_square_of_the_mean() -> None:
    images = pictures(100, 16, 16)
    found = changed("cutout(4)", images)
    for before, after in zip(images, found, strict=True):
        differs = (before != after).any(-1)
        rows, columns = differs.any(1).nonzero().flatten(), differs.any(0).nonzero().flatten()
        assert 1 <= len(rows) <= 4
        assert 1 <= len(columns) <= 4
        grey = before.double().mean((0, 1)).round()
        hole = after[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].double()
        assert torch.allclose(hole, grey.expand_as(hole), atol=1)


def test_jitter_stays_within_its_strength_and_0_changes_nothing() -> None:
    grey = torch.full((50, 4, 4, 3), 100, dtype=torch.uint8)
    found = changed("jitter(0.2)", grey).double()
    assert found.min() >= 79
    assert found.max() <= 121
    assert found.amin((1, 2, 3)).unique().numel() > 20, "each image its own"
    images = pictures()
    assert (changed("jitter(0)", images).int() - images.int()).abs().max() <= 1
