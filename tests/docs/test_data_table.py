"""The table of docs/data.md, "what I have, what to type, what happens": each row is made, typed and read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from cvtui.errors import RequestError
from cvtui.recipe.datasets.facts import facts
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import override
from tests.make_docs import DOCS

HEADING = "### What I have, what to type, what happens"
PICTURE = Image.new("RGB", (4, 4), (200, 30, 30))


class Row(NamedTuple):
    have: str
    typed: str
    happens: str

    @property
    def paths(self) -> list[str]:
        """What is made; an option of the recipe among them (`--only a,b`) is none."""
        return [word for word in re.findall(r"`([^`]+)`", self.have) if not word.startswith("--")]

    @property
    def options(self) -> dict[str, str]:
        words = [word[2:].split(" ", 1) for word in re.findall(r"`(--[^`]+)`", self.have)]
        return {name.replace("-", "_"): value for name, value in words}


def rows() -> list[Row]:
    text = (DOCS / "data.md").read_text(encoding="utf-8").split(HEADING)[1]
    lines = [line for line in text.split("\n- **")[0].splitlines() if line.startswith("| ")][2:]
    return [Row(*(cell.strip() for cell in line.strip("|").split(" | "))) for line in lines]


def make(path: str) -> None:
    """Four pictures in a folder that ends in /, or one file: a picture by its ending, or a text."""
    for number in range(4 if path.endswith("/") else 1):
        file = Path(path) / f"{number}.png" if path.endswith("/") else Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix in (".png", ".jpg"):
            PICTURE.save(file)
        else:
            file.write_text("x")


MAKERS: dict[str, Callable[[str], None]] = {}
"""How a file with this ending is made for a row of another source (".csv"); `make` makes all others."""


def test_the_table_is_found() -> None:
    assert len(rows()) > 20


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.typed} {row.have}"[:70])
def test_a_row(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in row.paths:
        MAKERS.get(Path(path).suffix, make)(path)
    expected = re.findall(r"`([^`]+)`", row.happens)
    asked = {"data": row.typed.strip("`"), "val_share": "0.25", **row.options}
    if row.happens.startswith("refused"):
        with pytest.raises(RequestError) as caught:
            facts(override(Recipe(), asked))
        told = f"{caught.value.message}; {caught.value.hint}"
    else:
        found = facts(override(Recipe(), asked))
        count = re.match(r"(\d+) classes, (\d+) \+ (\d+) images", row.happens)
        assert count is not None, found
        assert [len(found.classes), found.train, found.validation] == list(map(int, count.groups()))
        told = "; ".join(found.notes)
        assert bool(expected) == bool(found.notes), found.notes
    for words in expected:
        assert words in told
