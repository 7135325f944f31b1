"""Import a user's own module from the working directory, without hiding Python's modules and installed ones."""

from __future__ import annotations

import importlib
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def import_user_module(name: str) -> ModuleType:
    """Import a module of the working directory, or an installed one. Raises what its code raises.

    The working directory comes first while it is imported, but never for a name of Python's own, and last afterwards
    (imports inside functions). ImportError where its name is taken by a module that is loaded already.
    """
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)
    top = name.partition(".")[0]
    loaded, own = sys.modules.get(top), importlib.machinery.PathFinder.find_spec(top, [here])
    if loaded is not None and own is not None and own.origin and _origin(loaded) != own.origin:
        raise ImportError(f"{top!r} is the name of a module that Python or PyTorch uses: rename {own.origin}")
    finder = _HereFirst(here)
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module(name)
    finally:
        sys.meta_path.remove(finder)


def _origin(module: ModuleType) -> str | None:
    spec = getattr(module, "__spec__", None)
    return spec.origin if spec is not None else None


class _HereFirst:
    """Finder of top-level modules with a file of their own in one folder."""

    def __init__(self, here: str) -> None:
        self._here = here

    def find_spec(self, name: str, path: Sequence[str] | None, _target: Any = None) -> ModuleSpec | None:
        if path is not None or name in sys.stdlib_module_names:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, [self._here])
        return spec if spec is not None and spec.origin else None  # a folder without __init__.py may be anything
