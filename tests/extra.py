"""Choices that want a package which is not there are skipped, with the reason."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import pytest

from cvtui.recipe.choices.optimizers import OPTIMIZERS


def lacks_library(text: str) -> str:
    """Return the package that an optimizer's words want and that is not installed; "" where nothing is missing."""
    entry = OPTIMIZERS.get(text.partition("(")[0])
    library = entry.library if entry is not None else ""
    return library if library and find_spec(library) is None else ""


def optimizers(texts: Iterable[str] = tuple(OPTIMIZERS), *more: Any) -> list[Any]:
    """Return parameters of a test, one for each optimizer."""
    return [pytest.param(text, *more, marks=skip_without(text), id=text) for text in texts]


def skip_without(text: str) -> pytest.MarkDecorator:
    library = lacks_library(text)
    return pytest.mark.skipif(bool(library), reason=f"{library} is not installed (extra optimizers)")
