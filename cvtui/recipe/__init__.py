"""The room of the recipe: what a run is asked to do, as data, and what can be said about it without training.

Handed on lazily (PEP 562): reading a net expression (`cvtui.recipe.net`) costs neither msgspec nor numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cvtui.recipe.checking import Checked, check
    from cvtui.recipe.choices import Choice, DataFacts, Parameter, parse_choice
    from cvtui.recipe.fields import FIELDS, Field
    from cvtui.recipe.recipe import Recipe
    from cvtui.recipe.schedule import Schedule
    from cvtui.recipe.text import dumps, from_table, load, loads, override

_HOME_OF = {
    "Checked": "checking",
    "check": "checking",
    "override": "text",
    "Choice": "choices",
    "DataFacts": "choices",
    "Parameter": "choices",
    "parse_choice": "choices",
    "FIELDS": "fields",
    "Field": "fields",
    "Recipe": "recipe",
    "Schedule": "schedule",
    "dumps": "text",
    "from_table": "text",
    "load": "text",
    "loads": "text",
}

__all__ = [
    "FIELDS",
    "Checked",
    "Choice",
    "DataFacts",
    "Field",
    "Parameter",
    "Recipe",
    "Schedule",
    "check",
    "dumps",
    "from_table",
    "load",
    "loads",
    "override",
    "parse_choice",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
