"""The fields of the form as texts: all that its first frame needs (what judges them, `draft`, is loaded after it)."""

from __future__ import annotations

from dataclasses import dataclass

from cvtui.recipe.fields import FIELDS, Value
from cvtui.recipe.recipe import Recipe


def to_text(value: Value) -> str:
    """A value as somebody would type it: 0.002, 5e-05, 64."""
    return repr(value) if isinstance(value, float) else str(value)


def field_texts(recipe: Recipe) -> dict[str, str]:
    """What stands in each field for this recipe."""
    return {name: to_text(getattr(recipe, name)) for name in FIELDS}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a field can't stay as it is. `column` (from 0) is a place in the field's text, where one can be named."""

    message: str
    hint: str = ""
    column: int | None = None
