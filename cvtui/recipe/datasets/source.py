"""Data source: what a recipe's `data` text means, before anything is read.

One object per kind, in `catalog.py`; its reader has the same name in `cvtui.engine.data.loading`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from cvtui.recipe.choices.spec import find, normalized
from cvtui.recipe.datasets.data_facts import DataFacts, at_size
from cvtui.recipe.recipe import Recipe

State = Literal["ready", "missing", "damaged"]


class DataSource:
    """Sets chosen by name (`sets`), or by what stands behind a prefix (`folder:PATH`)."""

    reader: ClassVar[str]
    """Key of its reader in `cvtui.engine.data.loading.READERS`."""
    sets: ClassVar[Mapping[str, DataFacts]] = {}
    """By name; empty for a source with a prefix."""
    prefix: ClassVar[str] = ""
    usage: ClassVar[str] = ""
    """How its text is written: `folder:PATH`."""
    summary: ClassVar[str] = ""
    """One line for the form's list, of a source without `sets`."""
    placeholder: ClassVar[str] = ""
    """An example of what follows the prefix."""
    endings: ClassVar[tuple[str, ...]] = ()
    """Of the files that it reads: a path alone is told which prefix it needs."""
    runs_code: ClassVar[bool] = False
    """Its facts take a process that runs the user's code: they are not asked for at every key."""

    @property
    def choice(self) -> str:
        """The name in the form's list, of a source without `sets`."""
        return self.prefix

    def owns(self, text: str) -> bool:
        """Return True if a data text belongs to this source."""
        word, colon, _ = text.strip().partition(":")
        return word.lower() == self.prefix if colon else normalized(text) in self.sets

    def check(self, text: str, label: str) -> str:
        """Return the text in its own spelling; nothing is opened. RequestError (naming `label`)."""
        return find(text, self.sets, label).name

    def facts(self, recipe: Recipe) -> DataFacts:
        """Return the facts of the whole set, before any selection. RequestError where it is not there."""
        return at_size(self.sets[recipe.data], recipe.size)

    def pictures(self, _recipe: Recipe, /) -> Sequence[str]:
        """Return the paths of training images that lie in files of their own and are brought to the recipe's `size`."""
        return ()

    def folder(self, _text: str, /) -> Path | None:
        """Return the folder of images that the text names (`~` resolved), or None."""
        return None

    def place(self, text: str, /) -> Path | None:
        """Return the path that the text names (`~` resolved), or None. Resume finds it from another folder too."""
        return self.folder(text)

    def moved(self, _text: str, place: Path, /) -> str:
        """Return the text with another path in it."""
        return f"{self.prefix}:{place}"

    def is_there(self, place: Path, /) -> bool:
        """Return True if something of the right kind lies there."""
        return place.is_dir()

    def missing(self, _text: str, _data_dir: str, /) -> str | None:
        """Return one line on what has to be downloaded first and how, or None."""
        return None

    def where(self, _text: str, _data_dir: str, /) -> tuple[str, State]:
        """Return where the set lies, in words, and its state."""
        return "comes with cvtui", "ready"

    def hint(self, _choice: str, /) -> str:
        """Return what the empty field beside the form's choice shows; "" where there is no such field."""
        return self.placeholder

    def split(self, text: str, /) -> tuple[str, str]:
        """Split a text into the form's choice and what stands beside it: `folder:a b` -> ("folder", "a b")."""
        if self.prefix:
            return self.choice, text.partition(":")[2]
        name, _, rest = text.partition("(")
        return name, rest.rpartition(")")[0] or rest

    def join(self, choice: str, more: str, /) -> str:
        """Join the form's choice and what stands beside it: the inverse of `split`."""
        if self.prefix:
            return f"{self.prefix}:{more}"
        return f"{choice}({more})" if more else choice
