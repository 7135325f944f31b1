"""Listings of files that hold or name pictures."""

from __future__ import annotations

from pathlib import Path

from cvtui.recipe.datasets.catalog import source_of
from cvtui.recipe.datasets.file_source import ListedSource
from cvtui.recipe.datasets.folder_listing import Listing

STEMS = [f"{place:02d}" for place in range(12)]


LABELS = ["cat", "dog", "fox"] * 4


def listing(text: str, share: float = 0.25) -> Listing:
    source = source_of(text)
    assert isinstance(source, ListedSource)
    return source.listing(source.check(text, "--data"), share, 0)


def labelled(found: Listing) -> dict[str, str]:
    """{name of the file: its class}."""
    return {Path(name.rpartition(":")[2]).stem: found.classes[label] for name, label in found.train + found.validation}
