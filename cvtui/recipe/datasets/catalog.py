"""Registry of the data sources, and the sets that have a name."""

from __future__ import annotations

from cvtui.errors import RequestError
from cvtui.recipe.choices.spec import unknown
from cvtui.recipe.datasets.csv_file import CsvFile
from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.datasets.embedded import EmbeddedSets
from cvtui.recipe.datasets.folder_typed import without_prefix
from cvtui.recipe.datasets.image_folder import ImageFolder
from cvtui.recipe.datasets.npz_file import NpzFile
from cvtui.recipe.datasets.parquet_file import ParquetFile
from cvtui.recipe.datasets.source import DataSource
from cvtui.recipe.datasets.tar_shards import TarShards
from cvtui.recipe.datasets.torchvision_sets import TorchvisionSets
from cvtui.recipe.datasets.toy_sets import ToySets
from cvtui.recipe.datasets.user_dataset import UserDataset

_PREFIXED: tuple[DataSource, ...] = (ImageFolder(), CsvFile(), NpzFile(), ParquetFile(), TarShards())

SOURCES: tuple[DataSource, ...] = (
    EmbeddedSets(),
    ToySets(),
    TorchvisionSets(),
    *_PREFIXED,
    UserDataset([source.usage for source in _PREFIXED]),  # takes every other text with a colon
)
"""In the order of every list."""

DATA: dict[str, DataFacts] = {name: facts for source in SOURCES for name, facts in source.sets.items()}
"""The sets that have a name."""


USAGES = tuple(source.usage for source in SOURCES if source.usage)
"""How the others are written: `folder:PATH`."""


def find_source(text: str) -> DataSource | None:
    """Return the source that a data text belongs to; None for a name that is not known."""
    return next((source for source in SOURCES if source.owns(text)), None)


def source_of(text: str, label: str = "data") -> DataSource:
    """Return the source that a data text belongs to. RequestError for a name that is not known, or a bare path."""
    source = find_source(text)
    if source is None:
        fits = next((source for source in SOURCES if text.strip().lower().endswith(source.endings or "\0")), None)
        if fits is not None:
            raise RequestError(f"{label}: {text.strip()!r} needs a prefix: {fits.prefix}:{text.strip()}")
        if wrong := without_prefix(text):
            raise RequestError(f"{label}: {wrong}")
        raise unknown(text, DATA, label, USAGES)
    return source


def source_of_choice(choice: str) -> DataSource:
    """Return the source of an entry of the form's list: a set's name, or `folder`; of any other name the first."""
    return next((source for source in SOURCES if choice in source.sets or choice == source.choice), SOURCES[0])


def check_source(text: str, label: str) -> str:
    """Return a data text in its own spelling. RequestError for what is no set; nothing is opened."""
    return source_of(text, label).check(text, label)
