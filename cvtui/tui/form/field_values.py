"""Form fields as strings (import-light for the first frame; `validation` is loaded after it)."""

from __future__ import annotations

from dataclasses import dataclass

from cvtui.recipe.fields import FIELDS, Value
from cvtui.recipe.recipe import AUTO, Recipe


def to_text(value: Value) -> str:
    """Return a value as it is typed: 0.002, 5e-05, 64."""
    return repr(value) if isinstance(value, float) else str(value)


def field_texts(recipe: Recipe) -> dict[str, str]:
    """Return {field: text} for a recipe."""
    texts = {name: to_text(getattr(recipe, name)) for name in FIELDS}
    return {**texts, "batch_size": "auto"} if recipe.batch_size == AUTO else texts


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a field's text is invalid. `column` (from 0) points into the text, if known."""

    message: str
    hint: str = ""
    column: int | None = None
