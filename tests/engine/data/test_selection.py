"""Subsets, limits, imbalance and noise: as many as announced, the same for one seed, validation untouched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from cvtui.engine.data.images import Split
from cvtui.engine.data.loading import load
from cvtui.engine.data.selection import Noise, changed, noisy, relabelled
from cvtui.engine.data.streaming import Streamed
from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.recipe.datasets.selection import kept_classes, training_counts
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from tests.engine.making import folder, history, pixels_of


def read(**changes: Any) -> Split:
    return load(Recipe(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"only": "3,5,8"},
        {"limit": 100},
        {"imbalance": 0.1},
        {"only": "1, 0", "limit": 33, "imbalance": 0.5},
        {"data": "shapes", "only": "star,disc,7", "limit": 999},
        {"data": "spiral(4)", "limit": 50, "net": "fc"},
    ],
)
def test_the_counts_are_those_that_the_recipe_was_checked_with(changes: dict[str, Any]) -> None:
    facts = check(Recipe(**{"net": "fc", "batch_size": 8, **changes})).data
    split = read(**changes)
    assert split.train.labels.bincount().tolist() == list(facts.counts())
    assert split.validation.labels.bincount().tolist() == list(facts.held_out())


def test_a_subset_keeps_its_images_and_numbers_them_anew() -> None:
    whole, some = read(), read(only="8,3")
    for part, all_of_it in ((some.train, whole.train), (some.validation, whole.validation)):
        places = ((all_of_it.labels == 3) | (all_of_it.labels == 8)).nonzero().flatten()
        assert torch.equal(pixels_of(part), pixels_of(all_of_it)[places])
        assert torch.equal(part.labels, (all_of_it.labels[places] == 8).long()), "in the set's own order"


def test_one_seed_gives_one_selection_and_another_another() -> None:
    first, again, other = read(limit=200), read(limit=200), read(limit=200, seed=1)
    assert torch.equal(pixels_of(first.train), pixels_of(again.train))
    assert not torch.equal(pixels_of(first.train), pixels_of(other.train))
    assert torch.equal(pixels_of(first.validation), pixels_of(read().validation))


def test_noise_names_another_class_for_just_that_share_and_never_in_validation() -> None:
    clean, noised = read(), read(label_noise=0.2)
    wrong = clean.train.labels != noised.train.labels
    assert int(wrong.sum()) == round(0.2 * clean.train.size)
    assert torch.equal(wrong.nonzero().flatten(), changed(clean.train.size, Noise(0.2, 0)))
    assert torch.equal(pixels_of(clean.train), pixels_of(noised.train))
    assert torch.equal(clean.validation.labels, noised.validation.labels)
    assert "287 of 1,437" in noised.notes[0]
    table = torch.zeros(10, 10)
    table.index_put_((clean.train.labels[wrong], noised.train.labels[wrong]), torch.ones(()), accumulate=True)
    assert table.diagonal().sum() == 0
    assert (table.sum(0) > 10).all(), "drawn evenly from all others"


def test_counts_by_hand() -> None:
    assert training_counts([100, 100, 100], 0, 0.01) == [100, 10, 1]
    assert training_counts([50, 30, 20], 10, 1.0) == [5, 3, 2]
    assert training_counts([1000, 1], 10, 1.0) == [9, 1], "a class keeps one image"
    assert sum(training_counts([7, 7, 7], 20, 1.0)) == 20
    with pytest.raises(RequestError, match="less than one image for each of 3 classes"):
        training_counts([7, 7, 7], 2, 1.0)


def test_names_of_classes_may_hold_commas() -> None:
    classes = ("a, x", "b", "caf\u00e9, bar, b")
    assert kept_classes("a, x,b", classes) == [0, 1]
    assert kept_classes(" b, cafe\u0301, bar, b", classes) == [1, 2]
    assert kept_classes("0,1", classes) == [0, 1]


@pytest.mark.parametrize("share", [0.001, 0.5, 1.0])
def test_noise_of_any_share_and_with_two_classes(share: float) -> None:
    clean, noised = read(only="3,8"), read(only="3,8", label_noise=share)
    wrong = clean.train.labels != noised.train.labels
    assert int(wrong.sum()) == round(share * clean.train.size)
    assert set(noised.train.labels.tolist()) == {0, 1}


def test_noise_copies_no_picture_and_spoils_no_later_reading() -> None:
    clean, noised = read(), read(label_noise=0.5)
    assert clean.train.part(0, 1).pixels.data_ptr() == noised.train.part(0, 1).pixels.data_ptr()
    assert torch.equal(read().train.labels, clean.train.labels)


def test_what_is_selected_follows_from_other_numbers_than_what_is_mislabelled() -> None:
    """The limit keeps its images whether or not labels are wrong, and the noise is of those that are left."""
    plain, noised = read(limit=300), read(limit=300, label_noise=0.1)
    assert torch.equal(plain.train.part(0, 300).pixels, noised.train.part(0, 300).pixels)
    assert int((plain.train.labels != noised.train.labels).sum()) == 30


def test_images_that_stay_in_files_are_selected_too() -> None:
    labels = torch.arange(40) % 4
    files = Streamed([f"{number}.png" for number in range(40)], labels, (4, 4), tuple("abcd"), ([0.0], [1.0]))
    mislabelled, count = noisy(files, Noise(0.25, 0), 4)
    assert count == int((mislabelled.labels != labels).sum()) == 10
    kept = relabelled(files, torch.tensor([5, 2]), torch.tensor([1, 0]))
    assert isinstance(kept, Streamed)
    assert (kept.paths, kept.labels.tolist()) == (["5.png", "2.png"], [1, 0])


def test_the_log_counts_the_labels_and_the_record_the_images(tmp_path: Path) -> None:
    run = folder(tmp_path, limit=200, label_noise=0.2, only="1,2,3", epochs=1, batch_size=50)
    assert train_folder(run.path, Signals()) == 0
    found = history(run)
    assert found.run is not None
    assert (found.run.data["train"], found.run.data["classes"]) == (200, ["1", "2", "3"])
    assert any("labels changed: 40 of 200 training labels" in line.text for line in found.logs)
