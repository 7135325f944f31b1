"""Changes by torchvision against torchvision itself, image by image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from cvtui.engine.data.augment import Augment
from cvtui.engine.data.each_image import TRANSFORMS, draw_seeds
from cvtui.engine.runtime.seeds import AUGMENT, generator
from cvtui.engine.train.graph import why_not
from cvtui.errors import RequestError
from cvtui.recipe.choices.augments import AUGMENTS, AugmentChoice
from cvtui.recipe.choices.spec import parse_choice
from cvtui.recipe.datasets.facts import facts
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check, checked_on
from tests.engine.choosing import augment
from tests.engine.data.test_augment import pictures
from tests.engine.making import training


def v2() -> Any:
    """Import torchvision's transforms: 3 CPU seconds, for the process that needs them."""
    from torchvision.transforms import v2

    return v2


ORACLES: dict[str, Callable[[], Any]] = {
    "resized-crop(0.3, 0.6)": lambda: v2().RandomResizedCrop((6, 9), (0.3, 0.6), antialias=True),
    "randaugment": lambda: v2().RandAugment(2, 9),
    "RandAugment(ops=3, magnitude=20)": lambda: v2().RandAugment(3, 20),
    "trivialaugment": lambda: v2().TrivialAugmentWide(),
    "autoaugment": lambda: v2().AutoAugment(v2().AutoAugmentPolicy.IMAGENET),
    "autoaugment-cifar10": lambda: v2().AutoAugment(v2().AutoAugmentPolicy.CIFAR10),
    "autoaugment-svhn": lambda: v2().AutoAugment(v2().AutoAugmentPolicy.SVHN),
    "augmix(5, 2, 0.5)": lambda: v2().AugMix(5, 2, alpha=0.5),
}


def by_hand(transform: Any, images: Tensor, step: int, seed: int = 0) -> Tensor:
    (seeds,) = draw_seeds(generator(seed, AUGMENT, step), images.shape)
    found = []
    for image, own in zip(images.permute(0, 3, 1, 2), seeds.tolist(), strict=True):
        torch.manual_seed(own)
        found.append(transform(image.contiguous()))
    return torch.stack(found).permute(0, 2, 3, 1)


@pytest.mark.parametrize("text", ORACLES)
@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_is_what_torchvision_makes_of_it_by_its_own_seed(text: str, channels: int) -> None:
    images, before = pictures(24, channels=channels), torch.get_rng_state()
    found = augment(text, 0)(images, 5)
    assert torch.equal(torch.get_rng_state(), before)  # dropout draws from it
    assert torch.equal(found, by_hand(ORACLES[text](), images, 5))
    assert not torch.equal(found, augment(text, 0)(images, 6))
    alike = images[:1].expand(24, -1, -1, -1)  # a batch at once would get one choice
    assert len({bytes(image.numpy().tobytes()) for image in augment(text, 0)(alike, 5)}) > 5


def test_every_one_of_them_is_compared() -> None:
    assert {parse_choice(text, AUGMENTS).name for text in ORACLES} == set(TRANSFORMS)


def test_erasing_covers_torchvisions_rectangles_with_the_mean_colour() -> None:
    images = pictures(40, 8, 8)
    found = augment("erasing(0.7, 0.1, 0.4)", 0)(images, 5)
    kept = by_hand(v2().RandomErasing(0.7, (0.1, 0.4)), torch.ones(40, 8, 8, 1), 5) == 1
    mean = images.float().mean((1, 2), keepdim=True).round().to(torch.uint8)
    assert torch.equal(found, torch.where(kept, images, mean))
    assert 0.5 < (~kept).flatten(1).any(1).float().mean() < 0.9
    assert len({tuple(row) for row in (~kept).flatten(1).nonzero().tolist()}) > 100  # each its own box


def test_sixteen_bits_are_changed_as_floats_of_0_to_1() -> None:
    """Posterize and equalize know 8 bits, so a few values lie further apart than rounding."""
    small = pictures(12, 8, 8)
    large = (small.int() * 257).to(torch.uint16)
    for text in ("resized-crop", "trivialaugment", "flip, randaugment"):
        a, b = (augment(text, 1)(pixels, 0) for pixels in (small, large))
        assert b.dtype == torch.uint16
        apart = (b.double() / 257 - a.double()).abs()
        assert (apart > 3).double().mean() < 0.1
        assert torch.equal(augment(text, 1)(large, 0), b)


@pytest.mark.parametrize("text", ["randaugment", "augmix", "autoaugment", "trivialaugment"])
def test_other_channels_and_points_are_refused_in_one_line(text: str) -> None:
    recipe = Recipe(augment=text, net="fc")
    four = replace(facts(recipe), size=(8, 8, 4))
    with pytest.raises(RequestError, match=f"augment: {text} is for pictures of 1 or 3 channels; .* have 4"):
        checked_on(recipe, four)
    checked_on(Recipe(augment="flip, erasing, resized-crop", net="fc"), four)
    with pytest.raises(RequestError, match="changes pictures"):
        check(Recipe(data="spiral", augment=text, net="fc"))


@pytest.mark.parametrize("text", ["erasing(least=0.5, most=0.1)", "erasing(most=0.01)", "resized-crop(0.9, 0.1)"])
def test_a_range_that_falls_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(RequestError, match=r"augment: .* goes from least .* to most .*; allowed: least <= most"):
        check(Recipe(augment=text, net="fc"))


def test_floats_beyond_0_to_1_are_refused_and_within_are_changed() -> None:
    t = training(data="digits", augment="randaugment")
    whole = t.data.train.part(0, 64)
    within, beyond = (whole._replace(pixels=whole.pixels / scale) for scale in (255.0, 99.0))
    t.augment.check(within, "mine")
    with pytest.raises(RequestError, match=r"randaugment is for pixels of 8 or 16 bits.* mine are floats from 0 to 2"):
        t.augment.check(beyond, "mine")
    Augment(((AUGMENTS["flip"], {}),), 0).check(beyond, "mine")  # type: ignore[arg-type]
    changed = t.augment(within.pixels, 0)
    assert changed.dtype == torch.float32
    assert 0 <= changed.min() <= changed.max() <= 1


def test_they_are_not_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    from cvtui.engine.train import graph

    monkeypatch.setattr(graph, "AUGMENTED", True)
    assert why_not(training(augment="flip, erasing")) == ""
    assert why_not(training(augment="flip, trivialaugment")) == "trivialaugment changes one image after another"
    assert {name for name, one in AUGMENTS.items() if isinstance(one, AugmentChoice)} | {"resized-crop"} == set(
        TRANSFORMS
    )
