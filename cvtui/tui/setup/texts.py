"""The fields of the form as texts: all that its first frame needs (what judges them, `draft`, is loaded after it)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cvtui.recipe import Recipe
from cvtui.recipe.fields import FIELDS, Field, Value

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Data", ("data", "preprocess", "batch_size")),
    ("Net", ("net", "init")),
    (
        "Training",
        ("loss", "optimizer", "lr", "momentum", "weight_decay", "schedule", "schedule_per", "warmup", "epochs"),
    ),
    ("Run", ("name", "device", "threads", "precision", "seed", "watch_every", "keep", "save_every", "on_nan")),
)
"""Which fields stand together; a field of the recipe that is named nowhere comes last, under "More"."""


def grouped(fields: Mapping[str, Field] = FIELDS) -> list[tuple[str, list[Field]]]:
    """All fields of the recipe by group, in the form's order."""
    groups = [(title, [fields[name] for name in names if name in fields]) for title, names in GROUPS]
    known = {name for _, names in GROUPS for name in names}
    more = [field for name, field in fields.items() if name not in known]
    return [(title, members) for title, members in [*groups, ("More", more)] if members]


def to_text(value: Value) -> str:
    """A value as somebody would type it: 0.002, 5e-05, 64."""
    return repr(value) if isinstance(value, float) else str(value)


def texts_of(recipe: Recipe) -> dict[str, str]:
    """What stands in each field for this recipe."""
    return {name: to_text(getattr(recipe, name)) for name in FIELDS}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a field can't stay as it is. `column` (from 0) is a place in the field's text, where one can be named."""

    message: str
    hint: str = ""
    column: int | None = None
