"""The sets that come with cvtui, their split, batches and preprocessing."""

from __future__ import annotations

import time

import msgspec
import numpy as np
import pytest
import torch
from torchvision.transforms.v2.functional import center_crop, resize

from cvtui.engine.data import batching, loading
from cvtui.engine.data import images as images_module
from cvtui.engine.data.batching import batches
from cvtui.engine.data.embedded import MAKERS
from cvtui.engine.data.images import Images, Split, channel_stats
from cvtui.engine.data.loading import READERS
from cvtui.engine.data.loading import load as load_recipe
from cvtui.engine.data.preprocess import PREPROCESSES
from cvtui.engine.data.shapes import CLASSES, make_shapes
from cvtui.errors import RequestError
from cvtui.recipe.choices.preprocesses import PREPROCESSES as CHOICES
from cvtui.recipe.datasets.catalog import DATA, SOURCES
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from tests.engine.choosing import preprocess
from tests.engine.making import pixels_of

CPU = torch.device("cpu")


def load(name: str) -> Split:
    return load_recipe(Recipe(data=name))


def test_every_set_of_the_recipe_can_be_loaded_and_is_as_announced() -> None:
    assert set(MAKERS) >= {"digits", "shapes"}
    for name in ("digits", "shapes"):
        data, facts = load(name), DATA[name]
        for images, count in ((data.train, facts.train), (data.validation, facts.validation)):
            assert pixels_of(images).dtype == torch.uint8
            assert tuple(pixels_of(images).shape) == (count, *facts.size)
            assert images.labels.dtype == torch.int64
            assert images.labels.shape == (count,)
            assert set(images.labels.tolist()) == set(range(len(facts.classes)))


def test_a_set_chosen_by_name_is_brought_to_the_size_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    own = load_recipe(Recipe(data="digits", limit=50))
    for text, size in (("16", (16, 16)), ("12x20", (12, 20)), ("5", (5, 5))):
        recipe = Recipe(data="digits", limit=50, size=text)
        assert check(msgspec.structs.replace(recipe, batch_size=10, net="gap-fc")).data.size == (*size, 1)
        for part, before in zip(load_recipe(recipe)[:2], own[:2], strict=True):
            scaled = resize(pixels_of(before).permute(0, 3, 1, 2), [max(size)], antialias=True)
            expected = center_crop(scaled, list(size)).permute(0, 2, 3, 1)
            assert (pixels_of(part).int() - expected.int()).abs().max() <= 1
            assert part.labels.equal(before.labels)
    monkeypatch.setattr(loading, "free_memory", lambda: 500_000)
    with pytest.raises(RequestError, match=r"the images of digits take .* at 64x64, more than half of the free memory"):
        load_recipe(Recipe(data="digits", limit=50, size="64"))
    for text in ("moons", "spiral(3)"):
        with pytest.raises(RequestError, match=r"size: .* has points, no images; leave size empty"):
            check(Recipe(data=text, size="64", net="fc"))


def test_digits_are_scikit_learns_stretched_to_bytes_and_split_by_class() -> None:
    data = load("digits")
    assert pixels_of(data.train).max() == 255
    both = torch.cat([pixels_of(data.train), pixels_of(data.validation)])
    assert len(torch.unique(both.view(1797, -1), dim=0)) == 1797, "no image is in both parts"
    assert set(torch.unique(both).tolist()) == {round(ink * 255 / 16) for ink in range(17)}
    counts = torch.bincount(torch.cat([data.train.labels, data.validation.labels]))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # the UCI set's own
    share = torch.bincount(data.validation.labels) / counts
    assert ((share - 0.2).abs() < 0.006).all()


def test_shapes_follow_from_their_seed_and_are_drawn_within_three_seconds() -> None:
    begun = time.process_time()
    pixels, labels = make_shapes(5000, 1000, seed=0)
    assert time.process_time() - begun < 3.0
    assert torch.equal(torch.from_numpy(pixels[:5000]), pixels_of(load("shapes").train))
    assert np.bincount(labels[:5000]).tolist() == [500] * 10
    assert np.bincount(labels[5000:]).tolist() == [100] * 10
    other, _ = make_shapes(50, 10, seed=1)
    again, _ = make_shapes(50, 10, seed=1)
    assert (other == again).all()
    assert (other != make_shapes(50, 10, seed=2)[0]).any()
    assert DATA["shapes"].classes == CLASSES


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own() -> None:
    images = load("digits").train
    plain = Images(pixels_of(images), torch.arange(images.size))
    first, second = ([batch.labels for batch in batches(plain, 100, 7, epoch)] for epoch in (1, 2))
    assert [len(batch) for batch in first] == [100] * 14 + [37]
    assert torch.equal(torch.cat(first).sort().values, plain.labels)
    assert not torch.equal(torch.cat(first), torch.cat(second))
    assert torch.equal(torch.cat(first), torch.cat([batch.labels for batch in batches(plain, 100, 7, 1)]))
    assert not torch.equal(first[0], next(batches(plain, 100, 6, 2)).labels), "seed + 1 is not epoch + 1"
    later = [batch.labels for batch in batches(plain, 100, 7, 1, first=13)]
    assert [batch.tolist() for batch in later] == [batch.tolist() for batch in first[13:]]


def test_a_batch_holds_the_images_of_its_labels() -> None:
    images = load("shapes").train
    for pixels, labels in batches(images, 64, 0, 1):
        number = int((pixels_of(images) == pixels[0]).flatten(1).all(1).nonzero()[0])
        assert images.labels[number] == labels[0]
        break


@pytest.mark.parametrize("gathered", [1, 500, 1 << 30])
@pytest.mark.parametrize("first", [0, 3])
def test_batches_are_the_same_however_many_are_gathered_at_once(
    monkeypatch: pytest.MonkeyPatch, gathered: int, first: int
) -> None:
    monkeypatch.setattr(images_module, "GATHERED_BYTES", gathered)
    images = Images(torch.arange(50 * 16, dtype=torch.uint8).view(50, 4, 4, 1), torch.arange(50))
    order = batching.epoch_order(50, 7, 2)[first * 8 :]
    found = list(batches(images, 8, 7, 2, first))
    assert [len(batch.labels) for batch in found] == [8] * (6 - first) + [2]
    for place, batch in enumerate(found):
        index = order[place * 8 : place * 8 + 8]
        assert torch.equal(batch.labels, index)
        assert torch.equal(batch.pixels, images.pixels[index])


@pytest.mark.parametrize("name", ["digits", "shapes"])
def test_statistics_are_those_of_the_training_images(name: str) -> None:
    images = load(name).train
    stats = channel_stats(images)
    values = pixels_of(images).double().reshape(-1, pixels_of(images).shape[-1])
    assert stats.mean == pytest.approx(values.mean(0).tolist(), rel=1e-12)
    assert stats.std == pytest.approx(values.std(0, correction=0).tolist(), rel=1e-12)


def test_preprocessing_against_plain_arithmetic() -> None:
    assert {*PREPROCESSES, "weights", "per-image", "zca"} == set(CHOICES)
    data = load("shapes")
    stats = channel_stats(data.train)
    pixels = pixels_of(data.validation)[:50]
    x = pixels.double().permute(0, 3, 1, 2) / 255
    mean = torch.tensor(stats.mean).double().view(1, 3, 1, 1) / 255
    std = torch.tensor(stats.std).double().view(1, 3, 1, 1) / 255
    expected = {"none": x * 255, "scale": x, "centre": x - mean, "standardise": (x - mean) / std}
    for name, oracle in expected.items():
        found = preprocess(name, stats, CPU)(pixels)
        assert found.dtype == torch.float32
        assert found.is_contiguous(memory_format=torch.channels_last)
        assert torch.allclose(found.double(), oracle, atol=2e-6 * float(oracle.abs().max()))
    whole = preprocess("standardise", stats, CPU)(pixels_of(data.train))
    assert torch.allclose(whole.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(whole.std((0, 2, 3)), torch.ones(3), atol=1e-4)


def test_a_channel_that_never_changes_is_only_centred() -> None:
    scale, shift = PREPROCESSES["standardise"](128.0, 0.0, 255.0)
    assert 128 * scale + shift == pytest.approx(0.0)


def test_each_image_by_itself_has_mean_0_and_std_1() -> None:
    data = load("shapes")
    found = preprocess("per-image", channel_stats(data.train), CPU, data.train)(data.train.part(0, 100).pixels)
    values = data.train.part(0, 100).pixels.numpy().astype(np.float64) / 255
    oracle = (values - values.mean((1, 2, 3), keepdims=True)) / values.std((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(found.permute(0, 2, 3, 1).numpy(), oracle, atol=1e-4)
    plain = torch.full((1, 4, 4, 3), 9, dtype=torch.uint8)
    flat = preprocess("per-image", channel_stats(data.train), CPU, data.train)(plain)
    assert torch.equal(flat, torch.zeros(1, 3, 4, 4)), "an image of one colour has nothing to divide by"


def test_whitened_pixels_are_uncorrelated_and_stay_where_they_were() -> None:
    data = load("digits")
    zca = preprocess("zca(1e-6)", channel_stats(data.train), CPU, data.train)
    x = zca(pixels_of(data.train)).permute(0, 2, 3, 1).flatten(1).numpy().astype(np.float64)
    covariance = np.cov(x.T)
    raw = pixels_of(data.train).flatten(1).numpy() / 255.0
    alive = raw.std(0) > 0.05  # a corner that is always white has no variance to bring to 1
    block = covariance[np.ix_(alive, alive)]
    np.testing.assert_allclose(np.diag(block), 1.0, atol=0.02)
    assert np.abs(block - np.diag(np.diag(block))).max() < 0.02
    own = [np.corrcoef(x[:, i], raw[:, i])[0, 1] for i in np.flatnonzero(alive)]
    assert min(own) > 0.2, "zero-phase: each value is still mostly its own pixel's"
    held = zca(pixels_of(data.validation)).permute(0, 2, 3, 1).flatten(1)
    oracle = (pixels_of(data.validation).flatten(1).numpy() / 255.0 - raw.mean(0)) @ zca.state()["matrix"].numpy()
    np.testing.assert_allclose(held.numpy(), oracle, atol=2e-3)


@pytest.mark.parametrize("name", ["blobs", "moons", "circles", "xor", "spiral", "spiral(5)"])
def test_points_on_a_plane_are_data_too(name: str) -> None:
    recipe = Recipe(data=name, net="fc8-tanh-fc", batch_size=50)
    checked, split = check(recipe), load(name)
    assert checked.table.input == (2,)
    assert (split.train.size, split.validation.size) == (checked.data.train, checked.data.validation)
    assert isinstance(split.train, Images)
    assert split.train.pixels.shape == (400, 2)
    counts = torch.bincount(split.train.labels)
    assert len(counts) == len(checked.data.classes)
    assert counts.max() - counts.min() <= 1
    points = preprocess("standardise", channel_stats(split.train), CPU, split.train)(split.train.pixels)
    assert torch.allclose(points.mean(0), torch.zeros(2), atol=1e-5)
    assert torch.allclose(points.std(0, correction=0), torch.ones(2), atol=1e-4)


def test_each_source_has_its_reader() -> None:
    assert set(READERS) == {source.reader for source in SOURCES}
