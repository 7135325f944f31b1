"""The lab `linear`, and the toy sets."""

from __future__ import annotations

import numpy as np
import pytest

from cvtui.engine.data.toy_sets import TOYS, toy
from cvtui.errors import RequestError
from tests.labs.conftest import Run

pytestmark = pytest.mark.long


@pytest.mark.parametrize("data", ["xor", "circles", "spiral"])
def test_a_line_fails_where_hidden_layers_do_not(run: Run, data: str) -> None:
    result = run("linear", data=data, steps=300)
    assert result.claim_holds is True
    assert result.numbers["accuracy on new points, single layer"] < 0.8
    assert result.numbers["accuracy on new points, MLP"] > 0.95
    assert result.numbers["fitted line"][0] < 0.8
    assert result.numbers["fitted line"][-1] > 0.97


def test_blobs_need_only_a_line(run: Run) -> None:
    result = run("linear", data="blobs", steps=300)
    assert result.numbers["accuracy on new points, single layer"] > 0.97
    assert result.numbers["separable at"] == "the plane"
    assert result.claim_holds is True


def test_the_border_of_a_single_layer_is_straight(run: Run) -> None:
    """Along every row of the map the class changes at most once, whatever the points are."""
    plane = np.array(run("linear", data="circles", steps=100).figures[0].values)  # type: ignore[union-attr]
    changes = np.abs(np.diff((plane > 0.5).astype(int), axis=1)).sum(axis=1)
    assert changes.max() <= 1


def test_more_classes(run: Run) -> None:
    result = run("linear", data="spiral", classes=4, steps=500, points=400)
    assert result.numbers["accuracy on new points, MLP"] > 0.8
    assert len(result.figures[0].points) == 4  # type: ignore[union-attr]


@pytest.mark.parametrize("name", list(TOYS))
def test_toys_repeat_and_are_balanced(name: str) -> None:
    x, y = toy(name, 400, seed=3)
    again, _ = toy(name, 400, seed=3)
    other, _ = toy(name, 400, seed=4)
    assert x.dtype == np.float32
    assert y.dtype == np.int64
    assert x.shape == (400, 2)
    assert np.array_equal(x, again)
    assert not np.array_equal(x, other)
    counts = np.bincount(y)
    assert counts.max() - counts.min() <= 1
    assert np.abs(x).max() < 2.2


def test_xor_is_xor() -> None:
    x, y = toy("xor", 500, noise=0.0)
    assert np.array_equal((x[:, 0] * x[:, 1] < 0).astype(int), y)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("xro", 10), "did you mean 'xor'?"),
        (("xor", 10, 0, 0.1, 3), "xor has no 3 classes; allowed: 2"),
        (("spiral", 10, 0, 0.1, 9), "allowed: 2 to 5"),
        (("moons", 10, 0, -1.0), "noise 0 to 10"),
        (("moons", 1), "allowed: 2 points or more"),
    ],
)
def test_toys_refuse_what_cannot_be(arguments: tuple[str, int], words: str) -> None:
    with pytest.raises(RequestError, match=words.replace("?", r"\?")):
        toy(*arguments)
