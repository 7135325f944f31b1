"""Folders of empty images, and what is said where they are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvtui.errors import RequestError
from cvtui.recipe.datasets.facts import facts
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import override


def fill(root: Path, *folders: str, count: int = 4, name: str = "{}.png") -> Path:
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (root / folder / name.format(number)).touch()
    return root


def pets(root: Path, *halves_: str) -> Path:
    return fill(root, *(f"{half}/{name}" for half in halves_ for name in ("cat", "dog")))


def abc(root: Path, train: str, validation: str) -> Path:
    """Fill halves whose classes are named by a letter each."""
    return fill(root, *(f"train/{name}" for name in train), *(f"val/{name}" for name in validation))


def refusal(path: Path, **changes: str) -> str:
    with pytest.raises(RequestError) as caught:
        facts(override(Recipe(), {"data": f"folder:{path}", **changes}))
    assert "\n" not in caught.value.message + caught.value.hint
    return f"{caught.value.message}; {caught.value.hint}"
