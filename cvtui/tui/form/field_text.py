"""A field's text as the form shows it: a choice from a list, and what stands behind it in a field of its own.

`normal(0.02)` is the choice normal and 0.02. A data source has a choice without a table: `folder:PATH` is the choice
folder and a path, `package.module:callable` the choice python and that word.
"""

from __future__ import annotations

from cvtui.recipe.choices.spec import Choice
from cvtui.recipe.datasets.catalog import SOURCES, find_source, source_of_choice
from cvtui.recipe.fields import Field


def summaries(field: Field) -> dict[str, str]:
    """Return {choice: one-line summary} for the list of a choice."""
    if field.table is None:
        return dict.fromkeys(field.allowed, "")
    lines = {name: entry.summary for name, entry in field.table.items()}
    if field.name == "data":
        lines |= {source.choice: source.summary for source in SOURCES if not source.sets}
    return lines


def has_parameters(field: Field, name: str) -> bool:
    """Return True if a field of its own stands beside the choice."""
    if field.name == "data":
        return bool(source_of_choice(name).hint(name))
    entry = (field.table or {}).get(name)
    return isinstance(entry, Choice) and bool(entry.parameters or entry.many)


def needs_parameters(field: Field, name: str) -> bool:
    """Return True for a choice that says nothing alone: `folder` is followed by its path."""
    return field.name == "data" and not source_of_choice(name).sets


def parameters_hint(field: Field, name: str) -> str:
    """Return the placeholder of that field."""
    if field.name == "data":
        return source_of_choice(name).hint(name)
    entry = (field.table or {}).get(name)
    usage = entry.usage() if isinstance(entry, Choice) else ""
    return usage.partition("(")[2].rstrip(")")


def split_text(field: Field, text: str) -> tuple[str, str]:
    """`normal(0.02)` -> ("normal", "0.02"), `folder:a b` -> ("folder", "a b")."""
    source = find_source(text) if field.name == "data" else None
    if source is not None:
        return source.split(text)
    name, _, rest = text.partition("(")
    return name, rest.rpartition(")")[0] or rest


def join_text(field: Field, name: str, more: str) -> str:
    """Join a choice and its parameters: the inverse of `split_text`."""
    if field.name == "data":
        return source_of_choice(name).join(name, more)
    return f"{name}({more})" if more else name
