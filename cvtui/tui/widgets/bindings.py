"""What classes of the screen bind, and key hints made from it, so that a hint can't name a key that has moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from textual.binding import Binding

from cvtui.tui.widgets.key_bar import spelled

FIRST = ("up", "left", "left_square_bracket")
"""Keys that a hint writes before their counterparts: ↑ ↓, ← →, [ ]."""


def bindings_of(node: type) -> Iterator[Binding]:
    """Yield the bindings of a class, its bases' too where it has them and binds the key to nothing else."""
    taken: set[str] = set()
    for cls in node.__mro__:
        if cls.__module__.startswith("cvtui."):
            own = [
                entry if isinstance(entry, Binding) else Binding(*entry) for entry in cls.__dict__.get("BINDINGS", ())
            ]
            for binding in own:
                if keys := [key for key in binding.key.split(",") if key not in taken]:
                    yield replace(binding, key=",".join(keys))
            taken.update(key for binding in own for key in binding.key.split(","))
            if not cls.__dict__.get("_inherit_bindings", True):
                return  # as Textual: what its bases bind is not bound here


def hint(node: type, **words: str) -> str:
    """Return `↑ ↓: layer · esc: back`: the keys of each action that is named, with its words.

    ValueError for an action that the class binds no key to.
    """
    return " · ".join(f"{keys_for(node, action)}: {text}" for action, text in words.items())


def keys_for(node: type, action: str) -> str:
    """Return the keys of an action, `name` or `name(arguments)`, as a hint writes them.

    The first of each binding, or escape alone. ValueError where there are none.
    """
    keys = [
        binding.key.partition(",")[0]
        for binding in bindings_of(node)
        if action in (binding.action, binding.action.partition("(")[0])
        and binding.description not in ("Page up", "Page down")
    ]
    if not keys:
        raise ValueError(f"{node.__name__} binds no key to {action!r}")
    keys = ["escape"] if "escape" in keys else sorted(dict.fromkeys(keys), key=lambda key: key not in FIRST)
    return spelled(",".join(keys))
