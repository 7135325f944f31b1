"""Recipes of a race: every combination, checked, with one seed."""

from __future__ import annotations

import pytest

from cvtui.compare import expand
from cvtui.errors import RequestError
from cvtui.recipe.recipe import Recipe


def test_every_combination_once() -> None:
    entrants = expand(Recipe(seed=3), {"lr": ["1e-1", "1e-2"], "init": ["he", "xavier", "normal(0.01)"]})
    assert len({(e.checked.recipe.lr, e.checked.recipe.init) for e in entrants}) == len(entrants) == 6
    assert {e.checked.recipe.seed for e in entrants} == {3}
    assert entrants[0].label == "lr 1e-1, init he"


def test_a_single_value_is_no_part_of_the_label() -> None:
    first, second = expand(Recipe(), {"lr": ["1e-1", "1e-2"], "epochs": ["2"]})
    assert (first.label, second.label) == ("lr 1e-1", "lr 1e-2")
    assert first.checked.recipe.epochs == 2


@pytest.mark.parametrize(
    ("lists", "word"),
    [
        ({"lr": ["1e-1", "-1"]}, "lr"),
        ({"lr": ["1e-1", "1e-1"]}, "twice"),
        ({"optimizer": ["adam", "adan"]}, "adam"),
        ({"seed": [str(i) for i in range(201)]}, "200"),
    ],
)
def test_bad_lists_are_refused_in_one_line(lists: dict[str, list[str]], word: str) -> None:
    with pytest.raises(RequestError) as caught:
        expand(Recipe(), lists)
    assert word in caught.value.message
    assert "\n" not in caught.value.message
