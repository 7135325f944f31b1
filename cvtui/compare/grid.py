"""From one recipe and lists of values to the recipes of a race: every combination, each one checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from cvtui.errors import RequestError
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import override
from cvtui.recipe.validation import Checked, check

MOST = 200


@dataclass(frozen=True)
class Entrant:
    label: str
    """What is its own: `lr 0.1`, or `lr 0.1, init xavier`; the rate as it is trained at."""
    checked: Checked
    name: str = ""
    """Of its run folder; empty: the race's own, with a number."""


def expand(recipe: Recipe, lists: Mapping[str, Sequence[str]]) -> list[Entrant]:
    """One entrant for each combination of the values in `lists` (field -> texts), the rest as in `recipe`.

    All keep the recipe's seed, so nets of one shape begin with the same weights and see the same batches. RequestError
    for a value that its field refuses, for values given twice, or for more than 200 combinations.
    """
    for field, texts in lists.items():
        seen: set[str] = set()
        for text in texts:
            if text in seen:
                raise RequestError(f"--{field.replace('_', '-')}: {text!r} is there twice")
            seen.add(text)
    count = 1
    for texts in lists.values():
        count *= len(texts)
    if count > MOST:
        raise RequestError(f"these lists make {count:,} runs; at most {MOST} are allowed")
    varied = [field for field, texts in lists.items() if len(texts) > 1] or list(lists)
    entrants = []
    for texts in product(*lists.values()):
        given = dict(zip(lists, texts, strict=True))
        checked = check(override(recipe, given))
        said = {**given, "lr": f"{checked.lr:g}"} if checked.recipe.scale_lr else given
        label = ", ".join(f"{field.replace('_', ' ')} {said[field]}" for field in varied) or "the recipe"
        entrants.append(Entrant(label, checked))
    return entrants


def split_values(text: str) -> list[str]:
    """`"1e-1, normal(0.01), step(3,6)"` -> its values: commas inside brackets belong to the value."""
    values, depth, start = [], 0, 0
    for place, sign in enumerate(text):
        if sign in "([":
            depth += 1
        elif sign in ")]":
            depth -= 1
        elif sign == "," and depth == 0:
            values.append(text[start:place].strip())
            start = place + 1
    values.append(text[start:].strip())
    return [value for value in values if value]
