"""The sets that come with cvtui, their split, batches and preprocessing."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from cvtui.engine.data import SOURCES, batches, channel_stats, load
from cvtui.engine.preprocess import PREPROCESSES, Preprocess
from cvtui.engine.shapes import CLASSES, make_shapes
from cvtui.recipe.choices import DATA
from cvtui.recipe.choices import PREPROCESSES as CHOICES

CPU = torch.device("cpu")


def test_every_set_of_the_recipe_can_be_loaded_and_is_as_announced() -> None:
    assert set(SOURCES) >= {"digits", "shapes"}
    for name in ("digits", "shapes"):
        data, facts = load(name), DATA[name]
        for images, count in ((data.train, facts.train), (data.validation, facts.validation)):
            assert images.pixels.dtype == torch.uint8
            assert tuple(images.pixels.shape) == (count, *facts.size)
            assert images.labels.dtype == torch.int64
            assert images.labels.shape == (count,)
            assert set(images.labels.tolist()) == set(range(len(facts.classes)))


def test_digits_are_scikit_learns_stretched_to_bytes_and_split_by_class() -> None:
    data = load("digits")
    assert data.train.pixels.max() == 255
    both = torch.cat([data.train.pixels, data.validation.pixels])
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
    assert torch.equal(torch.from_numpy(pixels[:5000]), load("shapes").train.pixels)
    assert np.bincount(labels[:5000]).tolist() == [500] * 10
    assert np.bincount(labels[5000:]).tolist() == [100] * 10
    other, _ = make_shapes(50, 10, seed=1)
    again, _ = make_shapes(50, 10, seed=1)
    assert (other == again).all()
    assert (other != make_shapes(50, 10, seed=2)[0]).any()
    assert DATA["shapes"].classes == CLASSES


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own() -> None:
    images = load("digits").train
    plain = images._replace(labels=torch.arange(images.size))
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
        number = int((images.pixels == pixels[0]).flatten(1).all(1).nonzero()[0])
        assert images.labels[number] == labels[0]
        break


@pytest.mark.parametrize("name", ["digits", "shapes"])
def test_statistics_are_those_of_the_training_images(name: str) -> None:
    images = load(name).train
    stats = channel_stats(images)
    values = images.pixels.double().reshape(-1, images.pixels.shape[-1])
    assert stats.mean == pytest.approx(values.mean(0).tolist(), rel=1e-12)
    assert stats.std == pytest.approx(values.std(0, correction=0).tolist(), rel=1e-12)


def test_preprocessing_against_plain_arithmetic() -> None:
    assert set(PREPROCESSES) == set(CHOICES)
    data = load("shapes")
    stats = channel_stats(data.train)
    pixels = data.validation.pixels[:50]
    x = pixels.double().permute(0, 3, 1, 2) / 255
    mean = torch.tensor(stats.mean).double().view(1, 3, 1, 1) / 255
    std = torch.tensor(stats.std).double().view(1, 3, 1, 1) / 255
    expected = {"none": x * 255, "scale": x, "centre": x - mean, "standardise": (x - mean) / std}
    for name, oracle in expected.items():
        found = Preprocess(name, stats, CPU)(pixels)
        assert found.dtype == torch.float32
        assert found.is_contiguous(memory_format=torch.channels_last)
        assert torch.allclose(found.double(), oracle, atol=2e-6 * float(oracle.abs().max()))
    whole = Preprocess("standardise", stats, CPU)(data.train.pixels)
    assert torch.allclose(whole.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(whole.std((0, 2, 3)), torch.ones(3), atol=1e-4)


def test_a_channel_that_never_changes_is_only_centred() -> None:
    scale, shift = PREPROCESSES["standardise"](128.0, 0.0)
    assert 128 * scale + shift == pytest.approx(0.0)
