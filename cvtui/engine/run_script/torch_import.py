"""Call the watcher as soon as the program has imported torch, and end what it has begun."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cvtui.engine.run_script.watcher import Watcher


class Watched:
    """A program from before its first line on, until `end`."""

    def __init__(self, options: str) -> None:
        self._options = options
        self._process = os.getpid()
        self._place = os.getcwd()
        self._watcher: Watcher | None = None
        self._trouble = ""
        if "torch" in sys.modules:
            self._begin()
        else:
            sys.meta_path.insert(0, _TorchFinder(self._begin))

    def _begin(self) -> None:
        try:
            from cvtui.engine.run_script.options import read
            from cvtui.engine.run_script.watcher import Watcher

            importlib.import_module("cvtui.engine.run_script.session")  # (0.1 s, else in the script's first step)
            self._watcher = Watcher(read(self._options), self._place)
        except Exception as error:  # the script comes first
            self._trouble = f"{type(error).__name__}: {error}"

    def end(self, error: BaseException | None) -> int | None:
        """End the runs; say what was not seen. Return the exit code, where it isn't the script's own."""
        if os.getpid() != self._process:  # a fork that ran on to the end of the script
            return None
        if self._watcher is not None:
            return self._watcher.end(error)
        if self._trouble or error is None:
            why = self._trouble or "this process has not imported torch"
            print(f"cvtui: nothing was watched: {why}", file=sys.stderr)
        return None


class _TorchFinder(MetaPathFinder):
    """Finder that is there until torch is imported."""

    def __init__(self, then: Any) -> None:
        self._then = then

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "torch":
            return None
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _ThenLoader(spec.loader, self._then)
                return spec
        return None


class _ThenLoader(Loader):
    """A module's own loader, and a call once the module is there."""

    def __init__(self, loader: Any, then: Any) -> None:
        self._loader, self._then = loader, then

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._then()
