"""The recipe for fine-tuning that is included."""

from __future__ import annotations

from pathlib import Path

from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import load
from cvtui.recipe.validation import check
from tests.benchmarks.finetune_few import COMMON, TRIED


def test_it_is_the_choice_that_was_measured() -> None:
    found = load(Path(__file__).parents[2] / "assets/recipes/finetune.toml")
    assert check(found).asked == Recipe(**COMMON, **TRIED["backbone 0.3x of 0.005"])
