"""A field's text as the form shows it: a choice from a list, and what stands behind it in a field of its own.

`normal(0.02)` is the choice normal and 0.02. Data has choices that no table lists: `folder:PATH` is the choice folder
and a path, `package.module:callable` the choice python and that word.
"""

from __future__ import annotations

from cvtui.recipe.choices.spec import Choice
from cvtui.recipe.datasets.toy_sets import CLASS_RANGE
from cvtui.recipe.fields import Field

FOLDER, PYTHON = "folder", "python"
OPEN: dict[str, tuple[str, str]] = {
    FOLDER: ("your own images, one subfolder a class", "pictures/flowers"),
    PYTHON: ("what a function of yours returns: a Dataset, or two", "package.module:callable"),
}
"""Choices of `data` beyond the table -> (what it is, what stands in its empty field)."""


def summaries(field: Field) -> dict[str, str]:
    """Return {choice: one-line summary} for the list of a choice."""
    if field.table is None:
        return dict.fromkeys(field.allowed, "")
    lines = {name: entry.summary for name, entry in field.table.items()}
    if field.name == "data":
        lines |= {name: summary for name, (summary, _) in OPEN.items()}
    return lines


def has_parameters(field: Field, name: str) -> bool:
    """Return True if a field of its own stands beside the choice."""
    if field.name == "data":
        return name in OPEN or CLASS_RANGE.get(name, (2, 2))[1] > 2
    entry = (field.table or {}).get(name)
    return isinstance(entry, Choice) and bool(entry.parameters or entry.many)


def parameters_hint(field: Field, name: str) -> str:
    """Return the placeholder of that field."""
    if field.name == "data":
        return OPEN[name][1] if name in OPEN else f"classes, 2 to {CLASS_RANGE[name][1]}"
    entry = (field.table or {}).get(name)
    usage = entry.usage() if isinstance(entry, Choice) else ""
    return usage.partition("(")[2].rstrip(")")


def split_text(field: Field, text: str) -> tuple[str, str]:
    """`normal(0.02)` -> ("normal", "0.02"), `folder:a b` -> ("folder", "a b")."""
    if field.name == "data" and ":" in text:
        if text.lower().startswith("folder:"):
            return FOLDER, text.partition(":")[2]
        return PYTHON, text
    name, _, rest = text.partition("(")
    return name, rest.rpartition(")")[0] or rest


def join_text(field: Field, name: str, more: str) -> str:
    """Join a choice and its parameters: the inverse of `split_text`."""
    if field.name == "data" and name == FOLDER:
        return f"folder:{more}"
    if field.name == "data" and name == PYTHON:
        return more if ":" in more else f"{more}:"
    return f"{name}({more})" if more else name
