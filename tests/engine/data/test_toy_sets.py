"""The toy sets on a plane as data: points as announced, and a small net learns them through the engine."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cvtui.engine.data.toy_sets import TOYS, read_toy
from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.recipe.datasets.toy_sets import CLASS_RANGE, toy_facts
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from tests.engine.making import folder, history

TEXTS = [
    name if classes == usual else f"{name}({classes})"
    for name, (usual, most) in CLASS_RANGE.items()
    for classes in range(2, most + 1)
]


def test_the_table_says_what_the_engine_draws() -> None:
    assert set(TOYS) == set(CLASS_RANGE)


@pytest.mark.parametrize("text", TEXTS)
def test_400_points_to_train_on_and_100_to_validate(text: str) -> None:
    facts, (train, validation, *_) = toy_facts(text), read_toy(text)
    for part, count, counts in ((train, 400, facts.counts()), (validation, 100, facts.held_out())):
        assert part.size == count
        assert torch.bincount(part.labels).tolist() == list(counts)
        assert max(counts) - min(counts) <= 1
        points = part.part(0, count).pixels
        assert points.dtype == torch.float32
        assert points.shape == (count, 2)
        assert not part.are_pictures
        assert points.abs().max() < 3
    both = torch.cat([train.part(0, 400).pixels, validation.part(0, 100).pixels])
    assert len(torch.unique(both, dim=0)) == 500, "no point is in both parts"
    again = read_toy(text)
    assert torch.equal(again.train.part(0, 400).pixels, train.part(0, 400).pixels)


def test_a_number_of_classes_that_can_not_be_is_one_clear_line() -> None:
    for text in ("spiral(6)", "spiral(1)", "moons(3)", "spiral(", "spiral(x)", "xor(2.5)"):
        with pytest.raises(RequestError, match="number of classes"):
            check(Recipe(data=text, net="fc8-tanh-fc"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"augment": "flip"}, "flip changes pictures"),
        ({"preprocess": "per-image"}, "per-image is for pictures"),
        ({"net": "conv4-fc"}, "conv"),
    ],
)
def test_what_is_for_pictures_is_refused(change: dict[str, str], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        check(Recipe(**{"data": "moons", "net": "fc8-tanh-fc", **change}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "preprocess", "at_least", "epochs"),
    [
        ("blobs", "standardise", 0.95, 10),
        ("moons", "zca", 0.9, 10),
        ("circles(3)", "centre", 0.9, 10),
        ("xor", "none", 0.95, 10),
        ("spiral(3)", "scale", 0.7, 30),
    ],
)
def test_a_small_net_learns_them_through_the_engine(
    tmp_path: Path, text: str, preprocess: str, at_least: float, epochs: int
) -> None:
    run = folder(
        tmp_path, data=text, net="fc16-tanh-fc", preprocess=preprocess, epochs=epochs, batch_size=20, lr=0.05,
        weight_decay=0.0, watch_every=50,
    )  # fmt: skip
    assert train_folder(run.path, Signals()) == 0
    found = history(run)
    assert found.state() == "finished"
    assert (found.epochs[-1].val_accuracy or 0) >= at_least
    assert found.pictures == []
    assert found.latest_layers is not None
